"""How much of a map to believe: trustworthiness and continuity (Venna & Kaski 2001)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from vae_core.errors import ProjectionError, Stopped

WORK = 200_000_000  # pairs of points looked at: seconds, however many points there are
FEWEST = 200  # rows, however many points there are
BLOCK = 2_000_000  # pairs at a time


@dataclass(frozen=True)
class Faithfulness:
    """Both from 0 to 1, where 1 is a faithful map and about 0.5 a map made at random.

    A point of the map is intruded upon if a neighbour there is none among the codes (trustworthiness
    falls), and torn apart if a neighbour among the codes is none on the map (continuity falls).
    """

    trustworthiness: float
    continuity: float
    neighbours: int  # k: how many count as neighbours
    rows: int  # points whose neighbourhoods were looked at, each among all points


def faithfulness(
    codes: Float32[np.ndarray, "n latent"],
    points: Float32[np.ndarray, "n 2"],
    k: int = 12,
    sample: int = 2000,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Faithfulness:
    """Measure a map against its codes, by Euclidean distance on both sides.

    Exact for n <= sample. Beyond, the mean over `sample` points drawn with `seed`, each ranked among all
    n points: an unbiased estimate. Of very many points fewer are drawn (200 of a million), so that it
    takes seconds. With fewer than 2k + 1 points, k is the largest that the measure allows. Raises
    `ProjectionError` for fewer than 3 points or k < 1, `Stopped` after `should_stop()`.
    """
    n = len(codes)
    if n < 3 or k < 1 or sample < 1:
        raise ProjectionError(
            f"There are {n} points, k is {k} and sample is {sample}; faithfulness takes at least 3, 1 and 1."
        )
    k = min(k, (n - 1) // 2)
    chosen = _rows(n, sample, seed)
    wide, flat = codes.astype(np.float64), points.astype(np.float64)
    intruded = torn = 0.0
    step = max(1, BLOCK // n)
    for start in range(0, len(chosen), step):
        if should_stop():
            raise Stopped("Measuring the map was stopped before it was done; start it again.")
        rows = chosen[start : start + step]
        from_codes, from_points = _distances(wide, rows), _distances(flat, rows)
        intruded += _excess(from_codes, from_points, k)
        torn += _excess(from_points, from_codes, k)
        on_progress(min(1.0, (start + step) / len(chosen)))
    worst = len(chosen) * k * (2 * n - 3 * k - 1) / 2
    return Faithfulness(1 - intruded / worst, 1 - torn / worst, k, len(chosen))


def _rows(n: int, sample: int, seed: int) -> Int64[np.ndarray, " rows"]:
    if n <= sample:
        return np.arange(n)
    count = min(sample, max(FEWEST, WORK // n))
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def _distances(
    values: Float64[np.ndarray, "n width"], rows: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, "m n"]:
    """Return squared distances from the rows to all points; to itself a point is infinitely far."""
    from scipy.spatial.distance import cdist

    distances = cdist(values[rows], values, "sqeuclidean")
    distances[np.arange(len(rows)), rows] = np.inf
    return np.asarray(distances)


def _excess(truth: Float[np.ndarray, "m n"], shown: Float[np.ndarray, "m n"], k: int) -> float:
    """Sum, over the k nearest by `shown`, by how many ranks each is beyond the k nearest by `truth`."""
    neighbours = np.argpartition(shown, k - 1, axis=1)[:, :k]
    reach = np.take_along_axis(truth, neighbours, 1)
    total = 0
    for j in range(k):
        ranks = 1 + (truth < reach[:, j : j + 1]).sum(1)
        total += int(np.maximum(ranks - k, 0).sum())
    return float(total)
