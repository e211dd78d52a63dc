"""The importance-weighted bound for many K, against brute force, and codes to start from."""

import itertools
import math

import numpy as np
import pytest
import torch

from tests.evaluation.planted_posteriors import LinearGaussian, TwoModes, example, generator
from vae_core.config import ModelConfig
from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.importance import bounds, draw, importance, likely, log_density, log_weights
from vae_core.evaluation.posterior import Encoded, encoded
from vae_core.models import build


def test_k_of_one_is_the_elbo_and_many_draws_reach_the_evidence():
    # q is wide enough in every direction of p(z|x) that the weights have a variance.
    model = LinearGaussian(2, shift=0.05, widen=2.0)
    assert torch.linalg.eigvalsh(2 * model.precision - torch.diag(model.precision.diagonal() / 4)).min() > 0
    x = example(model)
    found, q = importance(model, x, 20_000, generator()), encoded(model, x)
    assert found.draws[0] == 1
    assert found.draws[-1] == 20_000
    elbo = model.log_evidence(x) - model.kl_of(x, q.mean, q.std)
    assert found.bound[0] == pytest.approx(elbo, abs=4 * found.error[0])
    assert found.bound[-1] == pytest.approx(model.log_evidence(x), abs=4 * found.error[-1])
    assert found.error[-1] < 0.1
    assert found.bound[-1] - found.bound[0] > 5 * found.error[0]


def test_each_figure_is_the_mean_over_groups_of_k_draws():
    weights = np.random.default_rng(0).normal(-700, 2, 40)
    found = bounds(weights)
    assert (np.diff(found.draws) > 0).all()
    for k, bound in zip(found.draws, found.bound, strict=True):
        groups = [weights[i * k : (i + 1) * k] for i in range(40 // k)]
        each = [math.log(sum(math.exp(w + 700) for w in group) / k) - 700 for group in groups]
        assert bound == pytest.approx(sum(each) / len(each), abs=1e-9)
    relative = np.exp(weights + 700)
    assert found.effective == pytest.approx(relative.sum() ** 2 / (relative**2).sum())


def test_equal_weights_leave_no_doubt():
    found = bounds(np.full(100, -3.5))
    np.testing.assert_allclose(found.bound, -3.5)
    np.testing.assert_allclose(found.error, 0, atol=1e-12)
    assert found.effective == pytest.approx(100)


def test_the_standard_errors_are_those_of_repeated_runs():
    rng = np.random.default_rng(1)
    runs = [bounds(rng.normal(0, 0.7, 500)) for _ in range(150)]
    spread = np.std([run.bound for run in runs], axis=0)
    claimed = np.mean([run.error for run in runs], axis=0)
    np.testing.assert_allclose(claimed, spread, rtol=0.3)


def test_one_draw_is_enough_to_have_an_answer():
    found = importance(LinearGaussian(), example(LinearGaussian()), 1, generator())
    assert found.draws.tolist() == [1]
    assert np.isfinite(found.bound).all()
    with pytest.raises(PosteriorError, match="samples is 0"):
        importance(LinearGaussian(), example(LinearGaussian()), 0, generator())


def test_with_the_true_posterior_every_weight_is_the_evidence():
    model = LinearGaussian(1)
    x = example(model)
    weights = log_weights(model, x, encoded(model, x), 50, generator())
    np.testing.assert_allclose(weights, model.log_evidence(x), atol=1e-6)


def test_draws_and_their_density_are_those_of_torch():
    q = Encoded(torch.tensor([0.5, -2.0]), torch.tensor([0.1, 3.0]))
    codes = draw(q, 5000, generator())
    torch.testing.assert_close(codes.mean(0), q.mean, atol=0.2, rtol=0)
    torch.testing.assert_close(codes.std(0), q.std, rtol=0.05, atol=0)
    expected = torch.distributions.Normal(q.mean.double(), q.std.double()).log_prob(codes.double()).sum(1)
    torch.testing.assert_close(log_density(q, codes), expected)


def test_the_same_generator_gives_the_same_figures_and_no_other_is_touched():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=3, hidden=(16,)))
    x = torch.rand(1, 1, 8, 8, generator=generator())
    before = torch.get_rng_state()
    first, again, other = (importance(model, x, 300, generator(seed)).bound for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_says_how_far_it_is_and_can_be_stopped():
    model, seen = LinearGaussian(), []
    importance(model, example(model), 700, generator(), on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    asked = itertools.count()
    with pytest.raises(Stopped, match="256 of 700"):
        importance(model, example(model), 700, generator(), should_stop=lambda: next(asked) > 0)


def test_likely_codes_are_about_as_the_posterior_spreads_them():
    model = LinearGaussian(2, variance=3.0)
    x = example(model)
    codes = torch.cat([likely(model, x, encoded(model, x), 1, generator(seed)) for seed in range(500)])
    true = model.posterior(x)
    error = true.covariance_matrix[0].diagonal().sqrt() / 500**0.5
    assert ((codes.mean(0) - true.mean[0]).abs() < 4 * error).all()
    torch.testing.assert_close(codes.T.cov(), true.covariance_matrix[0], rtol=0.25, atol=0.02)


def test_likely_codes_are_found_in_a_mode_that_q_does_not_know():
    model = TwoModes(std=0.3)
    x = torch.tensor([[1.5, 0.4]], dtype=torch.float64)
    codes = likely(model, x, encoded(model, x), 40, generator())
    assert 5 < (codes[:, 0] < 0).sum() < 35
    assert len(codes.unique(dim=0)) == 40
    with pytest.raises(PosteriorError, match="at most"):
        likely(model, x, encoded(model, x), 600, generator())
