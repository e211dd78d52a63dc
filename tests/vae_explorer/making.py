"""Small checkpoints made on the spot: untrained networks, and reference codes with the statistics a test wants."""

from dataclasses import replace

import torch

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.data import DataInfo
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import build

DIGITS = data.info("digits")
COLOURS = DataInfo(
    name="colours",  # a dataset this program has never heard of
    title="Colours",
    data_shape=(3, 16, 16),
    class_names=(),
    factor_names=(),
    framing="plain",
    embedded=False,
    source="Made up.",
)
EXAMPLES = 360  # of the held-out digits
DEAD_SCALE = 0.05  # standard deviation of the means of a dead dimension; its variance is below 0.01


def make(latent_dim=2, info=DIGITS, kind="vae", alive=None, with_reference=True, loud=4.0):
    """Return a checkpoint of an untrained model, with `alive` active dimensions (all, if not said).

    `loud` scales the decoder's last weights, so that different codes give visibly different images.
    """
    config = ModelConfig(kind=kind, data_shape=info.data_shape, latent_dim=latent_dim, hidden=(16,))
    model = build(config, seed=latent_dim).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(loud)
    description = checkpoint.describe_new(
        config, DataConfig(name=info.name), info, ObjectiveConfig(), TrainingConfig()
    )
    alive = latent_dim if alive is None else alive
    reference = _reference(latent_dim, alive, info, kind) if with_reference else None
    made = Checkpoint(model, description, reference)
    return replace(made, id=checkpoint.content_id(checkpoint.to_bytes(made)))


def content(**settings):
    """Return the bytes of such a checkpoint's file."""
    return checkpoint.to_bytes(make(**settings))


def _reference(latent_dim, alive, info, kind):
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(EXAMPLES, latent_dim, generator=generator)
    mean[:, alive:] *= DEAD_SCALE
    log_variance = torch.full_like(mean, -3.0)
    log_variance[:, alive:] = 0.0
    held_out = data.load(DataConfig(name="digits"), "held-out")
    return ReferenceCodes(
        mean=mean,
        log_variance=log_variance if kind == "vae" else None,
        indices=held_out.indices.clone(),
        labels=held_out.labels.clone() if info.class_names else None,
    )
