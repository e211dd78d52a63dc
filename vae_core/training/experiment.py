"""From a trained model to the checkpoint that people open: reference codes and held-out figures added."""

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint
from vae_core.config import Experiment, ModelConfig
from vae_core.data import DataInfo, Dataset
from vae_core.data.streaming import Examples
from vae_core.evaluation import likelihood
from vae_core.latent.codes import ReferenceCodes, posteriors
from vae_core.models import PCA, Model
from vae_core.models.inputs import model_input

MAX_REFERENCE = 10_000
PCA_EXAMPLES = 100_000  # enough for the directions of any data; all of them are held in memory as floats


def summarise(
    model: Model,
    experiment: Experiment,
    info: DataInfo,
    epoch: int,
    held_out: Dataset,
    limit: int | None = None,
) -> Checkpoint:
    """Return a model as a checkpoint with its reference codes and its held-out likelihood.

    Args:
        model: the weights to keep; may be on any device, and so is the work.
        experiment: what it was trained with.
        info: what is known about its data.
        epoch: how many epochs it was trained.
        held_out: data it was not trained on.
        limit: use only so many of them; all if not given (reference codes: at most MAX_REFERENCE).
    """
    device = next(iter(model.state_dict().values())).device
    examples = held_out.examples[:limit].to(device)
    # One fixed seed for every evaluation, so that the same weights always give the same figures.
    figures = likelihood.evaluate(model, examples, torch.Generator(device).manual_seed(0))
    described = checkpoint.describe_new(
        model.config, experiment.data, info, experiment.objective, experiment.training, epoch
    )
    described = described.model_copy(update={"evaluation": figures})
    return Checkpoint(model, described, reference_codes(model, held_out, examples[:MAX_REFERENCE]))


def reference_codes(
    model: Model, held_out: Dataset, examples: UInt8[Tensor, "n *shape"] | Float32[Tensor, "n *shape"]
) -> ReferenceCodes:
    """Encode `examples`, the first of a split that the model was not trained on."""
    mean, log_variance = posteriors(model, examples)
    count = len(examples)
    return ReferenceCodes(
        mean=mean.cpu(),
        log_variance=None if log_variance is None else log_variance.cpu(),
        indices=held_out.indices[:count],
        labels=None if held_out.labels is None else held_out.labels[:count],
        factors=None if held_out.factors is None else held_out.factors[:count],
    )


def fit_pca(config: ModelConfig, examples: Examples) -> PCA:
    """Return the principal components of the first PCA_EXAMPLES examples, which stand in no order."""
    first = torch.arange(min(len(examples), PCA_EXAMPLES))
    return PCA.fit(
        config, torch.cat([model_input(batch).clone() for batch in data.batches(examples, first, 1000)])
    )
