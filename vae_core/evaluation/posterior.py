"""The true posterior p(z|x) and evidence log p(x) of one example, for models with one or two latent dimensions.

    p(z|x) = p(x|z) p(z) / p(x)        p(x) = integral of p(x|z) p(z) dz        p(z) = N(0, I)
    log p(x) = ELBO(x) + KL(q(z|x) || p(z|x))          (Kingma & Welling 2014, equation 1)

So the encoder's q(z|x) is exactly as far from the true posterior as its bound is from the evidence. Everything is in
nats, of one example x at a time: (1, *data_shape), as `encode` takes it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.special import logsumexp
from torch import Tensor

from vae_core.errors import PosteriorError
from vae_core.evaluation.quadrature import Integral, LogDensity, integrate
from vae_core.models import LatentModel, PointMass
from vae_core.objectives import gaussian_kl

CHUNK = 256  # codes decoded at a time
HALF = 6.0  # the prior's mass beyond it is 4e-9
SIDE = 96  # cells of the heat map
SHOWN = 1e-4  # share of the posterior's mass that may lie outside of the heat map
CLOSE = 1e-3  # nats within which two resolutions of one integral must agree
PANELS = (8, 16, 32, 64)  # of Gauss-Legendre quadrature a side, until it settles
GRIDS = (32, 64, 128, 256)  # points of even grids a side, until they settle
REACH = 8.0  # standard deviations of q on both sides


@dataclass(frozen=True, eq=False)
class Encoded:
    """q(z|x) = N(mean, diag(std^2)) of one example."""

    mean: Float[Tensor, " latent"]
    std: Float[Tensor, " latent"]


@dataclass(frozen=True, eq=False)
class Exact:
    """p(z|x) by quadrature; `log_posterior[i, j]` is its logarithm at (axes[0][i], axes[1][j])."""

    log_evidence: float  # log p(x)
    moved: float  # nats by which log p(x) moved when the cells were last made finer
    mean: Float64[np.ndarray, " latent"]
    covariance: Float64[np.ndarray, "latent latent"]
    axes: tuple[Float64[np.ndarray, " cells"], ...]  # centres of the heat map's cells, one array a dimension
    log_posterior: Float64[np.ndarray, "*cells"]
    integral: Integral  # the points that log p(x) was summed at


@dataclass(frozen=True)
class Identity:
    """log p(x) = ELBO + KL(q(z|x) || p(z|x)): three figures, none of which was computed from another."""

    log_evidence: float
    elbo: float
    kl_to_true: float

    @property
    def difference(self) -> float:
        """log p(x) - ELBO - KL: how well it closes."""
        return self.log_evidence - self.elbo - self.kl_to_true


def encoded(model: LatentModel, x: Float[Tensor, "..."]) -> Encoded:
    """Return q(z|x) of the one example in x; a model without one is a `PosteriorError`."""
    if tuple(x.shape) != (1, *model.data_shape):
        raise PosteriorError(
            f"x has shape {tuple(x.shape)}; a posterior is of one example, (1, *{model.data_shape}): give x[i : i + 1]."
        )
    with torch.inference_mode(False), torch.no_grad():
        q = model.encode(x.clone())
        if isinstance(q, PointMass):
            raise PosteriorError(
                "This model encodes an example to a point and has no prior, so there is no posterior p(z|x); "
                "choose a VAE."
            )
        mean, std = q.mean[0].clone(), q.stddev[0].clone()
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
        raise PosteriorError(
            "q(z|x) is not finite for this example; check that x is in the range the model takes."
        )
    return Encoded(mean, std)


def log_joint(
    model: LatentModel, x: Float[Tensor, "1 *shape"], codes: Float[Tensor, "n latent"]
) -> Float64[Tensor, " n"]:
    """Return log p(x|z) + log p(z) at each code; gradients flow to the codes."""
    return log_likelihood(model, x, codes) + log_prior(codes)


def log_likelihood(
    model: LatentModel, x: Float[Tensor, "1 *shape"], codes: Float[Tensor, "n latent"]
) -> Float64[Tensor, " n"]:
    """Return log p(x|z) of the one example at each code."""
    # The codes as the model takes them: in the type of the data, float32 for every model of ours.
    parts = [model.decode(part).log_prob(x) for part in codes.to(x.dtype).split(CHUNK)]
    return torch.cat(parts).double()


def log_prior(codes: Float[Tensor, "n latent"]) -> Float64[Tensor, " n"]:
    """Return log N(z; 0, I)."""
    return -0.5 * (codes.double().square() + math.log(2 * math.pi)).sum(-1)


def exact(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Exact:
    """Return p(z|x) and log p(x) by adaptive quadrature; every mode counts, not only the one that q found.

    Raises:
        PosteriorError: the model has no posterior, or more than two latent dimensions.
        Stopped: `should_stop` said so.
    """
    q = encoded(model, x)
    _check_dimensions(model)
    half = max(HALF, float((q.mean.abs() + REACH * q.std).max()))
    integral = integrate(_joint(model, x), model.latent_dim, half, on_progress, should_stop)
    mean, covariance = integral.moments()
    axes = _axes(*window(integral, q), SIDE)
    return Exact(
        integral.log_value,
        integral.moved,
        mean,
        covariance,
        axes,
        heat_map(model, x, integral.log_value, axes),
        integral,
    )


def heat_map(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    log_evidence: float,
    axes: tuple[Float64[np.ndarray, " _"], ...],
) -> Float64[np.ndarray, "*cells"]:
    """Return log p(z|x) at every point of a grid: [i, j] at (axes[0][i], axes[1][j])."""
    codes = _grid(axes)
    return (_joint(model, x)(codes) - log_evidence).reshape([len(axis) for axis in axes])


def window(
    integral: Integral, q: Encoded
) -> tuple[Float64[np.ndarray, " latent"], Float64[np.ndarray, " latent"]]:
    """Return low and high corner of a square with almost all of the posterior's mass and q's 3 sigma in it."""
    points = integral.heavy(SHOWN)
    mean, std = q.mean.double().cpu().numpy(), q.std.double().cpu().numpy()
    low = np.minimum(points.min(0), mean - 3 * std)
    high = np.maximum(points.max(0), mean + 3 * std)
    middle, half = (low + high) / 2, 0.55 * float((high - low).max())
    return middle - half, middle + half


def identity(model: LatentModel, x: Float[Tensor, "1 *shape"], found: Exact | None = None) -> Identity:
    """Return log p(x), the ELBO and KL(q(z|x) || p(z|x)), each by an integral of its own.

    log p(x) is the sum over `exact`'s cells (`found`, if it is there already). The ELBO is E_q[log p(x|z)] by
    Gauss-Legendre quadrature minus the closed form of KL(q || prior). KL(q || p(z|x)) is summed over even grids: one
    around q for E_q[log q(z|x) - log p(x, z)], and one over the posterior's mass for the constant that makes p(x, z) a
    density in z.
    """
    found = exact(model, x) if found is None else found
    q = encoded(model, x)
    return Identity(found.log_evidence, elbo(model, x, q), _kl_to_true(model, x, q, found))


def elbo(model: LatentModel, x: Float[Tensor, "1 *shape"], q: Encoded) -> float:
    """Return E_q[log p(x|z)] - KL(q || N(0, I)) of any diagonal Gaussian q, for one or two latent dimensions.

    The expectation is by Gauss-Legendre quadrature over panels. Gauss-Hermite would be the rule for smooth functions,
    but log p(x|z) can be too rough for it: of an empty picture under `mnist-vae-2d` it was still 3e-3 nats off with
    160 nodes a side, where 64 panels are right to 1e-5.
    """
    _check_dimensions(model)
    mean, std = (tensor.double().cpu().numpy() for tensor in (q.mean, q.std))

    def reconstruction(panels: int) -> float:
        side, weights = _gauss_legendre(panels)
        codes = mean + std * _grid((side,) * len(mean))
        return float(_grid((weights,) * len(mean)).prod(1) @ _likelihood(model, x)(codes))

    kl = gaussian_kl(q.mean[None].double(), q.std[None].double()).sum()
    return _settled(reconstruction, PANELS) - float(kl)


def _gauss_legendre(panels: int) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Nodes and weights for expectations under N(0, 1), over equal panels of [-REACH, REACH] with 3 nodes each."""
    nodes, weights = np.polynomial.legendre.leggauss(3)
    width = 2 * REACH / panels
    middles = (np.arange(panels) + 0.5) * width - REACH
    side = (middles[:, None] + nodes * width / 2).ravel()
    density = np.tile(weights, panels) * np.exp(-0.5 * side**2)
    return side, density / density.sum()


def _kl_to_true(model: LatentModel, x: Tensor, q: Encoded, found: Exact) -> float:
    joint = _joint(model, x)
    mean, std = (tensor.double().cpu().numpy() for tensor in (q.mean, q.std))

    def unnormalised(points: int) -> float:
        side = np.linspace(-REACH, REACH, points)
        white = _grid((side,) * len(mean))
        log_q = -0.5 * (white**2 + math.log(2 * math.pi)).sum(1)  # of the whitened code
        shares = np.exp(log_q - logsumexp(log_q))
        return float(shares @ (log_q - np.log(std).sum() - joint(mean + std * white)))

    return _settled(unnormalised, GRIDS) + _evidence_of_its_own(joint, found)


def _evidence_of_its_own(joint: LogDensity, found: Exact) -> float:
    """log p(x) again, on even grids along the posterior's principal axes around all of its mass."""
    _, axes = np.linalg.eigh(found.covariance)
    points = found.integral.heavy(1e-9) @ axes
    low, high = points.min(0), points.max(0)
    low, high = low - 0.05 * (high - low) - 1e-6, high + 0.05 * (high - low) + 1e-6

    def evidence(count: int) -> float:
        sides = tuple(np.linspace(a, b, count) for a, b in zip(low, high, strict=True))
        steps = (high - low) / (count - 1)
        return float(logsumexp(joint(_grid(sides) @ axes.T)) + np.log(steps).sum())

    return _settled(evidence, GRIDS)


def _settled(figure: Callable[[int], float], counts: tuple[int, ...]) -> float:
    """The figure at the first count of points that agrees with the one before, or at the last."""
    before = math.inf
    for count in counts:
        value = figure(count)
        if abs(value - before) < CLOSE:
            break
        before = value
    return value


def _joint(model: LatentModel, x: Tensor) -> LogDensity:
    likelihood = _likelihood(model, x)
    return lambda codes: likelihood(codes) - 0.5 * (codes**2 + math.log(2 * math.pi)).sum(1)


def _likelihood(model: LatentModel, x: Tensor) -> LogDensity:
    def log_density(codes: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            z = torch.from_numpy(codes).to(x.device, x.dtype)
            return log_likelihood(model, x, z).cpu().numpy()

    return log_density


def _axes(low: np.ndarray, high: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    middles = (np.arange(count) + 0.5) / count
    return tuple(a + (b - a) * middles for a, b in zip(low, high, strict=True))


def _grid(sides: tuple[np.ndarray, ...]) -> Float64[np.ndarray, "n dims"]:
    return np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, len(sides))


def _check_dimensions(model: LatentModel) -> None:
    if model.latent_dim not in (1, 2):
        raise PosteriorError(
            f"The model has {model.latent_dim} latent dimensions; quadrature takes at most 2: sample the posterior by "
            "NUTS, or bound log p(x) by importance weighting."
        )
