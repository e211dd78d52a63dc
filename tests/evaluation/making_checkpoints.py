"""Small checkpoints with reference codes, for tests of what is measured of them."""

import torch

from vae_core import data
from vae_core.checkpoint import Checkpoint, describe_new
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.models import PCA, build
from vae_core.models.inputs import model_input
from vae_core.training.experiment import reference_codes

DATA = DataConfig(name="digits")


def held_out():
    return data.load(DATA, "held-out")


def images(count=None):
    return model_input(held_out().examples[:count])


def digits_checkpoint(kind="vae", latent_dim=2, count=360, seed=0, **settings):
    """A model of digits with its reference codes; a PCA is fitted, other models are untrained."""
    config = ModelConfig(
        kind=kind,
        data_shape=(1, 8, 8),
        latent_dim=latent_dim,
        hidden=(16,),
        likelihood="gaussian" if kind == "pca" else "bernoulli",
        **settings,
    )
    model = PCA.fit(config, images()) if kind == "pca" else build(config, seed).eval()
    described = describe_new(config, DATA, data.info("digits"), ObjectiveConfig(), TrainingConfig())
    with torch.no_grad():
        reference = reference_codes(model, held_out(), held_out().examples[:count])
    return Checkpoint(model, described, reference)


def make_constant(checkpoint):
    """Let every code decode to the same image."""
    with torch.no_grad():
        for parameter in checkpoint.model.decoder.parameters():
            parameter.zero_()
    return checkpoint
