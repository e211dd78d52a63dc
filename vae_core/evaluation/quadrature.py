"""Integrals of a density over one or two dimensions, known by its logarithm, on cells that grow finer where it counts.

Each cell is a square with 3 points a side (Gauss-Legendre, exact up to degree 5). A cell is split while the mass that
it may be wrong about matters: the density may rise between its points as much again as it differs among them, so a
narrow peak calls for finer cells from afar, and every one is found that a coarse cell's points feel at all. Sums are
taken in logarithms throughout, so densities of e^-1000 are as good as any.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import logsumexp

from vae_core.errors import PosteriorError, Stopped

LogDensity = Callable[[Float64[np.ndarray, "n dims"]], Float64[np.ndarray, " n"]]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(3)
COARSE = {1: 96, 2: 24}  # cells a side at first, by dimension
BATCH = {1: 64, 2: 256}  # cells that are split at a time, the worst first
CARELESS = 1e-6  # of the integral: the error of one cell that is left as it is, at first
FINER = 0.1  # by which that is lowered until the integral stays
SETTLED = 1e-4  # nats by which the integral still moves when it counts as settled
MOST = 60_000  # cells
SMALLEST = 1e-6  # width of a cell; codes are float32
EDGE = 1e-8  # share of the mass that may lie in the outermost cells, or the square is too small
GROWN, LARGEST = 1.6, 1000.0  # how a square that is too small grows, and up to which half-width


@dataclass(frozen=True, eq=False)
class Integral:
    """The integral and the points it was taken at, each with its share of it."""

    log_value: float
    moved: float  # nats by which `log_value` moved at the last refinement
    points: Float64[np.ndarray, "n dims"]
    log_shares: Float64[np.ndarray, " n"]  # their exponentials sum to 1

    def moments(self) -> tuple[Float64[np.ndarray, " dims"], Float64[np.ndarray, "dims dims"]]:
        """Return mean and covariance of the density, made to integrate to 1."""
        shares = np.exp(self.log_shares)
        mean = shares @ self.points
        centred = self.points - mean
        return mean, (shares[:, None] * centred).T @ centred

    def heavy(self, share: float) -> Float64[np.ndarray, "m dims"]:
        """Return the points that hold all but `share` of the mass, fewest first to be left out the lightest."""
        order = np.argsort(self.log_shares)
        light = np.cumsum(np.exp(self.log_shares[order])) < share
        return self.points[order[~light]]


@dataclass(frozen=True, eq=False)
class _Cells:
    centre: Float64[np.ndarray, "n dims"]
    width: Float64[np.ndarray, " n"]
    values: Float64[np.ndarray, "n points"]  # of the logarithm, at each of the cell's points

    @classmethod
    def at(cls, log_density: LogDensity, centre: np.ndarray, width: np.ndarray) -> "_Cells":
        values = log_density(_points(centre, width).reshape(-1, centre.shape[1]))
        return cls(centre, width, values.reshape(len(centre), -1))

    def log_masses(self) -> Float64[np.ndarray, "n points"]:
        """The integral's parts, point by point."""
        dims = self.centre.shape[1]
        masses: np.ndarray = self.values + _log_weights(dims) + dims * np.log(self.width)[:, None]
        return masses

    def log_errors(self) -> Float64[np.ndarray, " n"]:
        """An estimate of how much mass each cell may be wrong about.

        Three points integrate exp(a t) over a unit cell to within a^6 / 2,016,000 of it; of the rise a they see
        0.775. The density may be larger by as much again.
        """
        highest = self.values.max(1)
        rise = np.maximum(highest - self.values.min(1), 1e-3)
        relative = 6 * np.log(rise / 0.775) - math.log(2_016_000)
        log_area = self.centre.shape[1] * np.log(self.width)
        return np.where(self.width > SMALLEST, highest + log_area + rise + relative, -np.inf)

    def split(self, log_density: LogDensity, which: np.ndarray) -> "_Cells":
        dims = self.centre.shape[1]
        corners = np.array(list(itertools.product((-0.25, 0.25), repeat=dims)))
        width = np.repeat(self.width[which] / 2, 2**dims)
        centre = (self.centre[which, None] + corners * self.width[which, None, None]).reshape(-1, dims)
        finer, kept = _Cells.at(log_density, centre, width), np.setdiff1d(np.arange(len(self.width)), which)
        return _Cells(
            np.concatenate((self.centre[kept], finer.centre)),
            np.concatenate((self.width[kept], finer.width)),
            np.concatenate((self.values[kept], finer.values)),
        )


def integrate(
    log_density: LogDensity,
    dimensions: int,
    half: float,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Integral:
    """Integrate exp(log_density) over all of space, beginning with the square |z_d| <= `half`, which grows if needed.

    Args:
        log_density: of points (n, dimensions), without constants left out; -inf is allowed.
        dimensions: 1 or 2.
        half: should hold almost all of the mass, or sense where it is.
        on_progress: told the share that is done, roughly.
        should_stop: asked between batches.

    Raises:
        PosteriorError: the density is infinite or NaN somewhere, or its mass is further out than 1000.
        Stopped: `should_stop` said so.
    """
    while half <= LARGEST:
        integral, outside = _within(_checked(log_density, should_stop), dimensions, half, on_progress)
        if outside < EDGE:
            on_progress(1.0)
            return integral
        half *= GROWN
    raise PosteriorError(
        f"The density has mass further than {LARGEST:g} from the prior's centre; check the model and the example."
    )


def _within(
    log_density: LogDensity, dimensions: int, half: float, on_progress: Callable[[float], None]
) -> tuple[Integral, float]:
    """The integral over the square, and the share of it in cells at the square's edge."""
    cells = _coarse(log_density, dimensions, half)
    careless, before, moved = CARELESS, -math.inf, math.inf
    while True:
        cells = _refined(cells, log_density, careless, on_progress)
        total = float(logsumexp(cells.log_masses()))
        moved, before = abs(total - before), total
        if moved < SETTLED or len(cells.width) >= MOST:
            break
        careless *= FINER
    log_shares = cells.log_masses() - total
    at_edge = np.abs(cells.centre).max(1) + 0.51 * cells.width > half
    outside = float(np.exp(log_shares[at_edge]).sum())
    points = _points(cells.centre, cells.width).reshape(-1, dimensions)
    return Integral(total, moved, points, log_shares.ravel()), outside


def _refined(
    cells: _Cells, log_density: LogDensity, careless: float, on_progress: Callable[[float], None]
) -> _Cells:
    """Split cells, the worst first, until no error is above `careless` of the integral."""
    while len(cells.width) < MOST:
        errors = cells.log_errors()
        limit = logsumexp(cells.log_masses()) + math.log(careless)
        worst = np.argsort(-errors)[: BATCH[cells.centre.shape[1]]]
        worst = worst[errors[worst] > limit]
        if not len(worst):
            break
        cells = cells.split(log_density, worst)
        on_progress(len(cells.width) / (len(cells.width) + 2000))  # nobody knows how many there will be
    return cells


def _coarse(log_density: LogDensity, dimensions: int, half: float) -> _Cells:
    count = COARSE[dimensions]
    width = 2 * half / count
    side = (np.arange(count) + 0.5) * width - half
    centre = np.stack(np.meshgrid(*[side] * dimensions, indexing="ij"), -1).reshape(-1, dimensions)
    return _Cells.at(log_density, centre, np.full(len(centre), width))


def _points(centre: np.ndarray, width: np.ndarray) -> Float64[np.ndarray, "n points dims"]:
    offsets = np.array(list(itertools.product(NODES / 2, repeat=centre.shape[1])))
    points: np.ndarray = centre[:, None] + offsets * width[:, None, None]
    return points


def _log_weights(dimensions: int) -> Float64[np.ndarray, " points"]:
    return np.log([math.prod(each) for each in itertools.product(WEIGHTS / 2, repeat=dimensions)])


def _checked(log_density: LogDensity, should_stop: Callable[[], bool]) -> LogDensity:
    def checked(points: np.ndarray) -> np.ndarray:
        if should_stop():
            raise Stopped("The posterior was stopped before it was computed; start it again.")
        values = log_density(points)
        if np.isnan(values).any() or np.isposinf(values).any():
            raise PosteriorError(
                "The density is not a number at some codes; the model's likelihood does not fit this example."
            )
        return np.maximum(values, -1e300)  # of -inf no differences can be taken

    return checked
