"""Completeness: how much of the prior has data around it, so that a code drawn from it decodes to something meaningful."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64

from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation.estimate import Estimate
from vae_core.latent.aggregate import Aggregate

HOLE = (
    0.5  # data ratio below which a code lies in a hole: fewer than half of the data that the prior promises
)
GROUPS = 10  # of the draws, each left out once
BATCH = 1000  # codes between two looks at `should_stop`
STUDENT_95 = 2.2621571627409915  # two-sided 95 % quantile of Student's t with GROUPS - 1 degrees of freedom


@dataclass(frozen=True)
class Completeness:
    """1 - hole mass with its 95 % confidence interval, and the hole mass with its Monte Carlo error alone."""

    estimate: Estimate  # of the completeness, 0 to 1
    hole_mass: float  # share of the prior's mass that has no data near it, 0 to 1
    monte_carlo_error: float  # standard error of the hole mass from the number of codes drawn from the prior


def completeness(
    aggregate: Aggregate,
    generator: torch.Generator,
    draws: int = 20_000,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Completeness:
    """Return 1 - h, h = Pr(rho(z) < 1/2) over z ~ p(z): the prior's mass that does not lie in holes.

    rho(z) is the data ratio (see `vae_core.latent.aggregate`): how many data lie around z for each that the prior
    promises. A code in a hole has fewer than half of them around it, no data near it. Half of a small ball on the edge of a
    sharp hole is empty, so at 1/2 the edge is found without bias to first order if the rest has the data that are promised
    it. If the rest is denser, edges are found a part of a ball inside of the hole: with 10,000 data in 2 dimensions h is
    too small by 1 % of itself for a round hole of mass 0.16, by 5 % for one of 0.39 whose data lie all around it. A model
    whose aggregate posterior is its prior has completeness 1, but for some 2 in a thousand codes with few data by chance.

    It is a statement about neighbourhoods that hold 16 data, and cannot tell of finer holes. In 2 dimensions and with
    10,000 data these are small. In 10 they reach across much of the prior, and holes must be as large to count:
    completeness is then an upper bound, and only models with as many dimensions and data can be compared by it.

    h is the mean over `draws` codes from the prior. The confidence interval adds to its Monte Carlo error that of the data, by the
    delete-a-group jackknife over GROUPS random groups of the encoded examples (Kott 2001).

    `on_progress` hears a share from 0 to 1. Raises `ConfigError` for draws below 2, `Stopped` after `should_stop()`.
    """
    if draws < 2:
        raise ConfigError(f"draws is {draws}, but must be at least 2; 20,000 give h within 0.7 %.")
    codes = aggregate.prior.draw(draws, generator)
    groups = _groups(len(aggregate), generator)
    parts = []
    for start in range(0, draws, BATCH):
        if should_stop():
            raise Stopped("Measuring completeness was stopped before it was done; start it again.")
        on_progress(start / draws)
        parts.append(aggregate.ratio_without(codes[start : start + BATCH], groups) < HOLE)
    on_progress(1.0)
    masses: Float64[np.ndarray, " all_and_groups"] = np.concatenate(parts).mean(0)
    hole_mass, without = float(masses[0]), masses[1:]
    chance = np.sqrt(hole_mass * (1 - hole_mass) / draws)
    data = np.sqrt((len(without) - 1) * without.var())
    reach = STUDENT_95 * float(np.hypot(chance, data))
    value = 1 - hole_mass
    return Completeness(
        Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0)), hole_mass, float(chance)
    )


def _groups(n: int, generator: torch.Generator) -> Int64[np.ndarray, " n"]:
    """Return a random group for each draw, all of the same size but for one."""
    order = torch.randperm(n, generator=generator, device=generator.device)
    groups: np.ndarray = (order % GROUPS).cpu().numpy()
    return groups
