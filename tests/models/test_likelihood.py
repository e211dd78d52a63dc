"""log p(x|z) against computations that know nothing of the code."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from vae_core.config import ModelConfig
from vae_core.models.likelihood import likelihood

SHAPE = (3, 8, 9)


def config(kind, variance=0.05):
    return ModelConfig(data_shape=SHAPE, likelihood=kind, variance=variance)


def numbers(seed, count=4, scale=2.0):
    return scale * torch.randn((count, *SHAPE), generator=torch.Generator().manual_seed(seed))


def grey(seed, count=4):
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(seed))


def test_bernoulli_of_black_and_white_images_equals_scipy():
    logits, x = numbers(0), grey(1).round()
    p = special.expit(logits.double().numpy())
    expected = stats.bernoulli.logpmf(x.numpy().astype(int), p).reshape(4, -1).sum(1)
    ours = likelihood(config("bernoulli"), logits).log_prob(x)
    assert ours.shape == (4,)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5)


def test_bernoulli_of_a_grey_image_is_the_average_over_its_binarizations():
    # A grey pixel counts as the probability of being on, so log p is an expectation over coin flips.
    logits, x = numbers(0), grey(1)
    ours = likelihood(config("bernoulli"), logits).log_prob(x)
    p = special.expit(logits.double().numpy())
    flips = np.random.default_rng(3).random((2000, *x.shape)) < x.numpy()
    sampled = np.where(flips, np.log(p), np.log1p(-p)).reshape(2000, 4, -1).sum(-1)
    error = sampled.std(0) / 2000**0.5
    assert (np.abs(sampled.mean(0) - ours.numpy()) < 5 * error).all()
    assert (error < 0.5).all()  # of some 200 nats, so that the line above says something


def test_bernoulli_mean_is_the_probability_of_each_pixel():
    logits = numbers(0)
    np.testing.assert_allclose(
        likelihood(config("bernoulli"), logits).mean.numpy(), special.expit(logits.numpy()), rtol=1e-5
    )


@pytest.mark.parametrize("size", [50.0, 1000.0])
def test_bernoulli_stays_finite_far_out(size):
    logits = torch.full((1, *SHAPE), size, requires_grad=True)
    log_p = likelihood(config("bernoulli"), logits).log_prob(torch.zeros(1, *SHAPE))
    assert log_p.item() == pytest.approx(-size * np.prod(SHAPE), rel=1e-5)
    log_p.sum().backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("variance", [1e-4, 0.05, 1.0, 100.0])
def test_gaussian_equals_scipy(variance):
    f, x = numbers(0, scale=0.3), grey(1)
    expected = (
        stats.norm.logpdf(x.double().numpy(), f.double().numpy(), np.sqrt(variance)).reshape(4, -1).sum(1)
    )
    ours = likelihood(config("gaussian", variance), f).log_prob(x)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=2e-5)


@given(st.floats(0.01, 10), st.integers(0, 1000))
def test_gaussian_differs_between_images_by_their_squared_distance_over_2c(variance, seed):
    f, x, y = numbers(seed, scale=0.3).double(), grey(seed + 1).double(), grey(seed + 2).double()
    p = likelihood(config("gaussian", variance), f)
    distance = [(f - image).flatten(1).norm(dim=1) ** 2 for image in (x, y)]
    torch.testing.assert_close(p.log_prob(x) - p.log_prob(y), (distance[1] - distance[0]) / (2 * variance))


def test_gaussian_mean_is_the_decoders_output():
    f = numbers(0)
    assert torch.equal(likelihood(config("gaussian"), f).mean, f)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_gradients_flow_into_the_decoders_output(kind):
    output = numbers(0).requires_grad_()
    likelihood(config(kind), output).log_prob(grey(1)).sum().backward()
    assert output.grad is not None
    assert output.grad.all()
