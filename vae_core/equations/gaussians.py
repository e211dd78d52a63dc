"""The Kullback-Leibler divergence between two Gaussians in k dimensions, in nats, term by term.

    KL(N(m0, S0) || N(m1, S1)) = 1/2 [ tr(S1^-1 S0) + (m1 - m0)^T S1^-1 (m1 - m0) - k + ln(det S1 / det S0) ]

The VAE's own case, S0 diagonal and N(m1, S1) = N(0, I), falls apart into dimensions (Kingma & Welling 2014,
appendix B): KL = sum_d (m_d^2 + s_d^2 - 1) / 2 - ln s_d.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import cho_solve, solve_triangular

from vae_core.errors import ConfigError

Vector = Float64[np.ndarray, " k"]
Matrix = Float64[np.ndarray, "k k"]


@dataclass(frozen=True)
class Divergence:
    """The four terms of KL(N0 || N1) as they stand in the bracket."""

    trace: float  # tr(S1^-1 S0): k where the two are equally wide
    distance: float  # (m1 - m0)^T S1^-1 (m1 - m0): 0 where they have one centre
    dimensions: int  # k
    log_determinants: float  # ln(det S1 / det S0): 0 where they are equally large

    @property
    def kl(self) -> float:
        """KL(N0 || N1) in nats, at least 0."""
        return 0.5 * (self.trace + self.distance - self.dimensions + self.log_determinants)


def kl(mean0: Vector, covariance0: Matrix, mean1: Vector, covariance1: Matrix) -> Divergence:
    """Return the terms of KL(N(mean0, covariance0) || N(mean1, covariance1)).

    Raises:
        ConfigError: a covariance is not symmetric and positive definite, or something is not finite.
    """
    root0, root1 = cholesky(covariance0, "covariance0"), cholesky(covariance1, "covariance1")
    if not (np.isfinite(mean0).all() and np.isfinite(mean1).all()):
        raise ConfigError(f"mean0 = {mean0} and mean1 = {mean1} have to be finite; choose other ones.")
    return Divergence(
        trace=float(np.trace(cho_solve((root1, True), covariance0))),
        distance=float(np.square(solve_triangular(root1, mean1 - mean0, lower=True)).sum()),
        dimensions=len(mean0),
        log_determinants=_log_determinant(root1) - _log_determinant(root0),
    )


def kl_to_prior(mean: Vector, std: Vector) -> Vector:
    """Return KL(N(mean_d, std_d^2) || N(0, 1)) of each dimension d.

    Raises:
        ConfigError: a standard deviation is not above 0.
    """
    if not (std > 0).all():
        raise ConfigError(f"std = {std} has to be above 0 in every dimension; choose other values.")
    parts: Vector = 0.5 * (mean**2 + std**2 - 1) - np.log(std)
    return parts


def covariance_of(axes: Float64[np.ndarray, "2"], angle: float) -> Float64[np.ndarray, "2 2"]:
    """Return the covariance whose ellipse has these half-axes, the first at `angle` radians from the first dimension.

    Raises:
        ConfigError: a half-axis is not above 0.
    """
    if not (axes > 0).all():
        raise ConfigError(f"axes = {axes} have to be above 0; choose longer ones.")
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found: Float64[np.ndarray, "2 2"] = turn * axes**2 @ turn.T
    return found


def cholesky(covariance: Matrix, name: str = "covariance") -> Matrix:
    """Return the lower triangular L with L L^T = covariance.

    Raises:
        ConfigError: the covariance is not symmetric and positive definite.
    """
    try:
        if not np.allclose(covariance, covariance.T):
            raise np.linalg.LinAlgError
        found: Matrix = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ConfigError(
            f"{name} = {covariance.tolist()} is not symmetric and positive definite; choose variances above 0 and a "
            "smaller correlation."
        ) from None
    return found


def _log_determinant(root: Matrix) -> float:
    return 2 * float(np.log(np.diag(root)).sum())
