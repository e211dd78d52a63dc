"""The x that a request names: an example of a model's data, or what a code decodes to. Imports torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vae_core.errors import CodeError, ConfigError, DataNotFound, PosteriorError
from vae_core.models import VAE
from vae_core.models.inputs import model_input
from vae_explorer import library, session
from vae_explorer.library import OpenModel
from vae_explorer.live.known import find
from vae_explorer.live.splits import split

SEED = 3  # of every draw: the same x gives the same figures again


@dataclass(frozen=True)
class Subject:
    """The x that a request names: its model, x (1, *data_shape), and where it comes from."""

    opened: OpenModel
    model: VAE
    x: Float32[Tensor, "1 *shape"]
    of: str  # "image", or "decoded"
    label: int = -1
    count: int = 0  # of examples to choose from, with this class


def subject_of(asked: dict[str, Any]) -> Subject:
    """Return the x that a request names.

    Raises:
        DataNotFound: x is an image that is not on this machine; the sentence says how to get it.
        ExplorerError: there is no such x, or the model has no posterior.
    """
    opened = find(asked.get("model"))
    model = opened.checkpoint.model
    if not isinstance(model, VAE):
        raise PosteriorError(
            f"{opened.name} encodes every x to one point: it has no prior and no q(z|x), so there is no posterior "
            "p(z|x) to compare with; choose a VAE."
        )
    if asked.get("code") is not None:
        code = torch.from_numpy(code_of(asked["code"], model.latent_dim))
        return Subject(opened, model, _decoded(model, code), "decoded")
    position, label, count = _position(opened, asked.get("label", -1), asked.get("nth", 0))
    if asked.get("decoded"):
        assert opened.checkpoint.reference is not None
        mean = opened.checkpoint.reference.mean[position]
        return Subject(opened, model, _decoded(model, mean), "decoded", label, count)
    return Subject(opened, model, _image(opened, position), "image", label, count)


def code_of(value: Any, width: int) -> Float32[np.ndarray, " latent"]:
    """A code from a request."""
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.shape != (width,) or not (np.abs(found) < session.FLOAT32_MAX).all():
        raise CodeError(
            f"A code of this model has {width} numbers that float32 can hold; choose another one."
        )
    return found.astype(np.float32)


def _position(opened: OpenModel, label: Any, nth: Any) -> tuple[int, int, int]:
    """Where the nth encoded example of a class is, its class (-1: none), and how many there are to choose from."""
    reference = opened.checkpoint.reference
    if reference is None:
        raise DataNotFound(
            f"{opened.name} came without encoded examples; choose what Explore's code decodes to as x."
        )
    if type(label) is not int or type(nth) is not int or nth < 0:
        raise ConfigError(
            f"label = {str(label)[:40]} and nth = {str(nth)[:40]} have to be whole numbers, nth from 0."
        )
    labels = reference.labels
    positions = torch.arange(len(reference))
    if labels is not None and label >= 0:
        positions = torch.nonzero(labels == label)[:, 0]
    if nth >= len(positions):
        raise ConfigError(f"There are {len(positions)} such examples, so none has the number {nth}.")
    position = int(positions[nth])
    return position, -1 if labels is None else int(labels[position]), len(positions)


def _image(opened: OpenModel, position: int) -> Float32[Tensor, "1 *shape"]:
    """The encoded example itself, if its data are on this machine."""
    reference, description = opened.checkpoint.reference, opened.checkpoint.description
    assert reference is not None
    title = description.info.title
    if not library.data_here(opened):
        own = description.data.path is not None
        how = (
            "put them back to where they were"
            if own
            else "fetch them with the button above, or set VAE_DATA_DIR to a folder that has them"
        )
        raise DataNotFound(
            f"The images of {title} are not on this machine, so there is no x to ask about: {how}."
        )
    dataset = split(description.data, "held-out")
    rows = torch.nonzero(dataset.indices == int(reference.indices[position]))[:, 0]
    if len(rows) == 0 or tuple(dataset.examples.shape[1:]) != opened.checkpoint.model.data_shape:
        raise DataNotFound(f"The {title} on this machine are not those that this model was encoded with.")
    return model_input(dataset.examples[rows[:1]])


def _decoded(model: VAE, code: Float32[Tensor, " latent"]) -> Float32[Tensor, "1 *shape"]:
    with torch.inference_mode():
        found = model.decode(code[None]).mean
    return found.clone()  # outside of inference mode an ordinary tensor
