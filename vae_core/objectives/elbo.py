"""The terms of the evidence lower bound, named, per example, of any `LatentModel`.

ELBO(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z))          Kingma & Welling (2014), equation 3
loss(x) = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z))    beta = 1 there; Higgins et al. (2017) otherwise
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from vae_core.models import LatentModel, PointMass


@dataclass(frozen=True)
class Terms:
    """The ELBO's two terms for each example, in nats."""

    reconstruction: Float[Tensor, " batch"]  # one-draw estimate of E_q[log p(x|z)]
    kl_per_dimension: Float[Tensor, "batch latent"]  # KL(q(z_d|x) || p(z_d)); zeros for a plain autoencoder

    @property
    def kl(self) -> Float[Tensor, " batch"]:
        return self.kl_per_dimension.sum(-1)

    @property
    def elbo(self) -> Float[Tensor, " batch"]:
        return self.reconstruction - self.kl

    def loss(self, beta: float = 1.0) -> Float[Tensor, " batch"]:
        """What training minimises: -reconstruction + beta * KL."""
        return beta * self.kl - self.reconstruction


def terms(
    model: LatentModel, x: Float[Tensor, "batch *shape"], generator: torch.Generator | None = None
) -> Terms:
    """Return the ELBO's terms for data x as `encode` takes them, with one draw of z per example."""
    return terms_given(model, model.encode(x), x, generator)


def terms_given(
    model: LatentModel,
    posterior: Distribution,
    x: Float[Tensor, "batch *shape"],
    generator: torch.Generator | None = None,
) -> Terms:
    """Return the same for data x that are encoded already: `posterior` is q(z|x)."""
    z = reparameterize(posterior, generator)
    return Terms(model.decode(z).log_prob(x), kl_to_prior(posterior))


def reparameterize(
    posterior: Distribution, generator: torch.Generator | None = None
) -> Float[Tensor, "batch latent"]:
    """Draw z = g(x) + h(x) * xi with xi ~ N(0, I) from `generator`; gradients flow through g and h."""
    if isinstance(posterior, PointMass):
        return posterior.mean
    mean = posterior.mean
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + posterior.stddev * noise


def kl_to_prior(posterior: Distribution) -> Float[Tensor, "batch latent"]:
    """Return KL(q(z_d|x) || N(0, 1)) per dimension, in nats; zeros for a `PointMass`, which has none."""
    if isinstance(posterior, PointMass):
        return torch.zeros_like(posterior.mean)
    return gaussian_kl(posterior.mean, posterior.stddev)


def gaussian_kl(
    mean: Float[Tensor, "batch latent"], std: Float[Tensor, "batch latent"]
) -> Float[Tensor, "batch latent"]:
    """Return KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s in nats (Kingma & Welling, appendix B)."""
    return 0.5 * (mean.square() + std.square() - 1) - std.log()
