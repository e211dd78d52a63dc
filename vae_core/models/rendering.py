"""Codes and data to pixels on the CPU, the fast way.

Images are shown as they are; a window of a series is drawn as lines and a row of a table as bars, from -LIMIT to
LIMIT standard deviations. Measured on two cores with the 64 x 64 decoder of `sprites-vae-10d`: see
`python -m benchmarks.decode`.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from vae_core.models.protocol import LatentModel

CHUNK = 64  # images whose activations stay in the processor's cache

HEIGHT, WIDTH = 96, 160  # of a drawn series or row
LIMIT = (
    3.5  # standard deviations from the middle of the picture to its edges; beyond, values stay at the edge
)
THICKNESS = 1.8  # of a line, in pixels
BACKGROUND, ZERO_LINE = (14, 17, 23), (74, 80, 92)
# Okabe & Ito (2008), told apart by colour-blind people too; their black would not be seen on a dark ground.
COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0))
ABOVE, BELOW = COLOURS[0], COLOURS[1]


def render(
    model: LatentModel, codes: Float32[np.ndarray, "batch latent"]
) -> UInt8[np.ndarray, "batch height width channels"]:
    """Decode codes to the mean of p(x|z) and show it as `pictures` does."""
    with torch.inference_mode():
        chunks = [_pixels(model.decode(chunk).mean) for chunk in torch.from_numpy(codes).split(CHUNK)]
    return torch.cat(chunks).numpy()


def pictures(
    values: Float[Tensor, "batch *shape"] | UInt8[Tensor, "batch *shape"],
) -> UInt8[np.ndarray, "batch height width channels"]:
    """Show data examples or decoded means.

    Args:
        values: images (B, C, H, W), as bytes or in [0, 1]: rounded to 0..255, beyond it cut off, channels last;
            windows of a series (B, C, length) and rows of a table (B, columns), in standard deviations: drawn.

    Returns:
        (B, *picture_shape(data_shape)).
    """
    with torch.inference_mode():
        return _pixels(values.detach().cpu()).numpy()


def picture_shape(data_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return height, width and channels of the pictures of examples of this shape."""
    if len(data_shape) == 3:
        channels, height, width = data_shape
        return height, width, channels
    return HEIGHT, WIDTH, 3


def _pixels(values: Tensor) -> Tensor:
    if values.ndim == 3:
        return _to_bytes(_lines(values.float()))
    if values.ndim == 2:
        return _to_bytes(_bars(values.float()))
    if values.dtype != torch.uint8:
        values = (values * 255).round_().clamp_(0, 255).to(torch.uint8)
    return values.permute(0, 2, 3, 1).contiguous()


# --- drawing: canvases (B, 3, HEIGHT, WIDTH) of floats 0 to 255 -------------------------------------------------


def _lines(series: Tensor) -> Tensor:
    canvas = _canvas(len(series))
    for channel in range(series.shape[1]):
        top, bottom = _spans(_rows(series[:, channel]))
        _paint(
            canvas, _coverage(top - THICKNESS / 2, bottom + THICKNESS / 2), COLOURS[channel % len(COLOURS)]
        )
    return canvas


def _bars(table: Tensor) -> Tensor:
    canvas, zero = _canvas(len(table)), HEIGHT / 2
    lowest, highest, gap = _bar_ends(table)
    up, down = _rows(highest.clamp_min(0)), _rows(lowest.clamp_max(0))
    middle = torch.full_like(up, zero)
    _paint(canvas, _coverage(up, middle) * gap, ABOVE)
    _paint(canvas, _coverage(middle, down) * gap, BELOW)
    return canvas


def _canvas(count: int) -> Tensor:
    canvas = torch.tensor(BACKGROUND, dtype=torch.float32)[:, None, None].repeat(count, 1, HEIGHT, WIDTH)
    half = HEIGHT // 2
    canvas[:, :, half - 1 : half + 1] = torch.tensor(ZERO_LINE, dtype=torch.float32)[:, None, None]
    return canvas


def _rows(values: Tensor) -> Tensor:
    """Heights on the picture, 0 at its upper edge and HEIGHT at its lower one, of values in standard deviations."""
    inside = LIMIT * (1 - THICKNESS / HEIGHT)  # what is beyond the limit stays in sight
    return (0.5 - values.clamp(-inside, inside) / (2 * LIMIT)) * HEIGHT


def _spans(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The highest and the lowest point of a line in each column of pixels, (B, WIDTH) each."""
    fine = -(-rows.shape[-1] // WIDTH)  # points per column, so that no peak of a long series is lost
    points = functional.interpolate(rows[:, None], fine * WIDTH + 1, mode="linear", align_corners=True)[
        :, 0
    ].unfold(-1, fine + 1, fine)
    return points.amin(-1), points.amax(-1)


def _bar_ends(table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The values at both ends of the bar in each column of pixels, (B, WIDTH), and where there is no gap, (WIDTH,)."""
    columns = table.shape[1]
    if columns > WIDTH:
        highest = functional.adaptive_max_pool1d(table, WIDTH)
        return -functional.adaptive_max_pool1d(-table, WIDTH), highest, torch.ones(WIDTH)
    place = torch.arange(WIDTH) * columns // WIDTH
    wide = WIDTH // columns
    last = torch.arange(1, columns + 1) * WIDTH // columns  # where each bar ends
    gap = last[place] - torch.arange(WIDTH) > (0 if wide < 3 else max(1, wide // 5))
    values = table[:, place]
    return values, values, gap.float()


def _coverage(top: Tensor, bottom: Tensor) -> Tensor:
    """How much of each pixel lies between two heights: 0 to 1, (B, HEIGHT, WIDTH)."""
    edge = torch.arange(HEIGHT, dtype=torch.float32)[:, None]
    low = torch.maximum(top[:, None], edge)
    return torch.minimum(bottom[:, None], edge + 1).sub_(low).clamp_min_(0)


def _paint(canvas: Tensor, cover: Tensor, colour: tuple[int, int, int]) -> None:
    canvas.lerp_(torch.tensor(colour, dtype=torch.float32)[:, None, None], cover[:, None])


def _to_bytes(canvas: Tensor) -> Tensor:
    return canvas.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
