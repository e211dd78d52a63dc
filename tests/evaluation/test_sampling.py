"""NUTS where the posterior is known, and what tells whether to believe it."""

import itertools

import numpy as np
import pytest
import torch

from tests.evaluation.planted_posteriors import LinearGaussian, TwoModes, example, generator
from vae_core.config import ModelConfig
from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.sampling import diagnose, nuts
from vae_core.models import build

FEW = {"chains": 2, "warmup": 20, "draws": 6}


@pytest.mark.parametrize("latent", [1, 3])
def test_a_correlated_gaussian_posterior_has_its_mean_and_covariance(latent):
    # q is off by several of its standard deviations and far too narrow, which must not matter.
    model = LinearGaussian(latent, shift=0.5, widen=0.3, variance=0.5)
    x = example(model)
    found, true = nuts(model, x, generator(), warmup=100, draws=150), model.posterior(x)
    assert found.samples.shape == (4, 150, latent)
    assert (found.r_hat < 1.05).all()
    assert found.divergences == 0
    assert 0.8 < found.acceptance <= 1
    assert found.seconds > 0
    covariance = true.covariance_matrix.reshape(latent, latent).numpy()
    scale = np.sqrt(covariance.diagonal())
    samples = found.samples.reshape(-1, latent)
    # The effective sample size says how far off the means may be, and the covariances about as much.
    error = 1 / np.sqrt(found.ess)
    assert (found.ess > 100).all()
    assert (np.abs(samples.mean(0) - true.mean[0].numpy()) < 4 * error * scale).all()
    np.testing.assert_allclose(
        np.cov(samples.T).reshape(latent, latent) / np.outer(scale, scale),
        covariance / np.outer(scale, scale),
        atol=6 * error.max(),
    )


def test_chains_in_two_modes_do_not_agree_and_r_hat_shows_it():
    model = TwoModes(std=0.1)
    x = torch.tensor([[1.5, 0.4]], dtype=torch.float64)
    found = nuts(model, x, generator(1), warmup=40, draws=40)
    sides = np.sign(found.samples[:, :, 0].mean(1))
    assert set(sides) == {-1, 1}
    assert found.r_hat[0] > 2
    assert found.ess[0] < 20


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(16,)))
    x = torch.rand(1, 1, 8, 8, generator=generator())
    before = torch.get_rng_state()
    first, again, other = (nuts(model, x, generator(seed), **FEW).samples for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.distributions.Distribution._validate_args
    assert all(parameter.grad is None for parameter in model.parameters())


def test_it_runs_where_gradients_are_switched_off():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(16,)))
    with torch.inference_mode():
        x = torch.rand(1, 1, 8, 8, generator=generator())
        assert nuts(model, x, generator(), **FEW).samples.shape == (2, 6, 2)


def test_it_says_how_far_it_is_and_can_be_stopped():
    model, seen = LinearGaussian(), []
    nuts(model, example(model), generator(), on_progress=seen.append, **FEW)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) == 2 * 26 + 1
    asked = itertools.count()
    with pytest.raises(Stopped, match="30 of 52"):
        nuts(model, example(model), generator(), should_stop=lambda: next(asked) == 30, **FEW)
    nuts(model, example(model), generator(), **FEW)  # and whoever comes next is not kept waiting


@pytest.mark.parametrize("wrong", [{"chains": 0}, {"warmup": 5}, {"draws": 3}])
def test_too_few_draws_are_refused(wrong):
    model = LinearGaussian()
    with pytest.raises(PosteriorError, match="must be at least"):
        nuts(model, example(model), generator(), **(FEW | wrong))


def test_models_without_a_posterior_say_so():
    model = build(ModelConfig(kind="autoencoder", data_shape=(7,), likelihood="gaussian"))
    with pytest.raises(PosteriorError, match="no posterior"):
        nuts(model, torch.zeros(1, 7), generator())


# --- R-hat and effective sample size ------------------------------------------------------------------------


def split_r_hat(samples):
    """As Gelman et al. (2013, section 11.4) write it, for one dimension (chains, draws)."""
    half = samples.shape[1] // 2
    chains = [part for chain in samples for part in (chain[:half], chain[-half:])]
    within = np.mean([np.var(chain, ddof=1) for chain in chains])
    between = half * np.var([np.mean(chain) for chain in chains], ddof=1)
    return np.sqrt(((half - 1) / half * within + between / half) / within)


def autoregressive(chains, draws, correlation, seed=0):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(chains, draws, 1))
    for t in range(1, draws):
        samples[:, t] = correlation * samples[:, t - 1] + np.sqrt(1 - correlation**2) * samples[:, t]
    return samples


def test_r_hat_is_that_of_the_book():
    samples = np.random.default_rng(2).normal(size=(3, 101, 2)) + np.array([[[0, 0]], [[0, 1]], [[0, 2]]])
    r_hat, _ = diagnose(samples)
    assert r_hat == pytest.approx([split_r_hat(samples[:, :, d]) for d in range(2)])
    assert r_hat[0] < 1.02 < 1.3 < r_hat[1]


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_effective_sample_size_of_an_autoregression_is_known(correlation):
    _, ess = diagnose(autoregressive(4, 5000, correlation))
    assert ess[0] == pytest.approx(20_000 * (1 - correlation) / (1 + correlation), rel=0.15)


def test_chains_that_swing_are_worth_more_but_not_without_end():
    _, ess = diagnose(autoregressive(4, 500, -0.9))
    assert ess[0] == 2 * 4 * 500
