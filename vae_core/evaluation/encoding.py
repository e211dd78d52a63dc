"""A dataset as its model sees it: the posterior of every example, and how well its mean decodes back.

from vae_core.evaluation.encoding import encode

encoded = encode(model, data.load(config, "held-out"))
encoded.mean, encoded.kl, encoded.error
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from vae_core import objectives
from vae_core.data import Dataset, batches
from vae_core.errors import DataError, Stopped
from vae_core.models import LatentModel, PointMass
from vae_core.models.inputs import model_input

BATCH = 256  # examples at a time: activations stay small, and larger batches are no quicker


@dataclass(frozen=True)
class Encoded:
    """The examples of one split, encoded, in the order of the split.

    Args:
        mean: of q(z|x).
        log_variance: of q(z|x), per dimension; None where the model encodes to points.
        kl: KL(q(z|x) || N(0, I)) in nats; None where there is no posterior.
        error: mean over an example's pixels (steps, columns) of (x - E[x|z = mean])^2, in squared pixel units, or in
            squared standard deviations for series and tables.
        indices: where each example is in its source.
        labels: as in `Dataset`; None when the source has no classes.
        factors: as in `Dataset`; None when they are not known.
    """

    mean: Float32[Tensor, "n latent"]
    log_variance: Float32[Tensor, "n latent"] | None
    kl: Float32[Tensor, " n"] | None
    error: Float32[Tensor, " n"]
    indices: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"] | None = None
    factors: Float32[Tensor, "n f"] | None = None

    def __len__(self) -> int:
        return len(self.mean)


def encode(
    model: LatentModel,
    dataset: Dataset,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
    batch: int = BATCH,
) -> Encoded:
    """Encode every example of a split, held in memory or streamed from disk, and decode its posterior mean.

    Args:
        model: on the CPU, as a checkpoint is loaded.
        dataset: one split.
        on_progress: called after each batch with the share that is done, in (0, 1].
        should_stop: asked before each batch.
        batch: examples at a time, at least 1; it changes the figures by rounding at most.

    Raises:
        DataError: the examples have not the model's shape, there are none, or a file of them is broken.
        Stopped: should_stop said so.
    """
    check_fit(model, dataset)
    columns: dict[str, list[Tensor]] = {}
    done = 0
    with torch.inference_mode():
        for examples in batches(dataset.examples, torch.arange(len(dataset)), batch):
            if should_stop():
                raise Stopped(
                    f"Encoding {dataset.name} was stopped after {done:,} of {len(dataset):,} examples."
                )
            for name, values in _figures(model, model_input(examples)).items():
                columns.setdefault(name, []).append(values.float())
            done += len(examples)
            on_progress(done / len(dataset))
        found = {name: torch.cat(parts) for name, parts in columns.items()}
    return Encoded(
        mean=found["mean"].clone(),  # clones made outside of inference mode are ordinary tensors
        log_variance=found["log_variance"].clone() if "log_variance" in found else None,
        kl=found["kl"].clone() if "kl" in found else None,
        error=found["error"].clone(),
        indices=dataset.indices,
        labels=dataset.labels,
        factors=dataset.factors,
    )


def check_fit(model: LatentModel, dataset: Dataset) -> None:
    """Make sure that a model can encode a dataset.

    Raises:
        DataError: it has no examples, or they have another shape.
    """
    if not len(dataset):
        raise DataError(f"{dataset.name} has no examples to encode; choose another split.")
    shape = tuple(dataset.examples.shape[1:])
    if shape != model.data_shape:
        raise DataError(
            f"The examples of {dataset.name} are {_shown(shape)}, but this model takes {_shown(model.data_shape)}; "
            "choose the data that it was trained on."
        )


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _figures(model: LatentModel, x: Float32[Tensor, "batch *shape"]) -> dict[str, Tensor]:
    posterior = model.encode(x)
    decoded = model.decode(posterior.mean).mean
    figures = {"mean": posterior.mean, "error": (decoded - x).square().flatten(1).mean(1)}
    if not isinstance(posterior, PointMass):
        figures["log_variance"] = posterior.variance.log()
        figures["kl"] = objectives.kl_to_prior(posterior).sum(-1)
    return figures
