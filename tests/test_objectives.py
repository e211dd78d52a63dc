"""The ELBO's terms against torch.distributions, closed forms and sample statistics."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from vae_core import objectives
from vae_core.config import ModelConfig
from vae_core.models import PointMass, build
from vae_core.objectives import Terms, kl_to_prior, reparameterize


def gaussian(mean, std):
    return Independent(Normal(torch.as_tensor(mean), torch.as_tensor(std)), 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def posterior(count=2000, seed=0):
    mean = torch.randn(count, 3, generator=generator(seed))
    return gaussian(mean, torch.rand(count, 3, generator=generator(seed + 1)) + 0.1)


class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(W z + b, c I), q(z|x) = N(A x + a, diag(s^2)): everything is known in closed form."""

    latent_dim, data_shape = 2, (3,)

    def __init__(self, std=(0.5, 0.8)):
        self.weight = torch.tensor([[1.0, 0.5], [-0.3, 1.2], [0.4, -0.7]], dtype=torch.float64)
        self.bias = torch.tensor([0.2, -0.1, 0.3], dtype=torch.float64)
        self.recognition = torch.tensor([[0.5, -0.1, 0.2], [0.1, 0.6, -0.3]], dtype=torch.float64)
        self.variance, self.std = 0.4, torch.tensor(std, dtype=torch.float64)

    def encode(self, x):
        mean = x @ self.recognition.T
        return Independent(Normal(mean, self.std.expand_as(mean)), 1)

    def decode(self, z):
        return Independent(Normal(z @ self.weight.T + self.bias, math.sqrt(self.variance)), 1)

    def log_evidence(self, x):
        covariance = self.weight @ self.weight.T + self.variance * torch.eye(3, dtype=torch.float64)
        return MultivariateNormal(self.bias, covariance).log_prob(x)

    def exact_posterior(self, x):
        precision = torch.eye(2, dtype=torch.float64) + self.weight.T @ self.weight / self.variance
        mean = torch.linalg.solve(precision, self.weight.T @ (x - self.bias).T / self.variance).T
        return MultivariateNormal(mean, precision_matrix=precision)


# --- KL -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(1e-5, 50)), min_size=1, max_size=20))
def test_kl_equals_torch_distributions(parameters):
    mean, std = torch.tensor(parameters, dtype=torch.float64).T.unsqueeze(1)
    expected = kl_divergence(Normal(mean, std), Normal(torch.zeros_like(mean), torch.ones_like(std)))
    torch.testing.assert_close(kl_to_prior(gaussian(mean, std)), expected)


@given(st.floats(-10, 10, width=32), st.floats(2**-10, 10, width=32))
def test_kl_is_not_negative(mean, std):
    # In float32 a posterior that is the prior itself may miss zero by the rounding of its parts.
    assert kl_to_prior(gaussian([[mean]], [[std]])).item() >= -1e-6


@given(st.floats(-10, 10), st.floats(1e-3, 10))
def test_kl_is_zero_for_the_prior_and_positive_elsewhere(mean, std):
    assume(abs(mean) > 1e-4 or abs(std - 1) > 1e-4)
    kl = kl_to_prior(gaussian(torch.tensor([[mean, 0.0]]).double(), torch.tensor([[std, 1.0]]).double()))
    assert kl[0, 0] > 1e-9
    assert kl[0, 1] == 0


def test_kl_is_the_mean_log_ratio_of_draws():
    q = gaussian([[0.7, -1.5]] * 40_000, [[0.4, 2.0]] * 40_000)
    z = reparameterize(q, generator())
    ratio = q.base_dist.log_prob(z) - Normal(0, 1).log_prob(z)
    error = ratio.std(0) / 200
    assert ((kl_to_prior(q)[0] - ratio.mean(0)).abs() < 5 * error).all()


def test_kl_pulls_every_posterior_toward_the_prior():
    mean = torch.tensor([[2.0, -1.0]], requires_grad=True)
    std = torch.tensor([[0.2, 3.0]], requires_grad=True)
    kl_to_prior(gaussian(mean, std)).sum().backward()
    assert torch.equal(mean.grad.sign(), mean.sign())  # downhill is toward 0
    assert torch.equal(std.grad.sign(), (std - 1).sign())  # and toward 1


def test_kl_of_a_point_is_left_out():
    point = torch.randn(4, 3, generator=generator())
    assert torch.equal(kl_to_prior(PointMass(point)), torch.zeros(4, 3))


# --- reparameterization -------------------------------------------------------------------------------------


def test_draws_depend_on_the_given_generator_only():
    q = posterior()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = reparameterize(q, generator(7))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(reparameterize(q, generator(7)), first)
    assert not torch.equal(reparameterize(q, generator(8)), first)


def test_draws_move_on_with_the_generator():
    q, source = posterior(), generator()
    assert not torch.equal(reparameterize(q, source), reparameterize(q, source))


def test_without_a_generator_the_global_one_is_used():
    q = posterior()
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(reparameterize(q))
    assert torch.equal(*draws)


def test_draws_have_the_posteriors_mean_and_standard_deviation():
    mean, std, n = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([0.1, 1.0, 3.0]), 50_000
    z = reparameterize(gaussian(mean.expand(n, 3), std.expand(n, 3)), generator())
    assert ((z.mean(0) - mean).abs() < 5 * std / n**0.5).all()
    assert ((z.std(0) - std).abs() < 5 * std / (2 * n) ** 0.5).all()
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 5 / n**0.5


def test_gradients_flow_through_mean_and_width():
    mean = torch.zeros(100, 2, requires_grad=True)
    std = torch.ones(100, 2, requires_grad=True)
    z = reparameterize(gaussian(mean, std), generator())
    z.sum().backward()
    assert torch.equal(mean.grad, torch.ones(100, 2))
    torch.testing.assert_close(std.grad, z.detach())  # dz/ds is the noise, and here z is the noise


def test_a_point_is_drawn_as_itself_and_draws_nothing():
    source = generator()
    point = torch.randn(4, 3, generator=generator(1))
    assert torch.equal(reparameterize(PointMass(point), source), point)
    assert torch.equal(source.get_state(), generator().get_state())


# --- the terms together -------------------------------------------------------------------------------------


def test_the_named_parts_add_up_for_each_example():
    reconstruction = torch.tensor([-3.0, -5.0])
    terms = Terms(reconstruction, torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.25, 4.0]]))
    assert terms.kl.tolist() == [3.5, 4.25]
    assert terms.elbo.tolist() == [-6.5, -9.25]
    assert terms.loss().tolist() == [6.5, 9.25]
    assert terms.loss(beta=4.0).tolist() == [17.0, 22.0]
    assert terms.loss(beta=0.0).tolist() == [3.0, 5.0]


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_terms_are_one_number_per_example_and_per_dimension(kind):
    model = build(ModelConfig(kind=kind, data_shape=(3, 8, 9), latent_dim=4, hidden=(16,)))
    x = torch.rand(5, 3, 8, 9, generator=generator())
    together = objectives.terms(model, x, generator())
    assert together.reconstruction.shape == together.kl.shape == together.elbo.shape == (5,)
    assert together.kl_per_dimension.shape == (5, 4)
    assert (together.kl == 0).all() == (kind == "autoencoder")


def test_an_autoencoders_reconstruction_is_the_log_probability_at_its_code():
    model = build(ModelConfig(kind="autoencoder", data_shape=(1, 8, 9), hidden=(16,), likelihood="gaussian"))
    x = torch.rand(5, 1, 8, 9, generator=generator())
    distance = (model.decode(model.encode(x).mean).mean - x).flatten(1).square().sum(1)
    got = objectives.terms(model, x).reconstruction
    # Both are differences of sums of 72 numbers, which are exact to so many roundings of float32.
    rounding = 72 * torch.finfo(torch.float32).eps * (got.abs().max() + distance.max() / (2 * 0.05)).item()
    torch.testing.assert_close(got - got[0], (distance[0] - distance) / (2 * 0.05), rtol=0, atol=rounding)


def test_the_elbo_misses_the_evidence_by_the_kl_to_the_exact_posterior():
    # log p(x) - ELBO = KL(q(z|x) || p(z|x)), with everything on the right in closed form.
    model = LinearGaussian()
    x = torch.tensor([[0.5, -1.0, 0.3], [1.0, 1.0, -1.0]], dtype=torch.float64)
    q = MultivariateNormal(model.encode(x).mean, torch.diag(model.std**2))
    expected = model.log_evidence(x) - kl_divergence(q, model.exact_posterior(x))
    n = 40_000
    source = generator()
    for one, elbo in zip(x, expected, strict=True):
        draws = objectives.terms(model, one.expand(n, 3), source).elbo
        assert abs(draws.mean() - elbo) < 5 * draws.std() / n**0.5
        assert draws.std() / n**0.5 < 0.05  # so that the line above says something
