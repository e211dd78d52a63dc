"""Codes on a map of two dimensions, new codes on the same map, and codes behind places on it.

    projection = project(codes, ProjectionConfig(method="pca"))
    places = projection.transform(new_codes)
    codes, distance = projection.lift(places, base)

A latent plane and PCA are affine, so a place is a code. UMAP and t-SNE know places of encoded codes only:
everything between them is interpolated, and `lift` says how far the nearest encoded point is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from vae_core.config import ProjectionConfig
from vae_core.errors import CodeError, ProjectionError
from vae_core.latent import layouts, neighbour_map

ROWS = 1 << 16  # codes in float64 at a time
INVERSE_POINTS = 500
LARGEST = 1e15  # of a coordinate: its square is a float32 still


@dataclass(frozen=True, eq=False)
class Projection:
    """A map: where every encoded code is, and how to get from codes to places and back.

    `axes` and `origin` are there for plane and pca: a code z is at (z - origin) @ axes.T, and the rows of
    `axes` are orthonormal. A single latent dimension has only a first axis; the second row is 0.
    """

    config: ProjectionConfig
    codes: Float32[np.ndarray, "n latent"]
    points: Float32[np.ndarray, "n 2"]
    explained: tuple[float, ...] = ()  # plane and pca: share of the codes' variance along each axis
    axes: Float32[np.ndarray, "2 latent"] | None = None
    origin: Float32[np.ndarray, " latent"] | None = None

    def transform(self, codes: Float32[np.ndarray, "m latent"]) -> Float32[np.ndarray, "m 2"]:
        """Place new codes on the map as it is, never refitting it.

        Encoded codes land where they are. With umap and tsne a new code lands at the mean of the places of
        its nearest encoded codes (`config.neighbours` of them), weighed the way UMAP starts a new point.
        Raises `CodeError` for codes of another width, or that are not finite.
        """
        self._check_width(codes.shape[1])
        _check_finite(codes)
        if self.axes is not None and self.origin is not None:
            return _affine(codes, self.axes, self.origin)
        return neighbour_map.place(self._code_index, self.points, codes, self.config.neighbours)

    def lift(
        self, places: Float[np.ndarray, "m 2"], base: Float[np.ndarray, " latent"] | None = None
    ) -> tuple[Float32[np.ndarray, "m latent"], Float32[np.ndarray, " m"]]:
        """Return a code behind each place, and the map distance from there to the nearest encoded point.

        With plane and pca the code is `base` (the origin if not given) moved within the plane until it is
        at the place: what `base` has beyond the plane stays. With umap and tsne the code lies between those
        of the nearest encoded points, and `base` says nothing. Raises `CodeError` for a base of another
        width, or places that are not finite.
        """
        _check_finite(places, "places")
        distance = neighbour_map.nearest_distance(self._place_index, places)
        if self.axes is None or self.origin is None:
            return neighbour_map.lift(self._place_index, self.codes, places), distance
        start = self.origin if base is None else base
        self._check_width(len(start))
        _check_finite(start[None], "base")
        axes, start = self.axes.astype(np.float64), start.astype(np.float64)
        lifted = start + (places - (start - self.origin) @ axes.T) @ axes
        return lifted.astype(np.float32), distance

    def invert(
        self, places: Float[np.ndarray, "m 2"]
    ) -> tuple[Float32[np.ndarray, "m latent"], Bool[np.ndarray, " m"]]:
        """Return UMAP's own inverse of places on a map made by umap, and which of them have one.

        It looks at the `INVERSE_POINTS` encoded points nearest to each place and takes about a second for
        one: on request, not while dragging. A place without encoded points all around it has no inverse and
        gets the interpolated code of `lift`. Raises `ProjectionError` on other maps.
        """
        if self.config.method != "umap":
            raise ProjectionError(
                f"This map was made by {self.config.method}, and only umap has an inverse of its own; use lift."
            )
        codes, _ = self.lift(places)
        inside = np.zeros(len(places), np.bool_)
        for i, place in enumerate(places.astype(np.float64)):
            rows = neighbour_map.nearest_rows(self._place_index, place, INVERSE_POINTS)
            if len(rows) > 4 and neighbour_map.surrounded(self.points[rows], place):
                inside[i] = True
                codes[i] = layouts.umap_inverse(self.codes[rows], self.points[rows], place, self.config)
        return codes, inside

    @cached_property
    def _code_index(self) -> Any:
        metric = self.config.metric if self.config.method == "umap" else "euclidean"
        return neighbour_map.code_index(self.codes, metric)

    @cached_property
    def _place_index(self) -> Any:
        return neighbour_map.place_index(self.points)

    def _check_width(self, width: int) -> None:
        if width != self.codes.shape[1]:
            raise CodeError(
                f"Codes have {width} dimensions, but this map was made of codes with {self.codes.shape[1]}; "
                "encode with the model that the map belongs to."
            )


def project(
    codes: Float32[np.ndarray, "n latent"],
    config: ProjectionConfig,
    on_progress: layouts.Progress = lambda phase, done: None,
    should_stop: layouts.Stop = lambda: False,
    spread: Float32[np.ndarray, " n"] | None = None,
) -> Projection:
    """Lay codes out on a map.

    `spread` (the posterior standard deviation of each code) is for a latent space of one dimension, where
    plane and pca have nothing to show upwards: the points stand at their spread, or at 0 without it, and
    `config.second` is not looked at. New codes go to 0 there.

    `on_progress(phase, done)` hears what is going on, with done from 0 to 1, or None where nobody knows.
    Raises `CodeError` for codes that are not finite, `ProjectionError` for codes that the method cannot
    lay out, `Stopped` soon after `should_stop()` is true.
    """
    _check_finite(codes)
    _METHOD_CHECKS[config.method](codes, config)
    if config.method in ("plane", "pca"):
        projection = _linear(codes, config)
        if codes.shape[1] == 1 and spread is not None:
            _check_finite(spread[:, None], "spread")
            projection.points[:, 1] = spread
    else:
        layout = layouts.umap_layout if config.method == "umap" else layouts.tsne_layout
        projection = Projection(config, codes, layout(codes, config, on_progress, should_stop))
        _check_places(projection)
    on_progress("Done", 1.0)
    return projection


def _linear(codes: Float32[np.ndarray, "n latent"], config: ProjectionConfig) -> Projection:
    latent = codes.shape[1]
    mean, covariance = _moments(codes)
    total = float(covariance.trace())
    axes = np.zeros((2, latent), np.float32)
    origin = np.zeros(latent, np.float32)
    if config.method == "plane":
        chosen = (config.first, config.second) if latent > 1 else (0,)
        axes[range(len(chosen)), chosen] = 1
        variances = [float(covariance[i, i]) for i in chosen]
    else:
        # eigh sorts rising, and a column's sign is free: its largest part counts as positive.
        values, vectors = np.linalg.eigh(covariance)
        top = vectors.T[::-1][:2]
        largest = np.take_along_axis(top, np.abs(top).argmax(1, keepdims=True), 1)
        axes[: len(top)] = top * np.sign(largest)
        origin = mean.astype(np.float32)
        variances = [max(float(value), 0.0) for value in values[::-1][:2]]
    explained = tuple(variance / total if total else 0.0 for variance in variances)
    points = _affine(codes, axes, origin)
    return Projection(config, codes, points, explained, axes, origin)


def _moments(
    codes: Float32[np.ndarray, "n latent"],
) -> tuple[Float64[np.ndarray, " latent"], Float64[np.ndarray, "latent latent"]]:
    mean = codes.mean(0, dtype=np.float64)
    covariance = np.zeros((codes.shape[1], codes.shape[1]))
    for start in range(0, len(codes), ROWS):
        part = codes[start : start + ROWS] - mean
        covariance += part.T @ part
    return mean, covariance / len(codes)


def _affine(
    codes: Float32[np.ndarray, "m latent"],
    axes: Float32[np.ndarray, "2 latent"],
    origin: Float32[np.ndarray, " latent"],
) -> Float32[np.ndarray, "m 2"]:
    places = np.empty((len(codes), 2), np.float32)
    for start in range(0, len(codes), ROWS):
        part = codes[start : start + ROWS].astype(np.float64) - origin
        places[start : start + ROWS] = part @ axes.T
    return places


def _check_finite(values: Float[np.ndarray, "m width"], name: str = "codes") -> None:
    bad = 0
    for start in range(0, len(values), ROWS):
        bad += int((~np.isfinite(values[start : start + ROWS]).all(1)).sum())
    if bad:
        raise CodeError(
            f"{name}: {bad} of {len(values)} rows hold NaN or infinity, which have no place on a map; leave "
            "them out, or encode with a model whose training stayed finite."
        )


def _check_plane(codes: Float32[np.ndarray, "n latent"], config: ProjectionConfig) -> None:
    """One point or equal points are drawn: a plane needs no spread."""
    latent = codes.shape[1]
    if not len(codes):
        raise ProjectionError("There are no codes to lay out; encode at least one example.")
    for name in ("first", "second") if latent > 1 else ("first",):
        if (dimension := getattr(config, name)) >= latent:
            raise ProjectionError(
                f"{name} is dimension {dimension}, but the codes have {latent}, counted from 0; "
                f"choose one below {latent}."
            )
    if latent > 1 and config.first == config.second:
        raise ProjectionError(
            f"first and second are both dimension {config.first}; a plane takes two different ones."
        )


def _check_varied(codes: Float32[np.ndarray, "n latent"], config: ProjectionConfig) -> None:
    if len(codes) < 2:
        raise ProjectionError(
            f"{config.method} takes at least 2 codes, not {len(codes)}; encode more examples or choose plane."
        )
    if (codes.max(0) == codes.min(0)).all():
        raise ProjectionError(
            f"All {len(codes)} codes are equal, so {config.method} finds no direction in them; choose plane, "
            "and look whether the encoder has collapsed."
        )
    largest = max(float(codes.max()), -float(codes.min()))
    if config.method != "pca" and largest > LARGEST:
        raise ProjectionError(
            f"Codes reach {largest:.3g}; beyond {LARGEST:g} {config.method} cannot tell their distances apart: "
            "choose plane or pca, and look whether the encoder has diverged."
        )


def _check_umap(codes: Float32[np.ndarray, "n latent"], config: ProjectionConfig) -> None:
    _check_varied(codes, config)
    if len(codes) <= config.neighbours:
        raise ProjectionError(
            f"neighbours is {config.neighbours}, but there are only {len(codes)} codes; choose fewer "
            "neighbours than codes (at least 2), or pca."
        )
    if codes.shape[1] == 1 and config.metric == "cosine":
        raise ProjectionError(
            "metric is cosine, which sees only the sign of a code of one dimension; choose euclidean."
        )


def _check_tsne(codes: Float32[np.ndarray, "n latent"], config: ProjectionConfig) -> None:
    _check_varied(codes, config)
    if len(codes) <= 3 * config.perplexity:
        raise ProjectionError(
            f"perplexity is {config.perplexity:g}, which takes more than {3 * config.perplexity:g} codes, but "
            f"there are {len(codes)}; choose a lower perplexity (at least 1), or pca."
        )


def _check_places(projection: Projection) -> None:
    lost = int((~np.isfinite(projection.points).all(1)).sum())
    if lost:
        raise ProjectionError(
            f"{projection.config.method} found no place for {lost} of {len(projection.points)} codes, which "
            "are as far from all others as can be; choose metric = euclidean, or pca."
        )


_METHOD_CHECKS: dict[str, Callable[[Float32[np.ndarray, "n latent"], ProjectionConfig], None]] = {
    "plane": _check_plane,
    "pca": _check_varied,
    "umap": _check_umap,
    "tsne": _check_tsne,
}
