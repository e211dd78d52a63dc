"""Walks as files to keep: PNG contact sheet, GIF, MP4, and NPZ of codes and pictures.

Each appears when it is complete; whoever stops half-way, or runs out of room, finds what was there before.
"""

import itertools
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from vae_core import movies
from vae_core.errors import ConfigError, Stopped
from vae_core.movies import OnProgress, ShouldStop, never, silent
from vae_core.walks.frames import enlarged, place

SUFFIXES = (".png", ".gif", ".mp4", ".npz")

MAX_FPS = 120
MAX_SHEET_SIDE, MAX_MOVIE_SIDE = 16_384, 4096  # what players and viewers open without trouble
SHEET_WIDTH, MOVIE_SIDE = 1600, 512  # aimed at by the scale that is chosen for you
MAX_SCALE = 64
GROUND = 64  # grey between tiles
LOOKS = 64  # pictures that the colours of a GIF are chosen from
COMPRESSED = zipfile.ZIP_DEFLATED
AT_ONCE = 64  # pictures compressed at a time

Frames = UInt8[np.ndarray, "n height width channels"]
Tiles = UInt8[np.ndarray, "rows columns height width channels"]


def write_contact_sheet(
    path: str | os.PathLike[str],
    tiles: Tiles,
    scale: int | None = None,
    gap: int = 0,
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write a PNG of tiles side by side, exactly as they are; `frames.place` says where each one is.

    Args:
        path: the file to make or replace.
        tiles: row 0 is the top, column 0 the left, as `latent.planes.grid` has them.
        scale: every pixel becomes a square of so many; if not given, what makes the sheet up to 1600 pixels wide.
        gap: grey pixels between tiles.
        should_stop: asked before each row of tiles.
        on_progress: called with the number of tiles laid out, and of all.

    Raises:
        ConfigError: the sheet would have more than 16,384 pixels a side.
        Stopped: should_stop said so.
        ExportError: the file cannot be written.
    """
    path = Path(path)
    down, across, height, width, channels = tiles.shape
    scale = scale if scale is not None else _up_to(SHEET_WIDTH // (across * width), 8)
    size = (
        down * (height * scale + gap) - gap,
        across * (width * scale + gap) - gap,
    )
    _check_size(size, scale, MAX_SHEET_SIDE)
    sheet = np.full((*size, channels), GROUND, np.uint8)
    for row, line in enumerate(tiles):
        if should_stop():
            raise Stopped(f"{path.name} was stopped after {row} of {down} rows; nothing of it was written.")
        for column, tile in enumerate(enlarged(line, scale)):
            sheet[place(row, column, height * scale, width * scale, gap)] = tile
        on_progress((row + 1) * across, down * across)
    with movies.appearing(path) as temporary:
        _image(sheet).save(temporary, "PNG")


def write_gif(
    path: str | os.PathLike[str],
    frames: Frames,
    fps: int = 30,
    scale: int | None = None,
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write an animated GIF that repeats, with one frame per picture; grey ones and up to 256 colours stay exact.

    A GIF counts in hundredths of a second: pictures last unequally by one of them, so that all of it lasts n / fps.

    Args:
        path: the file to make or replace.
        frames: the pictures, in order.
        fps: pictures a second, 1 to 50.
        scale: every pixel becomes a square of so many; if not given, what makes the longer side up to 512.
        should_stop: asked before each picture.
        on_progress: called with the number of pictures written, and of all.

    Raises:
        ConfigError: fps or the size is out of range.
        Stopped: should_stop said so.
        ExportError: the file cannot be written.
    """
    check_fps(".gif", fps)
    pictures = _movie(frames, scale)
    ends = [round(100 * number / fps) for number in range(len(frames) + 1)]
    durations = [10 * (end - start) for start, end in itertools.pairwise(ends)]
    movies.write_gif(path, pictures, durations, _palette(frames), should_stop, on_progress)


def write_mp4(
    path: str | os.PathLike[str],
    frames: Frames,
    fps: int = 30,
    scale: int | None = None,
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write an MP4 that browsers play, with one frame per picture; an odd side gets one more pixel, like its last.

    Arguments and errors as `write_gif`; fps may be 1 to 120.
    """
    check_fps(".mp4", fps)
    pictures = _movie(frames, scale, even=True)
    movies.write_mp4(path, pictures, len(frames), fps, should_stop=should_stop, on_progress=on_progress)


def write_npz(
    path: str | os.PathLike[str],
    codes: Float32[np.ndarray, "*grid latent"],
    frames: UInt8[np.ndarray, "*grid height width channels"],
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write `codes` and `frames` as `numpy.load` reads them; no pickle, so allow_pickle=False opens it.

    Args:
        path: the file to make or replace.
        codes: (n, D) of a path, or (rows, columns, D) of a grid.
        frames: the picture of each, bytes.
        should_stop: asked every 64 pictures or rows of pictures.
        on_progress: called with the number of pictures or rows written, and of all.

    Raises:
        Stopped: should_stop said so.
        ExportError: the file cannot be written.
    """
    path = Path(path)
    with movies.appearing(path) as temporary, zipfile.ZipFile(temporary, "w", COMPRESSED) as archive:
        with archive.open("codes.npy", "w") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(codes, "<f4"), allow_pickle=False)
        with archive.open("frames.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": frames.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(frames), AT_ONCE):
                if should_stop():
                    raise Stopped(
                        f"{path.name} was stopped after {start} of {len(frames)}; nothing of it was written."
                    )
                file.write(frames[start : start + AT_ONCE].tobytes())
                on_progress(min(start + AT_ONCE, len(frames)), len(frames))


def check_fps(suffix: str, fps: int) -> None:
    """Make sure that a movie can show so many pictures a second; other files take any. Raises `ConfigError`."""
    most = {".gif": movies.GIF_FPS, ".mp4": MAX_FPS}.get(suffix)
    if most is not None and not 1 <= fps <= most:
        raise ConfigError(
            f"fps = {fps}: {'a GIF' if suffix == '.gif' else 'an MP4'} shows 1 to {most} pictures a second; "
            "choose one of these."
        )


def _movie(frames: Frames, scale: int | None, even: bool = False) -> Iterator[Image.Image]:
    """Enlarge pictures one by one; `even`: until both sides are even numbers of pixels."""
    _, height, width, _ = frames.shape
    scale = scale if scale is not None else _up_to(MOVIE_SIDE // max(height, width), MAX_SCALE)
    _check_size((height * scale, width * scale), scale, MAX_MOVIE_SIDE)
    odd = ((0, height * scale % 2), (0, width * scale % 2), (0, 0)) if even else ((0, 0),) * 3
    return (_image(np.pad(enlarged(frame, scale), odd, mode="edge")) for frame in frames)


def _up_to(scale: int, most: int) -> int:
    return min(max(scale, 1), most)


def _check_size(size: tuple[int, int], scale: int, most: int) -> None:
    if not 1 <= scale <= MAX_SCALE:
        raise ConfigError(f"scale = {scale} is out of range; choose a whole number from 1 to {MAX_SCALE}.")
    if max(size) > most:
        raise ConfigError(
            f"scale = {scale} makes a picture of {size[1]} x {size[0]} pixels, and at most {most} a side are "
            "written; choose a smaller scale, or fewer pictures."
        )


def _image(pixels: UInt8[np.ndarray, "height width channels"]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _palette(frames: Frames) -> Image.Image | None:
    """One table of colours for the whole movie, so that nothing flickers: those of pictures all along it."""
    if frames.shape[-1] == 1:
        return None
    colours = _few_colours(frames)
    if colours is not None:
        palette = Image.new("P", (1, 1))
        palette.putpalette(colours.tobytes())
        return palette
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, LOOKS).round().astype(int))]
    mosaic = chosen.reshape(-1, *chosen.shape[2:])
    return _image(mosaic).quantize(256, method=Image.Quantize.MEDIANCUT)


def _few_colours(frames: Frames) -> UInt8[np.ndarray, "colours 3"] | None:
    """All colours of the pictures, if there are at most 256."""
    found: np.ndarray = np.empty((0, 3), np.uint8)
    for frame in frames:
        found = np.unique(np.concatenate((found, frame.reshape(-1, 3))), axis=0)
        if len(found) > 256:
            return None
    return found
