"""Exact nearest neighbours among up to millions of latent codes, by a chunked search through all of them.

Latent spaces of ten and more dimensions leave trees little to prune, and a matrix product that scores every
code is what processors do best. Squared distances up to a constant per query, |x|^2 - 2 q.x, come from
products in float64; the few best by that score are then measured again by difference, free of cancellation.

The products are stacks of small ones, which the library runs on the thread that asks. Whole searches are shared
among threads instead: they need not wait for each other at every step, which on a busy machine costs most.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64

from vae_core.errors import CodeError, ConfigError

BLOCK = (
    2**20
)  # scores a thread holds at once (8 MiB stay in the processor's cache), or those of 4 queries if more
TILE = 256  # codes scored by one small product
BAND = 32  # tiles reduced to the best of each column before the few best are looked for
MARGIN = 8  # candidates measured beyond the k wanted, so that rounding of the scores cannot hide a neighbour


@dataclass(frozen=True)
class Neighbours:
    """The k nearest codes of each of m queries, nearest first; codes equally far are in index order."""

    indices: Int64[np.ndarray, "m k"]
    distances: Float64[np.ndarray, "m k"]  # Euclidean


@dataclass(frozen=True)
class CodeIndex:
    """Codes made ready for many searches; holds them in float64 once more (8 (D + 1) bytes a code)."""

    codes: Float[np.ndarray, "n latent"]
    centre: Float64[np.ndarray, " latent"]
    # For each code x, measured from the centre: -2 x in the first rows of a tile and |x|^2 in the last. The
    # columns beyond the last code are infinitely far.
    scoring: Float64[np.ndarray, "tiles latent_and_one tile"]

    @classmethod
    def of(cls, codes: Float[np.ndarray, "n latent"]) -> Self:
        """Prepare codes; NaN, infinity or no code at all raise `CodeError`."""
        finite(codes)
        n, latent = codes.shape
        centre = codes.mean(0, dtype=np.float64)  # small norms lose few digits in |x|^2 - 2 q.x
        tiles = -(-n // (TILE * BAND)) * BAND
        scoring = np.zeros((tiles, latent + 1, TILE))
        scoring[:, -1] = np.inf
        for tile, start in enumerate(range(0, n, TILE)):
            part = (codes[start : start + TILE] - centre).T
            scoring[tile, :-1, : part.shape[1]] = -2 * part
            scoring[tile, -1, : part.shape[1]] = np.square(part).sum(0)
        return cls(codes, centre, scoring)

    def nearest(self, query: Float[np.ndarray, "m width"], k: int) -> Neighbours:
        """Find the k nearest codes of each query.

        Codes whose distances agree to the last digits of float64 may stand for each other at the k-th place.
        Raises `CodeError` for a query of another width, with NaN or with infinity, `ConfigError` for k < 1
        or more neighbours than there are codes.
        """
        n, latent = self.codes.shape
        if not 1 <= k <= n:
            raise ConfigError(f"k is {k}, but must be between 1 and the number of codes, {n}.")
        finite(query, "query", latent)
        count = min(k + MARGIN, n)
        step = min(16, max(4, BLOCK // (self.scoring.shape[0] * TILE + count * (latent + BAND))))
        parts = [slice(start, start + step) for start in range(0, len(query), step)]
        indices, distances = np.empty((len(query), k), np.int64), np.empty((len(query), k))

        def search(mine: Iterable[slice]) -> None:
            for part in mine:
                candidates = self._candidates(query[part], count)
                indices[part], distances[part] = self._measure(query[part], candidates, k)

        threads = min(torch.get_num_threads(), len(parts))
        if threads < 2:
            search(parts)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(search, [parts[first::threads] for first in range(threads)]))
        return Neighbours(indices, distances)

    def _candidates(self, query: Float[np.ndarray, "m latent"], count: int) -> Int64[np.ndarray, "m count"]:
        """Return the `count` codes of the lowest scores, in any order."""
        left = np.hstack((query - self.centre, np.ones((len(query), 1))))
        scores = np.matmul(left, self.scoring)
        tiles, m, _ = scores.shape
        # The lowest scores lie in the bands whose minima are lowest; a band is one column of BAND tiles.
        band = BAND if tiles * TILE >= 4 * BAND * count else 1
        minima = scores.reshape(tiles // band, band, m, TILE).min(1).transpose(1, 0, 2).reshape(m, -1)
        group, column = np.divmod(_lowest(minima, count), TILE)
        tile = (group[:, :, None] * band + np.arange(band)).reshape(m, -1)
        column = column.repeat(band, 1)
        best = _lowest(scores[tile, np.arange(m)[:, None], column], count)
        chosen: np.ndarray = np.take_along_axis(tile * TILE + column, best, 1)
        return chosen

    def _measure(
        self, query: Float[np.ndarray, "m latent"], candidates: Int64[np.ndarray, "m count"], k: int
    ) -> tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]:
        """Return the k nearest candidates and how far they are, nearest first."""
        offsets = self.codes[candidates] - query.astype(np.float64)[:, None]
        distances = np.sqrt(np.einsum("mcd,mcd->mc", offsets, offsets))
        order = np.lexsort((candidates, distances), axis=-1)[:, :k]
        return np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)


def nearest(codes: Float[np.ndarray, "n latent"], query: Float[np.ndarray, "m width"], k: int) -> Neighbours:
    """Find the k nearest codes of each query once; `CodeIndex` keeps the preparation for the next time."""
    return CodeIndex.of(codes).nearest(query, k)


def finite(codes: Float[np.ndarray, "n latent"], name: str = "codes", width: int | None = None) -> None:
    """Raise `CodeError` for NaN or infinity, for another width than `width`, and without one for no codes at all."""
    if width is not None and codes.shape[1] != width:
        raise CodeError(
            f"{name} must have {width} latent dimensions, as the codes have, not {codes.shape[1]}."
        )
    if width is None and not codes.size:
        raise CodeError(f"{name} has shape {codes.shape}, but at least one code of one dimension is needed.")
    if not np.isfinite(codes.sum(dtype=np.float64)):  # one pass, no copy: float32 cannot overflow in float64
        broken = np.flatnonzero(~np.isfinite(codes).all(1))
        if len(broken):
            raise CodeError(
                f"{name} holds NaN or infinity in {len(broken)} of {len(codes)} rows (the first is row {broken[0]}); leave these rows out."
            )


def _lowest(values: Float64[np.ndarray, "m columns"], count: int) -> Int64[np.ndarray, "m count"]:
    """Return where the `count` lowest of each row are, in any order."""
    found: np.ndarray = np.argpartition(values, count - 1, axis=1)[:, :count]
    return found
