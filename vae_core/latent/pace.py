"""How fast pictures change along a path, and the same path at an even pace."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from vae_core.errors import PathError
from vae_core.latent.metric import Decode

BATCH = 256  # codes decoded at a time
FINER = 4  # samples of the path for each step wanted
HALVINGS = 24  # of a stretch of the path: down to the last digits of float32
ROUNDS = 30
EVEN = 1.005  # largest step to mean step, at which nobody can tell


@dataclass(frozen=True, eq=False)
class Speed:
    """What the decoder does along a path of n codes."""

    steps: Float32[np.ndarray, " n_minus_1"]  # picture change at each step: RMS over pixels
    length: (
        float  # of the path in picture space: sum of the Euclidean distances between neighbouring pictures
    )
    worst: int  # the step that changes the picture most

    @property
    def ratio(self) -> float:
        """Largest step to mean step; 1 for an even pace, and for a picture that never changes."""
        mean = float(self.steps.mean(dtype=np.float64))
        return float(self.steps.max()) / mean if mean else 1.0


def speed(decode: Decode, path: Float[np.ndarray, "n latent"]) -> Speed:
    """Measure the picture change at each step of a path. Raises `PathError` for a path of fewer than 2 finite codes."""
    check_path(path)
    lengths, pixels = distances(decode, path.astype(np.float32))
    return Speed((lengths / np.sqrt(pixels)).astype(np.float32), float(lengths.sum()), int(lengths.argmax()))


def equal_steps(
    decode: Decode, path: Float[np.ndarray, "n latent"], count: int
) -> Float32[np.ndarray, "count latent"]:
    """Return `count` codes on the same path, straight from code to code, spaced so that each step changes the picture equally.

    The ends are kept exactly; codes between them are not. Stretches that change the picture much are looked at ever
    closer, so a cliff is climbed in as many steps as it is high; only a jump between two neighbouring float32
    codes cannot be divided. Raises `PathError` for a path of fewer than 2 finite codes, or a count below 2.
    """
    check_path(path)
    if count < 2:
        raise PathError(f"count is {count}, but a path has at least 2 codes, its ends.")
    path = path.astype(np.float32)
    t, s = _arc_length(decode, path, count)
    if not s[-1]:
        return at(path, np.linspace(0, len(path) - 1, count))
    # A step is a chord of the path of pictures, a bit shorter than the arc: even arcs first, then corrected until the
    # chords are even (equidistribution; de Boor 1973).
    arcs = np.linspace(0, s[-1], count)
    best, least = at(path, np.interp(arcs, s, t)), np.inf
    for _ in range(ROUNDS):
        codes = at(path, np.interp(arcs, s, t))
        chords, _ = distances(decode, codes)
        uneven = float(chords.max() / max(chords.mean(), np.finfo(np.float64).tiny))
        if uneven < least:
            best, least = codes, uneven
        if uneven <= EVEN:
            break
        reached = np.concatenate(([0.0], np.cumsum(chords)))
        arcs = np.interp(np.linspace(0, reached[-1], count), reached, arcs)
    return best


def at(
    path: Float32[np.ndarray, "n latent"], t: Float64[np.ndarray, " m"]
) -> Float32[np.ndarray, "m latent"]:
    """Return the codes at t on a path, where t counts its codes from 0 and is between two of them in between."""
    before = np.clip(np.floor(t).astype(np.int64), 0, len(path) - 2)
    part = (t - before)[:, None]
    exact = path.astype(np.float64)
    codes: Float32[np.ndarray, "m latent"] = (exact[before] * (1 - part) + exact[before + 1] * part).astype(
        np.float32
    )
    return codes


def distances(
    decode: Decode, path: Float32[np.ndarray, "n latent"]
) -> tuple[Float64[np.ndarray, " n_minus_1"], int]:
    """Return the Euclidean distances between neighbouring pictures, and how many pixels a picture has."""
    found: list[Tensor] = []
    last: Tensor | None = None
    for start in range(0, len(path), BATCH):
        images = pictures(decode, path[start : start + BATCH])
        whole = images if last is None else torch.cat((last, images))
        found.append(whole.diff(dim=0).double().norm(dim=1))
        last = images[-1:]
    lengths = torch.cat(found).numpy()
    if not np.isfinite(lengths).all():
        raise PathError("The decoder gives NaN or infinity on this path; move its ends.")
    return lengths, images.shape[1]


def pictures(decode: Decode, codes: Float32[np.ndarray, "n latent"]) -> Float[Tensor, "n pixels"]:
    """Decode codes to flat pictures, without derivatives."""
    with torch.no_grad():
        return decode(torch.from_numpy(codes)).flatten(1).clone()


def check_path(path: Float[np.ndarray, "n latent"]) -> None:
    """Raise `PathError` for fewer than 2 codes, NaN or infinity."""
    if len(path) < 2:
        raise PathError(f"The path has {len(path)} codes, but takes at least 2.")
    if not np.isfinite(path).all():
        raise PathError("The path holds NaN or infinity; pass finite codes.")


def _arc_length(
    decode: Decode, path: Float32[np.ndarray, "n latent"], count: int
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """Sample the path at t (see `at`); return t and the length s of the path of pictures up to there, both rising."""
    pieces = -(-FINER * count // (len(path) - 1))
    t = np.linspace(0, len(path) - 1, (len(path) - 1) * pieces + 1)
    images = torch.cat([pictures(decode, at(path, part)) for part in _batches(t)])
    for halving in range(HALVINGS + 1):
        lengths = images.diff(dim=0).double().norm(dim=1).numpy()
        if not np.isfinite(lengths).all():
            raise PathError("The decoder gives NaN or infinity on this path; move its ends.")
        (coarse,) = np.nonzero(lengths > lengths.sum() / (FINER * count))
        if halving == HALVINGS or not len(coarse):
            break
        middle = (t[coarse] + t[coarse + 1]) / 2
        new = torch.cat([pictures(decode, at(path, part)) for part in _batches(middle)])
        order = np.argsort(np.concatenate((t, middle)), kind="stable")
        t = np.concatenate((t, middle))[order]
        images = torch.cat((images, new))[torch.from_numpy(order)]
    return t, np.concatenate(([0.0], np.cumsum(lengths)))


def _batches(t: Float64[np.ndarray, " m"]) -> list[Float64[np.ndarray, " part"]]:
    return [t[start : start + BATCH] for start in range(0, len(t), BATCH)]
