"""Models with a latent space: build one from its settings."""

import torch

from vae_core.config import ModelConfig
from vae_core.models.autoencoder import Autoencoder, PointMass
from vae_core.models.protocol import LatentModel
from vae_core.models.vae import VAE

__all__ = ["VAE", "Autoencoder", "LatentModel", "PointMass", "build"]


def build(config: ModelConfig, seed: int = 0) -> VAE | Autoencoder:
    """Build the model that `config` describes, its weights drawn with `seed` (the global generator is kept)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(config) if config.kind == "vae" else Autoencoder(config)
