"""Codes to the pictures of a walk: decoded a few at a time, enlarged, laid side by side."""

from math import ceil, sqrt

import numpy as np
from jaxtyping import Float32, UInt8

from vae_core.errors import CodeError, Stopped
from vae_core.models import LatentModel
from vae_core.models.rendering import CHUNK, picture_shape, render
from vae_core.movies import OnProgress, ShouldStop, never, silent

STRIP = 12  # pictures that stand in one row of a sheet
FORMAT = 16 / 9  # width to height of a sheet of more


def frames(
    model: LatentModel,
    codes: Float32[np.ndarray, "n latent"],
    should_stop: ShouldStop = never,
    on_progress: OnProgress = silent,
) -> UInt8[np.ndarray, "n height width channels"]:
    """Decode each code to its mean picture, as `rendering.render` shows it.

    Args:
        model: on the CPU, as a checkpoint is loaded.
        codes: finite, of the model's width.
        should_stop: asked every 64 pictures.
        on_progress: called with the number of pictures decoded, and of all.

    Raises:
        CodeError: codes have another width, or hold NaN or infinity.
        Stopped: should_stop said so.
    """
    if codes.shape[1] != model.latent_dim:
        raise CodeError(
            f"Codes of {codes.shape[1]} numbers do not fit this model, whose codes have {model.latent_dim}; "
            "choose the model that they come from."
        )
    if not (good := np.isfinite(codes).all(1)).all():
        first = int(np.argmin(good))
        raise CodeError(
            f"Code {first} of the walk holds NaN or infinity; choose ends and a plane of finite codes."
        )
    decoded = np.empty((len(codes), *picture_shape(model.data_shape)), np.uint8)
    for start in range(0, len(codes), CHUNK):
        if should_stop():
            raise Stopped(
                f"The walk was stopped after {start} of {len(codes)} pictures; nothing was written."
            )
        part = np.ascontiguousarray(codes[start : start + CHUNK])
        decoded[start : start + CHUNK] = render(model, part)
        on_progress(min(start + CHUNK, len(codes)), len(codes))
    return decoded


def enlarged(
    pictures: UInt8[np.ndarray, "... height width channels"], scale: int
) -> UInt8[np.ndarray, "... larger_height larger_width channels"]:
    """Make every pixel a square of `scale` x `scale` pixels."""
    return pictures.repeat(scale, -3).repeat(scale, -2)


def there_and_back(count: int) -> list[int]:
    """The order of a path's pictures that runs back after the end, 2 count - 2 of them, neither end shown twice."""
    return [*range(count), *range(count - 2, 0, -1)]


def rows(
    pictures: UInt8[np.ndarray, "n height width channels"], columns: int | None = None
) -> UInt8[np.ndarray, "rows columns height width channels"]:
    """Arrange the pictures of a path as text is read; the places left over in the last row are black.

    Without `columns` up to twelve pictures stand in one row, and more fill a sheet of about 16:9.
    """
    n, height, width, _ = pictures.shape
    if columns is None:
        columns = n if n <= STRIP else ceil(sqrt(n * FORMAT * height / width))
    columns = min(max(columns, 1), n)
    full = np.zeros((-(-n // columns) * columns, *pictures.shape[1:]), np.uint8)
    full[:n] = pictures
    return full.reshape(-1, columns, *pictures.shape[1:])


def place(row: int, column: int, height: int, width: int, gap: int = 0) -> tuple[slice, slice]:
    """Where on a sheet the tile of a row and a column is, as slices of pixels down and across.

    Args:
        row: from the top, 0 first.
        column: from the left, 0 first.
        height: of a tile on the sheet, in pixels.
        width: likewise.
        gap: pixels between tiles; there is none around the sheet.
    """
    top, left = row * (height + gap), column * (width + gap)
    return slice(top, top + height), slice(left, left + width)
