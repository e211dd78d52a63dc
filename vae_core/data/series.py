"""A `.csv` time series, cut into windows: one window of all channels is one example.

The last tenth of the windows is held out, and windows that share a row with one of them are left out, so that
no held-out row is ever trained on: neighbouring windows overlap and are much alike, so a random split would
measure memory. Channels are standardised by the rows before, and `split_seed` only orders the windows.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from vae_core.config import MAX_CHANNELS, DataConfig
from vae_core.data import tables
from vae_core.data.dataset import Split, shuffled
from vae_core.data.found import Found
from vae_core.data.tables import LABEL_NAMES, Column
from vae_core.errors import DataError

TIME_NAMES = ("timestamp", "time", "date", "datetime")


class Windows:
    """Reads windows of a series; they overlap, so only the series itself is kept."""

    dtype = torch.float32

    def __init__(self, series: Float32[Tensor, "channels rows"], window: int, stride: int) -> None:
        self._windows = series.unfold(1, window, stride)  # a view: (channels, windows, window)
        self.shape: tuple[int, ...] = (len(series), window)

    def read(self, indices: Int64[Tensor, " m"]) -> Float32[Tensor, "m channels window"]:
        """Return these windows."""
        return self._windows[:, indices].transpose(0, 1).contiguous()


def find(config: DataConfig, path: Path) -> Found:
    """Read a time series and lay its windows.

    Raises:
        DataError: the window is too long for the series, time runs backwards, or a value is not a number.
    """
    window, stride = _size(config)
    columns, notes = tables.read(path)
    channels, time_notes = _channels(path, columns)
    values = tables.numbers(path, channels)
    total, splits = _count(len(values), window, stride), pools(config, path, len(values))
    trained_rows = int(splits["train"].max()) * stride + window
    names = tuple(each.name for each in channels)
    standard = tables.standardise(path, values, values[:trained_rows], names)
    series = torch.from_numpy(np.ascontiguousarray(standard.values.T))
    left_out = total - sum(map(len, splits.values()))
    return Found(
        reader=Windows(series, window, stride),
        total=total,
        pools=splits,
        source=(
            f"time series of {len(values):,} rows and {len(names)} channel{'s' * (len(names) > 1)}, "
            f"{total:,} windows of {window}, one every {stride} rows, standardised"
        ),
        notes=(
            *notes,
            *time_notes,
            *standard.notes,
            f"The last tenth of the time is held out; {left_out} windows that reach into it are left out.",
        ),
        columns=names,
        centre=standard.centre,
        scale=standard.scale,
        streams=True,
    )


def _channels(path: Path, columns: list[Column]) -> tuple[list[Column], tuple[str, ...]]:
    """Return the columns that are channels, and which others there are."""
    ignored = [each for each in columns if _tells_time(each)]
    for column in ignored:
        _check_time(path, column)
    ignored += [each for each in columns if each.name.strip().lower() in LABEL_NAMES and each not in ignored]
    channels = [each for each in columns if not any(each is other for other in ignored)]
    if len(channels) > MAX_CHANNELS:
        raise DataError(
            f"{path} has {len(channels)} channels, and at most {MAX_CHANNELS} are read; leave some out."
        )
    names = ", ".join(each.name for each in ignored)
    return channels, ((f"Not taken for a channel: {names}.",) if names else ())


def _tells_time(column: Column) -> bool:
    name = column.name.strip().lower()
    written = column.kind == "text" and ("time" in name or "date" in name)
    return column.kind == "time" or written or name in TIME_NAMES


def _check_time(path: Path, column: Column) -> None:
    import pyarrow.compute

    values = column.values.combine_chunks()
    if column.kind not in ("time", "whole", "number") or len(values) < 2:
        return
    backwards = pyarrow.compute.less(values[1:], values[:-1])
    first = pyarrow.compute.index(backwards, True).as_py()
    if first >= 0:
        raise DataError(f"{path}: {column.name!r} runs backwards at row {first + 2}; sort the rows by time.")


def pools(config: DataConfig, path: Path, rows: int) -> dict[Split, Int64[Tensor, " _"]]:
    """Return which windows may be trained on and which are held out, each in seeded random order.

    Raises:
        DataError: the series is too short for one window of each.
    """
    window, stride = _size(config)
    total = _count(rows, window, stride)
    first_held_out = total - max(1, total // 10)
    # Window k ends before row k * stride + window, so these end before the first held-out one begins.
    trained = (first_held_out * stride - window) // stride + 1
    if trained < 1:
        raise DataError(
            f"{path} has {rows:,} rows, too few for window = {window}: with stride = {stride}, windows to train on "
            f"and others after them take {_rows_needed(window, stride):,}; use a shorter window."
        )
    return {
        "train": shuffled(trained, config.split_seed),
        "held-out": first_held_out + shuffled(total - first_held_out, config.split_seed),
    }


def _size(config: DataConfig) -> tuple[int, int]:
    """Return the window and the stride, in rows."""
    window = config.window or 0
    return window, config.stride or max(1, window // 4)


def _count(rows: int, window: int, stride: int) -> int:
    return max(0, (rows - window) // stride + 1)


def _rows_needed(window: int, stride: int) -> int:
    """Return the rows of the shortest series that has a window to train on."""
    before = -(-window // stride)  # windows until one begins where the first has ended
    total = before + 1
    while total - max(1, total // 10) < before:
        total += 1
    return window + (total - 1) * stride
