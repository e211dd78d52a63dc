"""How well a model explains data it has not seen: the ELBO, its terms, and a tighter bound.

All figures are in nats per example, averaged over the examples given.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vae_core import objectives
from vae_core.latent.codes import DEAD_VARIANCE
from vae_core.models import LatentModel, PointMass


def evaluate(
    model: LatentModel,
    images: UInt8[Tensor, "n *shape"],
    generator: torch.Generator,
    *,
    samples: int = 0,
    batch_size: int = 1000,
) -> dict[str, Any]:
    """Return `elbo`, `reconstruction`, `kl`, `kl_per_dimension`, `active_units` and `examples`.

    The reconstruction term uses one draw of z per example. With `samples` > 0 also
    `importance_weighted_bound` with that many draws. A plain autoencoder has no KL term and no ELBO:
    only `reconstruction` and `active_units` are returned for it.
    """
    reconstruction, kl, means, bound = [], [], [], []
    with torch.inference_mode():
        for batch in images.split(batch_size):
            x = batch.float() / 255
            posterior = model.encode(x)
            terms = objectives.terms_given(model, posterior, x, generator)
            means.append(posterior.mean)
            reconstruction.append(terms.reconstruction)
            kl.append(terms.kl_per_dimension)
            if samples and not isinstance(posterior, PointMass):
                bound.append(importance_weighted_bound(model, x, samples, generator))
    result: dict[str, Any] = {
        "examples": len(images),
        "reconstruction": _mean(reconstruction),
        "active_units": active_units(torch.cat(means)),
    }
    if not isinstance(posterior, PointMass):
        per_dimension = torch.cat(kl).double().mean(0)
        result["kl"] = float(per_dimension.sum())
        result["kl_per_dimension"] = per_dimension.tolist()
        result["elbo"] = result["reconstruction"] - result["kl"]
    if bound:
        result["importance_weighted_bound"] = _mean(bound)
        result["importance_samples"] = samples
    return result


def active_units(means: Float[Tensor, "n latent"]) -> int:
    """Count dimensions whose posterior mean varies over the data by more than 0.01 (Burda et al. 2015)."""
    return int((means.double().var(0, correction=0) > DEAD_VARIANCE).sum())


def importance_weighted_bound(
    model: LatentModel,
    x: Float[Tensor, "batch *shape"],
    samples: int,
    generator: torch.Generator | None = None,
    chunk: int = 10,
) -> Float[Tensor, " batch"]:
    """Return log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x), for each x (Burda et al. 2015, eq. 8).

    A lower bound of log p(x) that is tighter, on average, the larger K = `samples` is; K = 1 is the ELBO.
    """
    posterior = model.encode(x)
    mean, std = posterior.mean, posterior.stddev
    total = torch.full((len(x),), -math.inf)
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        noise = torch.randn((count, *mean.shape), generator=generator)
        z = mean + std * noise
        log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        log_posterior = posterior.log_prob(z)
        log_likelihood = torch.stack([model.decode(draw).log_prob(x) for draw in z])
        total = torch.logaddexp(total, (log_likelihood + log_prior - log_posterior).logsumexp(0))
    return total - math.log(samples)


def _mean(parts: list[Tensor]) -> float:
    return float(torch.cat(parts).double().mean())
