"""Paths and files of walks for the browser. Imports torch, so `vae_explorer.walk.routes` imports it at the first request."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from vae_core import walks
from vae_core.config import PathConfig
from vae_core.errors import CodeError, ConfigError
from vae_core.latent.neighbours import nearest
from vae_core.latent.pace import speed
from vae_core.walks.making import along
from vae_explorer import session
from vae_explorer.library import OpenModel
from vae_explorer.live.known import find

MOST_ENDS, MOST_CODES, MOST_SAVED = 64, 400, 2000


def path(
    asked: dict[str, Any], tell: Callable[[float | None], None], gone: Callable[[], bool]
) -> dict[str, Any]:
    """Find a path between codes, and say how the picture changes along it and how far from encoded data it leads.

    Raises:
        ExplorerError: the request makes no sense, or there is no such path.
        Stopped: the reader is gone.
    """
    opened, started = find(asked.get("model")), time.perf_counter()
    ends = _codes(asked.get("ends"), opened, "ends", MOST_ENDS)
    config = PathConfig(
        ends=tuple(_text(code) for code in ends),
        path=asked.get("method"),
        frames=asked.get("count"),
        closed=asked.get("closed", False),
        overshoot=asked.get("overshoot", 1.0),
        equal_steps=asked.get("equal", False),
    )
    if config.frames > MOST_CODES:
        raise ConfigError(f"count = {config.frames} is too many for a page; use at most {MOST_CODES}.")
    walk = walks.path(opened.checkpoint, config, gone, lambda message, done: tell(done))
    pixels = float(np.prod(opened.checkpoint.model.data_shape))
    found = speed(lambda codes: opened.checkpoint.model.decode(codes).mean, walk.codes)
    lengths = found.steps.astype(np.float64) * np.sqrt(pixels)
    return {
        "codes": walk.codes.tolist(),
        "t": along(config).tolist(),
        "steps": found.steps.tolist(),
        "length": found.length,
        "worst": found.worst,
        "energy": float((lengths**2).sum() * len(lengths)),
        **_near(opened, walk.codes),
        "seconds": time.perf_counter() - started,
    }


def save(asked: dict[str, Any], tell: Callable[[float], None], gone: Callable[[], bool]) -> bytes:
    """Write codes as a contact sheet, a movie or an archive, say how much of it is done, and return the file.

    Raises:
        ExplorerError: the request makes no sense, or the file cannot be written.
        Stopped: the reader is gone.
    """
    opened = find(asked.get("model"))
    codes = _codes(asked.get("frames"), opened, "frames", MOST_SAVED)
    columns, fps = asked.get("columns"), asked.get("fps", 30)
    if not isinstance(fps, int) or not (columns is None or isinstance(columns, int)):
        raise ConfigError(f"fps = {fps!r} and columns = {columns!r} have to be whole numbers.")
    pictures = walks.frames(opened.checkpoint.model, codes, gone, lambda done, of: tell(done / of / 2))

    def written(share: float) -> None:  # which takes about as long as decoding
        tell((1 + share) / 2)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"walk.{asked['as']}"
        if asked["as"] == "png":
            tiles = walks.rows(pictures, columns)
            walks.write_contact_sheet(
                out, tiles, should_stop=gone, on_progress=lambda done, of: written(done / of)
            )
        else:
            walk = walks.Walk(codes, pictures)
            walks.save(out, walk, fps, should_stop=gone, on_progress=lambda message, done: written(done or 0))
        return out.read_bytes()


def _codes(value: Any, opened: OpenModel, name: str, most: int) -> Float32[np.ndarray, "n latent"]:
    """Codes from a request."""
    width = opened.checkpoint.model.latent_dim
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.ndim != 2 or found.shape[1] != width or not 2 <= len(found) <= most:
        raise CodeError(
            f"{name} has to be from 2 to {most} codes of {width} numbers each; choose other ones."
        )
    if not (np.abs(found) < session.FLOAT32_MAX).all():
        raise CodeError(f"{name} holds a number that float32 cannot hold; choose other codes.")
    return found.astype(np.float32)


def _text(code: Float32[np.ndarray, " latent"]) -> str:
    """A code as the core reads it, to the last bit."""
    return ",".join(repr(float(value)) for value in code)


def _near(opened: OpenModel, codes: Float32[np.ndarray, "n latent"]) -> dict[str, Any]:
    """The nearest encoded code of each step, and how far it is."""
    reference = opened.checkpoint.reference
    if reference is None:
        return {"nearest": None, "nearestPoint": None}
    found = nearest(reference.mean.numpy(), codes, 1)
    return {"nearest": found.distances[:, 0].tolist(), "nearestPoint": found.indices[:, 0].tolist()}
