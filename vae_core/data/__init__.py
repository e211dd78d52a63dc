"""The data a model learns from: what there is, whether it is here, how to get it, and its two splits.

    from vae_core import data
    from vae_core.config import DataConfig

    train = data.load(DataConfig(name="digits"), "train")
    train.images  # uint8 (n, c, h, w)

Splits are seeded by `DataConfig.split_seed`, disjoint, and independent of training. Nothing is cached here.
"""

from collections.abc import Callable

from vae_core.config import DataConfig
from vae_core.data import digits, download, sprites, torchvision_sets
from vae_core.data.dataset import DataInfo, Dataset, Split
from vae_core.errors import ConfigError

__all__ = ["DataInfo", "Dataset", "Split", "fetch", "info", "is_available", "known", "load"]

_INFOS = {each.name: each for each in (digits.INFO, sprites.INFO, *torchvision_sets.INFOS.values())}

_LOADERS: dict[str, Callable[[DataConfig, Split], Dataset]] = {
    "digits": digits.load,
    "sprites": sprites.load,
    **dict.fromkeys(torchvision_sets.INFOS, torchvision_sets.load),
}


def known() -> tuple[str, ...]:
    """Return the names that `DataConfig.name` may take, those that need no download first."""
    return tuple(_INFOS)


def info(name: str) -> DataInfo:
    """Return what is known about a dataset without loading it.

    Raises:
        ConfigError: no dataset has this name.
    """
    if name not in _INFOS:
        choices = ", ".join(known())
        raise ConfigError(f"DataConfig: name = {name!r} is not a known dataset; use one of {choices}.")
    return _INFOS[name]


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; goes to no network.

    Raises:
        ConfigError: no dataset has this name, or more examples are asked for than there are.
        DataNotFound: its files are not on this machine; the message says how to get them.
        DataError: its files are broken, or cannot be unpacked where they are.
    """
    return _LOADERS[info(config.name).name](config, split)


def is_available(name: str) -> bool:
    """Whether `load` can work on this machine now; quick, and goes to no network.

    Raises:
        ConfigError: no dataset has this name.
    """
    return info(name).embedded or torchvision_sets.is_available(name)


def fetch(name: str, on_progress: Callable[[str], None] | None = None) -> None:
    """Get a dataset onto this machine; does nothing for one that is here or comes with the program.

    `on_progress` is called, in the calling thread, with short sentences to show while it works.

    Raises:
        ConfigError: no dataset has this name.
        DataNotFound: no network, or the server does not answer as it should.
        DataError: the files cannot be written.
    """
    if not info(name).embedded:
        download.fetch(name, on_progress)
    elif on_progress is not None:
        on_progress(f"{info(name).title} needs no download.")
