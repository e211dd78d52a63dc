"""The data a model learns from: what there is, whether it is here, how to get it, and its two splits.

    from vae_core import data
    from vae_core.config import DataConfig

    train = data.load(DataConfig(name="digits"), "train")
    train.examples  # uint8 (n, c, h, w)

    own = DataConfig(name="leaves", path="~/pictures/leaves")
    data.preview(own).notes  # what was understood of it

Splits are seeded by `DataConfig.split_seed`, disjoint, and independent of training. Nothing is cached here.
"""

from collections.abc import Callable

from vae_core.config import DataConfig
from vae_core.data import celeba, cifar10, digits, download, emnist, own, sprites, svhn, torchvision_sets
from vae_core.data.dataset import DataInfo, Dataset, Split
from vae_core.data.own import Preview
from vae_core.data.streaming import Streamed, batches
from vae_core.errors import ConfigError

__all__ = [
    "DataInfo",
    "Dataset",
    "Preview",
    "Split",
    "Streamed",
    "batches",
    "fetch",
    "info",
    "is_available",
    "known",
    "load",
    "preview",
]

_ALONE = {each.INFO.name: each for each in (emnist, cifar10, svhn, celeba)}  # each in a file of its own

_INFOS: dict[str, DataInfo] = {
    **{each.name: each for each in (digits.INFO, sprites.INFO)},
    **torchvision_sets.INFOS,
    **{name: each.INFO for name, each in _ALONE.items()},
}

_LOADERS: dict[str, Callable[[DataConfig, Split], Dataset]] = {
    "digits": digits.load,
    "sprites": sprites.load,
    **dict.fromkeys(torchvision_sets.INFOS, torchvision_sets.load),
    **{name: each.load for name, each in _ALONE.items()},
}


def known() -> tuple[str, ...]:
    """Return the names that `DataConfig.name` may take, those that need no download first."""
    return tuple(_INFOS)


def info(source: str | DataConfig) -> DataInfo:
    """Return what is known about a dataset: by its name at once, by the path of your own data by looking there.

    Raises:
        ConfigError: no dataset has this name.
        DataNotFound, DataError: there is nothing at the path, or nothing that can be understood.
    """
    if isinstance(source, DataConfig):
        return info(source.name) if source.path is None else own.info(source)
    if source not in _INFOS:
        choices = ", ".join(known())
        raise ConfigError(f"DataConfig: name = {source!r} is not a known dataset; use one of {choices}.")
    return _INFOS[source]


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; goes to no network.

    Raises:
        ConfigError: no dataset has this name, or more examples are asked for than there are.
        DataNotFound: its files are not on this machine; the message says how to get them.
        DataError: its files are broken, or cannot be unpacked where they are.
    """
    if config.path is not None:
        return own.load(config, split)
    return _LOADERS[info(config.name).name](config, split)


def preview(config: DataConfig, count: int = 24) -> Preview:
    """Return what was understood of your own data, and a uniform sample of it; quick, whatever its size.

    Raises:
        ConfigError: the config has no path, or its settings contradict each other.
        DataNotFound, DataError: there is nothing at the path, or nothing that can be understood.
    """
    if config.path is None:
        raise ConfigError("DataConfig: path is not given; a preview is of your own data, which it leads to.")
    return own.preview(config, count)


def is_available(source: str | DataConfig) -> bool:
    """Whether `load` can work on this machine now; quick, and goes to no network.

    Raises:
        ConfigError: no dataset has this name.
    """
    if isinstance(source, DataConfig):
        return is_available(source.name) if source.path is None else own.is_available(source)
    if source in _ALONE:
        return bool(_ALONE[source].is_available())
    return info(source).embedded or torchvision_sets.is_available(source)


def fetch(name: str, on_progress: Callable[[str], None] | None = None) -> None:
    """Get a dataset onto this machine; does nothing for one that is here or comes with the program.

    `on_progress` is called, in the calling thread, with short sentences to show while it works.

    Raises:
        ConfigError: no dataset has this name.
        DataNotFound: no network, or the server does not answer as it should.
        DataError: the files cannot be written.
    """
    if not info(name).embedded:
        recipe = _ALONE[name].recipe() if name in _ALONE else torchvision_sets.recipe(name)
        download.fetch(recipe, on_progress)
    elif on_progress is not None:
        on_progress(f"{info(name).title} needs no download.")
