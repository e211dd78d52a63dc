"""log p(x) from draws of the prior, against quadrature and against what draws really need."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch.distributions import Independent, MultivariateNormal, Normal

from vae_core.config import ModelConfig
from vae_core.equations import marginal
from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation import posterior
from vae_core.models import VAE


def drawn(model, x, repeats, draws, seed=0):
    return marginal.prior_draws(model, x, repeats, draws, torch.Generator().manual_seed(seed))


def test_many_draws_find_the_evidence_that_quadrature_does(model, x, exact):
    _, values = drawn(model, x, 10, 10_000)
    each = logsumexp(values, axis=1) - np.log(10_000)
    whole = logsumexp(values) - np.log(100_000)
    relative = np.exp(each - exact.log_evidence)  # of p(x) itself the estimate is unbiased
    assert abs(relative.mean() - 1) < 4 * relative.std(ddof=1) / np.sqrt(10)
    assert whole == pytest.approx(exact.log_evidence, abs=0.2)


def test_as_many_are_needed_as_draws_show(model, x, exact):
    needed = marginal.needed(model, x, exact)
    _, values = drawn(model, x, 1, 100_000)
    weights = np.exp(values[0] - exact.log_evidence)
    assert needed == pytest.approx(weights.var() / 0.1**2, rel=0.2)
    assert marginal.needed(model, x, exact, 0.05) == pytest.approx(4 * needed)
    # With so many draws the error is what was asked for.
    means = weights[: 7 * int(needed)].reshape(7, -1).mean(1)
    assert 0.04 < means.std(ddof=1) < 0.25


def test_the_number_is_exact_where_it_is_known():
    """A linear Gaussian decoder, f(z) = a z + b: everything has a closed form."""
    c = 0.04
    config = ModelConfig(
        data_shape=(1, 8, 8),
        latent_dim=1,
        architecture="linear",
        hidden=(),
        likelihood="gaussian",
        variance=c,
    )
    model = VAE(config).eval()
    layer = next(each for each in model.decoder.modules() if isinstance(each, torch.nn.Linear))
    slope, offset = layer.weight[:, 0].detach().double(), layer.bias.detach().double()
    x = model.decode(torch.tensor([[0.7]])).sample()
    found = posterior.exact(model, x)

    def log_density(noise):
        spread = torch.outer(slope, slope) + noise * torch.eye(64).double()
        return float(MultivariateNormal(offset, spread).log_prob(x.flatten().double()))

    assert found.log_evidence == pytest.approx(log_density(c), abs=1e-3)
    # N(x; f, c I)^2 = N(x; f, c / 2 I) / sqrt(4 pi c)^n
    ratio = math.exp(log_density(c / 2) - 32 * math.log(4 * math.pi * c) - 2 * log_density(c)) - 1
    assert ratio > 1
    assert marginal.needed(model, x, found) == pytest.approx(100 * ratio, rel=1e-3)


def test_running_estimates_are_those_of_the_first_draws():
    values = np.random.default_rng(0).normal(-900, 30, size=(3, 1000))  # far below what exp can hold
    found = marginal.running(values, 20)
    assert (found.counts[0], found.counts[-1]) == (1, 1000)
    assert (np.diff(found.counts) > 0).all()
    for column, count in enumerate(found.counts):
        first = values[:, :count]
        np.testing.assert_allclose(found.estimates[:, column], logsumexp(first, axis=1) - np.log(count))
        weights = np.exp(first - first.max(1, keepdims=True))
        np.testing.assert_allclose(
            found.effective[:, column], weights.sum(1) ** 2 / np.square(weights).sum(1)
        )
    np.testing.assert_allclose(found.spread, found.estimates.std(0, ddof=1))
    assert marginal.running(values[:1]).spread is None


def test_equal_weights_all_count():
    found = marginal.running(np.full((2, 500), -1234.5))
    np.testing.assert_allclose(found.estimates, -1234.5)
    np.testing.assert_allclose(found.effective, np.broadcast_to(found.counts, found.effective.shape))
    assert found.settled(-1234.5) == 1
    assert found.settled(-1230.0) is None


def test_settled_is_the_first_count_from_which_on_all_are_near():
    counts = np.array([1, 10, 100, 1000])
    estimates = np.array([[0.0, 5.0, 0.05, 0.0], [0.0, 0.0, -0.05, 0.0]])
    assert marginal.Running(counts, estimates, estimates).settled(0.0) == 100


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 0, 0, 0], 1), ([0.25] * 4, 4), ([0.05, 0.8, 0.05, 0.1], 2), ([1] * 1000, 900)],
)
def test_heavy_counts_the_draws_that_make_the_sum(weights, expected):
    with np.errstate(divide="ignore"):
        found = marginal.heavy(np.log(np.array(weights, np.float64)) - 800)
    assert found == pytest.approx(expected, abs=1)


def test_draws_come_from_the_prior_and_from_the_generator(model, x):
    told = []
    codes, values = marginal.prior_draws(model, x, 2, 3000, torch.Generator().manual_seed(4), told.append)
    again, same = drawn(model, x, 2, 3000, seed=4)
    assert torch.equal(codes, again)
    np.testing.assert_array_equal(values, same)
    np.testing.assert_allclose(codes.flatten(0, 1).mean(0), 0, atol=0.06)
    np.testing.assert_allclose(codes.flatten(0, 1).std(0), 1, atol=0.05)
    normal = Normal(model.decode(codes[1, :5]).mean, 0.2)
    np.testing.assert_allclose(values[1, :5], Independent(normal, 3).log_prob(x).detach(), rtol=1e-4)
    assert told[-1] == 1
    assert told == sorted(told)


def test_it_stops_and_refuses(model, x):
    generator = torch.Generator()
    with pytest.raises(Stopped):
        marginal.prior_draws(model, x, 1, 10, generator, should_stop=lambda: True)
    with pytest.raises(ConfigError, match="draws = 0"):
        marginal.prior_draws(model, x, 1, 0, generator)
