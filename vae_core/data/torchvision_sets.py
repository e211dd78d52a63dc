"""MNIST and two sets of the same form, Fashion-MNIST and Kuzushiji-MNIST, through torchvision.

Files are where torchvision itself keeps them: `<root>/MNIST/raw/train-images-idx3-ubyte` and so on, with
FashionMNIST and KMNIST beside MNIST, plain or packed (.gz). The root is the environment variable
VAE_DATA_DIR, or else this program's folder in the user's cache.

The official parts stay what they are: 60,000 images to train on, and 10,000 test images as held-out data.
So `Dataset.indices` count within the official part of the split; in the other part, the same number is another
image.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data import idx
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.data.download import Recipe
from vae_core.data.places import how_to_get, is_writable, root
from vae_core.errors import DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_PARTS: dict[Split, tuple[str, str]] = {"train": FILES[:2], "held-out": FILES[2:]}  # images and labels

INFOS = {
    "mnist": DataInfo(
        name="mnist",
        title="MNIST",
        data_shape=(1, 28, 28),
        class_names=tuple("0123456789"),
        factor_names=(),
        framing="ink",
        embedded=False,
        source="Handwritten digits, LeCun, Cortes and Burges 1998.",
        extent=20 / 28,  # LeCun et al. fitted the strokes into 20 x 20 of 28 x 28 pixels
    ),
    "fashion-mnist": DataInfo(
        name="fashion-mnist",
        title="Fashion-MNIST",
        data_shape=(1, 28, 28),
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        factor_names=(),
        framing="plain",
        embedded=False,
        source="Pictures of clothes, Xiao, Rasul and Vollgraf 2017 (Zalando Research).",
    ),
    "kmnist": DataInfo(
        name="kmnist",
        title="Kuzushiji-MNIST",
        data_shape=(1, 28, 28),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        factor_names=(),
        framing="ink",
        embedded=False,
        source="Cursive Japanese characters, Clanuwat et al. 2018 (ROIS-DS CODH).",
    ),
}

_CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


def raw_folder(name: str) -> Path:
    """Return the folder that holds, or will hold, the four files of one dataset."""
    return root() / _CLASSES[name] / "raw"


def dataset_class(name: str) -> Any:
    """Return torchvision's class for this dataset."""
    return getattr(import_torchvision().datasets, _CLASSES[name])


def is_available(name: str) -> bool:
    """Whether all four files are here in full, plain or packed; an interrupted download is not."""
    raw = raw_folder(name)
    return all(idx.is_whole(raw / file) or idx.is_whole(raw / f"{file}.gz") for file in FILES)


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split, unpacking its files the first time; never goes to the network.

    Raises:
        DataNotFound: a file is not here, or only a part of it.
        DataError: a file is broken, or cannot be unpacked where it is.
        ConfigError: more examples are asked for than there are.
    """
    for file in FILES:
        _make_ready(config.name, file)
    pools: dict[Split, Tensor] = {part: _shuffled_part(config, *files) for part, files in _PARTS.items()}
    indices = choose(config, split, pools).clone()
    images, labels = _read(config.name, split)
    return Dataset(config.name, images[indices].unsqueeze(1), indices, labels[indices], factors=None)


def recipe(name: str) -> Recipe:
    """Return how to get one of these datasets."""

    def get(staging: Path) -> Path:
        return Path(dataset_class(name)(root=staging, download=True).raw_folder)

    return Recipe(
        name=name,
        title=INFOS[name].title,
        folder=raw_folder(name),
        is_here=lambda: is_available(name),
        get=get,
        files=FILES,
        arrivals=tuple(f"{file}.gz" for file in FILES),
    )


def _make_ready(name: str, file: str) -> None:
    """See to it that the plain file is here in full."""
    plain, packed = raw_folder(name) / file, raw_folder(name) / f"{file}.gz"
    if idx.is_whole(plain):
        return
    if not packed.exists():
        raise DataNotFound(
            f"{name} is not on this machine: {plain.parent} has no complete {file} or {file}.gz; "
            + how_to_get(name, f"{_CLASSES[name]}/raw")
        )
    _check_sum(name, packed)
    _unpack(name, packed)


def _check_sum(name: str, packed: Path) -> None:
    """Compare with the official MD5, so that a broken download is found here and not in a picture."""
    datasets = import_torchvision().datasets
    expected = dict(dataset_class(name).resources)[packed.name]
    if not datasets.utils.check_integrity(packed, expected):
        raise DataError(
            f"{name}: {packed} is broken (its checksum is not the official one); "
            f"delete it and get {name} again."
        )


def _unpack(name: str, packed: Path) -> None:
    advice = f"copy {_CLASSES[name]} to a folder you can write to and set VAE_DATA_DIR to that folder"
    if not is_writable(packed.parent):
        raise DataError(
            f"{name}: {packed.name} is still packed and its folder {packed.parent} is read-only; {advice}."
        )
    try:
        idx.unpack(packed)
    except OSError as error:
        raise DataError(
            f"{name}: {packed.name} cannot be unpacked in {packed.parent} ({error.strerror}); "
            f"make room there, or {advice}."
        ) from error


def _shuffled_part(config: DataConfig, images: str, labels: str) -> Int64[Tensor, " n"]:
    """Return the shuffled indices of one official part, once its two files are known to fit together."""
    raw = raw_folder(config.name)
    sizes = idx.shape(raw / images) or ()
    if sizes[1:] != INFOS[config.name].data_shape[1:] or idx.shape(raw / labels) != sizes[:1]:
        raise DataError(
            f"{config.name}: {images} and {labels} in {raw} do not hold as many labels as images of 28x28; "
            f"delete both and get {config.name} again."
        )
    return shuffled(sizes[0], config.split_seed)


def _read(name: str, split: Split) -> tuple[UInt8[Tensor, "n 28 28"], Int64[Tensor, " n"]]:
    images, labels = (idx.read(raw_folder(name) / file) for file in _PARTS[split])
    classes = len(INFOS[name].class_names)
    if labels.max() >= classes:
        raise DataError(
            f"{name}: a label in {raw_folder(name)} is {int(labels.max())}, but labels are below {classes}; "
            f"delete that folder and get {name} again."
        )
    return images, labels.to(torch.int64)
