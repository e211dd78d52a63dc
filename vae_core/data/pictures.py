"""One image file at a time: what it is, and its pixels at the size and with the channels that are wanted.

Files are anybody's, so what a decoder says about them is turned into one sentence that names the file, and a
file that claims more pixels than `MAX_PIXELS` is refused before it is decoded.
"""

from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from vae_core.errors import DataError, DataNotFound

MAX_PIXELS = 64 * 1024**2  # of one image: beyond any camera in a pocket, 200 MB once it is decoded
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # Pillow's others are rare, or run programs
SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)

Resize = Literal["crop", "pad", "stretch"]
ByteFile = BufferedReader | BytesIO


@dataclass(frozen=True)
class Form:
    """The form that every image of a source is brought into.

    Args:
        channels: 1 (grey) or 3 (colour).
        height, width: in pixels.
        resize: crop the middle, pad with black, or stretch, where the proportions are others.
        middle: first cut a square of so many pixels out of the middle; None for the whole image.
    """

    channels: int
    height: int
    width: int
    resize: Resize = "crop"
    middle: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Glance:
    """What the header of an image file says; width and height are those people see, after rotation."""

    format: str
    width: int
    height: int
    grey: bool
    transparent: bool


def glance(file: ByteFile, name: str) -> Glance:
    """Read the header of an image file.

    Raises:
        DataError: it is not an image, or has too many pixels.
    """
    try:
        with _opened(file, name) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) >= 5:  # orientations that lie on their side
                width, height = height, width
            grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
            return Glance(image.format or "", width, height, grey, image.has_transparency_data)
    except DataError:
        raise
    except Exception as error:  # a decoder given arbitrary bytes raises nearly anything
        raise _unreadable(name, error) from error


def decode(file: ByteFile, name: str, form: Form) -> UInt8[np.ndarray, "c h w"]:
    """Read an image file in the given form.

    Raises:
        DataError: it is not an image, is cut short, or has too many pixels.
    """
    try:
        with _opened(file, name) as image:
            if form.middle is None:
                # A JPEG can be decoded at a half, a quarter or an eighth of its size, which is much faster.
                image.draft(None, (2 * form.width, 2 * form.height))
            return fit(_upright(image), form)
    except DataError:
        raise
    except Exception as error:  # a decoder given arbitrary bytes raises nearly anything
        raise _unreadable(name, error) from error


def fit(image: Image.Image, form: Form) -> UInt8[np.ndarray, "c h w"]:
    """Bring an image into the given form; one that has its size already keeps every pixel."""
    image = _coloured(image, form.channels)
    if form.middle is not None:
        left, top = (image.width - form.middle) // 2, (image.height - form.middle) // 2
        image = image.crop((left, top, left + form.middle, top + form.middle))
    size, box = (form.width, form.height), Image.Resampling.BOX
    if image.size != size:
        if form.resize == "crop":
            image = ImageOps.fit(image, size, box)
        elif form.resize == "pad":
            image = ImageOps.pad(image, size, box, color="black")
        else:
            image = image.resize(size, box)
    pixels = np.asarray(image, dtype=np.uint8).reshape(form.height, form.width, form.channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _opened(file: ByteFile, name: str) -> Image.Image:
    try:
        image = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(_too_large(name, "far too many")) from None
    if image.width * image.height > MAX_PIXELS:
        raise DataError(_too_large(name, f"{image.width}x{image.height}"))
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Turn a photo as the camera was held; Pillow leaves that to us."""
    return ImageOps.exif_transpose(image)


def _coloured(image: Image.Image, channels: int) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save them as .npy")
    if image.mode.startswith("I"):
        image = Image.fromarray(_high_bytes(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _high_bytes(image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """Return 16-bit pixels as bytes; Pillow itself would clip them at 255."""
    values: np.ndarray[Any, Any] = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels have more than 16 bits; save them as .npy")
    return (values >> 8).astype(np.uint8)


def _too_large(name: str, size: str) -> str:
    return f"{name} has {size} pixels, and at most {MAX_PIXELS:,} are read; make it smaller or remove it."


def _unreadable(name: str, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataNotFound(f"{name} is gone since its folder was listed; put it back or start again.")
    if isinstance(error, UnidentifiedImageError):
        return DataError(f"{name} is not an image of a known kind; remove it or save it again as PNG.")
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return DataError(f"{name} cannot be read as an image ({reason}); remove it or save it again.")
