"""A run's film as a file to show elsewhere: reconstructions, draws from the prior and the codes, a picture per snapshot.

The picture is laid out once; only what changes from snapshot to snapshot is drawn again. The codes are on one fixed
scale over the whole film, so that what moves on the screen moved in the latent space.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageDraw, ImageFont

from vae_core import checkpoint, data, movies
from vae_core.errors import CheckpointError, ExportError, Stopped, TrainingError
from vae_core.training.film import Frame, Items
from vae_core.training.run import Metrics, Run

WIDTH, HEIGHT = 960, 540  # even, as H.264 with half the colour resolution wants it
PER_SECOND = 10
LAST_S = 2  # so long the last picture is shown

Picture = UInt8[np.ndarray, "540 960 3"]
ShouldCancel = Callable[[], bool]
OnProgress = Callable[[int, int], None]

# Petroff (2021, arXiv:2107.02270): ten colours told apart by colour-blind people too. More classes than that
# take the colours again with another marker. The page's own scatter (vae_explorer/kit/colours.js) does the same.
COLOURS = (
    ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"]
)  # fmt: skip
MARKERS = ("circle", "triangle", "square", "diamond", "cross")
GROUND, WORDS, QUIET, LINE = "#101416", "#e6edf0", "#9fb0b8", "#39444a"

MARGIN, GAP = 20, 2
SCATTER = (MARGIN, 84, 436)  # left, top and side of the square of codes
RIGHT = SCATTER[0] + SCATTER[2] + 28  # where pictures begin
FINE = 2  # the codes are drawn so many times larger, then reduced: smooth markers
RADIUS = 2.6


@dataclass(frozen=True)
class View:
    """The part of the plane that the square shows: left, bottom, and what its sides span."""

    left: float
    bottom: float
    span_x: float
    span_y: float

    def on_screen(self, points: Float[np.ndarray, "points 2"], side: int) -> Float[np.ndarray, "points 2"]:
        """Return where points are, in pixels from the upper left corner of a square of that side."""
        x = (points[:, 0] - self.left) / self.span_x
        y = 1 - (points[:, 1] - self.bottom) / self.span_y
        return np.stack((x, y), 1) * side


def epochs(run: Run) -> list[int]:
    """The epochs that have a picture, in order; 0 is before training."""
    try:
        names = [path.stem for path in (run.folder / "film").iterdir() if path.suffix == ".safetensors"]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def class_names(run: Run) -> tuple[str, ...]:
    """What the labels of a run's examples mean, as far as is known without looking at data of your own."""
    source = run.experiment().data
    if source.path is None:
        return data.info(source).class_names
    written = run.snapshots()
    try:
        return checkpoint.describe(run.checkpoint(written[0])).info.class_names if written else ()
    except CheckpointError:  # a snapshot that is being removed
        return ()


def frames(run: Run) -> Iterator[Picture]:
    """Yield one picture per snapshot, oldest first.

    Raises:
        TrainingError: there is no snapshot yet, or a file of the film cannot be read.
    """
    for picture in _frames(run, epochs(run)):
        yield np.asarray(picture)


def write_gif(
    path: str | os.PathLike[str],
    run: Run,
    should_cancel: ShouldCancel = movies.never,
    on_progress: OnProgress = movies.silent,
) -> bool:
    """Write the film as an animated GIF that repeats, ten snapshots a second, the last one for two seconds.

    Args:
        path: the file to make or replace; it appears when it is complete, and not at all otherwise.
        run: whose film it is.
        should_cancel: asked before each picture.
        on_progress: called with the number of pictures made, and of all.

    Returns:
        Whether the file was written; False if it was cancelled.

    Raises:
        TrainingError: there is no snapshot yet, one cannot be read, or the file cannot be written.
    """
    numbers = epochs(run)
    durations = [1000 // PER_SECOND] * (len(numbers) - 1) + [1000 * LAST_S] * bool(numbers)
    return _written(
        lambda: movies.write_gif(
            path, _frames(run, numbers), durations, _palette(run, numbers), should_cancel, on_progress
        )
    )


def write_mp4(
    path: str | os.PathLike[str],
    run: Run,
    should_cancel: ShouldCancel = movies.never,
    on_progress: OnProgress = movies.silent,
) -> bool:
    """Write the film as H.264 in an MP4 file that browsers play; arguments, result and errors as `write_gif`."""
    numbers = epochs(run)
    return _written(
        lambda: movies.write_mp4(
            path,
            _frames(run, numbers),
            len(numbers),
            PER_SECOND,
            hold=PER_SECOND * LAST_S,
            should_stop=should_cancel,
            on_progress=on_progress,
        )
    )


def _written(write: Callable[[], None]) -> bool:
    try:
        write()
    except Stopped:
        return False
    except ExportError as error:
        raise TrainingError(str(error)) from None
    return True


# --- one picture ------------------------------------------------------------------------------------------------


def _frames(run: Run, numbers: list[int]) -> Iterator[Image.Image]:
    if not numbers:
        raise TrainingError(f"{run.title()} has no snapshot yet; let it train for an epoch first.")
    items = Items.from_file(run.folder / "film" / "items.safetensors")
    figures = {row.epoch: row for row in run.metrics()}
    kind, latent_dim = run.experiment().model.kind, run.experiment().model.latent_dim
    view = _view((Frame.from_file(run.film(number)).points.numpy() for number in numbers), latent_dim)
    ground = _ground(run, items, kind, latent_dim, view)
    for number in numbers:
        frame = Frame.from_file(run.film(number))
        picture = ground.copy()
        _draw_words(
            picture, number, numbers[-1], figures.get(number), kind, latent_dim, float(frame.explained)
        )
        _draw_codes(picture, frame.points.numpy(), items.labels.numpy(), view)
        rows = _rows(items)
        _draw_tiles(picture, frame.reconstructions.numpy(), rows.reconstructions, rows.columns)
        _draw_tiles(picture, frame.samples.numpy(), rows.samples, rows.columns)
        yield picture


def _view(clouds: Iterator[Float[np.ndarray, "points 2"]], latent_dim: int) -> View:
    """The smallest view, with a margin, that holds the points of every snapshot."""
    corners = [np.stack((cloud.min(0), cloud.max(0))) for cloud in clouds if len(cloud)]
    low = np.min([corner[0] for corner in corners], axis=0) if corners else np.full(2, -1.0)
    high = np.max([corner[1] for corner in corners], axis=0) if corners else np.full(2, 1.0)
    if latent_dim == 1:  # the mean, and its standard deviation from 0 to the prior's 1 at least
        low[1], high[1] = 0.0, max(float(high[1]), 1.0)
    span = np.maximum(high - low, 1e-6) * 1.06
    if latent_dim != 1:
        span = np.full(2, span.max())  # equal units on both axes
    middle = (low + high) / 2
    return View(
        float(middle[0] - span[0] / 2), float(middle[1] - span[1] / 2), float(span[0]), float(span[1])
    )


@dataclass(frozen=True)
class _Rows:
    """Where the pictures' blocks begin, from the top, and how many are in a row."""

    originals: int
    reconstructions: int
    samples: int
    end: int
    columns: int


def _rows(items: Items) -> _Rows:
    columns = 8
    block = _block_height(items.originals.shape, columns)
    top = 84
    step = block + 30
    return _Rows(top, top + step, top + 2 * step, top + 2 * step + block, columns)


def _tile(shape: tuple[int, ...], columns: int) -> tuple[int, int]:
    """Width and height of one picture: as wide as its column, unless two rows of it were too high."""
    _, height, width, _ = shape
    widest = (WIDTH - MARGIN - RIGHT - GAP * (columns - 1)) // columns
    highest = 60
    scale = min(widest / width, highest / height)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _block_height(shape: tuple[int, ...], columns: int) -> int:
    rows = -(-shape[0] // columns)
    return rows * _tile(shape, columns)[1] + (rows - 1) * GAP


def _ground(run: Run, items: Items, kind: str, latent_dim: int, view: View) -> Image.Image:
    """What is the same in every picture."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    draw = ImageDraw.Draw(picture)
    rows = _rows(items)
    draws = (
        "Draws from the prior" if kind == "vae" else "Decoded draws from N(0, I) (this model has no prior)"
    )
    for top, text in (
        (rows.originals, "Held-out originals"),
        (rows.reconstructions, "Reconstructions"),
        (rows.samples, draws),
    ):
        draw.text((RIGHT, top - 8), text, QUIET, _font(15), anchor="ls")
    draw.text((WIDTH - MARGIN, 36), _shortened(run.title(), 440, 16), QUIET, _font(16), anchor="rs")
    _draw_axes(draw, view)
    _draw_legend(draw, class_names(run), items.labels.numpy(), rows.end)
    _draw_tiles(picture, items.originals.numpy(), rows.originals, rows.columns)
    return picture


def _draw_axes(draw: ImageDraw.ImageDraw, view: View) -> None:
    left, top, side = SCATTER
    draw.rectangle((left, top, left + side, top + side), outline=LINE)
    zero = view.on_screen(np.zeros((1, 2)), side)[0]
    if 0 < zero[0] < side:
        draw.line((left + zero[0], top, left + zero[0], top + side), LINE)
    if 0 < zero[1] < side:
        draw.line((left, top + zero[1], left + side, top + zero[1]), LINE)
    for value, share in ((view.left, 0.0), (view.left + view.span_x, 1.0)):
        anchor = "ra" if share else "la"
        draw.text((left + share * side, top + side + 4), _number(value), QUIET, _font(12), anchor=anchor)


def _draw_legend(
    draw: ImageDraw.ImageDraw, names: tuple[str, ...], labels: Int64[np.ndarray, " points"], top: int
) -> None:
    """Name the classes below the pictures, as many as there is room for."""
    x, y = RIGHT, top + 22
    for label in sorted({int(each) for each in labels if each >= 0}):
        name = _shortened(names[label] if label < len(names) else str(label), 140, 13)
        wide = 14 + int(_font(13).getlength(name)) + 14
        if x + wide > WIDTH - MARGIN:
            x, y = RIGHT, y + 20
        if y > HEIGHT - 12:
            return
        _mark(draw, float(x + 5), float(y), label)
        draw.text((x + 14, y), name, QUIET, _font(13), anchor="lm")
        x += wide


def _draw_words(
    picture: Image.Image,
    epoch: int,
    last: int,
    row: Metrics | None,
    kind: str,
    latent_dim: int,
    explained: float,
) -> None:
    draw = ImageDraw.Draw(picture)
    what = "Before training" if epoch == 0 else f"Epoch {epoch} of {last}"
    draw.text((MARGIN, 40), what, WORDS, _font(26), anchor="ls")
    if row is not None:
        name = "held-out ELBO" if kind == "vae" else "held-out reconstruction"
        figure = f"{name} {_number(row.held_out_elbo)} nats"
        draw.text((MARGIN + 210, 40), figure, WORDS, _font(18), anchor="ls")
    draw.text((MARGIN, 76), _plane(latent_dim, explained), QUIET, _font(15), anchor="ls")


def _plane(latent_dim: int, explained: float) -> str:
    if latent_dim == 1:
        return "Held-out codes: mean (across) and standard deviation (up)"
    if latent_dim == 2:
        return "Held-out codes in the latent plane"
    return f"Held-out codes, PCA, {explained:.0%} of the variance"


def _draw_codes(
    picture: Image.Image,
    points: Float[np.ndarray, "points 2"],
    labels: Int64[np.ndarray, " points"],
    view: View,
) -> None:
    left, top, side = SCATTER
    box = (left + 1, top + 1, left + side - 1, top + side - 1)
    fine = picture.crop(box).resize(((box[2] - box[0]) * FINE, (box[3] - box[1]) * FINE))
    draw = ImageDraw.Draw(fine)
    for (x, y), label in zip(view.on_screen(points, fine.width), labels, strict=True):
        _mark(draw, float(x), float(y), int(label))
    picture.paste(fine.reduce(FINE), box[:2])


def _mark(draw: ImageDraw.ImageDraw, x: float, y: float, label: int) -> None:
    r = RADIUS * FINE
    colour = COLOURS[max(label, 0) % len(COLOURS)]
    marker = MARKERS[max(label, 0) // len(COLOURS) % len(MARKERS)]
    if marker == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), colour)
    elif marker == "triangle":
        draw.polygon(((x, y - 1.2 * r), (x + 1.2 * r, y + r), (x - 1.2 * r, y + r)), colour)
    elif marker == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), colour)
    elif marker == "diamond":
        draw.polygon(((x, y - 1.4 * r), (x + 1.4 * r, y), (x, y + 1.4 * r), (x - 1.4 * r, y)), colour)
    else:
        draw.line((x - r, y - r, x + r, y + r), colour, round(r / 1.5))
        draw.line((x - r, y + r, x + r, y - r), colour, round(r / 1.5))


def _draw_tiles(
    picture: Image.Image, pixels: UInt8[np.ndarray, "n height width channels"], top: int, columns: int
) -> None:
    width, height = _tile(pixels.shape, columns)
    for number, tile in enumerate(pixels):
        image = Image.fromarray(tile[..., 0] if tile.shape[-1] == 1 else tile).convert("RGB")
        x = RIGHT + number % columns * (width + GAP)
        y = top + number // columns * (height + GAP)
        smaller = width < image.width
        how = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
        picture.paste(image.resize((width, height), how), (x, y))


def _palette(run: Run, numbers: list[int]) -> Image.Image:
    """One table of 256 colours for the whole film, so that nothing flickers: those of the first, middle and last."""
    chosen = sorted({numbers[i] for i in (0, len(numbers) // 2, -1)}) if numbers else []
    looks = list(_frames(run, chosen))
    mosaic = Image.new("RGB", (WIDTH, HEIGHT * len(looks)))
    for index, look in enumerate(looks):
        mosaic.paste(look, (0, index * HEIGHT))
    return mosaic.quantize(256, method=Image.Quantize.MEDIANCUT)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def _shortened(text: str, width: int, size: int) -> str:
    shown = text
    while shown and _font(size).getlength(f"{shown}…" if shown != text else shown) > width:
        shown = shown[:-1]
    return shown if shown == text else f"{shown.rstrip()}…"


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
