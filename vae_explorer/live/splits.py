"""Splits of datasets in memory: read once for all that show them, and let go by their size. Imports torch."""

import threading
from collections import OrderedDict

from torch import Tensor

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import Dataset, Split

KEPT_BYTES = (
    96 * 2**20
)  # sprites held out (41 MB) beside a few of MNIST's size; reading one again takes a second or two

_kept: OrderedDict[tuple[DataConfig, Split], Dataset] = OrderedDict()  # the one used longest ago first
_lock = threading.Lock()
_reading = threading.Lock()  # several that want a split at once read it once


def split(config: DataConfig, name: Split) -> Dataset:
    """Return a split of a dataset: "held-out" is the one that reference codes are of.

    What was used longest ago is let go when all together take more than KEPT_BYTES; the one asked for last stays.

    Raises:
        ExplorerError: as `data.load` says.
    """
    key = config, name
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    with _reading:
        with _lock:
            if key in _kept:
                return _kept[key]
        found = data.load(config, name)
        with _lock:
            _kept[key] = found
            while len(_kept) > 1 and sum(map(held, _kept.values())) > KEPT_BYTES:
                _kept.popitem(last=False)
    return found


def held(dataset: Dataset) -> int:
    """Return the bytes of memory that a dataset takes; of examples that are streamed, next to none."""
    return sum(part.nbytes for part in vars(dataset).values() if isinstance(part, Tensor))


def forget() -> None:
    """Hold no split, as after a start."""
    with _lock:
        _kept.clear()
