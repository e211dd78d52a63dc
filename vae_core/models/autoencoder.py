"""The plain autoencoder, for contrast: the VAE without the noise and without the KL term.

Each image gets one point z = g(x); only reconstruction is rewarded. Nothing asks codes to be close to
each other or to fill any region, so the space between them may tear and whole regions may mean nothing.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from vae_core.config import ModelConfig
from vae_core.models import networks
from vae_core.models.likelihood import likelihood


class PointMass(Distribution):
    """All probability at one point (B, D): a deterministic code in the place of a posterior.

    Its mean and every draw are that point. It has no density, so `log_prob` is not defined.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(self, point: Float[Tensor, "batch latent"]) -> None:
        self.point = point
        super().__init__(point.shape[:-1], point.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.point

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.point)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size()) -> Tensor:
        return self.point.expand(self._extended_shape(torch.Size(sample_shape)))


class Autoencoder(nn.Module):
    """A deterministic encoder and decoder; a `LatentModel` whose posterior is a point."""

    variance: Tensor  # of the gaussian-optimal likelihood; other models have none

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.data_shape: tuple[int, ...] = config.data_shape
        self.encoder, features = networks.encoder(config)
        self.code = nn.Linear(features, config.latent_dim)
        self.decoder = networks.decoder(config)
        if config.likelihood == "gaussian-optimal":
            self.register_buffer("variance", torch.ones(()))  # training keeps the best one here

    def moments(self, x: Float[Tensor, "batch *shape"]) -> tuple[Float[Tensor, "batch latent"], None]:
        """Return the code of each example, and None for the standard deviation that it has not."""
        return self.code(self.encoder(x)), None

    def encode(self, x: Float[Tensor, "batch *shape"]) -> Distribution:
        """Return the code of each x (images in [0, 1], others standardised) as a `PointMass` over (B, D)."""
        return PointMass(self.moments(x)[0])

    def decode(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """Return p(x|z) over (B, *data_shape) for codes z; its `.mean` is the picture people see."""
        return likelihood(self.config, self.decoder(z), getattr(self, "variance", None))
