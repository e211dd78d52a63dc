"""Your own data, from a path: which kind it is, its two splits, and a preview of what was understood.

    folder or .zip      images, with a subfolder for each class or without
    .npy, .npz          an array of images, with labels or without
    .csv, .parquet      a table of numbers; with `window`, a time series

A random tenth is held out (of a series, the last tenth), at most 10,000 examples unless the config says more.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data import arrays, folders, memory, series, tables
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled
from vae_core.data.found import Found
from vae_core.data.memory import Storage
from vae_core.data.streaming import Streamed
from vae_core.errors import ConfigError, DataError, DataNotFound

HELD_OUT_LIMIT = 10_000  # held-out examples are always in memory

Finder = Callable[[DataConfig, Path], Found]


@dataclass(frozen=True)
class Preview:
    """What was understood of some data, to be looked at before a model is trained on it.

    Args:
        info: as `data.info` returns it.
        examples: (k, *data_shape), a uniform sample of all examples.
        labels: (k,), theirs; None when there are no classes.
        total: how many examples there are.
        train, held_out: how many of them each split takes.
        memory_bytes: what both splits take when they are in memory.
        storage: where the training data will be.
        notes: one plain sentence about each thing that was detected or decided.
    """

    info: DataInfo
    examples: UInt8[Tensor, "k c h w"] | Float32[Tensor, "k *shape"]
    labels: Int64[Tensor, " k"] | None
    total: int
    train: int
    held_out: int
    memory_bytes: int
    storage: Storage
    notes: tuple[str, ...]


def is_available(config: DataConfig) -> bool:
    """Whether there is something at the path that can be of a known kind; reads none of it."""
    path = _path(config)
    try:
        with _explained(path):
            _finder(config, path)
    except (DataError, ConfigError):
        return False
    return os.access(path, os.R_OK)


def info(config: DataConfig) -> DataInfo:
    """Return what the data at a path turned out to be.

    Raises:
        DataNotFound: there is nothing at this path.
        DataError: it is broken, or not of a known kind.
        ConfigError: settings contradict each other.
    """
    return _info(config, _find(config))


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; `indices` are positions in the source's sorted order.

    Raises:
        DataNotFound, DataError: as `info`, or a file is broken; the message names it.
        ConfigError: more examples are asked for than there are, or settings contradict each other.
    """
    return take(config, _find(config), _path(config), split)


def take(config: DataConfig, found: Found, path: Path, split: Split) -> Dataset:
    """Return one split of what was found at `path`, streamed or in memory."""
    indices = _chosen(config, found, split).clone()  # a view would keep the whole order alive
    if split == "train" and _storage(config, found)[0] == "stream":
        examples: Tensor | Streamed = Streamed(found.reader, indices)
    else:
        examples = _read(path, found, indices)
    labels = None if found.labels is None else found.labels[indices]
    factors = None if found.factors is None else found.factors[indices]
    return Dataset(config.name, examples, indices, labels, factors)


def preview(config: DataConfig, count: int = 24) -> Preview:
    """Return what was understood and a uniform sample of the examples; reads little of large data.

    Raises:
        DataNotFound, DataError, ConfigError: as `info`, or a file of the sample is broken.
    """
    found = _find(config, quick=True)
    sample = shuffled(found.total, config.split_seed)[:count]
    storage, why = _storage(config, found)
    with _explained(_path(config)):
        examples = found.reader.read(sample)
    return Preview(
        info=_info(config, found),
        examples=examples,
        labels=None if found.labels is None else found.labels[sample],
        total=found.total,
        train=len(_chosen(config, found, "train")),
        held_out=len(_chosen(config, found, "held-out")),
        memory_bytes=_memory_bytes(config, found),
        storage=storage,
        notes=(*found.notes, why),
    )


def _path(config: DataConfig) -> Path:
    return Path(os.path.expanduser(config.path or ""))


def _find(config: DataConfig, quick: bool = False) -> Found:
    path = _path(config)
    with _explained(path):
        finder = _finder(config, path)
        return arrays.find(config, path, quick) if finder is arrays.find else finder(config, path)


def _finder(config: DataConfig, path: Path) -> Finder:
    """Return the function that reads this kind of data."""
    if not path.exists():
        raise DataNotFound(f"path = {str(path)!r} does not exist on this machine; check its spelling.")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder; choose another path.")
    suffix = path.suffix.lower()
    if config.window is not None:
        if path.is_dir() or suffix not in tables.SUFFIXES:
            raise ConfigError(
                f"DataConfig: window = {config.window} is for a .csv time series, not for {path}."
            )
        return series.find
    if path.is_dir() or suffix == ".zip":
        return folders.find
    if suffix in (".npy", ".npz"):
        return arrays.find
    if suffix in tables.SUFFIXES:
        return tables.find
    raise DataError(
        f"{path} is not of a known kind; use a folder or .zip of images, .npy, .npz, .csv or .parquet."
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says about a path into a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataNotFound(
            f"{path} is gone since it was looked at; put it back or choose another path."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); make it readable or choose another path."
        ) from error


def _info(config: DataConfig, found: Found) -> DataInfo:
    return DataInfo(
        name=config.name,
        title=config.name,
        data_shape=tuple(found.reader.shape),
        class_names=found.class_names,
        factor_names=(),
        framing="plain",
        embedded=False,
        source=found.source,
        columns=found.columns,
        centre=found.centre,
        scale=found.scale,
    )


def _chosen(config: DataConfig, found: Found, split: Split) -> Int64[Tensor, " m"]:
    defaults: dict[Split, int] = {
        "train": len(found.pools["train"]),
        "held-out": min(len(found.pools["held-out"]), found.held_out_limit or HELD_OUT_LIMIT),
    }
    return choose(config, split, found.pools, defaults)


def _memory_bytes(config: DataConfig, found: Found) -> int:
    count = len(_chosen(config, found, "train")) + len(_chosen(config, found, "held-out"))
    return count * int(torch.Size(found.reader.shape).numel()) * found.reader.dtype.itemsize


def _storage(config: DataConfig, found: Found) -> tuple[Storage, str]:
    """Return where the training data will be, and why, in a sentence."""
    size, budget = _memory_bytes(config, found), memory.budget()
    needs = f"the examples take {memory.readable(size)}"
    if config.storage == "memory":
        return "memory", f"Kept in memory, as storage = memory says: {needs}."
    if not found.streams:
        if config.storage == "stream":
            raise ConfigError(
                f"DataConfig: storage = 'stream' is not for {config.path}, which is read whole; use auto or memory."
            )
        return "memory", f"Kept in memory, as this kind of data always is: {needs}."
    if config.storage == "stream":
        return "stream", f"Read when needed, as storage = stream says: {needs}."
    if size <= budget:
        return "memory", f"Kept in memory: {needs} of the {memory.readable(budget)} they may take."
    return "stream", (
        f"Read when needed: {needs}, more than the {memory.readable(budget)} (half of the free memory) they may "
        "take; a broken file is found only when its turn comes."
    )


def _read(path: Path, found: Found, indices: Int64[Tensor, " m"]) -> Tensor:
    with _explained(path):
        try:
            examples = found.reader.read(indices)
        except MemoryError as error:
            raise DataError(
                f"{path}: there is not enough memory for {len(indices):,} examples; use storage = stream or fewer."
            ) from error
    if len(examples) > 1 and examples.dtype == torch.uint8 and examples.min() == examples.max():
        raise DataError(f"{path}: all {len(examples):,} images are the same single grey; choose other data.")
    return examples
