"""Samples of the true posterior p(z|x) by the No-U-Turn Sampler (Hoffman & Gelman 2014), as pyro-ppl has it.

Where q(z|x) is a guess that one pass of the encoder makes, Markov chain Monte Carlo walks through p(z|x) itself: slow,
but exact in the long run. Whether the run was long enough is what R-hat and the effective sample size tell.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.importance import likely
from vae_core.evaluation.posterior import Encoded, encoded, log_joint
from vae_core.models import LatentModel

DEEPEST = 7  # at most 2^7 leapfrog steps for one draw
FULL = 64  # latent dimensions up to which the sampler learns all covariances, not only variances

_lock = threading.Lock()  # pyro draws from torch's global generator, so chains of two callers take turns


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples of p(z|x), and whether the chains agree."""

    samples: Float32[np.ndarray, "chains draws latent"]
    r_hat: Float64[
        np.ndarray, " latent"
    ]  # split R-hat (Gelman et al. 2013): 1 if chains agree, below 1.01 is good
    ess: Float64[np.ndarray, " latent"]  # independent samples that would be worth as much (Geyer 1992)
    divergences: int  # draws at which the integrator lost its way
    acceptance: float  # share of draws that moved
    seconds: float


def nuts(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    generator: torch.Generator,
    chains: int = 4,
    warmup: int = 300,
    draws: int = 500,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Draws:
    """Sample p(z|x) in several chains, one after the other.

    Chains start at codes that p(z|x) itself might have drawn, from q and from the prior alike, so that chains in
    different modes show it by their R-hat. Steps are taken in units of q's standard deviations.

    Args:
        model: any with a posterior; its decoder must have gradients.
        x: one example.
        generator: where starts and the sampler's seeds come from; torch's global generator is left as it was.
        chains, warmup, draws: at least 1, 20 and 4; the warm-up is not kept.
        on_progress, should_stop: told the share that is done, and asked, at every draw.

    Raises:
        PosteriorError: the model has no posterior, or p(z|x) is not finite where a chain starts.
        Stopped: `should_stop` said so.
    """
    for name, value, least in (("chains", chains, 1), ("warmup", warmup, 20), ("draws", draws, 4)):
        if value < least:
            raise PosteriorError(f"{name} is {value}; it must be at least {least}.")
    begun = time.perf_counter()
    q = encoded(model, x)
    starts = likely(model, x, q, chains, generator)
    seeds = torch.randint(2**62, (chains,), generator=generator).tolist()
    total = chains * (warmup + draws)
    walks: list[_Walk] = []
    for start, seed in zip(starts, seeds, strict=True):
        done = len(walks) * (warmup + draws)

        def step(taken: int, done: int = done) -> None:
            if should_stop():
                raise Stopped(f"Sampling was stopped after {done + taken} of {total} draws; start it again.")
            on_progress((done + taken) / total)

        walks.append(_walk(model, x, q, start, seed, warmup, draws, step))
    on_progress(1.0)
    samples = torch.stack([walk.codes for walk in walks])
    r_hat, ess = diagnose(samples.numpy())
    return Draws(
        samples.float().numpy(),
        r_hat,
        ess,
        sum(walk.divergences for walk in walks),
        sum(walk.acceptance for walk in walks) / chains,
        time.perf_counter() - begun,
    )


def diagnose(
    samples: Float[np.ndarray, "chains draws latent"],
) -> tuple[Float64[np.ndarray, " latent"], Float64[np.ndarray, " latent"]]:
    """Return split R-hat and effective sample size of each dimension; at least 4 draws.

    The effective sample size is at most twice the number of samples: chains that swing from side to side can be worth
    more than independent draws, but how much more is too noisy to be believed. A dimension that never moved has NaN.
    """
    from pyro.ops.stats import effective_sample_size, split_gelman_rubin

    tensor = torch.from_numpy(np.asarray(samples, dtype=np.float64))
    chains, draws, latent = tensor.shape
    r_hat = split_gelman_rubin(tensor).reshape(latent)
    ess = effective_sample_size(tensor).reshape(latent)
    most = 2.0 * chains * draws
    ess = torch.where(ess < 0, most, ess).clamp(max=most)  # below 0: the sum of correlations was, too
    return r_hat.numpy(), ess.numpy()


@dataclass(frozen=True, eq=False)
class _Walk:
    codes: Float64[Tensor, "draws latent"]
    divergences: int
    acceptance: float


def _walk(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    q: Encoded,
    start: Float[Tensor, " latent"],
    seed: int,
    warmup: int,
    draws: int,
    step: Callable[[int], None],
) -> _Walk:
    """One chain. The kernel is driven from here: pyro's own loop draws bars and cannot be stopped."""
    from pyro.infer import NUTS  # takes its time to import

    with torch.inference_mode(False), torch.enable_grad():
        x, mean, std = x.clone(), q.mean.double(), q.std.double()

        def potential(params: dict[str, Tensor]) -> Tensor:
            return -log_joint(model, x, (mean + std * params["z"])[None])[0]

        kernel = NUTS(potential_fn=potential, max_tree_depth=DEEPEST, full_mass=len(mean) <= FULL)
        kernel.initial_params = {"z": (start - mean) / std}
        codes = []
        with _alone_with(seed):
            kernel.setup(warmup)
            params = kernel.initial_params
            for taken in range(warmup + draws):
                step(taken)
                params = kernel.sample(params)
                codes.append(mean + std * params["z"].detach())
        diagnostics = kernel.diagnostics()
    return _Walk(
        torch.stack(codes[warmup:]).cpu(),
        len(diagnostics["divergences"]),
        float(diagnostics["acceptance rate"]),
    )


@contextmanager
def _alone_with(seed: int) -> Iterator[None]:
    """Seed torch's global generator, which pyro draws from, and give it back as it was."""
    with _lock, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
