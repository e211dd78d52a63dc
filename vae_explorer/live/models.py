"""An open model as the live socket uses it: codes to pixels, pictures to posteriors, items of its data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vae_core import images
from vae_core.errors import CodeError, DataError
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import PointMass
from vae_core.models.rendering import pictures, render
from vae_explorer import library
from vae_explorer.library import OpenModel
from vae_explorer.live import known, registry
from vae_explorer.live.protocol import PLANE_AXES, Encoded, Item, Measure, Measured
from vae_explorer.live.registry import LiveModel
from vae_explorer.live.splits import split

if TYPE_CHECKING:
    from vae_core.evaluation.measures import Measures

_NO_PICTURE = np.zeros((0, 0, 0), np.uint8)
_AGAINST = {"reconstructions": 0, "images": 1}  # what realism compares with, as it travels


# Models of matrix products with at most so many weights (mnist-vae-2d has 0.9 million) decode on one thread. Threads meet
# after every layer of every chunk of codes, 50 times for a grid of 400. On a machine with other work to do each meeting
# waits for the scheduler, and two threads took 2.4 times as long as one; on an idle one they save at most half of 4 ms.
ALONE = 2**21


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def publish(opened: OpenModel) -> None:
    """Make a model known to the socket and to the routes."""
    opened = known.add(opened)
    held = registry.get(opened.id)
    if held is None or (opened.local and not held.local):
        registry.register(opened.id, live(opened))


def find_again(model_id: str) -> LiveModel | None:
    """Wrap the model with that id as every route finds it: the registry's resolver."""
    opened = known.look_up(model_id)
    return None if opened is None else live(opened)


def live(opened: OpenModel) -> LiveModel:
    """Wrap a model for the socket's worker thread."""
    model, info = opened.checkpoint.model, opened.checkpoint.description.info
    if len(model.data_shape) == 3:
        # Convolutions are faster that way. (The stubs of Module.to do not know the argument.)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    weights = sum(parameter.numel() for parameter in model.parameters())
    alone = model.config.architecture != "conv" and weights <= ALONE

    def decode(codes: Float32[np.ndarray, "count dim"]) -> UInt8[np.ndarray, "count height width channels"]:
        with _one_thread() if alone else nullcontext():
            return render(model, codes)

    def encode(picture: UInt8[np.ndarray, "height width channels"]) -> Encoded:
        channels, height, width = model.data_shape
        fitted = images.fit(picture, (channels, height, width), info.framing, info.extent)
        x = torch.from_numpy(fitted).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            posterior = model.encode(x)
        std = None if isinstance(posterior, PointMass) else posterior.stddev[0].numpy()
        return Encoded(posterior.mean[0].numpy(), std, fitted)

    def item(label: int, nth: int) -> Item:
        return _item(opened, label, nth)

    has_items, takes_pictures = opened.checkpoint.reference is not None, len(model.data_shape) == 3
    return LiveModel(
        opened.id,
        model.latent_dim,
        decode,
        encode if takes_pictures else None,
        item if has_items else None,
        lambda measure, codes: _measured(measures_of(opened), measure, codes),
        opened.local,
    )


@dataclass(frozen=True)
class _Key:
    """A model by its id, and by whether its data are here: they may come while somebody looks."""

    id: str
    data_here: bool
    opened: OpenModel = field(compare=False)


def measures_of(opened: OpenModel) -> "Measures":
    """Return a model's measures, with what they have made ready so far."""
    return _measures(_Key(opened.id, library.data_here(opened), opened))


@lru_cache(maxsize=2)  # without the data each may hold some 100 MB of reconstructions
def _measures(key: _Key) -> "Measures":
    # Imported on first use: the first page must not wait for what it needs (scipy and more).
    from vae_core.evaluation.measures import Measures

    return Measures.of(key.opened.checkpoint, lambda count: examples(key.opened, count))


def examples(opened: OpenModel, count: int | None = None) -> Tensor | None:
    """The examples whose codes the model came with, or the first so many, in their order, as the dataset holds them.

    None where their data are not on this machine, or are not what they were.
    """
    from vae_core.evaluation.realism import examples_of

    reference = opened.checkpoint.reference
    if reference is None or not library.data_here(opened):
        return None
    try:
        dataset = split(opened.checkpoint.description.data, "held-out")
    except DataError:
        return None
    if tuple(dataset.examples.shape[1:]) != opened.checkpoint.model.data_shape:
        return None
    chosen = ReferenceCodes(reference.mean[:count], None, reference.indices[:count])
    return examples_of(chosen, dataset)


def _measured(measures: "Measures", measure: Measure, rows: Float32[np.ndarray, "count dim"]) -> Measured:
    if measure == Measure.TRUST:
        return _trusted(measures, rows)
    columns: dict[Measure, Callable[[], tuple[np.ndarray, ...]]] = {
        Measure.CLIFFS: lambda: measures.cliffs(rows),
        Measure.CLIFFS_IN_PLANE: lambda: measures.cliffs(rows[PLANE_AXES:], rows[:PLANE_AXES]),
        Measure.RATIO: lambda: (measures.ratio(rows),),
        Measure.DRIFT: lambda: (measures.drift(rows),),
        Measure.REALISM: lambda: measures.realism(rows),
    }
    return Measured(np.column_stack(columns[measure]()).astype(np.float32), _NO_PICTURE)


def _trusted(measures: "Measures", code: Float32[np.ndarray, "1 dim"]) -> Measured:
    """The columns of `Measure.TRUST`, and the nearest example's picture."""
    found = measures.trust(code)
    figures = (found.percentile, found.stretch, found.magnification, found.ratio, found.realism, found.drift)
    against = _AGAINST[found.against] if found.against else np.nan
    values = np.array([(*figures, found.index, found.label, against, found.compared)], np.float32)
    return Measured(values, _NO_PICTURE if found.index < 0 else pictures(measures.example(found.index))[0])


def _item(opened: OpenModel, label: int, nth: int) -> Item:
    """The nth reference example of a class (any class: -1): its posterior, and its image if the data are here."""
    reference = opened.checkpoint.reference
    assert reference is not None
    positions = _positions(reference.labels, len(reference), label)
    if len(positions) == 0:
        raise CodeError(f"class = {label} has no encoded example in this model; choose another class.")
    if nth >= len(positions):
        raise CodeError(f"item = {nth} is not there: choose one from 0 to {len(positions) - 1}.")
    position = int(positions[nth])
    std = None if reference.log_variance is None else (0.5 * reference.log_variance[position]).exp().numpy()
    picture = _picture(opened, int(reference.indices[position]))
    found = -1 if reference.labels is None else int(reference.labels[position])
    return Item(position, found, Encoded(reference.mean[position].numpy(), std, picture))


def _positions(labels: Tensor | None, count: int, label: int) -> Tensor:
    if labels is None or label < 0:
        return torch.arange(count)
    return torch.nonzero(labels == label)[:, 0]


def _picture(opened: OpenModel, index: int) -> UInt8[np.ndarray, "height width channels"]:
    """One held-out example by its index in the source; (0, 0, 0) where its data are not on this machine."""
    if not library.data_here(opened):
        return _NO_PICTURE
    dataset = split(opened.checkpoint.description.data, "held-out")
    rows = torch.nonzero(dataset.indices == index)[:, 0]
    fits = tuple(dataset.examples.shape[1:]) == opened.checkpoint.model.data_shape
    if len(rows) == 0 or not fits:  # codes of another split, or of other data under the same name
        return _NO_PICTURE
    found: UInt8[np.ndarray, "height width channels"] = pictures(dataset.examples[rows[:1]])[0]
    return found
