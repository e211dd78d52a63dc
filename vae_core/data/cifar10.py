"""CIFAR-10: small colour photographs of ten kinds of things (Krizhevsky 2009).

50,000 images to train on and 10,000 test images as held-out data. The files are torchvision's,
`<root>/cifar-10-batches-py/data_batch_1` and so on, with the checksums that torchvision knows.

Those files are Python pickles, which can run code when they are loaded. So torchvision's class is asked for their
names, address and checksums only, and `_Batch` reads them: it knows the few things that such a file consists of
(a dictionary, lists, whole numbers, bytes, and one array of bytes), builds the array from its bytes itself, and
refuses whatever else a file names. It was chosen over the binary version of CIFAR-10 because this one is
what torchvision downloads and what people have.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.data.download import Recipe
from vae_core.data.places import how_to_get, root
from vae_core.errors import DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

INFO = DataInfo(
    name="cifar10",
    title="CIFAR-10",
    data_shape=(3, 32, 32),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    factor_names=(),
    framing="plain",
    embedded=False,
    source="Small photographs of ten kinds of things, Krizhevsky 2009.",
)

FOLDER = "cifar-10-batches-py"
FILES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{k}" for k in range(1, 6)),
    "held-out": ("test_batch",),
}
_ALL = (*FILES["train"], *FILES["held-out"])


def folder() -> Path:
    """Return the folder that holds, or will hold, the six files."""
    return root() / FOLDER


def is_available() -> bool:
    """Whether all six files are here; their checksums are compared when they are loaded."""
    return all((folder() / file).is_file() for file in _ALL)


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; `indices` count within its official part.

    Raises:
        DataNotFound: a file is not here.
        DataError: a file is not the official one, or holds something else than images.
        ConfigError: more examples are asked for than there are.
    """
    _check_sums()
    parts = {each: [_read(folder() / file) for file in files] for each, files in FILES.items()}
    pools: dict[Split, Tensor] = {
        each: shuffled(sum(len(labels) for _, labels in batches), config.split_seed)
        for each, batches in parts.items()
    }
    indices = choose(config, split, pools).clone()
    images = torch.cat([images for images, _ in parts[split]])
    labels = torch.cat([labels for _, labels in parts[split]])
    return Dataset(INFO.name, images[indices], indices, labels[indices], factors=None)


def recipe() -> Recipe:
    """Return how to get it: one archive, checked and unpacked by torchvision."""

    def get(staging: Path) -> Path:
        datasets = import_torchvision().datasets
        source = datasets.CIFAR10
        datasets.utils.download_and_extract_archive(
            source.url, staging, filename=source.filename, md5=source.tgz_md5
        )
        return staging / FOLDER

    archive = import_torchvision().datasets.CIFAR10.filename
    return Recipe(INFO.name, INFO.title, folder(), is_available, get, _ALL, (archive,))


def _check_sums() -> None:
    datasets = import_torchvision().datasets
    expected = dict([*datasets.CIFAR10.train_list, *datasets.CIFAR10.test_list])
    for file in _ALL:
        path = folder() / file
        if not path.is_file():
            raise DataNotFound(
                f"{INFO.name} is not on this machine: {folder()} has no {file}; "
                + how_to_get(INFO.name, FOLDER)
            )
        if not datasets.utils.check_integrity(path, expected[file]):
            raise DataError(
                f"{INFO.name}: {path} is broken (its checksum is not the official one); delete it and get it again."
            )


def _read(path: Path) -> tuple[UInt8[Tensor, "n 3 32 32"], Int64[Tensor, " n"]]:
    """Return the images and labels of one file."""
    try:
        batch = _Batch(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        images, labels = batch["data"].pixels(), torch.tensor(batch["labels"], dtype=torch.int64)
    except Exception as error:  # a pickle that is something else fails in any way
        raise DataError(
            f"{INFO.name}: {path} does not hold images and labels alone ({error}); delete it and get it again."
        ) from error
    if len(images) != len(labels) or labels.min() < 0 or labels.max() >= len(INFO.class_names):
        raise DataError(f"{INFO.name}: {path} does not hold one label from 0 to 9 per image; get it again.")
    return torch.from_numpy(images), labels


class _Array:
    """An array of bytes as a pickle describes it: its shape and its content, nothing that NumPy would run."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.kind, self.columns_first, self.content = state

    def pixels(self) -> UInt8[np.ndarray, "n 3 32 32"]:
        """Return the images; a row holds the red, the green and the blue pixels, line by line."""
        if self.kind != "u1" or self.columns_first:
            raise ValueError("its array is not one of bytes, row by row")
        return np.frombuffer(self.content, np.uint8).reshape(self.shape).reshape(-1, 3, 32, 32).copy()


class _Kind(str):
    """The name of an array's type; the rest of its description does not matter for bytes."""

    def __setstate__(self, state: Any) -> None:
        pass


def _kind(name: Any, *_: Any) -> _Kind:
    return _Kind(name.decode() if isinstance(name, bytes) else name)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", b"latin1"):
        raise ValueError(f"bytes are written as {encoding}")
    return text.encode("latin1")


class _Batch(pickle.Unpickler):
    """Reads a pickle without letting it name anything but stand-ins for the four things a batch is made of."""

    _known = {  # noqa: RUF012  # pickle's own class leaves no room for an annotation that says so
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _kind,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name; refuse any other."""
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return self._known[module, name]
