"""The variational autoencoder, whole (Kingma & Welling 2014; Rezende et al. 2014).

We believe that each image x was made in two steps: a code z was drawn from the prior p(z) = N(0, I), and
then x was drawn from p(x|z), whose parameters a *decoder* network computes from z. We would like to
maximise log p(x), but that takes an integral over all z. So an *encoder* network proposes, for each x,
a posterior q(z|x) = N(g(x), h(x)^2) with diagonal covariance, and by Jensen's inequality

    log p(x)  >=  E_q[log p(x|z)] - KL(q(z|x) || p(z))   =  ELBO

The first term asks that codes near g(x) decode back to x. The second pulls every posterior toward the
prior, so the codes of all images overlap and fill the ball where N(0, I) lives: close codes decode to
close images (*continuity*) and codes drawn from the prior decode to something meaningful (*completeness*).

The expectation is estimated with one draw z = g(x) + h(x) * xi, xi ~ N(0, I): the *reparameterization*,
which lets gradients flow through g and h. The terms themselves are in `vae_core.objectives`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn import functional

from vae_core.config import ModelConfig
from vae_core.models import networks
from vae_core.models.likelihood import likelihood

MIN_STD = 1e-6  # keeps log h(x) finite in float32


class VAE(nn.Module):
    """A VAE with diagonal Gaussian posterior and standard normal prior; a `LatentModel`."""

    variance: Tensor  # of the gaussian-optimal likelihood; other models have none

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.data_shape: tuple[int, ...] = config.data_shape
        self.encoder, features = networks.encoder(config)
        self.mean = nn.Linear(features, config.latent_dim)  # g(x)
        self.std = nn.Linear(features, config.latent_dim)  # h(x), before softplus
        self.decoder = networks.decoder(config)
        if config.likelihood == "gaussian-optimal":
            self.register_buffer("variance", torch.ones(()))  # training keeps the best one here

    def moments(
        self, x: Float[Tensor, "batch *shape"]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Return g(x) and h(x), mean and standard deviation of q(z|x), for data x as `encode` takes them."""
        features = self.encoder(x)
        # softplus, not exp: one step too far in a logarithm has thrown whole runs off.
        return self.mean(features), functional.softplus(self.std(features)) + MIN_STD

    def encode(self, x: Float[Tensor, "batch *shape"]) -> Distribution:
        """Return q(z|x) = N(g(x), h(x)^2) over (B, D) for data x: images in [0, 1], others standardised."""
        return Independent(Normal(*self.moments(x), validate_args=False), 1, validate_args=False)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """Return p(x|z) over (B, *data_shape) for codes z; its `.mean` is the picture people see."""
        return likelihood(self.config, self.decoder(z), getattr(self, "variance", None))

    def prior(self) -> Distribution:
        """Return p(z) = N(0, I) over (D,)."""
        zero = self.mean.weight.new_zeros(self.latent_dim)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)
