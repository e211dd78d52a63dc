"""Shapes drawn on the spot, every true factor known: after dSprites (Matthey et al. 2017), drawn by us.

One white shape on black, 64x64 pixels, in all 737,280 combinations of five factors:

    shape     3 values   0 square, 1 ellipse, 2 heart
    scale     6 values   0.5 to 1, evenly
    rotation 40 values   0 to 2 pi, without the end (it would repeat the start), clockwise on the screen
    x        32 values   0 (left) to 1 (right), evenly; the shape's centre of mass is at pixel 16 + 32 x
    y        32 values   0 (top) to 1 (bottom), evenly: y grows downwards, as the rows of an image do

An index counts through the combinations with y fastest and shape slowest. The whole shape is inside the frame
at every position. Edges are smooth because a pixel's value is how much of it the shape covers, which is read
off the distance d from the pixel's centre to the outline: 1/2 - d between 0 and 1 (d < 0 is inside).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.errors import DataError

SHAPES = ("square", "ellipse", "heart")
FACTOR_NAMES = ("shape", "scale", "rotation", "x", "y")
FACTOR_SIZES = (3, 6, 40, 32, 32)
TOTAL = math.prod(FACTOR_SIZES)

SIDE = 64
RADIUS = 15.0  # no point of a shape of scale 1 is farther from its centre, in pixels
MARGIN = 16.0  # of the centre from the frame: the radius, and a pixel for the smooth edge
PATCH = 32  # side of the only part of the image that is not black
CHUNK = 32  # images drawn at a time; see `_draw`

HELD_OUT_POOL = TOTAL // 10
DEFAULT_SIZES: dict[Split, int] = {"train": 60_000, "held-out": 10_000}

INFO = DataInfo(
    name="sprites",
    title="Sprites (64x64)",
    data_shape=(1, SIDE, SIDE),
    class_names=SHAPES,
    factor_names=FACTOR_NAMES,
    framing="plain",
    embedded=True,
    source="Drawn by this program, after dSprites by Matthey, Higgins, Hassabis and Lerchner 2017.",
)

# Values of each factor by its index. Sines and cosines are looked up, never recomputed, so that an image is
# the same to the bit whatever it is drawn together with.
_VALUES = (
    torch.arange(3, dtype=torch.float32),
    torch.linspace(0.5, 1, 6, dtype=torch.float32),
    torch.arange(40, dtype=torch.float32) * (2 * math.pi / 40),
    torch.arange(32, dtype=torch.float32) / 31,
    torch.arange(32, dtype=torch.float32) / 31,
)
_COS = torch.tensor([math.cos(2 * math.pi * k / 40) for k in range(40)], dtype=torch.float32)
_SIN = torch.tensor([math.sin(2 * math.pi * k / 40) for k in range(40)], dtype=torch.float32)


# Signed distances to the outline of a shape, in pixels, from positions (n, h, w) in its own frame and its radius.
Outline = Callable[[Tensor, Tensor, Tensor], Tensor]


def load(config: DataConfig, split: Split) -> Dataset:
    """Draw one split: 60,000 for training and 10,000 held out unless the config says otherwise.

    A tenth of all combinations is set aside for held-out data, so the two splits never share one, and neither
    changes when the size of the other does. Labels are the shapes.
    """
    order = shuffled(TOTAL, config.split_seed)
    pools: dict[Split, Tensor] = {"train": order[HELD_OUT_POOL:], "held-out": order[:HELD_OUT_POOL]}
    indices = choose(config, split, pools, DEFAULT_SIZES).clone()  # a view would keep the whole order alive
    labels = factor_indices(indices)[:, 0].clone()
    return Dataset(INFO.name, render(indices), indices, labels, factors(indices))


def factor_indices(indices: Int64[Tensor, " n"]) -> Int64[Tensor, "n 5"]:
    """Return the five factor indices (shape, scale, rotation, x, y) of each image index.

    Raises:
        DataError: an index is not from 0 to 737,279.
    """
    _check_range("index", indices, TOTAL)
    digits = []
    for size in reversed(FACTOR_SIZES):
        digits.append(indices % size)
        indices = indices // size
    return torch.stack(digits[::-1], dim=1)


def image_indices(combinations: Int64[Tensor, "n 5"]) -> Int64[Tensor, " n"]:
    """Return the image index of each row of factor indices: the inverse of `factor_indices`.

    Raises:
        DataError: a factor index is negative, or not below the number of values that its factor has.
    """
    indices = torch.zeros(len(combinations), dtype=torch.int64)
    for name, size, column in zip(FACTOR_NAMES, FACTOR_SIZES, combinations.unbind(1), strict=True):
        _check_range(f"{name} index", column, size)
        indices = indices * size + column
    return indices


def factors(indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 5"]:
    """Return the true values of the five factors: 0 to 2; 0.5 to 1; radians below 2 pi; 0 to 1; 0 to 1."""
    columns = factor_indices(indices).unbind(1)
    return torch.stack([values[column] for values, column in zip(_VALUES, columns, strict=True)], dim=1)


def render(indices: Int64[Tensor, " n"]) -> UInt8[Tensor, "n 1 64 64"]:
    """Draw the images with these indices, in this order: 0 is the ground, 255 the inside of the shape.

    Raises:
        DataError: an index is not from 0 to 737,279.
    """
    shape = factor_indices(indices)[:, 0]
    images = torch.zeros(len(indices), 1, SIDE, SIDE, dtype=torch.uint8)
    for kind, outline in enumerate((_square, _ellipse, _heart)):
        for places in (shape == kind).nonzero().squeeze(1).split(CHUNK):
            _draw(images.view(-1), places, indices[places], outline)
    return images


def _draw(
    pixels: UInt8[Tensor, " pixels"],
    places: Int64[Tensor, " n"],
    indices: Int64[Tensor, " n"],
    outline: Outline,
) -> None:
    """Draw sprites of one shape at their places among black images, computing only the patch around each.

    Every operation here is one that torch keeps in a single thread for CHUNK patches. On a busy machine,
    threads that wait for each other between operations this small draw ten times slower than one.
    """
    _, scale, rotation, x, y = factor_indices(indices).unbind(1)
    centre_x, centre_y = (MARGIN + (SIDE - 2 * MARGIN) * _VALUES[3][k] for k in (x, y))
    left, top = (c.sub(PATCH / 2).round().clamp(0, SIDE - PATCH) for c in (centre_x, centre_y))
    u, v = _turn(_offsets(left - centre_x), _offsets(top - centre_y), rotation)
    distance = outline(u, v, (_VALUES[1][scale] * RADIUS)[:, None, None])
    covered = distance.neg_().add_(0.5).clamp_(0, 1)
    values = covered.mul_(255).add_(0.5).to(torch.uint8)  # cut off, hence rounded
    corner = places * SIDE**2 + (top * SIDE + left).to(torch.int64)
    pixels.scatter_(0, (corner[:, None] + _patch_positions()).flatten(), values.flatten())


def _offsets(start: Float[Tensor, " n"]) -> Float[Tensor, "n patch"]:
    """Return the distances along one axis from each shape's centre to the centres of its patch's pixels."""
    return start[:, None] + (torch.arange(PATCH) + 0.5)


def _patch_positions() -> Int64[Tensor, " pixels"]:
    """Return where a patch's pixels are in a flat image, when the patch is in the top left corner."""
    line = torch.arange(PATCH)
    return (line[:, None] * SIDE + line).flatten()


def _turn(
    dx: Float[Tensor, "n w"], dy: Float[Tensor, "n h"], rotation: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, "n h w"], Float[Tensor, "n h w"]]:
    """Return pixel positions in the shape's own frame, which is turned clockwise on the screen."""
    cos, sin = _COS[rotation][:, None], _SIN[rotation][:, None]
    u = (cos * dx)[:, None, :] + (sin * dy)[:, :, None]
    v = (cos * dy)[:, :, None] - (sin * dx)[:, None, :]
    return u, v


def _square(u: Tensor, v: Tensor, radius: Tensor) -> Tensor:
    """Distance to a square whose corners are `radius` away from its centre."""
    half = radius / math.sqrt(2)
    return _box(u.abs() - half, v.abs() - half)


def _box(across: Tensor, along: Tensor) -> Tensor:
    """Distance to a box, from how far a point is beyond each of its two pairs of sides."""
    outside = torch.hypot(across.clamp(min=0), along.clamp(min=0))
    return outside + torch.maximum(across, along).clamp_(max=0)


def _ellipse(u: Tensor, v: Tensor, radius: Tensor) -> Tensor:
    """Distance to an ellipse twice as wide as high, to first order: f / |grad f| with f = |p / axes| - 1.

    Exact on the outline, which is where it decides a pixel's value.
    """
    u, v = u / radius, v / (0.5 * radius)
    level = torch.hypot(u, v)
    gradient = torch.hypot(u / radius, v / (0.5 * radius)) / level.clamp(min=1e-6)
    return (level - 1) / gradient.clamp(min=1e-6)


def _heart(u: Tensor, v: Tensor, radius: Tensor) -> Tensor:
    """Distance to a heart: a square on its tip and, on its two upper sides, half discs.

    In units of half the square's side, the heart's centre of mass is 0.443 (`lift`) above the square's
    centre, and the tip, which is its farthest point, is sqrt(2) below the square's centre.
    """
    lift = math.pi * (1 + 4 / (3 * math.pi)) / (math.sqrt(2) * (4 + math.pi))
    half = radius / (math.sqrt(2) + lift)
    up, side = lift * half - v, u.abs()  # mirrored: both halves are the right one
    across, along = (side + up) / math.sqrt(2), (side - up) / math.sqrt(2)  # the square's own axes
    disc = torch.hypot(across - half, along) - half
    return torch.minimum(_box(across.abs() - half, along.abs() - half), disc)


def _check_range(what: str, values: Int64[Tensor, " n"], size: int) -> None:
    outside = values[(values < 0) | (values >= size)]
    if len(outside):
        raise DataError(f"sprites: {what} {int(outside[0])} does not exist; use 0 to {size - 1}.")
