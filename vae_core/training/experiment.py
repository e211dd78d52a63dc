"""From a trained model to the checkpoint that people open: reference codes and held-out figures added."""

import torch

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint
from vae_core.config import DataConfig
from vae_core.data import Dataset
from vae_core.evaluation import likelihood
from vae_core.latent.codes import ReferenceCodes, posteriors
from vae_core.models import LatentModel
from vae_core.training.loop import Trainer

MAX_REFERENCE = 10_000


def summarise(trainer: Trainer, data_config: DataConfig, held_out: Dataset) -> Checkpoint:
    """Return the trainer's model as a checkpoint with its reference codes and its held-out likelihood."""
    model = trainer.trained()
    description = checkpoint.describe_new(
        model.config,
        data_config,
        data.info(data_config.name),
        trainer.objective,
        trainer.config,
        epoch=trainer.epoch,
    )
    # One fixed seed for every evaluation, so that the same weights always give the same figures.
    figures = likelihood.evaluate(model, held_out.images, torch.Generator().manual_seed(0))
    described = description.model_copy(update={"evaluation": figures})
    return Checkpoint(model, described, reference_codes(model, held_out))


def reference_codes(model: LatentModel, dataset: Dataset, limit: int = MAX_REFERENCE) -> ReferenceCodes:
    """Encode the first `limit` examples of a split that the model was not trained on."""
    mean, log_variance = posteriors(model, dataset.images[:limit])
    return ReferenceCodes(
        mean=mean,
        log_variance=log_variance,
        indices=dataset.indices[:limit],
        labels=None if dataset.labels is None else dataset.labels[:limit],
        factors=None if dataset.factors is None else dataset.factors[:limit],
    )
