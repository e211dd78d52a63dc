"""IDX, the file format of MNIST and its relatives: is a file whole, what is in it, and how to unpack it in one step.

A file starts with two zero bytes, 8 for unsigned bytes and the number of dimensions, followed by each size as
four bytes, most significant first. So it says itself how long it must be; a gzip file ends with the length of
what it holds. Together they tell a whole file from one whose copy was interrupted, without reading it.
"""

import gzip
import math
import os
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from vae_core.errors import DataError

_LONGEST_HEADER = 16  # bytes: of images; labels have one dimension


def shape(path: Path) -> tuple[int, ...] | None:
    """Return the sizes in the header of a file, plain or (.gz) packed; None if it has no such header."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _shape_in(file.read(_LONGEST_HEADER))
    except (OSError, EOFError, zlib.error):  # not there, not gzip, or cut short
        return None


def is_whole(path: Path) -> bool:
    """Whether the file is there in full, plain or packed; reads its first and last bytes only."""
    sizes = shape(path)
    if sizes is None:
        return False
    length = 4 + 4 * len(sizes) + math.prod(sizes)
    return length == (_packed_length(path) if path.suffix == ".gz" else path.stat().st_size)


def read(path: Path) -> UInt8[Tensor, "..."]:
    """Return what a plain file holds.

    Not by torchvision, whose import takes some 80 MB and a second or more, for a header and a run of bytes.

    Raises:
        DataError: the file is not a whole one any more.
    """
    sizes = shape(path)
    content = np.fromfile(path, np.uint8, offset=0 if sizes is None else 4 + 4 * len(sizes))
    if sizes is None or len(content) != math.prod(sizes):
        raise DataError(f"{path} is no whole file of its kind; delete it and get the data again.")
    return torch.from_numpy(content).view(sizes)


def unpack(packed: Path) -> None:
    """Unpack a .gz file beside itself, in one step for whoever looks: the whole file appears, or nothing."""
    with tempfile.TemporaryDirectory(dir=packed.parent, prefix=".unpack-") as folder:
        target = Path(folder, packed.stem)
        with gzip.open(packed) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
        os.replace(target, packed.with_suffix(""))


def _shape_in(header: bytes) -> tuple[int, ...] | None:
    if len(header) < 4 or header[:3] != b"\0\0\x08" or len(header) < 4 + 4 * header[3]:
        return None
    return tuple(int.from_bytes(header[4 + 4 * i : 8 + 4 * i], "big") for i in range(header[3]))


def _packed_length(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")
