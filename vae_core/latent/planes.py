"""Planes through latent space, and grids of codes on them.

A place (u, v) of a plane is the code origin + u * axes[0] + v * axes[1]; u points right and v up.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Float64

from vae_core.errors import PlaneError

Spacing = Literal["linear", "quantile"]

FEWEST, MOST = 2, 40  # tiles along a side
FLAT = 1e-6  # sine of an angle that float32 codes cannot tell from 0


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through latent space; its axes need not be orthonormal, but must not be parallel."""

    origin: Float32[np.ndarray, " latent"]
    axes: Float32[np.ndarray, "2 latent"]

    def codes(self, places: Float[np.ndarray, "m 2"]) -> Float32[np.ndarray, "m latent"]:
        """Return the code at each place."""
        moved = self.origin + places.astype(np.float64) @ self.axes.astype(np.float64)
        return moved.astype(np.float32)

    def places(self, codes: Float[np.ndarray, "m width"]) -> Float32[np.ndarray, "m 2"]:
        """Return the place nearest to each code (least squares). Raises `PlaneError` for codes of another width."""
        return self._nearest(codes)[0].astype(np.float32)

    def distance(self, codes: Float[np.ndarray, "m width"]) -> Float32[np.ndarray, " m"]:
        """Return how far each code is off the plane. Raises `PlaneError` for codes of another width."""
        places, offsets = self._nearest(codes)
        beyond = offsets - places @ self.axes
        distances: Float32[np.ndarray, " m"] = np.sqrt(np.square(beyond).sum(1)).astype(np.float32)
        return distances

    def reach(self, codes: Float[np.ndarray, "m width"]) -> float:
        """Return the least r for which a grid from -r to r has the places of all the codes on it."""
        return float(np.abs(self._nearest(codes)[0]).max(initial=0))

    def _nearest(
        self, codes: Float[np.ndarray, "m width"]
    ) -> tuple[Float64[np.ndarray, "m 2"], Float64[np.ndarray, "m latent"]]:
        if codes.shape[1] != len(self.origin):
            raise PlaneError(
                f"codes have {codes.shape[1]} dimensions, but the plane lies in a latent space of "
                f"{len(self.origin)}; pass codes of the same model."
            )
        offsets = codes.astype(np.float64) - self.origin
        return np.linalg.lstsq(self.axes.astype(np.float64).T, offsets.T, rcond=None)[0].T, offsets


def of_dimensions(base: Float[np.ndarray, " latent"], first: int, second: int) -> Plane:
    """Return the plane of two dimensions, counted from 0: u and v are the values of these two, the others are base's.

    Raises `PlaneError` if there are no two such dimensions, or the base is not finite.
    """
    _check(base[None], "base")
    latent = len(base)
    for name, dimension in (("first", first), ("second", second)):
        if not 0 <= dimension < latent:
            raise PlaneError(
                f"{name} is dimension {dimension}, but must be from 0 to {latent - 1} in a latent space of {latent}."
            )
    if first == second:
        raise PlaneError(
            f"first and second are both dimension {first}; a plane takes two different dimensions."
        )
    origin = base.astype(np.float32)
    origin[[first, second]] = 0
    axes = np.zeros((2, latent), np.float32)
    axes[[0, 1], [first, second]] = 1
    return Plane(origin, axes)


def of_principal(
    codes: Float[np.ndarray, "n latent"], base: Float[np.ndarray, " width"] | None = None
) -> Plane:
    """Return the plane of the two directions in which the codes vary most, through `base` or else through their mean.

    Places are measured from the mean, in the units of the codes: those of the map that PCA makes. The axes are
    orthonormal, and the largest part of each is positive. Raises `PlaneError` for codes that do not vary in two
    directions, are not finite, or are wider or narrower than the base.
    """
    _check(codes, "codes")
    mean = codes.mean(0, dtype=np.float64)
    centred = codes - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    if len(codes) < 3 or values[-2] <= FLAT**2 * values[-1]:
        raise PlaneError(
            f"The {len(codes)} codes vary in fewer than two directions, so they span no plane; encode more "
            "examples, or choose two dimensions."
        )
    axes = vectors.T[:-3:-1]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1, keepdims=True), 1))
    found = Plane(mean.astype(np.float32), axes.astype(np.float32))
    return found if base is None else moved_to(found, base)


def moved_to(plane: Plane, base: Float[np.ndarray, " width"]) -> Plane:
    """Return the parallel plane through `base`, its origin nearest to that of `plane`, whose axes are orthonormal.

    From the plane's own float32 numbers, so that a page that is given them finds the same codes. Raises `PlaneError`
    for a base that is not finite or of another width.
    """
    _check(base[None], "base", len(plane.origin))
    origin, axes = plane.origin.astype(np.float64), plane.axes.astype(np.float64)
    moved = base.astype(np.float32).astype(np.float64) - origin
    return Plane((origin + moved - (moved @ axes.T) @ axes).astype(np.float32), plane.axes)


def through(
    a: Float[np.ndarray, " latent"], b: Float[np.ndarray, " width_b"], c: Float[np.ndarray, " width_c"]
) -> Plane:
    """Return the plane of three codes: the origin in their middle, u from a towards b, and c above the line from a to b.

    The axes are orthonormal. Raises `PlaneError` for codes that are equal or on one line, not finite, or of
    unequal widths.
    """
    for name, code in (("a", a), ("b", b), ("c", c)):
        _check(code[None], name, len(a))
    start, first, second = a.astype(np.float64), b - a.astype(np.float64), c - a.astype(np.float64)
    for pair, side in (("a and b", first), ("a and c", second), ("b and c", second - first)):
        if not side.any():
            raise PlaneError(f"{pair} are equal; a plane takes three different codes.")
    u = first / np.linalg.norm(first)
    up = second - (second @ u) * u
    up -= (up @ u) * u  # once more: what rounding has left
    if np.linalg.norm(up) <= FLAT * np.linalg.norm(second):
        raise PlaneError("a, b and c lie on one line, so they span no plane; move one of them off the line.")
    axes = np.stack((u, up / np.linalg.norm(up)))
    return Plane((start + (first + second) / 3).astype(np.float32), axes.astype(np.float32))


def coordinates(
    n: int, *, low: float = -3.0, high: float = 3.0, spacing: Spacing = "linear"
) -> Float64[np.ndarray, " n"]:
    """Return the n places along one axis of a grid, rising.

    linear: equally spaced, from low to high. quantile: the quantiles of N(0, 1) at the probabilities
    (i + 1/2) / n, whatever low and high are (Kingma & Welling 2014, figure 4): each tile stands for an equal
    share of the prior. Raises `PlaneError`.
    """
    if not FEWEST <= n <= MOST:
        raise PlaneError(f"n is {n}, but a grid has from {FEWEST} to {MOST} tiles along a side.")
    if spacing == "quantile":
        return np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    if spacing != "linear":
        raise PlaneError(f"spacing is {spacing!r}, but must be linear or quantile.")
    if not (np.isfinite([low, high]).all() and low < high):
        raise PlaneError(f"low is {low} and high is {high}, but low must be below high and both finite.")
    return np.linspace(low, high, n)


def around(
    count: int, centre: float, step: float, spacing: Spacing = "linear"
) -> Float64[np.ndarray, " count"]:
    """Return `count` places along one axis of a grid, rising, `step` from one to the next, their middle at `centre`.

    linear: centre and step in units of the axis. quantile: both are probabilities, and the places the quantiles of
    N(0, 1) at them; (0.5, 1 / count) is the whole prior. Raises `PlaneError` for a range that is not finite, or holds
    probabilities that are not between 0 and 1.
    """
    places = centre + (np.arange(count) - (count - 1) / 2) * step
    if not np.isfinite(places).all() or not step > 0:
        raise PlaneError(f"centre is {centre} and step is {step}, but both must be finite and step above 0.")
    if spacing == "linear":
        return places
    if places[0] <= 0 or places[-1] >= 1:
        raise PlaneError(
            f"{count} quantiles around {centre} with a step of {step} go from probability {places[0]:.6g} to "
            f"{places[-1]:.6g}, but must stay between 0 and 1; choose fewer tiles, a smaller step or another centre."
        )
    return np.array([NormalDist().inv_cdf(p) for p in places])


def sheet(
    plane: Plane, across: Float64[np.ndarray, " columns"], up: Float64[np.ndarray, " rows"]
) -> Float32[np.ndarray, "rows columns latent"]:
    """Return the codes at all pairs of rising places as they are looked at: row 0 is the top, column 0 the left."""
    u, v = np.meshgrid(across, up[::-1])
    return plane.codes(np.stack((u.ravel(), v.ravel()), 1)).reshape(len(up), len(across), -1)


def grid(
    plane: Plane, n: int, *, low: float = -3.0, high: float = 3.0, spacing: Spacing = "linear"
) -> Float32[np.ndarray, "n n latent"]:
    """Return n x n codes as they are looked at: row 0 is the top (the largest v), column 0 the left (the smallest u).

    Spacing as in `coordinates`. Raises `PlaneError` for n outside of 2 to 40 or a range without extent.
    """
    rising = coordinates(n, low=low, high=high, spacing=spacing)
    return sheet(plane, rising, rising)


def _check(codes: Float[np.ndarray, "n latent"], name: str, width: int | None = None) -> None:
    if width is not None and codes.shape[1] != width:
        raise PlaneError(f"{name} has {codes.shape[1]} dimensions and the others {width}; pass equal widths.")
    if codes.shape[1] < 2:
        raise PlaneError(
            "A plane takes a latent space of at least 2 dimensions, but this one has 1; draw a path."
        )
    if not np.isfinite(codes).all():
        raise PlaneError(f"{name} holds NaN or infinity; pass finite codes.")
