"""Dimension reduction as the best pair of a linear encoder and a linear decoder: PCA of a few points, by hand.

    code(p) = (p - m)^T u        decoded = m + code u        ||u|| = 1

Among all directions u through the mean m, the first eigenvector of the covariance has the least squared error; that
error is the sum of the other eigenvalues, times the number of points (Pearson 1901).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from vae_core.errors import ConfigError

# The lecture's five points A to E.
POINTS: Float64[np.ndarray, "5 2"] = np.array(
    [[-0.50, -0.40], [-0.40, -0.10], [0.10, 0.00], [0.30, 0.30], [0.50, 0.20]]
)


@dataclass(frozen=True, eq=False)
class Reduction:
    """Points of the plane, encoded to one number each along a direction, and decoded."""

    centre: Float64[np.ndarray, "2"]  # m, the mean
    direction: Float64[np.ndarray, "2"]  # u, of length 1, with the first coordinate at least 0
    codes: Float64[np.ndarray, " n"]
    decoded: Float64[np.ndarray, "n 2"]
    errors: Float64[np.ndarray, " n"]  # squared distance of each point from what it decodes to

    @property
    def error(self) -> float:
        """Sum of the squared errors."""
        return float(self.errors.sum())


@dataclass(frozen=True, eq=False)
class Principal:
    """PCA's steps: the covariance, its eigenvalues, falling, its eigenvectors as columns, the reduction to one number."""

    covariance: Float64[np.ndarray, "2 2"]  # with 1/n
    variances: Float64[np.ndarray, "2"]
    axes: Float64[np.ndarray, "2 2"]
    reduction: Reduction


def principal(points: Float64[np.ndarray, "n 2"]) -> Principal:
    """Return the principal components of points in the plane.

    Raises:
        ConfigError: there are fewer than 2, one is not finite, or all are at one place.
    """
    _check(points)
    centred = points - points.mean(0)
    covariance = centred.T @ centred / len(points)
    rising, vectors = np.linalg.eigh(covariance)
    if rising[-1] <= 0:
        raise ConfigError("All points are at one place, so no direction is the principal one; move one.")
    axes = vectors[:, ::-1] * _signs(vectors[:, ::-1])
    return Principal(covariance, rising[::-1].copy(), axes, _reduced(points, axes[:, 0]))


def along(points: Float64[np.ndarray, "n 2"], angle: float) -> Reduction:
    """Return the same points reduced along any direction, `angle` radians from the first axis.

    Raises:
        ConfigError: there are fewer than 2 points, or one is not finite.
    """
    _check(points)
    direction = np.array([[np.cos(angle)], [np.sin(angle)]])
    return _reduced(points, (direction * _signs(direction))[:, 0])


def _reduced(points: Float64[np.ndarray, "n 2"], direction: Float64[np.ndarray, "2"]) -> Reduction:
    centre = points.mean(0)
    codes = (points - centre) @ direction
    decoded = centre + codes[:, None] * direction
    return Reduction(centre, direction, codes, decoded, np.square(points - decoded).sum(1))


def _signs(vectors: Float64[np.ndarray, "2 k"]) -> Float64[np.ndarray, " k"]:
    """An axis has no sign; we let it point to the right, and straight up where it cannot."""
    leading = np.where(np.abs(vectors[0]) > 1e-12, vectors[0], vectors[1])
    return np.where(leading < 0, -1.0, 1.0)


def _check(points: Float64[np.ndarray, "n 2"]) -> None:
    if len(points) < 2 or not np.isfinite(points).all():
        raise ConfigError(f"points has {len(points)} rows; PCA takes at least 2, all of them finite.")
