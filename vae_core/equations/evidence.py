"""log p(x) = ELBO(q) + KL(q(z) || p(z|x)) for any Gaussian q over a latent plane (Kingma & Welling 2014, equation 1).

log p(x, z) is computed once on a grid, and everything else follows from it without the decoder, so q can be dragged:

    ELBO(q) = E_q[log p(x|z)] - KL(q || N(0, I))             the second term in closed form
    KL(q || p(z|x)) = E_q[log q(z) - log p(x, z)] + log p(x)        log p(x) summed over the grid

E_q is the trapezoid rule in q's own axes, which converges exponentially for what a Gaussian makes vanish (Trefethen &
Weideman 2014). Between the grid's points log p(x, z) is a Catmull-Rom cubic, which a Gaussian's logarithm fits exactly.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import Tensor

from vae_core.equations import gaussians
from vae_core.errors import ConfigError, PosteriorError
from vae_core.evaluation.posterior import Encoded, Exact, heat_map, window
from vae_core.models import LatentModel

CELLS, MOST_CELLS = 96, 224  # a side, as the posterior's narrowest direction needs
FINER, FAR = 4, 40.0  # points a side in each cell for log p(x), but none this many nats below the highest
SIDE, REACH = 41, 5.0  # points a side in q's own axes, and how many standard deviations they reach
QUICK = 17  # points a side while the best q is sought
WIDER = 1.6  # the grid beyond the window of the posterior and the encoder's q, so that there is room to drag
OUTSIDE = 1e-3  # of q's weight may lie beyond the grid
NARROW = 0.5  # cells that q's smallest standard deviation is at least

Vector = Float64[np.ndarray, "2"]
Matrix = Float64[np.ndarray, "2 2"]


@dataclass(frozen=True)
class Bound:
    """ELBO and KL(q || p(z|x)) of one q, in nats, and how far they are to be trusted."""

    elbo: float
    kl: float
    outside: float  # share of q beyond the grid
    cells: float  # the smallest standard deviation of q, in cells

    @property
    def doubt(self) -> str | None:
        """Why the figures are not to be trusted, in a sentence; None if they are."""
        if self.outside > OUTSIDE:
            return f"q is too far out: {self.outside:.1%} of it lies beyond the grid; bring it back."
        if self.cells < NARROW:
            return f"q is too narrow for the grid: {self.cells:.2f} cells; make it wider, or the grid finer."
        return None


@dataclass(frozen=True, eq=False)
class Grid:
    """log p(x, z) at z = (left + column * cell, bottom + row * cell)."""

    left: float
    bottom: float
    cell: float
    log_joint: Float64[np.ndarray, "rows columns"]

    @cached_property
    def log_evidence(self) -> float:
        """Log p(x) by a sum over the grid, with FINER points a side between its own: a posterior may be narrow."""
        high = np.argwhere(self.log_joint > self.log_joint.max() - FAR)[:, ::-1]
        within = (np.arange(FINER) + 0.5) / FINER - 0.5
        around = np.stack(np.meshgrid(within, within), -1).reshape(-1, 2)
        points = (self.left, self.bottom) + self.cell * (high[:, None] + around).reshape(-1, 2)
        return float(logsumexp(self.at(points)[0])) + 2 * math.log(self.cell / FINER)

    @cached_property
    def _padded(self) -> Float64[np.ndarray, "height width"]:
        """The grid with one more point on all sides, in a straight line."""
        return np.pad(self.log_joint, 1, mode="reflect", reflect_type="odd")

    def bound(self, mean: Vector, covariance: Matrix, side: int = SIDE) -> Bound:
        """Return ELBO and KL of q = N(mean, covariance).

        Raises:
            ConfigError: the covariance is not symmetric and positive definite.
        """
        root = gaussians.cholesky(covariance)
        white, weights = _nodes(side)
        z = mean + white @ root.T
        log_joint, inside = self.at(z)
        log_prior = -0.5 * np.square(z).sum(1) - math.log(2 * math.pi)
        log_q = -0.5 * np.square(white).sum(1) - math.log(2 * math.pi) - np.log(np.diag(root)).sum()
        rate = gaussians.kl(mean, covariance, np.zeros(2), np.eye(2)).kl
        return Bound(
            elbo=float(weights @ (log_joint - log_prior)) - rate,
            kl=float(weights @ (log_q - log_joint)) + self.log_evidence,
            outside=float(weights @ ~inside),
            cells=float(np.sqrt(np.linalg.eigvalsh(covariance)[0])) / self.cell,
        )

    def at(
        self, points: Float64[np.ndarray, "n 2"]
    ) -> tuple[Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Return log p(x, z) between the grid's points, and which points the grid holds; beyond, the edge's value."""
        places = (points[:, ::-1] - (self.bottom, self.left)) / self.cell
        last = np.array(self.log_joint.shape) - 1
        inside = np.all((places >= 0) & (places <= last), axis=1)
        places = places.clip(0, last)
        cell = np.minimum(places.astype(np.int64), last - 1)
        weights = _cubic(places - cell)
        around = np.arange(4)
        taps = self._padded[cell[:, 0, None, None] + around[:, None], cell[:, 1, None, None] + around]
        return np.einsum("nij,ni,nj->n", taps, weights[:, 0], weights[:, 1]), inside


def grid(
    model: LatentModel, x: Float[Tensor, "1 *shape"], found: Exact, q: Encoded, cells: int | None = None
) -> Grid:
    """Return log p(x, z) around the posterior that `posterior.exact` found, and around the encoder's q.

    `cells` None takes as many as the posterior's narrowest direction needs, from 96 to 224 a side.

    Raises:
        PosteriorError: the model has not two latent dimensions.
        ConfigError: there are fewer than 8 cells.
    """
    if model.latent_dim != 2:
        raise PosteriorError(
            f"The model has {model.latent_dim} latent dimensions, but a q to drag lies in a plane; choose a model "
            "with 2."
        )
    low, high = window(found.integral, q)
    middle, half = (low + high) / 2, WIDER * (high - low) / 2
    if cells is None:
        narrowest = math.sqrt(np.linalg.eigvalsh(found.covariance)[0])
        cells = int(np.clip(2 * half.max() / narrowest, CELLS, MOST_CELLS))
    if cells < 8:
        raise ConfigError(f"cells = {cells} has to be at least 8; use {CELLS}.")
    axes = tuple(np.linspace(m - h, m + h, cells) for m, h in zip(middle, half, strict=True))
    values = heat_map(model, x, 0.0, axes).T
    return Grid(float(axes[0][0]), float(axes[1][0]), float(axes[0][1] - axes[0][0]), values)


def best(grid: Grid, mean: Vector, covariance: Matrix, full: bool) -> tuple[Vector, Matrix]:
    """Return the Gaussian with the largest ELBO on the grid, sought from a first guess by L-BFGS.

    With `full` any covariance is allowed, else a diagonal one, as the encoder has.
    """
    root = gaussians.cholesky(covariance if full else np.diag(np.diag(covariance)))
    scale = np.sqrt(np.diag(covariance))

    def gaussian(steps: np.ndarray) -> tuple[Vector, Matrix]:
        moved = root.copy()
        moved[0, 0] *= math.exp(steps[2])
        moved[1, 1] *= math.exp(steps[3])
        if full:
            moved[1, 0] += scale[1] * steps[4]
        return mean + scale * steps[:2], moved @ moved.T

    def loss(steps: np.ndarray) -> float:
        bound = grid.bound(*gaussian(steps), side=QUICK)
        return -bound.elbo + 1e4 * bound.outside  # nothing is known beyond the grid

    sought = minimize(
        loss, np.zeros(5 if full else 4), method="L-BFGS-B", bounds=[(-20, 20)] * 2 + [(-4, 4)] * (2 + full)
    )
    return gaussian(sought.x)


def _nodes(side: int) -> tuple[Float64[np.ndarray, "n 2"], Float64[np.ndarray, " n"]]:
    """Points of the plane, and the weights that N(0, I) gives them."""
    line = np.linspace(-REACH, REACH, side)
    points = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    weights = np.exp(-0.5 * np.square(points).sum(1))
    return points, weights / weights.sum()


def _cubic(t: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2 4"]:
    """Catmull-Rom weights of the four points around a place t in [0, 1] between the middle two."""
    cubes = (
        -(t**3) + 2 * t**2 - t,
        3 * t**3 - 5 * t**2 + 2,
        -3 * t**3 + 4 * t**2 + t,
        t**3 - t**2,
    )
    return 0.5 * np.stack(cubes, -1)
