"""The work behind a walk: find its codes, decode them, write the file."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from vae_core.checkpoint import Checkpoint
from vae_core.config import GridConfig, PathConfig
from vae_core.errors import CheckpointError, ConfigError
from vae_core.latent import paths, planes
from vae_core.latent.paths import DataGraph, Decode, Leg
from vae_core.latent.planes import Plane
from vae_core.movies import OnProgress, ShouldStop, never
from vae_core.walks import files
from vae_core.walks.ends import code_of
from vae_core.walks.frames import frames, rows, there_and_back

Progress = Callable[[str, float | None], None]  # what is under way, in words, and the share of it done


EXTENT = 3.0  # of a plane of dimensions: 99.7 % of the prior's mass in each
GAP = 2  # pixels between the pictures of a path on a sheet; the tiles of a grid touch
FINER = 4  # codes for each step of an even pace

Code = Float32[np.ndarray, " latent"]
Codes = Float32[np.ndarray, "n latent"]


def quiet(message: str, done: float | None) -> None:
    """Tell nobody what is under way."""


@dataclass(frozen=True, eq=False)
class Walk:
    """Codes and their pictures: (n, ...) of a path in order, (rows, columns, ...) of a grid with row 0 at the top."""

    codes: Float32[np.ndarray, "*places latent"]
    frames: UInt8[np.ndarray, "*places height width channels"]

    @property
    def is_grid(self) -> bool:
        return self.codes.ndim == 3


def make(
    loaded: Checkpoint,
    config: GridConfig | PathConfig,
    should_stop: ShouldStop = never,
    on_progress: Progress = quiet,
) -> Walk:
    """Make a `grid` or a `path`, whichever the config asks for."""
    draw: Any = grid if isinstance(config, GridConfig) else path
    made: Walk = draw(loaded, config, should_stop, on_progress)
    return made


def grid(
    loaded: Checkpoint,
    config: GridConfig,
    should_stop: ShouldStop = never,
    on_progress: Progress = quiet,
) -> Walk:
    """Decode a grid of codes on a plane.

    Raises:
        ConfigError: a text names no code of this model.
        CheckpointError: the plane takes encoded data, which the checkpoint has not.
        PlaneError: there is no such plane.
        Stopped: should_stop said so.
    """
    plane, extent = plane_of(loaded, config)
    codes = planes.sheet(plane, *places(config, extent))
    flat = frames(
        loaded.model, codes.reshape(-1, codes.shape[-1]), should_stop, _share(on_progress, "Decoding.")
    )
    return Walk(codes, flat.reshape(*codes.shape[:2], *flat.shape[1:]))


def places(
    config: GridConfig, extent: float
) -> tuple[Float64[np.ndarray, " columns"], Float64[np.ndarray, " rows"]]:
    """Return where on its plane the tiles of a grid stand, across and up, rising. Raises `PlaneError`."""
    rows, columns = config.shape
    if rows == columns >= planes.FEWEST and config.centre is None and config.step is None:
        along = planes.coordinates(columns, low=-extent, high=extent, spacing=config.spacing)
        return along, along
    longer = max(rows, columns)
    if config.spacing == "quantile":
        centre, step = config.centre or (0.5, 0.5), config.step or 1 / longer
    else:
        centre, step = config.centre or (0.0, 0.0), config.step or 2 * extent / max(longer - 1, 1)
    return (
        planes.around(columns, centre[0], step, config.spacing),
        planes.around(rows, centre[1], step, config.spacing),
    )


def plane_of(loaded: Checkpoint, config: GridConfig) -> tuple[Plane, float]:
    """Return the plane that a grid is on, and how far from its origin a linear one reaches; errors as `grid`."""
    base = None if config.base is None else code_of(config.base, loaded, "base")
    if config.plane == "through":
        codes = np.stack([code_of(text, loaded, "through") for text in config.through])
        plane = planes.through(codes[0], codes[1], codes[2])
        return plane, config.extent or plane.reach(codes)
    if config.plane == "principal":
        codes = _encoded(loaded, "plane = principal")
        plane = planes.of_principal(codes, base)
        return plane, config.extent or plane.reach(codes)
    if base is None:
        base = np.zeros(loaded.model.latent_dim, np.float32)
    return planes.of_dimensions(base, config.first, config.second), config.extent or EXTENT


def path(
    loaded: Checkpoint,
    config: PathConfig,
    should_stop: ShouldStop = never,
    on_progress: Progress = quiet,
) -> Walk:
    """Find a path between codes and decode it.

    Raises:
        ConfigError: a text names no code of this model.
        CheckpointError: an end or the path takes encoded data, which the checkpoint has not.
        PathError: no such path leads from one end to the next.
        Stopped: should_stop said so.
    """
    last = len(config.ends) - 1
    names = ("from", *["via"] * (last - 1), "to")
    ends = [code_of(text, loaded, name) for text, name in zip(config.ends, names, strict=True)]
    leg = _leg(loaded, config, should_stop, on_progress)
    # Even steps are taken along the codes that are there, so an arc has to be close to one.
    finer = FINER if config.equal_steps and config.path != "geodesic" else 1
    codes = paths.through(ends, leg, config.frames * finer, config.closed)
    if config.equal_steps:
        on_progress("Spacing the steps equally.", None)
        codes = paths.equal_steps(decoder(loaded), codes, config.frames)
    codes = paths.overshoot(codes, config.overshoot, turning=config.path == "slerp" and last == 1)
    return Walk(codes, frames(loaded.model, codes, should_stop, _share(on_progress, "Decoding.")))


def along(config: PathConfig) -> Float64[np.ndarray, " n"]:
    """Return where the codes of a path stand, counted evenly: 0 at its first end, 1 at its last, beyond them what overshoots."""
    pieces = config.frames - 1
    beyond = round((config.overshoot - 1) * pieces)
    return np.arange(-beyond, pieces + beyond + 1) / pieces


def _leg(loaded: Checkpoint, config: PathConfig, should_stop: ShouldStop, on_progress: Progress) -> Leg:
    """Return the function that finds the way from one end to the next."""
    if config.path == "linear":
        return paths.linear
    if config.path == "slerp":
        return paths.slerp
    if config.path == "data":
        on_progress("Joining encoded data to their neighbours.", None)
        return DataGraph.of(_encoded(loaded, "path = data"), config.neighbours).path
    decode, legs, done = decoder(loaded), len(config.ends) - 1 + config.closed, itertools.count()

    def leg(a: Code, b: Code, count: int) -> Codes:
        before = next(done)
        return paths.geodesic(
            decode,
            a,
            b,
            count,
            lambda share: on_progress("Finding the geodesic.", (before + share) / legs),
            should_stop,
        ).codes

    return leg


def figures(loaded: Checkpoint, walk: Walk) -> dict[str, Any]:
    """Return what can be said of a walk in numbers, all of them on one scale of pictures.

    Of a grid: tiles. Of a path: codes; image_length, the sum of the Euclidean distances between neighbouring
    pictures; worst_step, the number of the step that changes the picture most; step_ratio, that step to the mean one.
    """
    if walk.is_grid:
        return {"tiles": walk.codes.shape[0] * walk.codes.shape[1]}
    found = paths.speed(decoder(loaded), walk.codes)
    return {
        "codes": len(walk.codes),
        "image_length": found.length,
        "worst_step": found.worst,
        "step_ratio": found.ratio,
    }


def decoder(loaded: Checkpoint) -> Decode:
    """Return the function from codes to mean pictures that paths are measured by."""
    model = loaded.model
    return lambda codes: model.decode(codes).mean


def check_out(out: str | os.PathLike[str], fps: int, *, is_grid: bool) -> None:
    """Make sure that a walk can be written as a file of this name, before work goes into it.

    Raises:
        ConfigError: the name ends in no known way, a grid is to be a movie, or a movie cannot be so fast.
    """
    out = Path(out)
    known = (".png", ".npz") if is_grid else files.SUFFIXES
    if out.suffix.lower() not in known:
        what = "a grid" if is_grid else "a path"
        found = f"ends in {out.suffix}" if out.suffix else "has no ending"
        raise ConfigError(
            f"out = {out} {found}; {what} is written as {', '.join(known[:-1])} or {known[-1]}, so choose such a name."
        )
    files.check_fps(out.suffix.lower(), fps)


def save(
    out: str | os.PathLike[str],
    walk: Walk,
    fps: int = 30,
    scale: int | None = None,
    ping_pong: bool = False,
    should_stop: ShouldStop = never,
    on_progress: Progress = quiet,
) -> None:
    """Write a walk as the ending of `out` says; the file appears when it is complete.

    Args:
        out: .png (contact sheet), .npz (codes and pictures), and for paths .gif or .mp4.
        walk: what is in it.
        fps: pictures a second of a movie.
        scale: every pixel becomes a square of so many in a picture or movie; if not given, as fits a screen.
        ping_pong: a path runs back after its end.
        should_stop: asked now and then.
        on_progress: hears what is under way.

    Raises:
        ConfigError: the ending, fps or scale is not one that can be written.
        Stopped: should_stop said so; nothing is written.
        ExportError: the file cannot be written.
    """
    out = Path(out)
    check_out(out, fps, is_grid=walk.is_grid)
    heard = _share(on_progress, f"Writing {out.name}.")
    codes, pictures = walk.codes, walk.frames
    if ping_pong and not walk.is_grid:
        order = there_and_back(len(codes))
        codes, pictures = codes[order], pictures[order]
    match out.suffix.lower():
        case ".png":
            tiles, gap = (pictures, 0) if walk.is_grid else (rows(pictures), GAP)
            files.write_contact_sheet(out, tiles, scale, gap, should_stop, heard)
        case ".gif":
            files.write_gif(out, pictures, fps, scale, should_stop, heard)
        case ".mp4":
            files.write_mp4(out, pictures, fps, scale, should_stop, heard)
        case _:
            files.write_npz(out, codes, pictures, should_stop, heard)


def _encoded(loaded: Checkpoint, what: str) -> Float32[np.ndarray, "n latent"]:
    if loaded.reference is None:
        raise CheckpointError(
            f"{what} takes encoded data, which this checkpoint has not; choose another plane or path, or train the "
            "model with this program."
        )
    return loaded.reference.mean.float().numpy()


def _share(on_progress: Progress, message: str) -> OnProgress:
    return lambda done, total: on_progress(message, done / total)
