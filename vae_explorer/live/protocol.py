"""The bytes that travel between a page and the server: little-endian, fixed headers, checked at birth.

    request  u32 request_id, 8 bytes model_id, u16 kind, u16 height, u16 count, u16 width, then
             DECODE  float32[count * width], one latent code of `width` numbers per row (height is ignored)
             ENCODE  uint8[height * width * count], one picture of `count` channels, channels last
             ITEM    i32 label, u32 nth: the nth encoded example of a class, of all examples if label = -1
             MEASURE float32[count * width], codes as for DECODE; height is the measure (`Measure`).
                     CLIFFS_IN_PLANE: the first two rows are the axes of the plane. TRUST: one row.
    answer   u32 request_id, u16 kind, then
             DECODE  u16 count, height, width, channels, took; uint8[count * height * width * channels]
                     took: what decoding them took, in units of 10 microseconds, 0.65 s at most
             ENCODE  u16 latent_dim, height, width, channels, has_std; float32[latent_dim] posterior mean,
                     float32[latent_dim] posterior std (zeros without one), uint8[height * width * channels]
                     the picture as it was fitted to the model's data
             ITEM    as ENCODE, with i32 position and i32 label (-1: none) before the numbers; height, width
                     and channels are 0 where the dataset's images are not on this machine
             MEASURE u16 rows, height, width, channels, columns; float32[rows * columns], NaN where a figure is
                     not defined; uint8[height * width * channels], a picture or nothing
    refusal  text, {"id": request_id or null, "error": one sentence}

Numpy and struct only: what is wrong with a frame is known before any model is looked at.
"""

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from vae_core.errors import ExplorerError

MAX_FRAME_BYTES = 2 * 1024 * 1024
MAX_CODES = 1024  # codes in one request; a 32 x 32 grid
PLANE_AXES = 2  # rows before the codes of a CLIFFS_IN_PLANE request
MAX_PICTURE_SIDE = 512  # pixels; a drawing canvas is smaller, and the model's own images much smaller
PICTURE_CHANNELS = (1, 3)

_REQUEST = struct.Struct("<I8sHHHH")
_ANSWER = struct.Struct("<IHHHHHH")
_ID = struct.Struct("<I")
_ITEM = struct.Struct("<iI")  # label, nth
_PLACE = struct.Struct("<ii")  # position, label
_FLOAT = np.dtype("<f4")
_TOOK_PER_S, _MOST_TOOK = 100_000, 2**16 - 1
_Number = TypeVar("_Number", bound=np.generic)


class Kind(IntEnum):
    """What a request asks for."""

    DECODE = 0
    ENCODE = 1
    ITEM = 2
    MEASURE = 3


class Measure(IntEnum):
    """What a MEASURE request asks for at each code, and the columns of its answer (`vae_core.evaluation.measures`)."""

    CLIFFS = 0  # stretch, magnification: in all latent directions
    CLIFFS_IN_PLANE = 1  # the same, in the directions of two axes
    RATIO = 2  # data ratio
    DRIFT = 3  # z' - z, a column per latent dimension
    REALISM = 4  # realism, and which reference example is nearest (-1: none)
    # Prior percentile (0 to 1), stretch, magnification, data ratio, realism, length of the drift, which reference
    # example is nearest, its class (-1: none), whether realism compares with the data's own images (1) or their
    # reconstructions (0), with how many; the picture is that example.
    TRUST = 5


# The fewest and the most rows of a request, where they are not those of any codes.
_MEASURED_ROWS = {
    Measure.CLIFFS_IN_PLANE: (PLANE_AXES + 1, PLANE_AXES + MAX_CODES),
    Measure.TRUST: (1, 1),
}


class ProtocolError(ExplorerError, ValueError):
    """A frame breaks the layout or its limits.

    `request_id` is the id of the request at fault, or None where the frame is too short to hold one.
    """

    def __init__(self, message: str, request_id: int | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


@dataclass(frozen=True, eq=False)
class DecodeRequest:
    """Latent codes to decode: finite float32, from 1 to `MAX_CODES` rows. The array is read-only."""

    request_id: int
    model_id: str
    codes: Float32[np.ndarray, "count dim"]


@dataclass(frozen=True, eq=False)
class EncodeRequest:
    """A picture to encode: uint8, 1 or 3 channels, sides from 1 to `MAX_PICTURE_SIDE`. Read-only."""

    request_id: int
    model_id: str
    picture: UInt8[np.ndarray, "height width channels"]


@dataclass(frozen=True)
class ItemRequest:
    """The nth (from 0) of the model's encoded examples with class `label`, of all of them if it is -1."""

    request_id: int
    model_id: str
    label: int
    nth: int


@dataclass(frozen=True, eq=False)
class MeasureRequest:
    """Codes to measure at: as in `DecodeRequest`; what comes before them is said by `Measure`."""

    request_id: int
    model_id: str
    measure: Measure
    codes: Float32[np.ndarray, "count dim"]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The posterior q(z|x) of one picture, and that picture as it was fitted to the model's data.

    `std` is None for a model whose encoder gives one point (an autoencoder, PCA).
    """

    mean: Float32[np.ndarray, " dim"]
    std: Float32[np.ndarray, " dim"] | None
    picture: UInt8[np.ndarray, "height width channels"]


@dataclass(frozen=True, eq=False)
class Item:
    """One encoded example: where it stands among the reference codes, its class (-1: none), its posterior.

    `encoded.picture` is (0, 0, 0) where the dataset's images are not on this machine.
    """

    position: int
    label: int
    encoded: Encoded


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures, a row per code, NaN where one is not defined, and a picture: (0, 0, 0) where there is none."""

    values: Float32[np.ndarray, "rows columns"]
    picture: UInt8[np.ndarray, "height width channels"]


@dataclass(frozen=True, eq=False)
class DecodeAnswer:
    """Decoded images, one per code asked for, in the same order, and what decoding them took."""

    request_id: int
    pixels: UInt8[np.ndarray, "count height width channels"]
    seconds: float


@dataclass(frozen=True, eq=False)
class EncodeAnswer:
    """What `Encoded` says, for one request."""

    request_id: int
    encoded: Encoded


@dataclass(frozen=True, eq=False)
class ItemAnswer:
    """What `Item` says, for one request."""

    request_id: int
    item: Item


@dataclass(frozen=True, eq=False)
class MeasureAnswer:
    """What `Measured` says, for one request."""

    request_id: int
    measured: Measured


Request = DecodeRequest | EncodeRequest | ItemRequest | MeasureRequest
Answer = DecodeAnswer | EncodeAnswer | ItemAnswer | MeasureAnswer


class _Header(NamedTuple):
    request_id: int
    model: bytes
    kind: int
    height: int
    how_many: int  # codes, or channels; a tuple already has a method called count
    width: int


class _AnswerHeader(NamedTuple):
    request_id: int
    kind: int
    first: int  # count of images, or latent_dim, or rows
    height: int
    width: int
    channels: int
    last: int  # took, or has_std, or columns


def parse_request(frame: bytes) -> Request:
    """Read and check one request; anything against the layout or the limits raises `ProtocolError`."""
    header = _request_header(frame)
    payload = memoryview(frame)[_REQUEST.size :]
    if header.kind == Kind.DECODE:
        return DecodeRequest(header.request_id, header.model.hex(), _codes(header, payload))
    if header.kind == Kind.ENCODE:
        return EncodeRequest(header.request_id, header.model.hex(), _picture(header, payload))
    if header.kind == Kind.ITEM:
        _check_length(header.request_id, payload, _ITEM.size, "the label and number of an item")
        return ItemRequest(header.request_id, header.model.hex(), *_ITEM.unpack(payload))
    if header.kind == Kind.MEASURE:
        return _measure_request(header, payload)
    raise ProtocolError(
        f"kind = {header.kind} is not a request: send 0 to decode codes, 1 to encode a picture, 2 for an "
        "encoded example or 3 to measure at codes.",
        header.request_id,
    )


def check_width(request: DecodeRequest | MeasureRequest, latent_dim: int) -> None:
    """Raise `ProtocolError` unless the codes are as wide as the model's latent space."""
    width = request.codes.shape[1]
    if width != latent_dim:
        raise ProtocolError(
            f"width = {width} does not fit model {request.model_id}, whose codes have {latent_dim} numbers: "
            "send codes of that width, or reload the page if the model was changed.",
            request.request_id,
        )


def pack_decode_request(request_id: int, model_id: str, codes: Float32[np.ndarray, "count dim"]) -> bytes:
    """Write a decode request; what a page's script does in the browser, for Python clients."""
    count, width = codes.shape
    header = _REQUEST.pack(request_id, bytes.fromhex(model_id), Kind.DECODE, 0, count, width)
    return header + codes.astype(_FLOAT).tobytes()


def pack_encode_request(
    request_id: int, model_id: str, picture: UInt8[np.ndarray, "height width channels"]
) -> bytes:
    """Write a request to encode one picture."""
    height, width, channels = picture.shape
    header = _REQUEST.pack(request_id, bytes.fromhex(model_id), Kind.ENCODE, height, channels, width)
    return header + picture.tobytes()


def pack_item_request(request_id: int, model_id: str, label: int, nth: int) -> bytes:
    """Write a request for the nth encoded example of a class (-1: any)."""
    header = _REQUEST.pack(request_id, bytes.fromhex(model_id), Kind.ITEM, 0, 0, 0)
    return header + _ITEM.pack(label, nth)


def pack_measure_request(
    request_id: int, model_id: str, measure: Measure, codes: Float32[np.ndarray, "count dim"]
) -> bytes:
    """Write a request to measure at codes."""
    count, width = codes.shape
    header = _REQUEST.pack(request_id, bytes.fromhex(model_id), Kind.MEASURE, measure, count, width)
    return header + codes.astype(_FLOAT).tobytes()


def pack_decoded(
    request_id: int, pixels: UInt8[np.ndarray, "count height width channels"], seconds: float
) -> bytes:
    """Write the answer to a decode request, and how many seconds decoding took."""
    took = min(round(seconds * _TOOK_PER_S), _MOST_TOOK)
    header = _ANSWER.pack(request_id, Kind.DECODE, *pixels.shape, took)
    # join reads the array's own memory: a frame of many images is copied once, not twice.
    return b"".join((header, np.ascontiguousarray(pixels).data))


def pack_encoded(request_id: int, encoded: Encoded) -> bytes:
    """Write the answer to an encode request; a missing std travels as zeros and has_std = 0."""
    return _posterior_header(request_id, Kind.ENCODE, encoded) + _posterior(encoded)


def pack_item(request_id: int, item: Item) -> bytes:
    """Write the answer to a request for an encoded example."""
    header = _posterior_header(request_id, Kind.ITEM, item.encoded)
    return header + _PLACE.pack(item.position, item.label) + _posterior(item.encoded)


def pack_measured(request_id: int, measured: Measured) -> bytes:
    """Write the answer to a measure request."""
    rows, columns = measured.values.shape
    header = _ANSWER.pack(request_id, Kind.MEASURE, rows, *measured.picture.shape, columns)
    return b"".join((header, measured.values.astype(_FLOAT).tobytes(), measured.picture.tobytes()))


def pack_error(request_id: int | None, sentence: str) -> str:
    """Write a refusal, sent as a text frame."""
    return json.dumps({"id": request_id, "error": sentence})


def parse_answer(frame: bytes) -> Answer:
    """Read a binary answer, for Python clients; a wrong length or kind raises `ProtocolError`."""
    if len(frame) < _ANSWER.size:
        raise ProtocolError(f"The answer has {len(frame)} bytes; its header alone has {_ANSWER.size}.")
    header = _AnswerHeader._make(_ANSWER.unpack_from(frame))
    payload = memoryview(frame)[_ANSWER.size :]
    if header.kind == Kind.DECODE:
        shape = (header.first, header.height, header.width, header.channels)
        _check_length(header.request_id, payload, prod(shape), "images")
        pixels = _array(payload, np.dtype(np.uint8), shape)
        return DecodeAnswer(header.request_id, pixels, header.last / _TOOK_PER_S)
    if header.kind == Kind.ENCODE:
        return EncodeAnswer(header.request_id, _encoded(header, payload))
    if header.kind == Kind.ITEM and len(payload) >= _PLACE.size:
        position, label = _PLACE.unpack_from(payload)
        encoded = _encoded(header, payload[_PLACE.size :])
        return ItemAnswer(header.request_id, Item(position, label, encoded))
    if header.kind == Kind.MEASURE:
        return MeasureAnswer(header.request_id, _measured(header, payload))
    raise ProtocolError(f"kind = {header.kind} is not an answer: it must be 0, 1, 2 or 3.", header.request_id)


def _posterior_header(request_id: int, kind: Kind, encoded: Encoded) -> bytes:
    return _ANSWER.pack(request_id, kind, encoded.mean.size, *encoded.picture.shape, encoded.std is not None)


def _posterior(encoded: Encoded) -> bytes:
    std = np.zeros_like(encoded.mean) if encoded.std is None else encoded.std
    numbers = np.concatenate((encoded.mean, std)).astype(_FLOAT)
    return numbers.tobytes() + encoded.picture.tobytes()


def _request_header(frame: bytes) -> _Header:
    if len(frame) < _REQUEST.size:
        request_id = _ID.unpack_from(frame)[0] if len(frame) >= _ID.size else None
        raise ProtocolError(
            f"The frame has {len(frame)} bytes; send a header of {_REQUEST.size} bytes and then the data.",
            request_id,
        )
    header = _Header._make(_REQUEST.unpack_from(frame))
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(
            f"The frame has {len(frame)} bytes; send at most {MAX_FRAME_BYTES}.", header.request_id
        )
    return header


def _measure_request(header: _Header, payload: memoryview) -> MeasureRequest:
    try:
        measure = Measure(header.height)
    except ValueError:
        raise ProtocolError(
            f"height = {header.height} is not a measure: send one from 0 to {max(Measure)}.",
            header.request_id,
        ) from None
    fewest, most = _MEASURED_ROWS.get(measure, (1, MAX_CODES))
    return MeasureRequest(
        header.request_id, header.model.hex(), measure, _codes(header, payload, fewest, most)
    )


def _codes(
    header: _Header, payload: memoryview, fewest: int = 1, most: int = MAX_CODES
) -> Float32[np.ndarray, "count dim"]:
    if not fewest <= header.how_many <= most:
        raise ProtocolError(
            f"count = {header.how_many} codes is not allowed: send from {fewest} to {most} in one request.",
            header.request_id,
        )
    shape = (header.how_many, header.width)
    _check_length(header.request_id, payload, prod(shape) * _FLOAT.itemsize, f"{shape} float32 codes")
    codes = _array(payload, _FLOAT, shape)
    _check_finite(header.request_id, codes)
    return codes.astype(np.float32, copy=False)


def _picture(header: _Header, payload: memoryview) -> UInt8[np.ndarray, "height width channels"]:
    shape = (header.height, header.width, header.how_many)
    if header.how_many not in PICTURE_CHANNELS:
        raise ProtocolError(
            f"count = {header.how_many} channels is not allowed: send 1 (grey) or 3 (colour).",
            header.request_id,
        )
    if not all(1 <= side <= MAX_PICTURE_SIDE for side in shape[:2]):
        raise ProtocolError(
            f"The picture is {header.height}x{header.width}: both sides must be from 1 to "
            f"{MAX_PICTURE_SIDE}; scale it down before sending.",
            header.request_id,
        )
    _check_length(header.request_id, payload, prod(shape), f"a {shape} uint8 picture")
    return _array(payload, np.dtype(np.uint8), shape)


def _encoded(header: _AnswerHeader, payload: memoryview) -> Encoded:
    shape = (header.height, header.width, header.channels)
    numbers = 2 * header.first * _FLOAT.itemsize
    _check_length(header.request_id, payload, numbers + prod(shape), "an encoded picture")
    mean, std = _array(payload[:numbers], _FLOAT, (2, header.first)).astype(np.float32, copy=False)
    picture = _array(payload[numbers:], np.dtype(np.uint8), shape)
    return Encoded(mean, std if header.last else None, picture)


def _measured(header: _AnswerHeader, payload: memoryview) -> Measured:
    shape = (header.height, header.width, header.channels)
    numbers = header.first * header.last * _FLOAT.itemsize
    _check_length(header.request_id, payload, numbers + prod(shape), "figures and a picture")
    values = _array(payload[:numbers], _FLOAT, (header.first, header.last)).astype(np.float32, copy=False)
    return Measured(values, _array(payload[numbers:], np.dtype(np.uint8), shape))


def _check_length(request_id: int, payload: memoryview, expected: int, what: str) -> None:
    if len(payload) != expected:
        raise ProtocolError(
            f"The frame holds {len(payload)} bytes after its header, but the header announces {what}, "
            f"which take {expected}: send exactly that many.",
            request_id,
        )


def _check_finite(request_id: int, codes: np.ndarray) -> None:
    finite = np.isfinite(codes)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ProtocolError(
            f"codes[{row}, {column}] = {codes[row, column]} is not allowed: every number of a latent code "
            "must be finite; reset that coordinate.",
            request_id,
        )


def _array(
    payload: memoryview, dtype: np.dtype[_Number], shape: tuple[int, ...]
) -> np.ndarray[tuple[int, ...], np.dtype[_Number]]:
    return np.frombuffer(payload, dtype=dtype).reshape(shape)
