"""Linear models as subspaces of the space of images: what a decoder spans, angles between two spans, PCA's errors.

from vae_core.latent.subspaces import basis_of, principal_angles

a, b = (basis_of(lambda z: model.decode(z).mean, model.latent_dim) for model in models)
principal_angles(a, b)

A linear autoencoder with squared error ends in the span of the first principal components (Baldi & Hornik 1989), and
so does a linear VAE (Lucas et al. 2019); its own axes within that span may be any.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from vae_core.errors import DataError, MeasureError

REACH = 3.0  # a decoder is tried at codes so far from 0, where nearly all of a prior's mass lies
CURVED = 1e-3  # of the picture's change that a plane does not explain; rounding in float32 is below 1e-5
EMPTY = 1e-6  # of the largest singular value: below, a latent dimension adds nothing

Decode = Callable[[Float32[Tensor, "n latent"]], Float32[Tensor, "n *shape"]]


def directions_of(decode: Decode, latent: int) -> Float64[np.ndarray, "pixels latent"]:
    """Return what one unit of each latent dimension adds to the image that a linear decoder makes, flattened.

    Args:
        decode: codes to mean images.
        latent: width of a code.

    Raises:
        MeasureError: the decoder is curved.
    """
    origin, unit = torch.zeros(1, latent), torch.eye(latent)
    # Far codes on all axes at once, both ways: a map that is a plane there is one everywhere between.
    signs = torch.ones(latent)
    signs[1::2] = -1
    tried = torch.cat([REACH * unit, REACH * signs[None], -REACH * torch.ones(1, latent)])
    with torch.inference_mode():
        images = decode(torch.cat([origin, unit, tried])).flatten(1).double()
    centre, found = images[0], images[1 : latent + 1] - images[0]
    expected, changed = tried.double() @ found, images[latent + 1 :] - centre
    if (changed - expected).norm() > CURVED * changed.norm():
        raise MeasureError(
            "This decoder is curved, so that its images fill no plane; only a linear one with a gaussian likelihood, "
            "as PCA and the linear autoencoder have, spans a subspace."
        )
    directions: Float64[np.ndarray, "pixels latent"] = found.T.numpy()
    return directions


def basis_of(decode: Decode, latent: int) -> Float64[np.ndarray, "pixels latent"]:
    """Return orthonormal columns that span what a linear decoder can add to its image of z = 0.

    Raises:
        MeasureError: the decoder is curved, or a latent dimension adds nothing to the others.
    """
    left, singular, _ = np.linalg.svd(directions_of(decode, latent), full_matrices=False)
    rank = int((singular > EMPTY * singular.max()).sum()) if singular.max() > 0 else 0
    if rank < latent:
        raise MeasureError(
            f"This decoder spans {rank} dimensions with {latent} latent ones; train it longer, or with a smaller "
            "latent_dim."
        )
    basis: Float64[np.ndarray, "pixels latent"] = left
    return basis


def principal_angles(
    a: Float[np.ndarray, "pixels_a latent_a"], b: Float[np.ndarray, "pixels_b latent_b"]
) -> Float64[np.ndarray, " angles"]:
    """Return the angles between the columns' spans in degrees, rising; as many as the smaller span has dimensions.

    All are 0 where one span holds the other; the last is the largest (Bjorck & Golub 1973; Knyazev & Argentati 2002).

    Raises:
        MeasureError: the columns have different lengths.
    """
    from scipy.linalg import orth  # only where it is needed: pages must not wait for it

    _check_pair(a, b)
    narrow, wide = sorted((orth(a), orth(b)), key=lambda basis: basis.shape[1])
    inside = wide.T @ narrow
    cosines = np.linalg.svd(inside, compute_uv=False)
    sines = np.linalg.svd(narrow - wide @ inside, compute_uv=False)[::-1]
    # Cosines do not tell small angles apart, nor sines those near 90 degrees; together they are exact to rounding.
    angles: Float64[np.ndarray, " angles"] = np.degrees(np.arctan2(sines, cosines))
    return angles


def principal_vectors(
    a: Float64[np.ndarray, "pixels_a latent_a"], b: Float64[np.ndarray, "pixels_b latent_b"]
) -> tuple[Float64[np.ndarray, "pixels_a angles"], Float64[np.ndarray, "pixels_b angles"]]:
    """Return unit vectors of both spans in pairs, the closest pair first: those that `principal_angles` lie between.

    Args:
        a, b: with orthonormal columns, as `basis_of` returns them.

    Raises:
        MeasureError: the columns have different lengths.
    """
    _check_pair(a, b)
    left, _, right = np.linalg.svd(a.T @ b, full_matrices=False)
    return a @ left, b @ right.T


def pca_errors(
    fitted: Float32[Tensor, "n *shape"], examples: Float32[Tensor, "m *other"], up_to: int, seed: int = 0
) -> Float64[np.ndarray, " widths"]:
    """Return the error of PCA with d = 0, 1, ..., up_to components, from one decomposition.

    Components are nested, so that each takes its squared score off the error of the ones before.

    Args:
        fitted: the examples that the components are found on; scikit-learn chooses the solver by their size.
        examples: those whose reconstructions are judged.
        up_to: the most components, at most as many as `fitted` has examples or numbers.
        seed: of the randomized solver, which large examples take.

    Returns:
        (up_to + 1,), the mean over examples and pixels of (x - reconstruction)^2; d = 0 is the mean image.

    Raises:
        DataError: there are too few examples, or theirs are of two shapes.
    """
    known, judged = fitted.flatten(1).numpy(), examples.flatten(1).numpy()
    if known.shape[1] != judged.shape[1] or not len(judged):
        raise DataError(
            f"fitted has examples of {known.shape[1]} numbers and examples {len(judged)} of {judged.shape[1]}; "
            "take both from one dataset."
        )
    if not 1 <= up_to <= min(known.shape):
        raise DataError(
            f"up_to = {up_to} is no number of components of {len(known)} examples of {known.shape[1]} numbers; "
            f"use 1 to {min(known.shape)}."
        )
    from sklearn.decomposition import PCA

    solved = PCA(up_to, random_state=seed).fit(known)
    centred = judged.astype(np.float64) - solved.mean_
    scores = centred @ solved.components_.T.astype(np.float64)
    left_over = np.square(centred).sum() - np.square(scores).sum(0).cumsum()
    errors: Float64[np.ndarray, " widths"] = np.append(np.square(centred).sum(), left_over) / judged.size
    return errors.clip(min=0)  # all components leave nothing but rounding


def _check_pair(a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise MeasureError(
            f"The images of the two models have {len(a)} and {len(b)} numbers; compare models of the same data."
        )
