"""Paths that stay where encoded data are: shortest paths over a graph of nearest neighbours."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Float32, Float64

from vae_core.errors import PathError
from vae_core.latent.lines import check_ends
from vae_core.latent.neighbours import CodeIndex, finite
from vae_core.latent.pace import at

MOST = 20_000  # codes in a graph; of more, every so many-th
POWER = 2  # of the distances: above 1, many short hops through dense data are nearer than one long hop across a gap


@dataclass(frozen=True, eq=False)
class DataGraph:
    """Encoded data, each joined to its k nearest; made once, it finds many paths.

    An edge weighs its squared length, so a shortest path keeps to dense data, with a limit as the data grow (Hwang,
    Damelin & Hero 2016). Groups that no neighbours join are joined where they are nearest to each other.
    """

    index: CodeIndex
    k: int
    edges: Any  # scipy.sparse.csr_array (n, n) of distances

    @classmethod
    def of(cls, codes: Float[np.ndarray, "n latent"], k: int = 10) -> Self:
        """Join codes; of more than `MOST` every so many-th is taken, and equal ones count once.

        Raises `CodeError` for codes that are not finite, `PathError` for k < 1 or not below the number of codes.
        """
        finite(codes)
        codes = np.unique(codes[:: -(-len(codes) // MOST)].astype(np.float32), axis=0)
        if not 1 <= k < len(codes):
            raise PathError(
                f"k is {k}, but must be at least 1 and below the number of different codes, {len(codes)}; choose "
                "another k, or encode more examples."
            )
        index = CodeIndex.of(codes)
        return cls(index, k, _joined(index, k))

    def path(
        self, a: Float[np.ndarray, " latent"], b: Float[np.ndarray, " width"], count: int
    ) -> Float32[np.ndarray, "count latent"]:
        """Return `count` codes on the shortest path from a to b through the data, equally spaced along it.

        The ends join the graph at their k nearest codes and are kept exactly. Raises `PathError` for ends that
        are equal, not finite, of unequal or other widths, and for a count below 2.
        """
        check_ends(a, b, count)
        codes = self.index.codes
        if len(a) != codes.shape[1]:
            raise PathError(
                f"The ends have {len(a)} dimensions, but the data {codes.shape[1]}; pass codes of the same model."
            )
        ends = np.stack((a, b)).astype(np.float32)
        route = self._route(ends)
        corners = np.concatenate((ends[:1], codes[route], ends[1:]))
        return _evenly(_smooth(corners), count)

    def _route(self, ends: Float32[np.ndarray, "2 latent"]) -> list[int]:
        from scipy.sparse import block_array, csr_array
        from scipy.sparse.csgraph import dijkstra

        n = len(self.index.codes)
        near = self.index.nearest(ends, self.k)
        doors = csr_array(
            (_weight(near.distances).ravel(), (np.repeat([0, 1], self.k), near.indices.ravel())), shape=(2, n)
        )
        graph = block_array([[self.edges, doors.T], [doors, csr_array((2, 2))]], format="csr")
        _, before = dijkstra(graph, directed=False, indices=n, return_predecessors=True)
        route = [int(before[n + 1])]
        while route[-1] != n:
            route.append(int(before[route[-1]]))
        return route[-2::-1]


def following(
    codes: Float[np.ndarray, "n latent"],
    a: Float[np.ndarray, " width_a"],
    b: Float[np.ndarray, " width_b"],
    count: int,
    k: int = 10,
) -> Float32[np.ndarray, "count width_a"]:
    """Return a path of `count` codes from a to b through the data; `DataGraph` keeps the graph for the next one."""
    return DataGraph.of(codes, k).path(a, b, count)


def _weight(distances: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    weights: Float64[np.ndarray, "*shape"] = np.maximum(
        np.power(distances, POWER), np.finfo(np.float64).tiny
    )  # a sparse graph takes 0 for no edge
    return weights


def _joined(index: CodeIndex, k: int) -> Any:
    """Return the graph of the k nearest of each code, in one piece."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = len(index.codes)
    near = index.nearest(index.codes, k + 1)  # each code is its own nearest
    rows, columns = np.repeat(np.arange(n), k), near.indices[:, 1:].ravel()
    weights = _weight(near.distances[:, 1:]).ravel()
    while True:
        graph = csr_array((weights, (rows, columns)), shape=(n, n))
        pieces, piece = connected_components(graph, directed=False)
        if pieces == 1:
            return graph
        # Each group but the largest reaches for its nearest code outside (Borůvka), until there is one group.
        for small in np.argsort(np.bincount(piece))[:-1]:
            inside, outside = np.flatnonzero(piece == small), np.flatnonzero(piece != small)
            found = CodeIndex.of(index.codes[outside]).nearest(index.codes[inside], 1)
            best = int(found.distances.argmin())
            rows = np.append(rows, inside[best])
            columns = np.append(columns, outside[found.indices[best, 0]])
            weights = np.append(weights, _weight(found.distances[best]))


def _smooth(corners: Float32[np.ndarray, "n latent"]) -> Float64[np.ndarray, "n latent"]:
    """Take the zigzag from code to code out of a path: each corner moves half-way to the middle of its neighbours, twice."""
    path = corners.astype(np.float64)
    for _ in range(2):
        path[1:-1] = path[1:-1] / 2 + (path[:-2] + path[2:]) / 4
    return path


def _evenly(path: Float64[np.ndarray, "n latent"], count: int) -> Float32[np.ndarray, "count latent"]:
    reached = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))))
    t = np.interp(np.linspace(0, reached[-1], count), reached, np.arange(len(path)))
    return at(path.astype(np.float32), t)
