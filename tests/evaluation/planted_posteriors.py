"""Models whose true posterior is known: linear-Gaussian ones, and one with two modes."""

import math

import torch
from torch.distributions import Independent, MultivariateNormal, Normal

PIXELS = 6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(W z + b, c I): probabilistic PCA, with columns in W that make p(z|x) correlated.

    q(z|x) has p(z|x)'s mean moved by `shift` and the standard deviations of the best diagonal Gaussian times `widen`.
    """

    data_shape = (PIXELS,)

    def __init__(self, latent=2, shift=0.0, widen=1.0, variance=0.1):
        self.latent_dim, self.shift, self.widen, self.variance = latent, shift, widen, variance
        self.weight = torch.randn(PIXELS, latent, generator=generator(3), dtype=torch.float64)
        self.weight[:, 0] += 0.8 * self.weight[:, -1] if latent > 1 else 0.0
        self.bias = torch.rand(PIXELS, generator=generator(4), dtype=torch.float64)
        self.precision = torch.eye(latent, dtype=torch.float64) + self.weight.T @ self.weight / variance

    def encode(self, x):
        mean = self.posterior(x).mean + self.shift
        return Independent(Normal(mean, (self.widen * self.precision.diagonal().rsqrt()).expand_as(mean)), 1)

    def decode(self, z):
        return Independent(Normal(z @ self.weight.T + self.bias, math.sqrt(self.variance)), 1)

    def posterior(self, x):
        mean = torch.linalg.solve(self.precision, self.weight.T @ (x - self.bias).T / self.variance).T
        return MultivariateNormal(mean, precision_matrix=self.precision)

    def log_evidence(self, x):
        covariance = self.weight @ self.weight.T + self.variance * torch.eye(PIXELS, dtype=torch.float64)
        return MultivariateNormal(self.bias, covariance).log_prob(x).item()

    def kl_of(self, x, mean, std):
        """KL(N(mean, diag(std^2)) || p(z|x)) in closed form."""
        q = MultivariateNormal(mean, torch.diag(std.square()))
        return torch.distributions.kl_divergence(q, self.posterior(x)).item()


class TwoModes:
    """x|z ~ N((|z_1|, z_2, ...), c I), so that z_1 and -z_1 explain x as well; q knows the positive one only."""

    def __init__(self, latent=2, std=0.05):
        self.latent_dim, self.data_shape, self.std = latent, (latent,), std

    def encode(self, x):
        return Independent(Normal(x.clone(), torch.full_like(x, self.std)), 1)

    def decode(self, z):
        return Independent(Normal(torch.cat((z[:, :1].abs(), z[:, 1:]), 1), self.std), 1)


def example(model, seed=7):
    """One x that the model itself would make, in float64."""
    z = torch.randn(1, model.latent_dim, generator=generator(seed), dtype=torch.float64)
    mean = model.decode(z).mean
    return mean + 0.3 * torch.randn(mean.shape, generator=generator(seed + 1), dtype=torch.float64)
