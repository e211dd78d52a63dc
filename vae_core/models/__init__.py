"""Models with a latent space: build one from its settings."""

from typing import TypeAlias

import torch

from vae_core.config import ModelConfig
from vae_core.models.autoencoder import Autoencoder, PointMass
from vae_core.models.pca import PCA
from vae_core.models.protocol import LatentModel
from vae_core.models.vae import VAE

__all__ = ["PCA", "VAE", "Autoencoder", "LatentModel", "Model", "PointMass", "build"]

Model: TypeAlias = VAE | Autoencoder | PCA

_KINDS: dict[str, type[Model]] = {"vae": VAE, "autoencoder": Autoencoder, "pca": PCA}


def build(config: ModelConfig, seed: int = 0) -> Model:
    """Build the model that `config` describes, its weights drawn with `seed` (the global generator is kept).

    A PCA comes unfitted: `PCA.fit` finds it from data.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _KINDS[config.kind](config)
