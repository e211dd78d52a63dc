"""CelebA: aligned faces of well-known people (Liu, Luo, Wang and Tang 2015), cropped and made small.

The middle 148x148 of 178x218 pixels, which is the face without most of its background, as 64x64. The official
partition is kept: 162,770 images to train on and the 19,962 test images as held-out data; the 19,867 images for
validation are not used. The 40 attributes, 0 or 1, are the `factors`. `indices` count through all 202,599 images.

The files are torchvision's, in `<root>/celeba`: the lists, with the checksums that torchvision knows, and the
folder `img_align_celeba`. There are 2.2 GB of images in memory; where that is too much they are streamed.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data.dataset import DataInfo, Dataset, Split, shuffled
from vae_core.data.download import Recipe
from vae_core.data.folders import FolderFiles, Images
from vae_core.data.found import Found
from vae_core.data.own import take
from vae_core.data.pictures import Form
from vae_core.data.places import how_to_get, root
from vae_core.errors import DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

SIDE = 64
MIDDLE = 148

ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs"),
    *("Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair"),
    *("Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair"),
    *("Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline"),
    *("Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings"),
    *("Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young"),
)

INFO = DataInfo(
    name="celeba",
    title="CelebA",
    data_shape=(3, SIDE, SIDE),
    class_names=(),
    factor_names=ATTRIBUTES,
    framing="plain",
    embedded=False,
    source="Faces of well-known people, Liu, Luo, Wang and Tang 2015; for research only.",
)

PARTITION = "list_eval_partition.txt"
IMAGES = "img_align_celeba"
_PARTS: dict[Split, int] = {"train": 0, "held-out": 2}  # 1 is for validation


def folder() -> Path:
    """Return the folder that holds, or will hold, the lists and the folder of images."""
    return root() / "celeba"


def is_available() -> bool:
    """Whether the lists and the folder of images are here; what is in them is checked when they are loaded."""
    return (folder() / IMAGES).is_dir() and all((folder() / file).is_file() for file in _lists())


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split, or for training what streams it.

    Raises:
        DataNotFound: a list or an image is not here.
        DataError: a list is not the official one, or an image is broken; the message names it.
        ConfigError: more examples are asked for than there are.
    """
    _check()
    source = _class()(root=root(), split="all", target_type=[])
    if tuple(source.attr_names[: len(ATTRIBUTES)]) != ATTRIBUTES:  # a last, empty one follows in the file
        raise DataError(
            f"celeba: {folder() / 'list_attr_celeba.txt'} names other attributes; get celeba again."
        )
    parts = _partition(len(source.filename))
    pools: dict[Split, Tensor] = {each: _shuffled(parts == part, config) for each, part in _PARTS.items()}
    found = Found(
        reader=Images(
            FolderFiles(folder() / IMAGES, tuple(source.filename)), Form(3, SIDE, SIDE, middle=MIDDLE)
        ),
        total=len(source.filename),
        pools=pools,
        source=INFO.source,
        streams=True,
        factors=source.attr.float(),
        held_out_limit=len(pools["held-out"]),
    )
    return take(config, found, folder(), split)


def recipe() -> Recipe:
    """Return how to get it; torchvision takes it from Google Drive, for which it needs the package gdown."""

    def get(staging: Path) -> Path:
        if find_spec("gdown") is None:
            raise DataNotFound(
                "celeba is kept on Google Drive, and downloading from there takes the package gdown; "
                f"pip install gdown and try again, or put the lists and {IMAGES} in {folder()} yourself."
            )
        _class()(root=staging, download=True)
        return staging / "celeba"

    arrivals = tuple(file for _, _, file in _class().file_list)
    return Recipe(INFO.name, INFO.title, folder(), is_available, get, (*_lists(), IMAGES), arrivals)


def _class() -> Any:
    return import_torchvision().datasets.CelebA


def _lists() -> dict[str, str]:
    """Return the checksum of each list."""
    return {file: md5 for _, md5, file in _class().file_list if file.endswith(".txt")}


def _check() -> None:
    check = import_torchvision().datasets.utils.check_integrity
    for file, expected in _lists().items():
        path = folder() / file
        if not path.is_file() or not (folder() / IMAGES).is_dir():
            missing = IMAGES if path.is_file() else file
            raise DataNotFound(
                f"celeba is not on this machine: {folder()} has no {missing}; "
                + how_to_get("celeba", "celeba")
            )
        if not check(path, expected):
            raise DataError(
                f"celeba: {path} is broken (its checksum is not the official one); delete it and get it again."
            )


def _partition(total: int) -> Int64[Tensor, " n"]:
    lines = (folder() / PARTITION).read_text().splitlines()
    parts = torch.tensor([int(line.split()[1]) for line in lines if line.strip()], dtype=torch.int64)
    if len(parts) != total:
        raise DataError(f"celeba: {folder() / PARTITION} does not fit the other lists; get celeba again.")
    return parts


def _shuffled(chosen: Tensor, config: DataConfig) -> Int64[Tensor, " n"]:
    positions = chosen.nonzero().squeeze(1)
    return positions[shuffled(len(positions), config.split_seed)]
