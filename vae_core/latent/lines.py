"""The two paths between codes that ask nothing of the decoder: the straight line, and the arc about the origin."""

import numpy as np
from jaxtyping import Float, Float32, Float64

from vae_core.errors import PathError

PARALLEL = 1e-6  # sine of an angle that float32 codes cannot tell from 0


def linear(
    a: Float[np.ndarray, " latent"], b: Float[np.ndarray, " width"], count: int
) -> Float32[np.ndarray, "count latent"]:
    """Return `count` equally spaced codes on the straight line from a to b, the ends themselves included.

    Raises `PathError` for ends that are equal, not finite or of unequal widths, and for a count below 2.
    """
    start, end = check_ends(a, b, count)
    t: Float64[np.ndarray, "count 1"] = np.linspace(0, 1, count)[:, None]
    return _with_ends(start + t * (end - start), a, b)


def slerp(
    a: Float[np.ndarray, " latent"], b: Float[np.ndarray, " width"], count: int
) -> Float32[np.ndarray, "count latent"]:
    """Return `count` codes on the arc from a to b about the origin, at equal angles (Shoemake 1985).

    Norms go linearly from |a| to |b|, so equal norms are kept: N(0, I) has its mass near the sphere of radius
    sqrt(D), which a straight line leaves. Towards a parallel code or from the zero code the arc is the straight
    line. Opposite codes are joined by infinitely many half circles; the one taken turns towards the coordinate
    axis most perpendicular to a, the first of several.

    Raises `PathError` as `linear` does, and for codes of one dimension, which have no angle.
    """
    start, end = check_ends(a, b, count)
    if len(a) == 1:
        raise PathError("slerp turns about the origin, which takes at least 2 dimensions; choose linear.")
    return _with_ends(arc(start, end, np.linspace(0, 1, count)), a, b)


def arc(
    a: Float64[np.ndarray, " latent"], b: Float64[np.ndarray, " latent"], t: Float64[np.ndarray, " m"]
) -> Float64[np.ndarray, "m latent"]:
    """Return the codes at t on the arc that is at a for t = 0 and at b for t = 1; a norm never falls below 0."""
    norm_a, norm_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    straight: Float64[np.ndarray, "m latent"] = a + t[:, None] * (b - a)
    if not norm_a or not norm_b:
        return straight
    u, to = a / norm_a, b / norm_b
    aside = to - (to @ u) * u
    sine, cosine = float(np.linalg.norm(aside)), float(to @ u)
    if sine > PARALLEL:
        aside /= sine
    elif cosine < 0:
        aside = np.eye(1, len(u), int(np.abs(u).argmin()))[0]
        aside -= (aside @ u) * u
        aside /= np.linalg.norm(aside)
    else:
        return straight
    angle = np.arctan2(sine, cosine) * t[:, None]
    norms = np.maximum(norm_a + t[:, None] * (norm_b - norm_a), 0)
    turned: Float64[np.ndarray, "m latent"] = norms * (np.cos(angle) * u + np.sin(angle) * aside)
    return turned


def check_ends(
    a: Float[np.ndarray, " latent"], b: Float[np.ndarray, " width"], count: int
) -> tuple[Float64[np.ndarray, " latent"], Float64[np.ndarray, " latent"]]:
    """Return the ends in float64, or raise `PathError` where no path of `count` codes leads from a to b."""
    if count < 2:
        raise PathError(f"count is {count}, but a path has at least 2 codes, its ends.")
    if len(a) != len(b):
        raise PathError(f"The ends have {len(a)} and {len(b)} dimensions; pass codes of the same model.")
    for name, code in (("first", a), ("last", b)):
        if not np.isfinite(code).all():
            raise PathError(f"The {name} code of the path holds NaN or infinity; pass a finite code.")
    if np.array_equal(a, b):
        raise PathError("The path begins and ends at the same code; choose two different ones.")
    return a.astype(np.float64), b.astype(np.float64)


def _with_ends(
    codes: Float64[np.ndarray, "count latent"],
    a: Float[np.ndarray, " latent"],
    b: Float[np.ndarray, " latent"],
) -> Float32[np.ndarray, "count latent"]:
    path = codes.astype(np.float32)
    path[0], path[-1] = a, b
    return path
