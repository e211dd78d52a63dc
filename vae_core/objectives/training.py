"""What training descends, as a pure function of the data and of explicit noise.

Nothing in `parts` draws, so it can be compiled, run on any device and shared between processes that each take their
part of the noise that `draw` made for the whole batch. There, what an objective estimates from a batch (free bits,
tcvae, mmd, and the variance of gaussian-optimal) is estimated by each process from its own share.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.config import ObjectiveConfig
from vae_core.models import VAE, Model, likelihood
from vae_core.objectives.decomposition import decompose
from vae_core.objectives.discrepancy import mmd
from vae_core.objectives.elbo import gaussian_kl


@dataclass(frozen=True)
class Draws:
    """Everything random in one step: standard normal numbers, as float32 on the CPU; None what is not needed."""

    code: Float[Tensor, "*samples batch latent"] | None  # with leading samples for iwae only
    corruption: Float[Tensor, "batch *shape"] | None = None
    prior: Float[Tensor, "batch latent"] | None = None


@dataclass(frozen=True)
class Parts:
    """What an objective is made of, for each example, in nats; the mean of `loss` is what is minimised."""

    loss: Float[Tensor, " batch"]
    reconstruction: Float[Tensor, " batch"]  # estimate of E_q[log p(x|z)]
    kl: Float[Tensor, " batch"]  # KL(q(z|x) || p(z)); zeros where there is no posterior
    squared_error: Float[Tensor, " batch"] | None  # mean over pixels, no gradient; gaussian likelihoods only
    extra: dict[str, Float[Tensor, " batch"]] = field(default_factory=dict)  # further terms, by name


def draw(config: ObjectiveConfig, model: Model, batch: int, generator: torch.Generator) -> Draws:
    """Draw what one step on a batch needs, and nothing else, from a generator on the CPU.

    For the ELBO that is one `torch.randn((batch, D))`, so the stream of a seed stays what it is whatever other
    objectives there are.
    """
    code = corruption = prior = None
    if isinstance(model, VAE):  # others encode to points
        samples = (config.samples,) if config.objective == "iwae" else ()
        code = torch.randn((*samples, batch, model.latent_dim), generator=generator)
    if config.noise:
        corruption = torch.randn((batch, *model.data_shape), generator=generator)
    if config.objective == "mmd":
        prior = torch.randn((batch, model.latent_dim), generator=generator)
    return Draws(code, corruption, prior)


def parts(
    config: ObjectiveConfig,
    model: Model,
    x: Float[Tensor, "batch *shape"],
    draws: Draws,
    beta: Float[Tensor, ""],
    dataset_size: int,
) -> Parts:
    """Return the objective's parts for one batch.

    Args:
        config: which objective; its `beta` is not used, the argument is (see `beta_at`).
        model: encodes and decodes; gets the gradients of `loss`.
        x: the batch, as `encode` takes it.
        draws: what `draw` returned for this batch.
        beta: weight of the KL term, or of what stands for it.
        dataset_size: examples in the whole training data, used by tcvae only.
    """
    mean, std = model.moments(_seen(config, x, draws.corruption))
    # In mixed precision the networks answer in bfloat16; all that follows is done in the precision of x.
    mean, std = mean.to(x.dtype), None if std is None else std.to(x.dtype)
    if config.objective == "iwae":
        return _importance_weighted(model, x, mean, std, draws.code, beta)
    z = mean if std is None or draws.code is None else torch.addcmul(mean, std, draws.code)
    reconstruction, squared = _reconstruction(model, z, x)
    kl_per_dimension = torch.zeros_like(mean) if std is None else gaussian_kl(mean, std)
    kl = kl_per_dimension.sum(-1)
    extra: dict[str, Tensor] = {}
    if config.objective == "tcvae":
        rate, extra = _total_correlation(z, mean, std, kl, beta, dataset_size)
    elif config.objective == "mmd":
        rate, extra = _discrepancy(z, draws.prior, kl, beta, config.mmd_weight)
    elif config.free_bits:
        rate, extra = _free_bits(kl_per_dimension, beta, config.free_bits)
    else:
        rate = beta * kl
    return Parts(rate - reconstruction, reconstruction, kl, squared, extra)


def _seen(config: ObjectiveConfig, x: Tensor, corruption: Tensor | None) -> Tensor:
    """What the encoder sees: x, or x with noise (denoising, Vincent et al. 2008; of a VAE, Im et al. 2017)."""
    if corruption is None:
        return x
    noisy = torch.add(x, corruption, alpha=config.noise)
    return noisy.clamp(0, 1) if x.ndim == 4 else noisy  # images stay images


def _reconstruction(model: Model, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """log p(x|z), and the squared error where it comes for free; z may have samples before the batch."""
    config = model.config
    output = model.decoder(z.flatten(0, -2)).to(x.dtype)
    if z.ndim > 2:
        output = output.unflatten(0, z.shape[:-1])
    if config.likelihood in ("bernoulli", "continuous-bernoulli"):
        return likelihood.log_likelihood(config, output, x), None
    squared = likelihood.squared_error(config, output, x)
    error = squared.detach()
    variance = error.new_full((), config.variance)
    if config.likelihood == "gaussian-optimal":
        # The best variance of this batch. It minimises the loss, so the gradient is the same as if it were one of
        # the function's own variables (Rybkin et al. 2021, section 3.2).
        variance = error.mean().clamp_min(likelihood.MIN_VARIANCE)
    return likelihood.gaussian(config, squared, variance), error


def _free_bits(kl: Tensor, beta: Tensor, free: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Charge each dimension for `free` nats at least, on average over the batch (Kingma et al. 2016, eq. 15)."""
    charged = kl.mean(0).clamp_min(free).sum().expand(len(kl))
    return beta * charged, {"charged_kl": charged}


def _total_correlation(
    z: Tensor, mean: Tensor, std: Tensor | None, kl: Tensor, beta: Tensor, dataset_size: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """beta-TCVAE: the KL with its total correlation weighed by beta (Chen et al. 2018, equation 4).

    The KL itself is exact and only what beta adds is estimated, so that beta = 1 is the ELBO, noise and all.
    """
    assert std is not None, "tcvae takes a VAE"
    found = decompose(z, mean, std, dataset_size)
    return torch.addcmul(kl, beta - 1, found.total_correlation), dict(vars(found))


def _discrepancy(
    z: Tensor, prior: Tensor | None, kl: Tensor, beta: Tensor, weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """WAE-MMD (Tolstikhin et al. 2018) of an autoencoder; InfoVAE (Zhao et al. 2019) of a VAE, beta = 1 - alpha."""
    assert prior is not None, "mmd takes draws from the prior"
    distance = mmd(z, prior).expand(len(z))
    return torch.add(beta * kl, distance, alpha=weight), {"mmd": distance}


def _importance_weighted(
    model: Model, x: Tensor, mean: Tensor, std: Tensor | None, noise: Tensor | None, beta: Tensor
) -> Parts:
    """The importance-weighted bound log (1/K) sum_k p(x, z_k) / q(z_k|x) (Burda et al. 2015, equation 8).

    beta weighs log p(z)/q(z|x) within each of the K weights; 1 is the bound itself.
    """
    assert std is not None, "iwae takes a VAE"
    assert noise is not None, "iwae takes draws of the code"
    z = torch.addcmul(mean, std, noise)  # (samples, batch, latent)
    log_p, squared = _reconstruction(model, z, x)
    log_ratio = (0.5 * (noise.square() - z.square()) + std.log()).sum(-1)  # log p(z) / q(z|x)
    bound = torch.logsumexp(log_p + beta * log_ratio, 0) - math.log(len(noise))
    error = None if squared is None else squared.mean(0)
    return Parts(-bound, log_p.mean(0), gaussian_kl(mean, std).sum(-1), error)
