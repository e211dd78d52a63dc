"""Completeness: the prior's mass outside of planted holes, by integration, and confidence intervals that cover it."""

import numpy as np
import pytest
import torch
from scipy import stats

from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation.completeness import Completeness, completeness
from vae_core.evaluation.estimate import Estimate, estimate
from vae_core.latent.aggregate import Aggregate, Gaussian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, latent, seed=0):
    return np.random.default_rng(seed).normal(size=(n, latent)).astype(np.float32)


def measured(codes, seed=1, **options) -> Completeness:
    prior = Gaussian.standard(codes.shape[1])
    return completeness(Aggregate.of(torch.from_numpy(codes), None, prior, seeded()), seeded(seed), **options)


def off_the_centre(codes):
    return np.hypot(codes[:, 0] - 1, codes[:, 1] - 0.5) < 0.8


OFF = stats.ncx2.cdf(0.64, 2, 1.25)  # the prior's mass in there
HOLES = {
    "disc": (lambda z: np.hypot(*z.T) < 1, 1 - np.exp(-0.5)),
    "half plane": (lambda z: z[:, 0] > 0.3, stats.norm.sf(0.3)),
    "disc off the centre": (off_the_centre, OFF),
}


@pytest.mark.parametrize("name", HOLES)
def test_the_mass_of_a_planted_hole_is_the_priors(name):
    inside, mass = HOLES[name]
    codes = normal(20_000, 2)
    hole = inside(codes)
    codes[hole] = -3 + 0.1 * codes[hole]
    assert measured(codes, draws=5000).hole_mass == pytest.approx(mass, abs=0.02)


def test_draws_of_the_prior_outside_of_a_hole_leave_its_mass():
    codes = normal(10_000, 2)
    codes = codes[~off_the_centre(codes)]
    assert measured(codes, draws=10_000).hole_mass == pytest.approx(OFF, abs=0.02)


@pytest.mark.parametrize("latent", [2, 10])
def test_where_q_is_the_prior_nothing_is_missing(latent):
    found = measured(normal(10_000, latent))
    assert found.estimate.value > 0.995
    assert found.estimate.high - found.estimate.low < 0.01
    # A ball of N data has k where 2 (k - 1) or more are due only by chance: Pr(Gamma(16) > 30).
    assert found.hole_mass == pytest.approx(stats.gamma.sf(30, 16), abs=0.0015)


def test_a_fitted_gaussian_is_complete_for_gaussian_codes_of_any_scale():
    codes = (normal(5000, 3) * [1e-4, 1, 1e4] + [0, 5, 0]).astype(np.float32)
    aggregate = Aggregate.of(torch.from_numpy(codes), None, Gaussian.fitted(codes), seeded())
    assert completeness(aggregate, seeded(1), draws=5000).estimate.value > 0.99


def test_the_confidence_interval_covers_the_true_mass():
    covered, chance = 0, (OFF * (1 - OFF) / 2000) ** 0.5
    for seed in range(20):
        codes = normal(5000, 2, seed)
        found = measured(codes[~off_the_centre(codes)], seed + 100, draws=2000)
        covered += found.estimate.low <= 1 - OFF <= found.estimate.high
        assert found.monte_carlo_error == pytest.approx(chance, rel=0.15)
        assert found.estimate.high - found.estimate.low < 10 * chance  # no wider than it has to be
    assert covered >= 18


def test_a_repeat_with_the_same_seeds_is_the_same():
    codes = normal(500, 2) / 2
    assert measured(codes, draws=500) == measured(codes, draws=500)
    assert measured(codes, draws=500) != measured(codes, seed=2, draws=500)


def test_it_tells_how_far_it_is_and_stops():
    heard: list[float] = []
    measured(normal(100, 2), draws=3500, on_progress=heard.append)
    assert heard[0] == 0
    assert heard[-1] == 1
    assert heard == sorted(heard)
    assert len(heard) > 3
    with pytest.raises(Stopped, match=r"^Measuring completeness was stopped"):
        measured(normal(100, 2), should_stop=lambda: True)


def test_few_examples_and_few_draws():
    assert 0 <= measured(normal(16, 2), draws=50).estimate.low <= 1
    with pytest.raises(ConfigError, match=r"^draws is 1, but must be at least 2;"):
        measured(normal(16, 2), draws=1)


def test_no_data_where_the_prior_is_leaves_nothing():
    found = measured(normal(200, 2) + np.float32(50), draws=200)
    assert found.estimate == Estimate(0.0, 0.0, 0.0)
    assert found.hole_mass == 1


def test_an_estimate_stays_within_its_range():
    found = estimate(0.99, 0.1)
    assert (found.value, found.high) == (0.99, 1.0)
    assert found.low == pytest.approx(0.99 - 0.196, abs=1e-3)
    assert estimate(-0.01, 0.1).low == estimate(-0.01, 0.1).value == 0
    assert np.isnan(estimate(float("nan"), 0.1).value)
