"""Geodesics of a decoder: paths along which the picture changes as little as it can.

The pullback metric (see `vae_core.latent.metric`) measures a path by its pictures. A shortest path at constant speed
minimises the energy, here that of a path of n codes (Shao et al. 2018; Chen et al. 2018):

    E = (n - 1) * sum_i |f(z_{i+1}) - f(z_i)|^2   >=   (sum_i |f(z_{i+1}) - f(z_i)|)^2 = length^2

with equality at constant speed. Its Hessian is close to the stiffness matrix of a chain of springs, each as stiff as
the metric there is long. Built once from Jacobian products, that matrix is where L-BFGS starts from (Nocedal & Wright
2006, algorithm 7.4); it then learns the rest. Few points first, then twice as many, until all are there.

Only mean pictures count here, not how sure the decoder is of them: where the decoder was never trained, pictures may
hardly change, and a geodesic may go there (Arvanitidis et al. 2018 add the variance for this reason).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64

from vae_core.errors import PathError, Stopped
from vae_core.latent.lines import check_ends, linear
from vae_core.latent.metric import Decode, pullback
from vae_core.latent.pace import at, check_path, distances, equal_steps, pictures

PIECES = 8  # of the first path; then twice as many, and so on
SAMPLES = 64  # pictures along a path of few pieces
FINER = 3  # pictures for each piece at least
CHOICE = 16  # pieces at which the best of several beginnings is chosen
WIDEST = 16  # latent dimensions up to which springs know directions; a Jacobian product for each is too slow beyond
RIDGE = 1e-2  # of the mean stiffness, added where the decoder is flat
MEMORY = 12  # steps that L-BFGS remembers
SETTLED = 1e-5  # relative fall of the energy per step, over PATIENCE steps in a row
PATIENCE = 3
HALVINGS = 12  # of a step that does not lower the energy
JUMP = 1.5  # largest step to mean step; a geodesic has 1
GAIN = 1e-6  # relative: a path that is better by less is the straight line, but for rounding

Energy = Callable[[Float64[np.ndarray, "n latent"]], tuple[float, Float64[np.ndarray, "n latent"]]]
Solve = Callable[[Float64[np.ndarray, "n latent"]], Float64[np.ndarray, "n latent"]]


@dataclass(frozen=True, eq=False)
class Geodesic:
    """The path of least energy that was found, and what it and the straight line with as many codes measure."""

    codes: Float32[np.ndarray, "count latent"]
    energy: float
    length: float  # in picture space: sum of the Euclidean distances between neighbouring pictures
    straight_energy: float  # never below `energy`
    straight_length: float


def geodesic(
    decode: Decode,
    a: Float[np.ndarray, " latent"],
    b: Float[np.ndarray, " width"],
    count: int,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
    steps: int = 60,
    starts: Sequence[Float[np.ndarray, "_ latent"]] = (),
) -> Geodesic:
    """Find a geodesic of `count` codes from a to b under the decoder's pullback metric.

    `decode` gives mean pictures and must be differentiable. The search begins at the straight line in equal steps of the picture, in two latent
    dimensions also at the shortest path over a coarse grid around the ends, and at the paths in `starts` (their ends
    are replaced); it takes at most `steps` steps at each number of points. The best path found is returned, and the
    straight line itself where none is better: the energy is never above the straight line's.

    `on_progress` hears a share from 0 to 1. Raises `PathError` for ends that are equal, not finite, of unequal
    widths or of one dimension, for a count below 2, and for a decoder without derivatives or with infinite pictures
    between the ends; `Stopped` after `should_stop()`.
    """
    check_ends(a, b, count)
    if len(a) == 1:
        raise PathError("In one latent dimension every path is the straight line; choose linear.")
    straight = linear(a, b, count)
    _measure(decode, straight)  # refuses infinite pictures before any work
    begun = [equal_steps(decode, straight, PIECES + 1)]
    if len(a) == 2:
        begun.append(over_a_grid(decode, begun[0][0], begun[0][-1]))
    begun += [_between(start, begun[0][0], begun[0][-1]) for start in starts]
    levels = _doublings(count - 1)
    early = [pieces for pieces in levels[:-1] if pieces <= CHOICE]
    stages = len(begun) * len(early) + len(levels) - len(early)
    stage = 0

    def tick(done: float) -> None:
        if should_stop():
            raise Stopped("The geodesic was stopped before it was found; start it again.")
        on_progress((stage + done) / stages)

    for pieces in levels:
        if pieces not in early and len(begun) > 1:
            begun = [min(begun, key=lambda path: _finely(decode, path))]
        for i, path in enumerate(begun):
            begun[i] = _without_jumps(decode, _relax(decode, _resampled(path, pieces), steps, tick))
            stage += 1
    on_progress(1.0)
    return _better(decode, straight, begun[0])


def _better(
    decode: Decode, straight: Float32[np.ndarray, "count latent"], path: Float32[np.ndarray, "count latent"]
) -> Geodesic:
    """Return the path if it is better than the straight line, at its codes and between them, or else the straight line."""
    energy, length = _measure(decode, straight)
    path[0], path[-1] = straight[0], straight[-1]
    new_energy, new_length = _measure(decode, path)
    most = 1 - GAIN
    if new_energy < most * energy and _finely(decode, path) < most * _finely(decode, straight):
        return Geodesic(path, new_energy, new_length, energy, length)
    return Geodesic(straight, energy, length, energy, length)


def _without_jumps(decode: Decode, path: Float32[np.ndarray, "n latent"]) -> Float32[np.ndarray, "n latent"]:
    """Re-space a path with a step so large that its chord hides a detour of the pictures; others stay as they are."""
    lengths, _ = distances(decode, path)
    return equal_steps(decode, path, len(path)) if lengths.max() > JUMP * lengths.mean() else path


def _finely(decode: Decode, path: Float32[np.ndarray, "n latent"]) -> float:
    return _measure(decode, _resampled(path, (len(path) - 1) * _per_piece(len(path) - 1)))[0]


def _measure(decode: Decode, path: Float32[np.ndarray, "n latent"]) -> tuple[float, float]:
    lengths, _ = distances(decode, path)
    return float(len(lengths) * np.square(lengths).sum()), float(lengths.sum())


def _doublings(pieces: int) -> list[int]:
    """Return numbers of pieces that about double until they are all there."""
    found = [pieces]
    while found[0] >= 2 * PIECES:
        found.insert(0, -(-found[0] // 2))
    return found


def _per_piece(pieces: int) -> int:
    return max(FINER, -(-SAMPLES // pieces))


def _resampled(path: Float32[np.ndarray, "n latent"], pieces: int) -> Float32[np.ndarray, "m latent"]:
    return at(path, np.linspace(0, len(path) - 1, pieces + 1))


# --- one number of points -----------------------------------------------------------------------------------


def _relax(
    decode: Decode, path: Float32[np.ndarray, "n latent"], steps: int, tick: Callable[[float], None]
) -> Float32[np.ndarray, "n latent"]:
    """Move the inner codes of a path to a minimum of the energy; the energy never rises."""
    if len(path) < 3:
        return path
    tick(0.0)
    lower = _minimise(
        _energy_of(decode, path), path[1:-1].astype(np.float64), _springs(decode, path), steps, tick
    )
    relaxed = path.copy()
    relaxed[1:-1] = lower
    return relaxed


def _energy_of(decode: Decode, path: Float32[np.ndarray, "n latent"]) -> Energy:
    """Return a function of the inner codes: the sum of squared distances between pictures, and its gradient."""
    first, last = torch.from_numpy(path[:1].copy()), torch.from_numpy(path[-1:].copy())
    pieces = len(path) - 1
    weights = torch.from_numpy(_resampled(np.eye(len(path), dtype=np.float32), pieces * _per_piece(pieces)))

    def energy(inner: Float64[np.ndarray, "n latent"]) -> tuple[float, Float64[np.ndarray, "n latent"]]:
        with torch.inference_mode(False), torch.enable_grad():
            z = torch.from_numpy(inner.astype(np.float32)).requires_grad_()
            images = decode(weights.clone() @ torch.cat((first.clone(), z, last.clone()))).flatten(1)
            if not images.requires_grad:
                raise PathError(
                    "This decoder has no derivatives, which a geodesic needs; choose linear or data."
                )
            total = images.diff(dim=0).double().square().sum()
            (gradient,) = torch.autograd.grad(total, z)
        return float(total.detach()), gradient.double().numpy()

    return energy


def _springs(decode: Decode, path: Float32[np.ndarray, "n latent"]) -> Solve:
    """Return a function that solves for the stiffness matrix of the path, block tridiagonal with the metric in it.

    The metric is the mean of that at some places of each piece. With many latent dimensions it is replaced by one number that
    gives the piece its true length.
    """
    from scipy.linalg import cho_solve_banded, cholesky_banded

    pieces, latent = len(path) - 1, path.shape[1]
    if latent <= WIDEST:
        places = max(1, SAMPLES // pieces)
        t = (np.arange(pieces * places) + 0.5) / places
        metric = pullback(decode, torch.from_numpy(at(path, t))).double().numpy()
        metric = metric.reshape(pieces, places, latent, latent).mean(1)
    else:
        lengths, _ = distances(decode, path)
        moved = np.square(np.diff(path.astype(np.float64), axis=0)).sum(1)
        metric = (np.square(lengths) / np.maximum(moved, np.finfo(np.float32).tiny))[:, None, None]
    width = metric.shape[1]
    mean = float(np.trace(metric.mean(0))) / width
    metric = 2 / _per_piece(pieces) * (metric + (RIDGE * mean or 1.0) * np.eye(width))
    bands = np.zeros((2 * width, (pieces - 1) * width))  # [r - c, c] of the lower triangle
    for p in range(width):
        for q in range(width):
            if p >= q:
                bands[p - q, q::width] = metric[:-1, p, q] + metric[1:, p, q]
            bands[width + p - q, q::width][:-1] = -metric[1:-1, p, q]
    factor = cholesky_banded(bands, lower=True)

    def solve(right: Float64[np.ndarray, "n latent"]) -> Float64[np.ndarray, "n latent"]:
        flat = right.reshape(len(bands[0]), -1)
        return np.asarray(cho_solve_banded((factor, True), flat)).reshape(right.shape)

    return solve


def _minimise(
    energy: Energy,
    z: Float64[np.ndarray, "n latent"],
    solve: Solve,
    steps: int,
    tick: Callable[[float], None],
) -> Float64[np.ndarray, "n latent"]:
    """Minimise by L-BFGS with backtracking; `solve` stands for the inverse Hessian before anything is remembered."""
    pairs: deque[tuple[Float64[np.ndarray, "n latent"], Float64[np.ndarray, "n latent"]]] = deque(
        maxlen=MEMORY
    )
    value, gradient = energy(z)
    settled = 0
    for step in range(steps):
        tick(step / steps)
        move = -_inverse_hessian(gradient, pairs, solve)
        found = _backtrack(energy, z, value, move, float((gradient * move).sum()))
        if found is None:
            if not pairs:
                break
            pairs.clear()
            continue
        new, new_value, new_gradient = found
        s, y = new - z, new_gradient - gradient
        if (s * y).sum() > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y):
            pairs.append((s, y))
        settled = settled + 1 if value - new_value <= SETTLED * value else 0
        z, value, gradient = new, new_value, new_gradient
        if settled >= PATIENCE:
            break
    return z


def _inverse_hessian(
    gradient: Float64[np.ndarray, "n latent"],
    pairs: deque[tuple[Float64[np.ndarray, "n latent"], Float64[np.ndarray, "n latent"]]],
    solve: Solve,
) -> Float64[np.ndarray, "n latent"]:
    """Return H^-1 g by the two loops of L-BFGS (Nocedal & Wright 2006, algorithm 7.4)."""
    q = gradient.copy()
    shares = []
    for s, y in reversed(pairs):
        shares.append(float((s * q).sum() / (s * y).sum()))
        q -= shares[-1] * y
    q = solve(q)
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q += s * (share - float((y * q).sum() / (s * y).sum()))
    return q


def _backtrack(
    energy: Energy,
    z: Float64[np.ndarray, "n latent"],
    value: float,
    move: Float64[np.ndarray, "n latent"],
    slope: float,
) -> tuple[Float64[np.ndarray, "n latent"], float, Float64[np.ndarray, "n latent"]] | None:
    """Return where the energy has fallen along `move` as far as its slope promises (Armijo), or None if nowhere."""
    length = 1.0
    for _ in range(HALVINGS if slope < 0 else 0):
        new_value, gradient = energy(z + length * move)
        if new_value <= value + 1e-4 * length * slope and np.isfinite(gradient).all():
            return z + length * move, new_value, gradient
        length /= 2
    return None


# --- where to begin -----------------------------------------------------------------------------------------

STRIDE = 16  # grid cells from a to b; the grid reaches as far again to either side, and half as far beyond the ends
HOPS = ((1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))


def over_a_grid(
    decode: Decode, a: Float32[np.ndarray, " 2"], b: Float32[np.ndarray, " 2"]
) -> Float32[np.ndarray, "n 2"]:
    """Return the shortest path from a to b over a grid around them, re-spaced to even steps of the picture."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    along = (b.astype(np.float64) - a) / STRIDE
    across = np.array([-along[1], along[0]])
    i, j = np.meshgrid(
        np.arange(-STRIDE // 2, STRIDE * 3 // 2 + 1), np.arange(-STRIDE, STRIDE + 1), indexing="ij"
    )
    nodes = (a + i[..., None] * along + j[..., None] * across).astype(np.float32)
    side = nodes.shape[:2]
    rows, columns, lengths = _grid_edges(decode, nodes)
    graph = csr_array((lengths, (rows, columns)), shape=(i.size, i.size))
    begin, end = (int(np.ravel_multi_index((STRIDE // 2 + k, STRIDE), side)) for k in (0, STRIDE))
    reached, before = dijkstra(graph, directed=False, indices=begin, return_predecessors=True)
    if not np.isfinite(reached[end]):
        return linear(a, b, PIECES + 1)
    route = [end]
    while route[-1] != begin:
        route.append(int(before[route[-1]]))
    route.reverse()
    t = np.interp(np.linspace(0, reached[end], PIECES + 1), reached[route], np.arange(len(route)))
    return at(nodes.reshape(-1, 2)[route], t)


def _grid_edges(
    decode: Decode, nodes: Float32[np.ndarray, "rows columns 2"]
) -> tuple[np.ndarray, np.ndarray, Float64[np.ndarray, " edges"]]:
    """Return the nodes that each edge of the grid joins, and how far their pictures are from each other."""
    flat = nodes.reshape(-1, 2)
    images = torch.cat([pictures(decode, flat[k : k + 256]) for k in range(0, len(flat), 256)])
    index = np.arange(len(flat)).reshape(nodes.shape[:2])
    rows, columns = len(nodes), len(nodes[0])
    pairs = []
    for down, right in HOPS:
        left = slice(max(0, -right), columns - max(0, right))
        moved = slice(max(0, right), columns - max(0, -right))
        pairs.append(np.stack((index[: rows - down, left].ravel(), index[down:, moved].ravel())))
    first, second = np.concatenate(pairs, 1)
    lengths = (images[second] - images[first]).double().norm(dim=1).numpy()
    least = np.finfo(np.float64).tiny  # a sparse graph takes 0 for no edge
    return first, second, np.maximum(np.nan_to_num(lengths, nan=np.inf), least)


def _between(
    start: Float[np.ndarray, "n latent"], a: Float32[np.ndarray, " latent"], b: Float32[np.ndarray, " latent"]
) -> Float32[np.ndarray, "n latent"]:
    check_path(start)
    path = start.astype(np.float32)
    path[0], path[-1] = a, b
    return path
