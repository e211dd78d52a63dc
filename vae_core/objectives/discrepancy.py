"""The maximum mean discrepancy between codes and prior, from draws of both (Gretton et al. 2012)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # a sum of kernels sees differences near and far

Kernel = Callable[[Tensor, int], Tensor]  # squared distances and the dimension of the space -> similarities


def mmd(
    z: Float[Tensor, "batch latent"], prior: Float[Tensor, "batch latent"], kernel: Kernel | None = None
) -> Float[Tensor, ""]:
    """Return the unbiased estimate of MMD^2 between the distributions that z and `prior` were drawn from.

    E k(z, z') + E k(p, p') - 2 E k(z, p), without the pairs of a point with itself (Gretton et al. 2012, lemma 6;
    Tolstikhin et al. 2018, algorithm 2). It is 0 on average where the two are the same, so single values may be
    negative; 0 also for a single point, which has no pair.
    """
    count, width = z.shape
    if count < 2:
        return z.sum() * 0
    similarity = kernel or inverse_multiquadratic
    within = sum(_off_diagonal(similarity(_squared_distances(a, a), width)) for a in (z, prior))
    across = similarity(_squared_distances(z, prior), width).mean()
    return within / (count * (count - 1)) - 2 * across


def inverse_multiquadratic(squared: Float[Tensor, "n m"], width: int) -> Float[Tensor, "n m"]:
    """Return sum_s C / (C + squared distance) with C = 2 D s: heavy tails, so that far codes still feel a pull.

    2 D is the expected squared distance of two draws from the prior in D = `width` dimensions (Tolstikhin et al.
    2018, section 4, with the scales s of their published experiments).
    """
    scales = 2 * width * squared.new_tensor(SCALES)[:, None, None]
    return (scales / (scales + squared)).sum(0)


def _off_diagonal(similarities: Tensor) -> Tensor:
    return similarities.sum() - similarities.diagonal().sum()


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by matrix products: they lose what is close, and more so in mixed precision.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()
