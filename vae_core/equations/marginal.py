"""log p(x) from draws of the prior, and why that takes so many of them.

    p(x) = integral of p(x|z) p(z) dz  ~  (1/n) sum_i p(x|z_i),   z_i ~ p(z) = N(0, I)

The estimate of p(x) is unbiased, so that of log p(x) is too low on average; and almost every draw decodes to something
that is not x. With w = p(x|z) the relative variance of one draw is E[w^2] / E[w]^2 - 1, the chi-square divergence of
the posterior from the prior: the smaller the share of latent space that x came from, the more draws it takes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from scipy.special import logsumexp
from torch import Tensor

from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation.posterior import Exact, log_likelihood
from vae_core.models import LatentModel

CHUNK = 1024  # codes decoded at a time
FIGURES = 64  # numbers of draws at which the estimate is told, at most
WITHIN = 0.1  # nats from log p(x) that count as settled
HEAVY = 0.9  # share of the sum that a few draws hold
SHARE = 1e-6  # of the posterior's mass that may be left out


@dataclass(frozen=True, eq=False)
class Running:
    """The estimate after the first n draws of each repeat, for each n of `counts`."""

    counts: Int64[np.ndarray, " figures"]  # from 1 to all, evenly on a log axis
    estimates: Float64[np.ndarray, "repeats figures"]  # log (1/n) sum p(x|z_i), in nats
    effective: Float64[
        np.ndarray, "repeats figures"
    ]  # (sum w)^2 / sum w^2: from 1, one draw counts, to n, all do

    @property
    def spread(self) -> Float64[np.ndarray, " figures"] | None:
        """Standard deviation over the repeats; None with one."""
        return self.estimates.std(0, ddof=1) if len(self.estimates) > 1 else None

    def settled(self, log_evidence: float, within: float = WITHIN) -> int | None:
        """Return the first count from which on every repeat stays within `within` nats; None if none does."""
        wrong = (np.abs(self.estimates - log_evidence) > within).any(0)
        first = int(np.flatnonzero(wrong).max(initial=-1)) + 1
        return int(self.counts[first]) if first < len(self.counts) else None


def prior_draws(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    repeats: int,
    draws: int,
    generator: torch.Generator,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Float32[Tensor, "repeats draws latent"], Float64[np.ndarray, "repeats draws"]]:
    """Draw codes from N(0, I), and return them with log p(x|z) of each.

    Raises:
        ConfigError: repeats or draws is below 1.
        Stopped: `should_stop` said so.
    """
    if repeats < 1 or draws < 1:
        raise ConfigError(f"repeats = {repeats} and draws = {draws} have to be at least 1.")
    codes = torch.randn(repeats, draws, model.latent_dim, generator=generator)
    parts: list[Tensor] = []
    with torch.inference_mode():
        for part in codes.flatten(0, 1).split(CHUNK):
            if should_stop():
                raise Stopped("The draws of the prior were stopped before all were decoded; start again.")
            parts.append(model.decode(part).log_prob(x).double())
            on_progress(min(1.0, CHUNK * len(parts) / (repeats * draws)))
    return codes, torch.cat(parts).reshape(repeats, draws).numpy()


def running(log_likelihoods: Float64[np.ndarray, "repeats draws"], figures: int = FIGURES) -> Running:
    """Return the running estimates of log p(x) from log p(x|z) of draws of the prior."""
    draws = log_likelihoods.shape[1]
    counts = np.unique(np.geomspace(1, draws, figures).round().astype(np.int64))
    sums = np.logaddexp.accumulate(log_likelihoods, axis=1)[:, counts - 1]
    squares = np.logaddexp.accumulate(2 * log_likelihoods, axis=1)[:, counts - 1]
    return Running(counts, sums - np.log(counts), np.exp(2 * sums - squares))


def heavy(log_weights: Float64[np.ndarray, " draws"], share: float = HEAVY) -> int:
    """Return how many draws, the heaviest first, hold `share` of the sum."""
    falling = np.sort(np.exp(log_weights - logsumexp(log_weights)))[::-1]
    return int(np.searchsorted(np.cumsum(falling), share)) + 1


def needed(model: LatentModel, x: Float[Tensor, "1 *shape"], found: Exact, relative: float = WITHIN) -> float:
    """Return after how many draws the standard error of p(x) is `relative` of p(x) (0.1: about 0.1 nats of log p(x)).

    Exact: E_prior[p(x|z)^2] / p(x)^2 = E[p(x|z) | x] / p(x) is summed over the points that p(x) was, which `found`
    (from `posterior.exact`) holds.
    """
    integral = found.integral
    # The sum weighs by p(x|z) once more than the posterior does, so what is light there is lighter here.
    kept = integral.log_shares > math.log(SHARE / len(integral.log_shares))
    codes = torch.from_numpy(integral.points[kept])
    with torch.inference_mode():
        ratio = log_likelihood(model, x, codes).numpy() - found.log_evidence
    return float(np.exp(logsumexp(integral.log_shares[kept] + ratio)) - 1) / relative**2
