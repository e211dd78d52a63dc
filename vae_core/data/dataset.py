"""What a dataset is, what is known about it before it is loaded, and how it is split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from vae_core.config import DataConfig
from vae_core.data.streaming import Streamed
from vae_core.errors import ConfigError

Split = Literal["train", "held-out"]
Framing = Literal["ink", "plain"]


@dataclass(frozen=True)
class Dataset:
    """The examples of one split, in the seeded random order of that split.

    Because the order is random, the first k examples are a fair sample of the split, and the same k
    whatever size was asked for. It holds no transforms: `vae_core.models.inputs.model_input` makes of `examples`
    what an encoder takes.

    Args:
        name: name of the source, for example mnist.
        examples: images (n, c, h, w) as bytes 0 to 255; windows of series (n, c, length) and rows of tables
            (n, columns) as float32, standardised by column or channel. Training examples that do not fit into
            memory are a `Streamed` object; `vae_core.data.batches` goes through both alike.
        indices: (n,), where each example is in its source, so that a checkpoint can refer to it.
        labels: (n,), position in the source's `class_names`; None when the source has no classes.
        factors: (n, f), true values of the source's `factor_names`; None when they are not known.
    """

    name: str
    examples: UInt8[Tensor, "n c h w"] | Float32[Tensor, "n *shape"] | Streamed
    indices: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"] | None
    factors: Float32[Tensor, "n f"] | None

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.examples)


@dataclass(frozen=True)
class DataInfo:
    """What is known about a source without loading it.

    Args:
        name: the name that `DataConfig` takes.
        title: the name that people read.
        data_shape: (channels, height, width) of one image, (channels, length) of one window of a series,
            (columns,) of one row of a table.
        class_names: what each label means; empty when there are no classes.
        factor_names: what each column of `Dataset.factors` means; empty when there are none.
        framing: ink when images are light strokes on dark, centred by mass, so that a photo is brought into
            the same form before it is encoded; plain when an image is taken as it is.
        embedded: True when it needs no download.
        source: who made it, in one line.
        extent: share of the frame that the longer side of the strokes takes, where framing is ink.
        columns: names of a table's columns or of a series' channels; empty for images.
        centre, scale: what was subtracted from each column or channel, and what it was divided by.
    """

    name: str
    title: str
    data_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    factor_names: tuple[str, ...]
    framing: Framing
    embedded: bool
    source: str
    extent: float = 1.0
    columns: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()


def shuffled(total: int, seed: int) -> Int64[Tensor, " n"]:
    """Return 0 to total - 1 in the random order that belongs to `seed`; no global state is touched."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))


def choose(
    config: DataConfig,
    split: Split,
    pools: Mapping[Split, Int64[Tensor, " _"]],
    defaults: Mapping[Split, int] | None = None,
) -> Int64[Tensor, " m"]:
    """Return the indices of `split`: the first so many of its pool.

    Both sizes are checked, not only the one of `split`, so that a wrong held-out size is found before the
    training and not after it.

    Args:
        config: its `train_size` and `held_out_size` say how many; None stands for the default.
        split: train or held-out.
        pools: for each split, the indices it may draw from, in random order.
        defaults: how many when the config does not say; the whole pool if not given.

    Raises:
        ConfigError: a size is larger than its pool.
    """
    _check_size(config.name, "train_size", config.train_size, len(pools["train"]))
    _check_size(config.name, "held_out_size", config.held_out_size, len(pools["held-out"]))
    size = config.train_size if split == "train" else config.held_out_size
    if size is None and defaults is not None:
        size = defaults[split]
    return pools[split][:size]


def _check_size(name: str, field: str, size: int | None, limit: int) -> None:
    if size is not None and size > limit:
        raise ConfigError(
            f"DataConfig: {field} = {size} is more than {name} has; use at most {limit}, or leave it out."
        )
