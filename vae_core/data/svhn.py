"""SVHN: house numbers in colour, one digit in the middle of each image (Netzer et al. 2011).

73,257 images to train on and 26,032 test images as held-out data, in torchvision's files `train_32x32.mat` and
`test_32x32.mat`, in `<root>/SVHN` or directly in `<root>`, with the checksums that torchvision knows.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.data.download import Recipe
from vae_core.data.places import how_to_get, root
from vae_core.errors import DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

INFO = DataInfo(
    name="svhn",
    title="Street View House Numbers",
    data_shape=(3, 32, 32),
    class_names=tuple("0123456789"),
    factor_names=(),
    framing="plain",
    embedded=False,
    source="House numbers seen from the street, Netzer, Wang, Coates, Bissacco, Wu and Ng 2011.",
)

PARTS: dict[Split, str] = {"train": "train", "held-out": "test"}
FILES = tuple(f"{part}_32x32.mat" for part in PARTS.values())


def folder() -> Path:
    """Return the folder that holds, or will hold, the two files."""
    return root() if (root() / FILES[0]).is_file() else root() / "SVHN"


def is_available() -> bool:
    """Whether both files are here; their checksums are compared when they are loaded."""
    return all((folder() / file).is_file() for file in FILES)


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; `indices` count within its official part.

    Raises:
        DataNotFound: a file is not here.
        DataError: a file is not the official one.
        ConfigError: more examples are asked for than there are.
    """
    for part in PARTS.values():
        _check_sum(part)
    pools: dict[Split, Tensor] = {
        each: shuffled(_size(part), config.split_seed) for each, part in PARTS.items()
    }
    indices = choose(config, split, pools).clone()
    source = _class()(root=folder(), split=PARTS[split])  # it makes of label 10 the 0 that it stands for
    images, labels = torch.from_numpy(source.data)[indices], torch.from_numpy(source.labels)[indices]
    return Dataset(INFO.name, images.to(torch.uint8), indices, labels.to(torch.int64), factors=None)


def recipe() -> Recipe:
    """Return how to get it."""

    def get(staging: Path) -> Path:
        for part in PARTS.values():
            _class()(root=staging, split=part, download=True)
        return staging

    return Recipe(INFO.name, INFO.title, folder(), is_available, get, FILES, FILES)


def _class() -> Any:
    return import_torchvision().datasets.SVHN


def _check_sum(part: str) -> None:
    _, file, expected = _class().split_list[part]
    path = folder() / file
    if not path.is_file():
        raise DataNotFound(
            f"{INFO.name} is not on this machine: {folder()} has no {file}; "
            + how_to_get(INFO.name, f"SVHN/{file}")
        )
    if not import_torchvision().datasets.utils.check_integrity(path, expected):
        raise DataError(
            f"{INFO.name}: {path} is broken (its checksum is not the official one); delete it and get it again."
        )


def _size(part: str) -> int:
    """Return how many images a file holds, from its directory."""
    from scipy.io import whosmat

    path = folder() / f"{part}_32x32.mat"
    shapes = {name: shape for name, shape, _ in whosmat(path)}
    images, labels = shapes.get("X", ()), shapes.get("y", ())
    if images[:3] != (32, 32, 3) or labels[:1] != images[3:]:
        raise DataError(f"{INFO.name}: {path} does not hold as many labels as images of 32x32; get it again.")
    return int(images[3])
