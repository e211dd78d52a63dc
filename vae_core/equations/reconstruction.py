"""The reconstruction term of a Gaussian decoder: the log-likelihood of x under N(f(z), c I), with n numbers in x.

    log p(x|z) = -||x - f(z)||^2 / (2 c) - (n / 2) log(2 pi c)

So to maximise it is to minimise the squared error, and c says how much one unit of squared error is worth against the
KL term: E_q||x - f(z)||^2 / (2 c) + KL is the loss of a beta-VAE with beta = 2 c on the plain squared error. The best
constant c is the mean squared error itself (Rybkin, Daniilidis & Levine 2021).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.special import logsumexp
from torch import Tensor

from vae_core.errors import ConfigError
from vae_core.evaluation import posterior
from vae_core.evaluation.posterior import CHUNK, Encoded
from vae_core.evaluation.quadrature import integrate
from vae_core.models import LatentModel

RESOLVED = 0.8  # steps of the grid; sums over a Gaussian that wide are right to 1e-5
HALF = 6.0  # of the square that the posterior is sought in


@dataclass(frozen=True)
class Reconstruction:
    """log N(x; f, c I) in nats, as the sum of what depends on f and what does not."""

    squared_error: float  # ||x - f||^2, summed over all numbers of x
    fit: float  # -||x - f||^2 / (2 c)
    constant: float  # -(n / 2) log(2 pi c)

    @property
    def log_likelihood(self) -> float:
        return self.fit + self.constant


@dataclass(frozen=True)
class Tradeoff:
    """What one c asks for: rate and error of the posterior p(z|x) under N(f(z), c I)."""

    log_evidence: float  # log p(x), in nats
    squared_error: float  # E ||x - f(z)||^2 under p(z|x)
    rate: float  # KL(p(z|x) || p(z)), in nats
    cells: float  # the posterior's smallest standard deviation in steps of the grid; RESOLVED is enough for its sums


def log_likelihood(squared_error: float, count: int, variance: float) -> Reconstruction:
    """Return the log-likelihood of an example of `count` numbers from its squared error ||x - f(z)||^2.

    Raises:
        ConfigError: the variance is not above 0.
    """
    _check(variance)
    return Reconstruction(
        squared_error, -squared_error / (2 * variance), -0.5 * count * math.log(2 * math.pi * variance)
    )


def best_variance(squared_error: float, count: int) -> float:
    """Return the c with the largest log-likelihood: the mean squared error."""
    return squared_error / count


def squared_errors(
    model: LatentModel, x: Float[Tensor, "1 *shape"], codes: Float[Tensor, "n latent"]
) -> Float64[Tensor, " n"]:
    """Return ||x - f(z)||^2 at each code, f(z) being the mean of p(x|z), summed over all numbers of x."""
    with torch.inference_mode():
        parts = [
            (model.decode(part).mean - x).flatten(1).square().sum(1)
            for part in codes.to(x.dtype).split(CHUNK)
        ]
    return torch.cat(parts).double()


def window(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    q: Encoded,
    variance: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Return low and high corner of a square that holds the posterior under N(f(z), c I), and any of a smaller c.

    Raises:
        Stopped: `should_stop` said so.
    """

    def log_joint(codes: np.ndarray) -> np.ndarray:
        squared = squared_errors(model, x, torch.from_numpy(codes)).numpy()
        joint: np.ndarray = -squared / (2 * variance) - 0.5 * np.square(codes).sum(1)
        return joint

    return posterior.window(integrate(log_joint, 2, HALF, should_stop=should_stop), q)


def tradeoff(
    squared: Float64[np.ndarray, "rows columns"],
    points: Float64[np.ndarray, "rows columns 2"],
    count: int,
    variance: float,
) -> Tradeoff:
    """Return log p(x), the posterior's error and its rate for one c, by sums over an even grid of a latent plane.

    Args:
        squared: ||x - f(z)||^2 at each point.
        points: the codes, evenly spaced along both axes.
        count: numbers in x.
        variance: c.

    Raises:
        ConfigError: the variance is not above 0.
    """
    _check(variance)
    steps = points[1, 1] - points[0, 0]
    area = steps.prod()
    log_prior = -0.5 * np.square(points).sum(-1) - math.log(2 * math.pi)
    likelihood = -squared / (2 * variance) - 0.5 * count * math.log(2 * math.pi * variance)
    log_evidence = float(logsumexp(likelihood + log_prior)) + math.log(area)
    shares = np.exp(likelihood + log_prior - log_evidence) * area
    rate = float((shares * (likelihood - log_evidence)).sum())
    places = (points / steps).reshape(-1, 2)
    centred = places - shares.ravel() @ places
    covariance = (shares.reshape(-1, 1) * centred).T @ centred
    cells = math.sqrt(max(0.0, float(np.linalg.eigvalsh(covariance)[0])))
    return Tradeoff(log_evidence, float((shares * squared).sum()), rate, cells)


def _check(variance: float) -> None:
    if not (math.isfinite(variance) and variance > 0):
        raise ConfigError(f"variance = {variance} has to be above 0; choose a larger c.")
