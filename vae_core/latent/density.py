"""How densely codes lie around each code, and the points that stand out by a figure."""

import math

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer

from vae_core.errors import ConfigError, DataError
from vae_core.latent.neighbours import CodeIndex

NEIGHBOURS = 15  # log density varies by about 1 / sqrt(15) nats about its mean


def log_density(
    codes: Float[np.ndarray, "n latent"],
    query: Float[np.ndarray, "m width"] | None = None,
    k: int = NEIGHBOURS,
) -> Float64[np.ndarray, " points"]:
    """Estimate log q(z) in nats at each query, or at each code from the others; the lowest are outliers.

    The k-nearest-neighbour estimator of Loftsgaarden & Quesenberry (1965): with r the distance to the k-th
    nearest of n codes, q is near P / V, where V = pi^(D/2) / Gamma(D/2 + 1) r^D is the volume of the ball and
    P the probability within it. E[log P] = digamma(k) - digamma(n + 1) whatever q is (Kozachenko & Leonenko
    1987), so minus the mean over the codes themselves is their estimate of the entropy.

    Where the k nearest coincide with the point, r is 0 and the density would be infinite: such a point takes the
    smallest r above 0 among the points asked for, or the spacing of float32 numbers as large as the codes.

    Raises `CodeError` for NaN or infinity, `ConfigError` for a k below 1 or beyond the number of (other) codes.
    """
    others = len(codes) - (query is None)
    if not 1 <= k <= others:
        raise ConfigError(
            f"k is {k}, but must be between 1 and {others}, the number of codes a point can have as neighbours."
        )
    index = CodeIndex.of(codes)
    if query is None:  # each code is its own nearest, at distance 0
        radius = index.nearest(codes, k + 1).distances[:, -1]
    else:
        radius = index.nearest(query, k).distances[:, -1]
    latent = codes.shape[1]
    log_volume: np.ndarray = _log_ball(latent) + latent * np.log(_above_zero(radius, codes))
    return _log_mass(k, others) - log_volume


def worst(
    values: Float[np.ndarray, " n"], labels: Integer[np.ndarray, " n_labels"] | None = None, count: int = 10
) -> dict[int | None, Int64[np.ndarray, " found"]]:
    """Return the indices of the `count` highest values of each label, the highest first; equal ones in index order.

    Without labels all points share the label None. Pass reconstruction errors as they are and densities negated.
    Raises `DataError` for NaN or labels of another length, `ConfigError` for a count below 1.
    """
    if count < 1:
        raise ConfigError(f"count is {count}, but must be at least 1.")
    if broken := int(np.isnan(values).sum()):
        raise DataError(f"values holds NaN in {broken} of {len(values)} places; leave these points out.")
    order = np.argsort(-values, kind="stable")
    if labels is None:
        return {None: order[:count]}
    if len(labels) != len(values):
        raise DataError(
            f"labels has {len(labels)} entries for {len(values)} values; pass one label for each value."
        )
    sorted_labels = labels[order]
    return {int(label): order[sorted_labels == label][:count] for label in np.unique(labels)}


def _log_mass(k: int, n: int) -> float:
    """Return E[log P] of the probability P within the distance of the k-th nearest of n draws."""
    return -sum(1 / i for i in range(k, n + 1))  # digamma(k) - digamma(n + 1)


def _log_ball(latent: int) -> float:
    """Return the log volume of the unit ball."""
    return latent / 2 * math.log(math.pi) - math.lgamma(latent / 2 + 1)


def _above_zero(
    radius: Float64[np.ndarray, " points"], codes: Float[np.ndarray, "n latent"]
) -> Float64[np.ndarray, " points"]:
    positive = radius[radius > 0]
    largest = np.float32(np.abs(codes).max())
    least = positive.min() if len(positive) else float(np.spacing(largest))
    floored: np.ndarray = np.maximum(radius, least)
    return floored
