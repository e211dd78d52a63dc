"""Exact nearest neighbours among up to millions of latent codes, by a chunked search through all of them.

Latent spaces of ten and more dimensions leave trees little to prune, and a matrix product that scores every
code is what processors do best. Squared distances up to a constant per query, |x|^2 - 2 q.x, come from one
product in float64; the few best by that score are then measured again by difference, free of cancellation.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from vae_core.errors import CodeError, ConfigError

BLOCK = (
    2**20
)  # scores held at once (8 MiB: they stay in the processor's cache), or those of one query if more
BAND = 32  # the scores are first reduced to the best of each so many
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
    # For each code x, measured from the centre: -2 x in the first rows and |x|^2 in the last. The columns
    # beyond the last code are infinitely far.
    scoring: Float64[np.ndarray, "latent_and_one columns"]

    @classmethod
    def of(cls, codes: Float[np.ndarray, "n latent"]) -> Self:
        """Prepare codes; NaN, infinity or no code at all raise `CodeError`."""
        finite(codes)
        n, latent = codes.shape
        centre = codes.mean(0, dtype=np.float64)  # small norms lose few digits in |x|^2 - 2 q.x
        scoring = np.zeros((latent + 1, -(-n // BAND) * BAND))
        scoring[-1, n:] = np.inf
        step = max(1, BLOCK // latent)
        for start in range(0, n, step):
            part = (codes[start : start + step] - centre).T
            stop = start + part.shape[1]
            np.multiply(part, -2, out=scoring[:-1, start:stop])
            np.einsum("dn,dn->n", part, part, out=scoring[-1, start:stop])
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
        indices, distances = np.empty((len(query), k), np.int64), np.empty((len(query), k))
        columns = self.scoring.shape[1]
        step = max(1, BLOCK // (columns + count * (latent + BAND)))
        scores = np.empty((min(step, len(query)), columns))
        for start in range(0, len(query), step):
            part = slice(start, min(start + step, len(query)))
            indices[part], distances[part] = self._search(query[part], k, count, scores[: part.stop - start])
        return Neighbours(indices, distances)

    def _search(
        self,
        query: Float[np.ndarray, "m width"],
        k: int,
        count: int,
        scores: Float64[np.ndarray, "m columns"],
    ) -> tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]:
        ones = np.ones((len(query), 1))
        left = torch.from_numpy(np.hstack((query - self.centre, ones)))
        found = torch.mm(left, torch.from_numpy(self.scoring), out=torch.from_numpy(scores))
        candidates = _smallest(found, count).numpy()
        offsets = self.codes[candidates] - query.astype(np.float64)[:, None]
        distances = np.sqrt(np.einsum("mkd,mkd->mk", offsets, offsets))
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


def _smallest(scores: Float[Tensor, "m columns"], count: int) -> Int64[Tensor, "m {count}"]:
    """Return where the `count` smallest of each row are, in any order.

    They lie in the `count` bands whose minima are smallest, and finding those reads the row only once.
    """
    m, columns = scores.shape
    band = BAND if columns >= 4 * BAND * count else 1
    bands = scores.view(m, band, columns // band)
    best = bands.amin(1).topk(count, largest=False, sorted=False).indices
    members = (best[:, :, None] + torch.arange(band) * (columns // band)).flatten(1)
    return members.gather(1, scores.gather(1, members).topk(count, largest=False, sorted=False).indices)
