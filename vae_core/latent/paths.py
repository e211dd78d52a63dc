"""Paths between codes: everything a walk needs, under one name.

    path = paths.linear(a, b, 64)                           the straight line
    path = paths.slerp(a, b, 64)                            the arc about the origin
    path = paths.geodesic(decode, a, b, 64).codes           pictures change as little as they can
    path = paths.following(data, a, b, 64)                  through encoded data
    path = paths.through([a, b, c], paths.slerp, 64, closed=True)

A path is a float32 array (count, D). Its ends are exactly those asked for.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32

from vae_core.errors import PathError
from vae_core.latent.following import DataGraph, following
from vae_core.latent.geodesics import Geodesic, geodesic
from vae_core.latent.lines import arc, check_ends, linear, slerp
from vae_core.latent.metric import Decode
from vae_core.latent.pace import Speed, check_path, equal_steps, speed

__all__ = [
    "DataGraph",
    "Decode",
    "Geodesic",
    "Leg",
    "Speed",
    "equal_steps",
    "following",
    "geodesic",
    "linear",
    "overshoot",
    "slerp",
    "speed",
    "through",
]

Leg = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # a, b, count -> (count, D), ends included

FARTHEST = 1.5


def through(
    ends: Sequence[Float[np.ndarray, " _"]], leg: Leg, count: int, closed: bool = False
) -> Float32[np.ndarray, "count latent"]:
    """Return `count` codes that visit all the ends in order, leg after leg; every end is on the path exactly.

    Each leg gets at least one step, and the others by the distance between its ends. A closed path comes back: its
    last code is its first again. Raises `PathError` for fewer than 2 ends, neighbours among them that are equal,
    and fewer codes than ends.
    """
    if len(ends) < 2:
        raise PathError(f"The path has {len(ends)} ends, but takes at least 2.")
    stops = [*ends, ends[0]] if closed else list(ends)
    if count < len(stops):
        raise PathError(
            f"count is {count}, but this path visits {len(stops)} codes; choose at least as many."
        )
    pairs = list(pairwise(stops))
    distances = [float(np.linalg.norm(np.subtract(*check_ends(a, b, count)))) for a, b in pairs]
    spare = np.cumsum(distances) / sum(distances) * (count - len(stops))
    steps = np.diff(np.rint(spare).astype(np.int64), prepend=0) + 1
    parts = [leg(a, b, int(n) + 1) for (a, b), n in zip(pairs, steps, strict=True)]
    return np.concatenate([part[:-1] for part in parts] + [parts[-1][-1:]]).astype(np.float32)


def overshoot(
    path: Float[np.ndarray, "n latent"], factor: float, turning: bool = False
) -> Float32[np.ndarray, "m latent"]:
    """Lengthen a path beyond both ends at the pace it has there: from t = 1 - factor to t = factor, where it was from 0 to 1.

    round((factor - 1) * (n - 1)) codes are added before and as many after; those between stay exactly as they are.
    The path goes straight on in latent space, or with `turning` further round the arc of `slerp`. Raises `PathError`
    for a factor outside of 1 to 1.5.
    """
    check_path(path)
    if not 1 <= factor <= FARTHEST:
        raise PathError(f"factor is {factor}, but must be from 1 to {FARTHEST}.")
    pieces = len(path) - 1
    beyond = np.arange(1, round((factor - 1) * pieces) + 1)
    exact = path.astype(np.float64)
    if turning:
        check_ends(path[0], path[-1], len(path))
        before, after = (arc(exact[0], exact[-1], t) for t in (-beyond[::-1] / pieces, 1 + beyond / pieces))
    else:
        before = exact[0] + beyond[::-1, None] * (exact[0] - exact[1])
        after = exact[-1] + beyond[:, None] * (exact[-1] - exact[-2])
    return np.concatenate((before, exact, after)).astype(np.float32)
