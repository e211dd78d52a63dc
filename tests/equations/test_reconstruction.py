"""The Gaussian log-likelihood and what its variance trades, against torch and against quadrature."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from vae_core.equations import reconstruction
from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation.posterior import Encoded, exact


@pytest.mark.parametrize("c", [1e-3, 0.04, 1.0, 20.0])
def test_the_log_likelihood_is_that_of_torch(model, x, c):
    codes = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    squared = reconstruction.squared_errors(model, x, codes)
    with torch.inference_mode():
        mean = model.decode(codes).mean.double()
        expected = Normal(mean, math.sqrt(c)).log_prob(x.double()).sum((1, 2, 3))
    for error, value in zip(squared.tolist(), expected.tolist(), strict=True):
        found = reconstruction.log_likelihood(error, x.numel(), c)
        assert found.log_likelihood == pytest.approx(value, rel=1e-5)
        assert found.fit == pytest.approx(-error / (2 * c))


def test_more_likely_is_less_error_and_the_best_c_is_the_mean_error():
    best = reconstruction.best_variance(3.2, 64)
    assert best == pytest.approx(0.05)
    at_best = reconstruction.log_likelihood(3.2, 64, best).log_likelihood
    for c in (best / 1.1, best * 1.1):
        assert reconstruction.log_likelihood(3.2, 64, c).log_likelihood < at_best
        assert (
            reconstruction.log_likelihood(3.1, 64, c).log_likelihood
            > reconstruction.log_likelihood(3.2, 64, c).log_likelihood
        )


@pytest.fixture(scope="module")
def on_plane(model, x, q):
    low, high = reconstruction.window(model, x, q, 1.0)
    a, b = (np.linspace(*ends, 128) for ends in zip(low, high, strict=True))
    points = np.stack(np.meshgrid(a, b), -1)
    squared = reconstruction.squared_errors(model, x, torch.from_numpy(points.reshape(-1, 2)))
    return squared.reshape(128, 128).numpy(), points


def test_at_the_models_own_c_the_evidence_is_that_of_quadrature(model, x, on_plane):
    found = reconstruction.tradeoff(*on_plane, x.numel(), 0.04)
    assert found.log_evidence == pytest.approx(exact(model, x).log_evidence, abs=1e-2)
    # log p(x) = E log p(x|z) - KL(p(z|x) || p(z)) holds for the true posterior.
    expected = reconstruction.log_likelihood(found.squared_error, x.numel(), 0.04).log_likelihood - found.rate
    assert found.log_evidence == pytest.approx(expected, abs=1e-6)


def test_a_larger_c_buys_a_lower_rate_with_more_error(on_plane):
    found = [reconstruction.tradeoff(*on_plane, 64, c) for c in np.geomspace(0.02, 1, 12)]
    assert (np.diff([each.rate for each in found]) < 0).all()
    assert (np.diff([each.squared_error for each in found]) > 0).all()
    assert found[0].cells > reconstruction.RESOLVED
    assert reconstruction.tradeoff(*on_plane, 64, 1e-4).cells < reconstruction.RESOLVED


def test_the_window_holds_the_posterior(on_plane):
    squared, points = on_plane
    log_joint = -squared / 2 - 0.5 * np.square(points).sum(-1)
    shares = np.exp(log_joint - log_joint.max())
    shares /= shares.sum()
    assert shares[[0, -1]].sum() + shares[:, [0, -1]].sum() < 1e-3


def test_a_linear_decoder_has_the_closed_form():
    """x = a z + noise in each of two dimensions: rate and error of the posterior are known."""
    line = np.linspace(-6, 6, 201)
    points = np.stack(np.meshgrid(line, line), -1)
    x, a, c = np.array([1.0, -0.5]), np.array([2.0, 0.7]), 0.5
    squared = np.square(x - a * points).sum(-1)
    found = reconstruction.tradeoff(squared, points, 2, c)
    evidence = Normal(0, torch.from_numpy(np.sqrt(a**2 + c))).log_prob(torch.from_numpy(x)).sum()
    variance = 1 / (1 + a**2 / c)
    mean = variance * a * x / c
    rate = (0.5 * (mean**2 + variance - 1) - 0.5 * np.log(variance)).sum()
    error = (np.square(x - a * mean) + a**2 * variance).sum()
    assert found.log_evidence == pytest.approx(float(evidence), abs=1e-6)
    assert (found.rate, found.squared_error) == pytest.approx((rate, error), abs=1e-6)
    assert found.cells == pytest.approx(math.sqrt(variance.min()) / 0.06, rel=1e-4)


@pytest.mark.parametrize("c", [0.0, -1.0, math.nan, math.inf])
def test_a_variance_out_of_range_is_one_sentence(on_plane, c):
    with pytest.raises(ConfigError, match="variance"):
        reconstruction.log_likelihood(1.0, 64, c)
    with pytest.raises(ConfigError, match="variance"):
        reconstruction.tradeoff(*on_plane, 64, c)


def test_the_window_stops(model, x):
    with pytest.raises(Stopped):
        reconstruction.window(model, x, Encoded(torch.zeros(2), torch.ones(2)), 1.0, lambda: True)
