"""EMNIST letters: handwritten letters in the form of MNIST (Cohen, Afshar, Tapson and van Schaik 2017).

26 classes, each upper and lower case together; 124,800 images to train on and 20,800 test images as held-out
data. The files are torchvision's, `<root>/EMNIST/raw/emnist-letters-train-images-idx3-ubyte` and so on. They
hold every image transposed and count labels from 1; here images stand upright and labels begin with 0.
"""

from pathlib import Path

import torch
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data import idx
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.data.download import Recipe
from vae_core.data.places import how_to_get, root
from vae_core.errors import DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

INFO = DataInfo(
    name="emnist-letters",
    title="EMNIST letters",
    data_shape=(1, 28, 28),
    class_names=tuple("abcdefghijklmnopqrstuvwxyz"),
    factor_names=(),
    framing="ink",
    embedded=False,
    source="Handwritten letters, Cohen, Afshar, Tapson and van Schaik 2017 (NIST Special Database 19).",
    extent=24 / 28,  # the letters were fitted to the frame but for a border of 2 pixels
)

PARTS: dict[Split, str] = {"train": "train", "held-out": "test"}
FILES = tuple(
    f"emnist-letters-{part}-{kind}"
    for part in PARTS.values()
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)


def folder() -> Path:
    """Return the folder that holds, or will hold, the four files."""
    return root() / "EMNIST" / "raw"


def is_available() -> bool:
    """Whether all four files are here in full."""
    return all(idx.is_whole(folder() / file) for file in FILES)


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; `indices` count within its official part.

    Raises:
        DataNotFound: a file is not here, or only a part of it.
        DataError: images and labels do not fit together.
        ConfigError: more examples are asked for than there are.
    """
    pools: dict[Split, Tensor] = {
        each: shuffled(_size(part), config.split_seed) for each, part in PARTS.items()
    }
    indices = choose(config, split, pools).clone()
    images, labels = (idx.read(file) for file in _files(PARTS[split]))
    if labels.min() < 1 or labels.max() > len(INFO.class_names):
        raise DataError(
            f"{INFO.name}: a label in {folder()} is not from 1 to 26; delete that folder and get it again."
        )
    upright = images[indices].mT.contiguous().unsqueeze(1)
    return Dataset(INFO.name, upright, indices, labels[indices].to(torch.int64) - 1, factors=None)


def recipe() -> Recipe:
    """Return how to get it: one archive with all forms of EMNIST, of which the letters are kept."""

    def get(staging: Path) -> Path:
        emnist = import_torchvision().datasets.EMNIST
        return Path(emnist(root=staging, split="letters", download=True).raw_folder)

    return Recipe(INFO.name, INFO.title, folder(), is_available, get, FILES, ("gzip.zip",))


def _files(part: str) -> list[Path]:
    """The images and the labels of an official part."""
    return [folder() / f"emnist-letters-{part}-{kind}" for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def _size(part: str) -> int:
    """Return how many images an official part has, once its two files are known to fit together."""
    images, labels = _files(part)
    for file in (images, labels):
        if not idx.is_whole(file):
            raise DataNotFound(
                f"{INFO.name} is not on this machine: {folder()} has no complete {file.name}; "
                + how_to_get(INFO.name, "EMNIST/raw")
            )
    sizes = idx.shape(images) or ()
    if sizes[1:] != (28, 28) or idx.shape(labels) != sizes[:1]:
        raise DataError(
            f"{INFO.name}: {images.name} and {labels.name} in {folder()} do not hold as many labels as images of "
            "28x28; delete both and get it again."
        )
    return sizes[0]
