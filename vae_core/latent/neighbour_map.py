"""From codes to places and back where a map has no formula, only neighbours (UMAP and t-SNE).

A new code is placed among the places of its nearest encoded codes, the way UMAP starts a new point. A
place on the map is given a code between those of the nearest places, by an interpolation that returns
every encoded code at its own place and changes smoothly while a pointer moves.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

LIFT_NEIGHBOURS = 8
BISECTIONS = 40
NARROWEST, WIDEST = 1e-3, 1e6  # bandwidth over the mean distance of the neighbours; UMAP's floor is 1e-3 too


def code_index(codes: Float32[np.ndarray, "n latent"], metric: str) -> Any:
    """Build scikit-learn's exact neighbour search over the codes: a tree where it pays, else all pairs."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(metric=metric).fit(codes)


def place_index(points: Float32[np.ndarray, "n 2"]) -> Any:
    """Build a k-d tree over the places; many equal places do it no harm."""
    from scipy.spatial import cKDTree

    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def smooth_weights(distances: Float[np.ndarray, "m k"]) -> Float64[np.ndarray, "m k"]:
    """Weigh neighbours by exp(-d / sigma), with sigma per row such that they count as log2(k) neighbours.

    This is how UMAP (McInnes et al. 2018, algorithm 3; its code leaves the nearest out of the count) ties
    a new point to encoded ones. Rows hold distances in rising order and sum to 1 when weighed. A
    neighbour at distance 0 is the point itself: all weight goes there, shared by equal ones.
    """
    distances = distances.astype(np.float64)
    same = distances == 0
    k = distances.shape[1]
    scale = distances.mean(1)
    scale[scale == 0] = 1
    low, high = NARROWEST * scale, WIDEST * scale
    for _ in range(BISECTIONS):
        sigma = np.sqrt(low * high)
        count = np.exp(-distances[:, 1:] / sigma[:, None]).sum(1)
        low = np.where(count > np.log2(k), low, sigma)
        high = np.where(count > np.log2(k), sigma, high)
    # The nearest is subtracted, so that the weights of a far point cannot all round to 0; it cancels below.
    weights = np.exp((distances[:, :1] - distances) / high[:, None])
    weights = np.where(same.any(1, keepdims=True), same, weights)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def place(
    index: Any, points: Float32[np.ndarray, "n 2"], codes: Float32[np.ndarray, "m latent"], neighbours: int
) -> Float32[np.ndarray, "m 2"]:
    """Place codes at the weighted mean of the places of their nearest encoded codes."""
    if not len(codes):
        return np.zeros((0, 2), np.float32)
    distances, rows = index.kneighbors(codes, min(neighbours, len(points)))
    # Rounding leaves a little between equal codes, and nothing between some that are nearly parallel.
    equal = (index._fit_X[rows] == codes[:, None]).all(2)
    distances = np.where(equal, 0, np.maximum(distances, np.finfo(np.float64).tiny))
    order = np.argsort(distances, axis=1, kind="stable")
    distances, rows = np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1)
    weights = smooth_weights(distances)
    return np.asarray(np.einsum("mk,mkd->md", weights, points[rows].astype(np.float64)), np.float32)


def lift(
    index: Any, codes: Float32[np.ndarray, "n latent"], places: Float[np.ndarray, "m 2"]
) -> Float32[np.ndarray, "m latent"]:
    """Interpolate codes at places on the map from the encoded codes nearest to each.

    Modified Shepard weights ((R - d) / (R d))^2, where R is the distance to the first neighbour left out
    (Franke & Nielson 1980): exact at encoded points, and without jumps as neighbours come and go.
    """
    count = min(LIFT_NEIGHBOURS + 1, len(codes))
    distances, rows = _query(index, places, count)
    reach = distances[:, -1:]
    near = np.maximum(distances, 1e-9 * reach)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = ((reach - near) / near) ** 2
    # Nobody is nearer than the last: the places are all equally far away, or all where the pointer is.
    level = ~np.isfinite(weights).all(1) | (weights.sum(1) == 0)
    weights[level] = 1
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(np.einsum("mk,mkd->md", weights, codes[rows].astype(np.float64)), np.float32)


def nearest_distance(index: Any, places: Float[np.ndarray, "m 2"]) -> Float32[np.ndarray, " m"]:
    """Return each place's distance on the map to the nearest encoded point."""
    return _query(index, places, 1)[0][:, 0].astype(np.float32)


def nearest_rows(index: Any, place: Float64[np.ndarray, " 2"], count: int) -> Int64[np.ndarray, " k"]:
    """Return the rows of the encoded points nearest to a place, in the order of the data."""
    return np.sort(_query(index, place[None], min(count, index.n))[1][0])


def surrounded(points: Float32[np.ndarray, "n 2"], place: Float64[np.ndarray, " 2"]) -> bool:
    """Tell whether a place is within the convex hull of the points: no half-plane at it is empty."""
    away = points.astype(np.float64) - place
    angles = np.sort(np.arctan2(away[:, 1], away[:, 0]))
    gaps = np.diff(angles, append=angles[0] + 2 * np.pi)
    return bool(gaps.max() < np.pi)


def _query(
    index: Any, places: Float[np.ndarray, "m 2"], count: int
) -> tuple[Float64[np.ndarray, "m k"], Int64[np.ndarray, "m k"]]:
    distances, rows = index.query(places, np.arange(1, count + 1))
    return distances, rows
