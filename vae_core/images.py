"""Pictures in and out: values in [0, 1], uint8 arrays, and photos fitted to a model's data."""

from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps

Pixels = UInt8[np.ndarray, "height width channels"]
Framing = Literal["ink", "plain"]


def to_uint8(images: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Round values in [0, 1] to 0..255, of whatever shape; values outside are clipped."""
    rounded: np.ndarray = np.clip(np.rint(images * 255), 0, 255)
    return rounded.astype(np.uint8)


def fit(
    pixels: Pixels, data_shape: tuple[int, int, int], framing: Framing = "plain", extent: float = 1.0
) -> UInt8[np.ndarray, "model_height model_width model_channels"]:
    """Make a picture look like the data a model knows: its size, its channels, its framing.

    "plain" crops the middle to the data's aspect ratio and resizes. "ink" treats the picture as strokes:
    it becomes light on dark, is cropped to the strokes, scaled so that their longer side is `extent` of
    the frame, and placed with its centre of mass in the middle, as MNIST was made (LeCun et al. 1998).
    """
    channels, height, width = data_shape
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if framing == "ink":
        strokes = _strokes(np.asarray(image.convert("L")))
        fitted = _centre(strokes, height, width, extent)
    else:
        fitted = ImageOps.fit(image, (width, height), Image.Resampling.BOX)
    return np.array(fitted.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)


def _strokes(grey: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Light strokes on black: inverted if the border is light, stretched to full contrast."""
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    paper = float(np.median(border))
    ink = np.abs(grey.astype(np.float32) - paper)
    if (strongest := float(ink.max())) < 8:  # an empty canvas
        return np.zeros_like(grey)
    faint = 0.15  # paper grain and JPEG noise, as a share of the strongest stroke
    return to_uint8(np.clip((ink / strongest - faint) / (1 - faint), 0, 1))


def _centre(strokes: UInt8[np.ndarray, "h w"], height: int, width: int, extent: float) -> Image.Image:
    frame = Image.new("L", (width, height))
    box = Image.fromarray(strokes).getbbox()
    if box is None:
        return frame
    cropped = Image.fromarray(strokes).crop(box)
    scale = extent * min(height, width) / max(cropped.size)
    size = (max(1, round(cropped.width * scale)), max(1, round(cropped.height * scale)))
    small = cropped.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    small = ImageOps.autocontrast(small)
    mass = np.asarray(small, dtype=np.float64) + 1e-9
    middle_y, middle_x = (
        np.average(np.arange(n) + 0.5, weights=mass.sum(1 - i)) for i, n in enumerate(mass.shape)
    )
    left = min(max(round(width / 2 - middle_x), 0), width - small.width)
    top = min(max(round(height / 2 - middle_y), 0), height - small.height)
    frame.paste(small, (left, top))
    return frame
