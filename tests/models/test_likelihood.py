"""log p(x|z) against computations that know nothing of the code."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from vae_core.config import ModelConfig
from vae_core.models import build
from vae_core.models.likelihood import ContinuousBernoulli, likelihood, log_likelihood

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


@pytest.mark.parametrize("kind", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_gradients_flow_into_the_decoders_output(kind):
    output = numbers(0).requires_grad_()
    likelihood(config(kind), output).log_prob(grey(1)).sum().backward()
    assert output.grad is not None
    assert output.grad.all()


# --- the continuous Bernoulli -------------------------------------------------------------------------------

ETAS = [0.0, 1e-7, -1e-4, 0.01, 0.49, 0.4999999, 0.5, -0.51, 2.0, -7.0, 16.5, 60.0, -300.0]


def moment(eta, power, about=0.0):
    """The integral of (x - about)^power e^(eta x) over [0, 1], over that of e^(eta x)."""
    where = 0 if eta < 0 else 1  # the density's peak, so that nothing overflows

    def integral(function):
        edges = np.unique(np.clip([0, where - 30 / max(abs(eta), 1), where + 30 / max(abs(eta), 1), 1], 0, 1))
        return sum(
            integrate.quad(lambda x: function(x) * np.exp(eta * (x - where)), *pair, epsabs=0, epsrel=1e-12)[
                0
            ]
            for pair in itertools.pairwise(edges)
        )

    return integral(lambda x: (x - about) ** power) / integral(lambda x: 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("eta", ETAS)
def test_continuous_bernoulli_is_a_density_with_its_mean_and_variance(eta, dtype):
    p = ContinuousBernoulli(logits=torch.tensor(eta, dtype=dtype), validate_args=False)
    x, weights = np.polynomial.legendre.leggauss(200)
    panels = np.linspace(0, 1, 41)  # 40 x 200 nodes: exact for every slope here
    nodes = (panels[:-1, None] + np.diff(panels)[:, None] * (x + 1) / 2).ravel()
    weights = np.tile(weights / 80, 40)
    density = p.log_prob(torch.tensor(nodes, dtype=dtype)).exp().double().numpy()
    tight = 1e-8 if dtype == torch.float64 else 1e-4
    assert weights @ density == pytest.approx(1, rel=tight)
    mean = moment(eta, 1)
    rounding = 10 * torch.finfo(torch.float32).eps  # of a mean between 0 and 1, after some steps
    assert p.mean.item() == pytest.approx(mean, rel=1e-7, abs=0 if dtype == torch.float64 else rounding)
    # Near |eta| = 1/2 float32 takes a small difference of large numbers, and float64 sees where the series ends.
    assert p.variance.item() == pytest.approx(
        moment(eta, 2, mean), rel=2e-6 if dtype == torch.float64 else 1e-4
    )


def test_continuous_bernoulli_agrees_with_torchs_own_in_float64_where_that_is_accurate():
    eta, x = numbers(0).double(), grey(1).double()
    theirs = torch.distributions.ContinuousBernoulli(logits=eta, lims=(0.4999, 0.5001))
    ours = ContinuousBernoulli(logits=eta)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-5, atol=1e-6)


def test_continuous_bernoulli_has_the_right_derivatives_across_both_of_its_forms():
    eta = torch.tensor([-40.0, -0.5001, -0.4999, -1e-9, 0.0, 0.3, 0.5001, 3.0], dtype=torch.float64)
    x = torch.linspace(0, 1, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda e: ContinuousBernoulli(logits=e, validate_args=False).log_prob(x), eta.requires_grad_()
    )
    assert torch.autograd.gradcheck(lambda e: ContinuousBernoulli(logits=e, validate_args=False).mean, eta)


def test_continuous_bernoulli_draws_have_its_mean():
    eta = torch.tensor([-5.0, 0.2, 9.0])
    p = ContinuousBernoulli(logits=eta)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = p.sample((20_000,))
    assert ((draws.mean(0) - p.mean).abs() < 5 * p.stddev / 20_000**0.5).all()


# --- what training calls ------------------------------------------------------------------------------------

KINDS = ["bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [(), (5,)])
def test_the_log_likelihood_is_that_of_the_distribution(kind, samples):
    output = numbers(0, count=4).expand(*samples, 4, *SHAPE) if samples else numbers(0)
    x, variance = grey(1), torch.tensor(0.3) if kind == "gaussian-optimal" else None
    found = log_likelihood(config(kind), output, x, variance)
    assert found.shape == (*samples, 4)
    expected = likelihood(config(kind), output, variance).log_prob(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("shape", [(5,), (2, 9), (3, 8, 9)])
@pytest.mark.parametrize("kind", ["gaussian", "gaussian-optimal"])
def test_an_event_is_one_example_of_whatever_shape(shape, kind):
    settings = ModelConfig(data_shape=shape, likelihood=kind)
    p = likelihood(settings, torch.zeros(4, *shape), torch.tensor(1.0))
    assert (p.batch_shape, p.event_shape) == ((4,), shape)


def test_the_optimal_variance_is_part_of_the_state_and_is_what_decode_uses():
    model = build(config("gaussian-optimal"))
    z = torch.zeros(2, 2)
    assert model.state_dict()["variance"].shape == ()
    assert model.decode(z).variance.unique().tolist() == [1]
    model.variance.fill_(0.09)
    torch.testing.assert_close(model.decode(z).stddev, torch.full((2, *SHAPE), 0.3))
    again = build(config("gaussian-optimal"))
    again.load_state_dict(model.state_dict())
    assert again.decode(z).variance.unique().item() == pytest.approx(0.09)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_other_likelihoods_keep_no_variance(kind):
    assert "variance" not in build(config(kind)).state_dict()
