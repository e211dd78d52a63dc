"""How well a model explains data it has not seen: the ELBO, its terms, and a tighter bound.

All figures are averages over the examples given: in nats per example, but for the squared error per pixel.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.distributions import Distribution

from vae_core import objectives
from vae_core.errors import Stopped
from vae_core.evaluation.steps import OnProgress, ShouldStop, never, silent
from vae_core.latent.codes import DEAD_VARIANCE
from vae_core.models import LatentModel, PointMass
from vae_core.models.inputs import model_input


def evaluate(
    model: LatentModel,
    examples: UInt8[Tensor, "n *shape"] | Float32[Tensor, "n *shape"],
    generator: torch.Generator,
    *,
    samples: int = 0,
    batch_size: int = 1000,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> dict[str, Any]:
    """Return `elbo`, `reconstruction`, `kl`, `kl_per_dimension`, `squared_error`, `active_units` and `examples`.

    One draw of z per example decides `reconstruction` and `squared_error`, the mean over pixels of (x - mean)^2 in
    squared pixel units (squared standard deviations for series and tables). With `samples` > 0 also
    `importance_weighted_bound` with that many draws. A model that encodes to points (autoencoder, PCA) has no KL
    term and no ELBO: only `reconstruction`, `squared_error` and `active_units` are returned for it. `on_progress`
    hears the share that is done after each batch; `should_stop` is asked before it, and raises `Stopped`.
    """
    batches: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for number, batch in enumerate(torch.split(examples, batch_size)):
            if should_stop():
                raise Stopped(
                    f"Evaluating was stopped after {number * batch_size:,} of {len(examples):,} examples."
                )
            x = model_input(batch)
            posterior = model.encode(x)
            batches.append(_figures(model, posterior, x, generator))
            if samples and not isinstance(posterior, PointMass):
                batches[-1]["bound"] = importance_weighted_bound(model, x, samples, generator)
            on_progress(min((number + 1) * batch_size, len(examples)) / len(examples))
    # On the CPU: not every accelerator has float64.
    found = {name: torch.cat([each[name].cpu() for each in batches]).double() for name in batches[0]}
    result: dict[str, Any] = {
        "examples": len(examples),
        "reconstruction": float(found["reconstruction"].mean()),
        "squared_error": float(found["squared_error"].mean()),
        "active_units": active_units(found["means"]),
    }
    if "kl" in found:
        per_dimension = found["kl"].mean(0)
        result["kl"] = float(per_dimension.sum())
        result["kl_per_dimension"] = per_dimension.tolist()
        result["elbo"] = result["reconstruction"] - result["kl"]
    if "bound" in found:
        result["importance_weighted_bound"] = float(found["bound"].mean())
        result["importance_samples"] = samples
    return result


def _figures(
    model: LatentModel, posterior: Distribution, x: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    z = objectives.reparameterize(posterior, generator)
    likelihood = model.decode(z)
    figures = {
        "means": posterior.mean,
        "reconstruction": likelihood.log_prob(x),
        "squared_error": (likelihood.mean - x).square().flatten(1).mean(1),
    }
    if not isinstance(posterior, PointMass):
        figures["kl"] = objectives.kl_to_prior(posterior)
    return figures


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
    total = mean.new_full((len(x),), -math.inf)
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        noise = torch.randn((count, *mean.shape), generator=generator, device=mean.device)
        z = mean + std * noise
        log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        log_posterior = posterior.log_prob(z)
        log_likelihood = torch.stack([model.decode(draw).log_prob(x) for draw in z])
        total = torch.logaddexp(total, (log_likelihood + log_prior - log_posterior).logsumexp(0))
    return total - math.log(samples)
