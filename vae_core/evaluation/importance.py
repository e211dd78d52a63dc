"""The importance-weighted bound of log p(x) for many K at once, and codes that the posterior may be sampled from.

    L_K = E log (1/K) sum_k w_k,   w_k = p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)     (Burda et al. 2015, equation 8)

L_1 is the ELBO; L_K grows with K and tends to log p(x). The same for a whole batch of examples and one K is
`likelihood.importance_weighted_bound`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.special import logsumexp
from torch import Tensor

from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.posterior import CHUNK, Encoded, encoded, log_joint, log_prior
from vae_core.models import LatentModel

FIGURES = 64  # values of K on the curve, at most
ENOUGH = 16  # groups of K draws from which their own spread is taken


@dataclass(frozen=True, eq=False)
class Bounds:
    """L_K for each of `draws`, from one set of draws, with its standard error; in nats."""

    draws: Int64[np.ndarray, " figures"]  # K, rising from 1 to all of them
    bound: Float64[np.ndarray, " figures"]
    error: Float64[np.ndarray, " figures"]
    effective: float  # draws that count, (sum w)^2 / sum w^2: if it is small, so many draws were not enough


def importance(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    samples: int,
    generator: torch.Generator,
    q: Encoded | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Bounds:
    """Return the importance-weighted bound of log p(x) for K = 1 up to `samples`.

    Args:
        model: any with a posterior, of any number of latent dimensions.
        x: one example.
        samples: draws in all; each L_K is the mean over as many groups of K as they make.
        generator: where draws come from.
        q: what to draw from; None for the encoder's q(z|x).
        on_progress, should_stop: told the share that is done, and asked, between chunks.
    """
    if samples < 1:
        raise PosteriorError(f"samples is {samples}; it must be at least 1.")
    q = encoded(model, x) if q is None else q
    return bounds(log_weights(model, x, q, samples, generator, on_progress, should_stop))


def log_weights(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    q: Encoded,
    samples: int,
    generator: torch.Generator,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Float64[np.ndarray, " samples"]:
    """Return log p(x, z_k) - log q(z_k) of independent draws z_k ~ q."""
    parts = []
    with torch.inference_mode():
        for start in range(0, samples, CHUNK):
            if should_stop():
                raise Stopped(f"The bound was stopped after {start} of {samples} draws.")
            z = draw(q, min(CHUNK, samples - start), generator)
            parts.append((log_joint(model, x, z) - log_density(q, z)).cpu().numpy())
            on_progress(min(1.0, (start + CHUNK) / samples))
    return np.concatenate(parts)


def bounds(log_weights: Float64[np.ndarray, " samples"]) -> Bounds:
    """Return L_K for some K from 1 to the number of draws.

    The standard error is that of the mean over groups of K while there are enough groups to see their spread; for
    larger K it is the delta method's, sd(w) / (mean(w) sqrt(draws)), which holds once the mean of K weights is steady.
    """
    count = len(log_weights)
    draws = np.unique(np.geomspace(1, count, FIGURES).round().astype(np.int64))
    relative = np.exp(log_weights - log_weights.max())
    found = [_bound(log_weights, relative, int(each)) for each in draws]
    return Bounds(
        draws,
        np.array([bound for bound, _ in found]),
        np.array([error for _, error in found]),
        float(relative.sum() ** 2 / np.square(relative).sum()),
    )


def _bound(
    log_weights: Float64[np.ndarray, " samples"], relative: Float64[np.ndarray, " samples"], draws: int
) -> tuple[float, float]:
    groups = len(log_weights) // draws
    each = logsumexp(log_weights[: groups * draws].reshape(groups, draws), axis=1) - math.log(draws)
    if groups >= ENOUGH:
        return float(each.mean()), float(each.std(ddof=1) / math.sqrt(groups))
    spread = relative.std() / relative.mean()
    return float(each.mean()), float(spread / math.sqrt(groups * draws))


def likely(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    q: Encoded,
    count: int,
    generator: torch.Generator,
    candidates: int = 512,
) -> Float[Tensor, "count latent"]:
    """Draw codes about as p(z|x) would, without repeats: the best of many from q and from the prior alike.

    Sampling-importance-resampling (Rubin 1988) from the mixture of q and the prior. A mode that q does not know is
    found when the prior's draws find it, and has its fair chance.
    """
    if count > candidates:
        raise PosteriorError(f"count is {count}; it must be at most candidates, {candidates}.")
    half = candidates // 2
    with torch.inference_mode():
        noise = torch.randn(candidates - half, len(q.mean), generator=generator, dtype=q.mean.dtype)
        z = torch.cat((draw(q, half, generator), noise.to(q.mean.device)))
        mixture = torch.logaddexp(log_density(q, z), log_prior(z))
        weights = log_joint(model, x, z) - mixture
        # The largest of log w + Gumbel noise are draws in proportion to w, without replacement.
        uniform = torch.rand(candidates, generator=generator, dtype=torch.float64).clamp_min(1e-300)
        order = (weights - (-uniform.log()).log().to(weights.device)).argsort(descending=True)
    with torch.inference_mode(False):
        return z[order[:count]].clone()  # gradients may be taken at it


def draw(q: Encoded, count: int, generator: torch.Generator) -> Float[Tensor, "count latent"]:
    """Draw codes from q."""
    noise = torch.randn(count, len(q.mean), generator=generator, dtype=q.mean.dtype, device=generator.device)
    return q.mean + q.std * noise.to(q.mean.device)


def log_density(q: Encoded, codes: Float[Tensor, "n latent"]) -> Float64[Tensor, " n"]:
    """Return log q(z)."""
    mean, std = q.mean.double(), q.std.double()
    return log_prior((codes.double() - mean) / std) - std.log().sum()
