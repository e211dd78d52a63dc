"""What somebody's own data turned out to be, before most of it is read; and how it is split."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from vae_core.data.dataset import Split, shuffled
from vae_core.data.streaming import Reader
from vae_core.errors import DataError

MAX_CLASSES = 1000  # more different labels than this are numbers or names, not classes


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Args:
        reader: reads examples by position.
        total: how many examples there are.
        pools: for each split the positions it may draw from, in seeded random order.
        source: one line that says what was found.
        notes: one plain sentence about each thing that was detected.
        labels: (total,), positions in class_names; None when there are no classes.
        class_names: what each label means.
        columns, centre, scale: as in `DataInfo`.
        streams: whether the examples can stay where they are until they are needed.
        factors: (total, f), as in `Dataset`.
        held_out_limit: how many are held out at most unless the config says more; None for what is usual.
    """

    reader: Reader
    total: int
    pools: dict[Split, Int64[Tensor, " _"]]
    source: str
    notes: tuple[str, ...] = ()
    labels: Int64[Tensor, " total"] | None = None
    class_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    streams: bool = False
    factors: Float32[Tensor, "total f"] | None = None
    held_out_limit: int | None = None


def tenth_held_out(total: int, seed: int, path: Path) -> dict[Split, Int64[Tensor, " _"]]:
    """Return the two pools: a random tenth, at least one, is held out.

    Raises:
        DataError: there is only one example, or none.
    """
    if total < 2:
        raise DataError(
            f"{path} holds {total} example{'s' * (total != 1)}; training takes at least 2, one of them held out."
        )
    order = shuffled(total, seed)
    held_out = max(1, total // 10)
    return {"train": order[held_out:], "held-out": order[:held_out]}


def classes(
    values: Shaped[np.ndarray, " n"],
) -> tuple[Int64[Tensor, " n"], tuple[str, ...]] | None:
    """Return labels and class names of any values, classes in their sorted order; None if there are too many."""
    different, positions = np.unique(values, return_inverse=True)
    if len(different) > MAX_CLASSES:
        return None
    names = tuple(printable(str(each)) for each in different)
    return torch.from_numpy(positions.astype(np.int64)), names


def class_note(labels: Int64[Tensor, " n"], names: tuple[str, ...]) -> str:
    """Say how many examples each class has, the first ten classes by name."""
    counts = torch.bincount(labels, minlength=len(names)).tolist()
    listed = ", ".join(f"{name} {count:,}" for name, count in zip(names[:10], counts, strict=False))
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{len(names)} class{'es' * (len(names) != 1)}: {listed}{more}."


def printable(name: str) -> str:
    """Return a name from a file system as text that can be saved, whatever bytes it had."""
    return name.encode("utf-8", "replace").decode("utf-8")
