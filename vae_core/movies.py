"""Pictures one after another as a file to show elsewhere: GIF by Pillow, MP4 by ffmpeg.

A file appears when it is complete. Whoever stops half-way, or runs out of room, finds the old file or none under its
name, and no temporary one beside it.
"""

import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import GifImagePlugin, Image, ImageChops

from vae_core.errors import ExportError, Stopped

ShouldStop = Callable[[], bool]
OnProgress = Callable[[int, int], None]  # pictures written, and all of them

GIF_FPS = 50  # browsers slow down whatever is faster
GREYS = bytes(level for grey in range(256) for level in (grey, grey, grey))


def never() -> bool:
    """Do not stop."""
    return False


def silent(done: int, total: int) -> None:
    """Tell nobody how far it is."""


def write_gif(
    path: str | os.PathLike[str],
    pictures: Iterable[Image.Image],
    milliseconds: Sequence[int],
    palette: Image.Image | None = None,
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write an animated GIF that repeats, with a frame for each picture, those that repeat the one before too.

    Args:
        path: the file to make or replace.
        pictures: all of one size, as many as there are durations; taken one by one.
        milliseconds: how long each is shown, at least 20; a GIF counts in tens of them.
        palette: an image of mode P with the colours of all pictures; None for grey pictures, which stay exact.
        should_stop: asked before each picture.
        on_progress: called with the number of pictures written, and of all.

    Raises:
        Stopped: should_stop said so.
        ExportError: the file cannot be written.
    """
    path = Path(path)
    flow = _flow(path, pictures, len(milliseconds), should_stop, on_progress)
    with appearing(path) as temporary, temporary.open("wb") as file:
        before: Image.Image | None = None
        for picture, duration in zip(flow, milliseconds, strict=True):
            shown = _indexed(picture, palette)
            if before is None:
                file.write(_gif_header(shown))
            box = (0, 0, *shown.size) if before is None else _changed(before, shown)
            for block in GifImagePlugin.getdata(shown.crop(box), box[:2], duration=duration):
                file.write(block)
            before = shown
        file.write(b";")


def write_mp4(
    path: str | os.PathLike[str],
    pictures: Iterable[Image.Image],
    total: int,
    fps: int,
    hold: int = 1,
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> None:
    """Write H.264 with half the colour resolution (yuv420p) in an MP4 file, which browsers play.

    Args:
        path: the file to make or replace.
        pictures: RGB, all of one size with even sides; taken one by one.
        total: how many there are.
        fps: pictures a second.
        hold: for so many frames the last picture is shown.
        should_stop: asked before each picture.
        on_progress: called with the number of pictures written, and of all.

    Raises:
        Stopped: should_stop said so.
        ExportError: the file cannot be written, or there is no ffmpeg.
    """
    path = Path(path)
    flow = _flow(path, pictures, total, should_stop, on_progress)
    with appearing(path) as temporary:
        _encode(temporary, flow, fps, hold)
        _check_mp4(temporary, path, total + hold - 1)


@contextmanager
def appearing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which is renamed to it at the end, and is gone if anything goes wrong.

    Raises:
        ExportError: it cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
        ) as file:
            temporary = Path(file.name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # so that a power cut does not leave an empty file under the final name
        temporary.chmod(0o644)  # temporary files can be read by their owner only
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0]
        raise ExportError(f"{path} could not be written ({reason}); make room there.") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flow(
    path: Path,
    pictures: Iterable[Image.Image],
    total: int,
    should_stop: ShouldStop,
    on_progress: OnProgress,
) -> Iterator[Image.Image]:
    for done, picture in enumerate(pictures):
        if should_stop():
            raise Stopped(
                f"{path.name} was stopped after {done} of {total} pictures; nothing of it was written."
            )
        yield picture
        on_progress(done + 1, total)


# --- GIF --------------------------------------------------------------------------------------------------------
# Pillow's own way to save an animation keeps all of it in memory and joins equal pictures to one frame. So the blocks
# around Pillow's compressed pictures are written here, after the GIF89a specification.


def _indexed(picture: Image.Image, palette: Image.Image | None) -> Image.Image:
    if palette is None:
        return picture.convert("L")
    return picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)


def _gif_header(first: Image.Image) -> bytes:
    """Size, the one table of 256 colours, and that it is repeated for ever."""
    colours = GREYS if first.mode == "L" else bytes(first.getpalette() or ()).ljust(768, b"\0")
    table_of_256 = 0b1_111_0_111
    size = struct.pack("<HHBBB", *first.size, table_of_256, 0, 0)
    return b"GIF89a" + size + colours + b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


def _changed(before: Image.Image, now: Image.Image) -> tuple[int, int, int, int]:
    """The box outside of which two pictures of one palette are equal; one pixel of equal ones."""
    numbers = [Image.frombytes("L", each.size, each.tobytes()) for each in (before, now)]
    return ImageChops.difference(*numbers).getbbox() or (0, 0, 1, 1)


# --- MP4 --------------------------------------------------------------------------------------------------------


def _encode(path: Path, flow: Iterator[Image.Image], fps: int, hold: int) -> None:
    writer: Any = None
    try:
        content = b""
        for picture in flow:
            if writer is None:
                writer = _video_writer(path, picture.size, fps)
            content = picture.convert("RGB").tobytes()
            writer.send(content)
        for _ in range(hold - 1):
            writer.send(content)
    finally:
        if writer is not None:
            writer.close()


def _video_writer(path: Path, size: tuple[int, int], fps: int) -> Any:
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]

        writer = imageio_ffmpeg.write_frames(
            str(path),
            size,
            fps=fps,
            codec="libx264",
            quality=8,
            macro_block_size=2,
            ffmpeg_log_level="error",
            # Two threads leave the processor to whatever else runs; the index comes first, so playing starts at once.
            output_params=["-threads", "2", "-movflags", "+faststart", "-f", "mp4"],
        )
        writer.send(None)  # starts ffmpeg
        return writer
    except (ImportError, RuntimeError, OSError) as error:
        raise ExportError(
            f"No MP4 can be made, because ffmpeg is not here ({str(error).split(chr(10))[0]}); "
            "run `pip install -r requirements.txt`, or save it as GIF."
        ) from None


def _check_mp4(temporary: Path, path: Path, expected: int) -> None:
    """ffmpeg ends without a word to us when the disk is full; the pictures in its file are counted."""
    import imageio_ffmpeg

    try:
        found, _ = imageio_ffmpeg.count_frames_and_secs(str(temporary))
    except RuntimeError:
        found = 0
    if found != expected:
        raise ExportError(
            f"{path} could not be written ({found} of {expected} pictures were stored); make room there."
        )
