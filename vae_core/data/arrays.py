"""Images in a NumPy file: `.npy` (one array, which can stay on disk) or `.npz` (images, perhaps with labels).

What an array means is read off its shape and its values, and always said in `DataInfo.source`. Arrays of Python
objects are refused, for reading them would run whatever code the file names.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from numpy.lib import format as npy
from PIL import Image
from torch import Tensor

from vae_core.config import IMAGE_SIDES, DataConfig
from vae_core.data import memory
from vae_core.data.found import MAX_CLASSES, Found, class_note, classes, tenth_held_out
from vae_core.data.pictures import Form, fit
from vae_core.errors import DataError, DataNotFound

IMAGE_KEYS = ("x", "X", "images", "imgs", "data", "x_train", "arr_0")
LABEL_KEYS = ("y", "Y", "labels", "label", "targets", "target", "classes", "y_train")

CHUNK_BYTES = 32 * 1024**2  # read at a time when all values are looked at
QUICK_BYTES = 256 * 1024**2  # a preview looks at all values of an array up to this size, else at a sample
QUICK_ROWS = 256
READ_ROWS = 4096  # images read at a time by position

Layout = Literal["grey", "channels last", "channels first"]


@dataclass(frozen=True)
class Header:
    """What the beginning of an array's file says, and how many bytes it took to say it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    length: int

    @property
    def data_bytes(self) -> int:
        """Bytes that must follow the header."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Values:
    """The least and the greatest value, and whether all were looked at."""

    low: float
    high: float
    all: bool = True


class Arrays:
    """Reads images out of an array in memory, or out of a `.npy` file that is mapped anew for each reading.

    Mapping anew costs a tenth of a millisecond, and a file that was replaced meanwhile is noticed.
    """

    dtype = torch.uint8

    def __init__(
        self,
        source: Shaped[np.ndarray, "n ..."] | Path,
        header: Header,
        black: float,
        white: float,
        form: Form,
    ) -> None:
        self._source, self._header = source, header
        self._black, self._white = black, white
        self._form, self._layout = form, layout(header.shape)
        self.shape: tuple[int, ...] = form.shape

    def read(self, indices: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Return these images as bytes in the wanted form."""
        array = self._source if isinstance(self._source, np.ndarray) else _mapped(self._source, self._header)
        images = np.empty((len(indices), *self.shape), np.uint8)
        for start in range(0, len(indices), READ_ROWS):
            rows = np.asarray(array[indices[start : start + READ_ROWS].numpy()])
            self._fit_all(self._bytes(rows), images[start : start + READ_ROWS])
        return torch.from_numpy(images)

    def _bytes(self, rows: Shaped[np.ndarray, "m ..."]) -> UInt8[np.ndarray, "m c h w"]:
        """Return rows as bytes, channels first."""
        if self._layout == "grey":
            rows = rows[:, None]
        elif self._layout == "channels last":
            rows = rows.transpose(0, 3, 1, 2)
        if rows.dtype == np.uint8 and (self._black, self._white) == (0, 255):
            return rows
        scaled = (rows.astype(np.float64) - self._black) * (255 / (self._white - self._black))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def _fit_all(self, pixels: UInt8[np.ndarray, "m c h w"], into: UInt8[np.ndarray, "m k y x"]) -> None:
        if pixels.shape[1:] == self.shape:
            into[:] = pixels
            return
        for one, place in zip(pixels, into, strict=True):
            image = Image.fromarray(np.ascontiguousarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)))
            place[:] = fit(image, self._form)


def find(config: DataConfig, path: Path, quick: bool = False) -> Found:
    """Look what a NumPy file holds; all its values are looked at, or if `quick` a sample where they are many.

    Raises:
        DataError: it holds no images, values that are not finite, only one value, or labels that do not fit.
    """
    if path.suffix.lower() == ".npz":
        array, header, labels, class_names, notes = _read_npz(path)
        values = _look_at(array, quick=False)
        source: Shaped[np.ndarray, "n ..."] | Path = array
    else:
        source, header = path, npy_header(path)
        labels, class_names, notes = None, (), ("A .npy holds no labels; an .npz with y may.",)
        values = _values_of(path, path.stat().st_mtime_ns, header, quick)
    pools = tenth_held_out(header.shape[0], config.split_seed, path)
    _check_values(path, values)
    black, white, reading = grey_range(header.dtype, values)
    form = _form(config, header)
    return Found(
        reader=Arrays(source, header, black, white, form),
        total=header.shape[0],
        pools=pools,
        source=_source(header, values, reading, form),
        notes=(*_notes(header, values, reading, form), *notes),
        labels=labels,
        class_names=class_names,
        streams=path.suffix.lower() == ".npy",
    )


def layout(shape: tuple[int, ...]) -> Layout | None:
    """Say how an array of this shape holds images: (n, h, w), (n, h, w, c) or (n, c, h, w); None if it does not."""
    if len(shape) == 3:
        return "grey"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "channels first"
    return "channels last" if len(shape) == 4 and shape[3] in (1, 3) else None


def layout_of(name: object, header: Header) -> Layout:
    """Return the layout of an array, or say why it is not one of images."""
    if header.dtype.hasobject:
        raise DataError(
            f"{name} holds Python objects (perhaps images of different sizes), which are not read; "
            "make all images the same size and save them as one array of numbers."
        )
    if header.dtype.kind not in "buif":
        raise DataError(f"{name} holds {header.dtype}; save it as bytes (uint8) or floats.")
    found = layout(header.shape)
    if found is None or 0 in header.shape[1:]:
        raise DataError(
            f"{name} has the shape {header.shape}; images take (n, height, width), (n, height, width, 1 or 3) or "
            "(n, 1 or 3, height, width), and rows of a table a .csv or .parquet file."
        )
    return found


def grey_range(dtype: np.dtype[Any], values: Values) -> tuple[float, float, str]:
    """Return the values that mean black and white, and how they are called, from the values that were seen."""
    low, high = values.low, values.high
    if low >= 0 and high <= 1:
        return 0.0, 1.0, "[0, 1]"
    if dtype == np.uint8:
        return 0.0, 255.0, "[0, 255]"
    if low >= -1 and high <= 1:
        return -1.0, 1.0, "[-1, 1]"
    # A greatest value far below 255 is more likely the white of another scale than the dark of this one.
    if low >= 0 and 128 <= high <= 255:
        return 0.0, 255.0, "[0, 255]"
    return low, high, f"[{low:g}, {high:g}]"


def npy_header(path: Path) -> Header:
    """Read the header of a `.npy` file; it must be one of images, followed by as many bytes as it declares.

    Raises:
        DataError: it is not a `.npy` file, or not of images, or it is cut short.
    """
    with path.open("rb") as file:
        header = _header(file, str(path))
    layout_of(path, header)
    _check_length(str(path), header, path.stat().st_size)
    return header


def _header(file: BufferedIOBase, name: str) -> Header:
    try:
        version = npy.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = npy.read_array_header_1_0(file)
        else:
            shape, _, dtype = npy.read_array_header_2_0(file)
    except Exception as error:  # the header is text that anybody wrote
        raise DataError(f"{name} is not a NumPy array; save it again with numpy.save.") from error
    return Header(tuple(int(size) for size in shape), dtype, file.tell())


def _check_length(name: str, header: Header, size: int) -> None:
    if not header.dtype.hasobject and header.length + header.data_bytes != size:
        raise DataError(
            f"{name} declares {header.data_bytes:,} bytes of data but holds {size - header.length:,}; "
            "it is cut short or broken: save it again."
        )


def _mapped(path: Path, expected: Header) -> Shaped[np.ndarray, "n ..."]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataNotFound(f"{path} is gone since it was looked at; put it back or start again.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); save it again.") from error
    if array.shape != expected.shape or array.dtype != expected.dtype:
        raise DataError(f"{path} was replaced by another array while it was in use; start again.")
    return array  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def _values_of(path: Path, modified_ns: int, header: Header, quick: bool) -> Values:
    """Look at the values of a file; remembered, as one load after another asks the same."""
    return _look_at(_mapped(path, header), quick)


def _look_at(array: Shaped[np.ndarray, "n ..."], quick: bool) -> Values:
    """Return the least and greatest value; NaN when there is one.

    Bytes are all valid, so they are only looked at until it is clear that they vary and are not 0 and 1.
    """
    if array.size == 0:
        return Values(0.0, 0.0, all=False)
    low, high = math.inf, -math.inf
    sampled = quick and array.nbytes > QUICK_BYTES
    for chunk in _sample(array) if sampled else _chunks(array):
        with np.errstate(invalid="ignore"):
            least, greatest = float(chunk.min()), float(chunk.max())
        if not (math.isfinite(least) and math.isfinite(greatest)):
            return Values(math.nan, math.nan)
        low, high = min(low, least), max(high, greatest)
        if array.dtype == np.uint8 and high > max(low, 1):
            break
    return Values(low, high, not sampled)


def _chunks(array: Shaped[np.ndarray, "n ..."]) -> Iterator[Shaped[np.ndarray, "m ..."]]:
    rows = max(1, CHUNK_BYTES * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), rows):
        yield np.asarray(array[start : start + rows])


def _sample(array: Shaped[np.ndarray, "n ..."]) -> Iterator[Shaped[np.ndarray, "m ..."]]:
    for index in np.unique(np.linspace(0, len(array) - 1, QUICK_ROWS).astype(int)):
        yield np.asarray(array[index : index + 1])


def _check_values(path: Path, values: Values) -> None:
    if math.isnan(values.low):
        raise DataError(f"{path} holds NaN or infinity; replace these values or leave their images out.")
    if values.low == values.high and values.all:
        raise DataError(
            f"{path} holds the value {values.low:g} everywhere; there is nothing to learn from it."
        )


def _form(config: DataConfig, header: Header) -> Form:
    last = layout(header.shape) == "channels last"
    if len(header.shape) == 3:
        channels, height, width = 1, *header.shape[1:]
    elif last:
        height, width, channels = header.shape[1:]
    else:
        channels, height, width = header.shape[1:]
    wanted = {"auto": channels, "grey": 1, "colour": 3}[config.colour]
    low, high = IMAGE_SIDES
    if config.side is None and low <= min(height, width) and max(height, width) <= high:
        return Form(wanted, height, width, config.resize)
    natural = max(height, width) if config.resize == "pad" else min(height, width)
    side = config.side or min(max(natural, low), high)
    return Form(wanted, side, side, config.resize)


def _read_npz(path: Path) -> tuple[Any, Header, Tensor | None, tuple[str, ...], tuple[str, ...]]:
    """Return the images of an .npz, their header, labels, class names and what to say."""
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {
                entry.filename.removesuffix(".npy"): _member_header(archive, entry, path)
                for entry in archive.infolist()
                if entry.filename.endswith(".npy")
            }
            key = _image_key(path, headers)
            layout_of(f"{path}: {key}", headers[key])
            images = _member(archive, path, key, headers[key])
            labels, class_names, notes = _labels(archive, path, key, headers)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is not a whole .npz ({error}); save it again with numpy.savez.") from error
    used = f"Images are taken from {key}." if len(headers) > 1 else ""
    return images, headers[key], labels, class_names, tuple(note for note in (used, *notes) if note)


def _member_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Header:
    name = f"{path}: {entry.filename.removesuffix('.npy')}"
    with archive.open(entry) as file:
        header = _header(file, name)  # type: ignore[arg-type]  # a file within a .zip reads as one of bytes
    _check_length(name, header, entry.file_size)
    return header


def _image_key(path: Path, headers: dict[str, Header]) -> str:
    for key in IMAGE_KEYS:
        if key in headers and (headers[key].dtype.hasobject or len(headers[key].shape) > 2):
            return key
    candidates = [key for key, header in headers.items() if len(header.shape) in (3, 4)]
    if not candidates:
        raise DataError(
            f"{path} holds no array of images; save them as x, of shape (n, height, width) or with channels."
        )
    return max(candidates, key=lambda key: math.prod(headers[key].shape))


def _member(archive: zipfile.ZipFile, path: Path, key: str, header: Header) -> Shaped[np.ndarray, "..."]:
    """Read one array whole; its header has said how large it is, and the archive that it is no larger."""
    if header.data_bytes > memory.budget():
        raise DataError(
            f"{path}: {key} takes {memory.readable(header.data_bytes)}, more than half of the free memory; "
            "save it as a .npy, which can stay on disk."
        )
    with archive.open(f"{key}.npy") as file:
        try:
            array: np.ndarray[Any, Any] = npy.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise DataError(f"{path}: {key} cannot be read ({error}); save it again.") from error
    return array


def _labels(
    archive: zipfile.ZipFile, path: Path, images: str, headers: dict[str, Header]
) -> tuple[Tensor | None, tuple[str, ...], tuple[str, ...]]:
    total = headers[images].shape[0]
    key = _label_key(path, total, {key: header for key, header in headers.items() if key != images})
    if key is None:
        return None, (), ("No labels were found.",)
    found = classes(_member(archive, path, key, headers[key]).reshape(-1))
    if found is None:
        return (
            None,
            (),
            (f"{key} has more than {MAX_CLASSES:,} different values, so it is not taken for labels.",),
        )
    return *found, (f"Labels are taken from {key}.", class_note(*found))


def _label_key(path: Path, total: int, others: dict[str, Header]) -> str | None:
    """Return the array of labels: one that is called so and must fit, or else the only one that fits."""
    flat = {
        key: header
        for key, header in others.items()
        if header.dtype.kind in "bui" and header.shape and math.prod(header.shape[1:]) == 1
    }
    for key in LABEL_KEYS:
        if key in flat:
            if flat[key].shape[0] != total:
                raise DataError(
                    f"{path}: {key} holds {flat[key].shape[0]} labels for {total} images; save one label per image."
                )
            return key
    fitting = [key for key, header in flat.items() if header.shape[0] == total]
    return fitting[0] if len(fitting) == 1 else None


def _source(header: Header, values: Values, reading: str, form: Form) -> str:
    size = "x".join(map(str, header.shape))
    seen = "" if reading == "[0, 255]" and header.dtype == np.uint8 else f", {_seen(values)}"
    resized = "" if (form.height, form.width) == _natural(header) else f", {_how(form)}"
    return f"{header.dtype} array {size}{seen} read as {reading}{resized}"


def _seen(values: Values) -> str:
    return f"values {values.low:.1f} to {values.high:.1f}"


def _natural(header: Header) -> tuple[int, ...]:
    if layout(header.shape) == "channels last":
        return header.shape[1:3]
    return header.shape[-2:]


def _how(form: Form) -> str:
    how = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[form.resize]
    return f"{how} to {form.width}x{form.height}"


def _notes(header: Header, values: Values, reading: str, form: Form) -> tuple[str, ...]:
    looked = "" if values.all else f" in a sample of {QUICK_ROWS}"
    notes = [f"Values are read as {reading}, black to white, by what they are{looked}."]
    if header.dtype != np.uint8:
        notes.append("They are kept as 256 levels.")
    kind = layout(header.shape)
    notes.append(
        f"Read as {header.shape[0]:,} images, {kind}; {form.channels} channel{'s' * (form.channels > 1)}."
    )
    return tuple(notes)
