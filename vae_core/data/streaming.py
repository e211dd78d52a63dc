"""Examples that stay on disk until their turn comes, and one way to go through them and through tensors alike.

    for batch in data.batches(train.examples, order, batch_size=128):
        ...

`order` says which examples and in which sequence; the batches are the same bytes whether the examples are in
memory or read as they are needed, and however many worker processes read them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

from vae_core.errors import ConfigError, DataError


@runtime_checkable
class Reader(Protocol):
    """Whatever can read the examples at given positions of a source; must survive being copied to a process."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    def dtype(self) -> torch.dtype:
        """torch.uint8 for images, torch.float32 for the rest."""

    def read(self, indices: Int64[Tensor, " m"]) -> Shaped[Tensor, "m ..."]:
        """Return the examples at these positions, in this order; a broken file raises `DataError`."""


class InMemory:
    """A `Reader` of examples that are in memory already."""

    def __init__(self, examples: Shaped[Tensor, "n ..."]) -> None:
        self._examples = examples
        self.shape = tuple(examples.shape[1:])
        self.dtype = examples.dtype

    def read(self, indices: Int64[Tensor, " m"]) -> Shaped[Tensor, "m ..."]:
        """Return the examples at these positions."""
        return self._examples[indices]


class Streamed:
    """Examples that are read when they are asked for; stands where a tensor of examples would.

    Args:
        reader: reads examples by their position in the source.
        indices: (n,), the position in the source of each example here.
    """

    def __init__(self, reader: Reader, indices: Int64[Tensor, " n"]) -> None:
        self._reader = reader
        self._indices = indices

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, *data_shape), as of a tensor."""
        return (len(self), *self._reader.shape)

    @property
    def dtype(self) -> torch.dtype:
        """torch.uint8 for images, torch.float32 for windows of series."""
        return self._reader.dtype

    def read(
        self, order: Int64[Tensor, " m"]
    ) -> UInt8[Tensor, "m c h w"] | Float32[Tensor, "m channels length"]:
        """Return the examples at these positions, from 0 to n - 1, in this order.

        Raises:
            DataError: a file is broken; the message names it.
        """
        return self._reader.read(self._indices[order])

    def __getitem__(self, which: int | slice | Int64[Tensor, " m"]) -> Shaped[Tensor, "..."]:
        """Return one example or some of them, as of a tensor."""
        positions = torch.arange(len(self))[which]
        return self.read(positions) if positions.ndim else self.read(positions[None])[0]


Examples = Tensor | Streamed


def batches(
    examples: Examples, order: Int64[Tensor, " m"], batch_size: int, workers: int = 0
) -> Iterator[Tensor]:
    """Yield the examples at `order`, in exactly that order, `batch_size` at a time; the last may be smaller.

    Args:
        examples: a tensor, or what stays on disk.
        order: (m,), positions from 0 to n - 1, in any order, repeated or not.
        batch_size: examples per batch, at least 1.
        workers: processes that read ahead; of use only to what stays on disk and is slow to read.

    Raises:
        ConfigError: batch_size or workers is out of range.
        DataError: a file is broken; the message names it.
    """
    if batch_size < 1 or workers < 0:
        raise ConfigError(
            f"batches: batch_size = {batch_size} and workers = {workers}; batch_size takes at least 1, workers "
            "at least 0."
        )
    parts = order.split(batch_size) if len(order) else ()
    if isinstance(examples, Tensor):
        return (examples[part] for part in parts)
    return _streamed(examples, parts, workers)


class _Answers:
    """What a worker runs. An error travels as a value: the loader would wrap it in the worker's traceback."""

    def __init__(self, examples: Streamed) -> None:
        self._examples = examples

    def __getitem__(self, part: Int64[Tensor, " m"]) -> Any:
        try:
            return self._examples.read(part)
        except DataError as error:
            return error


def _streamed(examples: Streamed, parts: Sequence[Tensor], workers: int) -> Iterator[Tensor]:
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        _Answers(examples),  # type: ignore[arg-type]  # a loader with its own sampler only ever calls __getitem__
        batch_size=None,  # the sampler hands out whole batches
        sampler=parts,
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # else every pass would draw from the global one
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch
