"""Both estimators of the gradient are unbiased, and one varies far less; against closed forms and finite differences."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

from vae_core.equations import gradients
from vae_core.errors import ConfigError, PosteriorError
from vae_core.evaluation import posterior
from vae_core.evaluation.posterior import Encoded
from vae_core.objectives import gaussian_kl

MEAN, STD = torch.tensor([0.4, -0.8]), torch.tensor([0.3, 0.6])
A = torch.tensor([[2.0, 0.5], [0.5, -1.0]])
Q = Encoded(MEAN, STD)
NAMES = ("reparameterized", "score", "baseline")


def quadratic(z):
    z = z.double()
    return (z @ A.double() * z).sum(1) + 3 * z[:, 0] + 20


def closed_form():
    """E_q[z' A z + 3 z_1] = m' A m + sum_d A_dd s_d^2 + 3 m_1."""
    mean = MEAN.double().numpy()
    slope = 2 * A.double().numpy() @ mean + [3, 0]
    return np.concatenate((slope, 2 * A.diagonal().double().numpy() * STD.double().numpy()))


@pytest.fixture(scope="module")
def of_quadratic():
    return gradients.estimates(quadratic, Q, 40_000, torch.Generator().manual_seed(0))


def test_the_exact_gradient_is_the_closed_form():
    np.testing.assert_allclose(gradients.exact(quadratic, Q), closed_form(), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_both_are_unbiased(of_quadratic, name):
    found = getattr(of_quadratic, name)
    assert (np.abs(found.mean - closed_form()) < 4.5 * found.error).all()
    np.testing.assert_allclose(found.variance, found.draws.var(0, ddof=1))


def test_variances_are_the_known_ones(of_quadratic):
    # dh/dz = 2 A z + (3, 0) is Gaussian with the covariance 4 A diag(s^2) A.
    expected = np.diag(4 * (A * STD**2) @ A)
    np.testing.assert_allclose(of_quadratic.reparameterized.variance[:2], expected, rtol=0.05)


def test_a_constant_makes_only_the_score_function_noisier(of_quadratic):
    more = gradients.estimates(lambda z: quadratic(z) + 1000, Q, 40_000, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(more.reparameterized.draws, of_quadratic.reparameterized.draws, atol=1e-4)
    np.testing.assert_allclose(more.baseline.draws, of_quadratic.baseline.draws, atol=0.1)
    assert (more.score.variance > 100 * of_quadratic.score.variance).all()


def test_the_exact_gradient_of_the_model_is_that_of_finite_differences(model, x, q):
    def reconstruction(parameters):
        moved = Encoded(torch.tensor(parameters[:2]), torch.tensor(parameters[2:]))
        kl = gaussian_kl(moved.mean[None], moved.std[None]).sum()
        return posterior.elbo(model, x, moved) + float(kl)

    at = torch.cat((q.mean, q.std)).double().numpy()
    slopes = []
    for which in range(4):
        step = np.zeros(4)
        step[which] = 2e-3
        slopes.append((reconstruction(at + step) - reconstruction(at - step)) / 4e-3)
    found = gradients.exact(lambda z: posterior.log_likelihood(model, x, z), q)
    np.testing.assert_allclose(found, slopes, atol=0.02 * np.abs(slopes).max())


def test_for_the_model_reparameterization_varies_less_and_neither_is_biased(model, x, q):
    def h(z):
        return posterior.log_likelihood(model, x, z)

    found = gradients.estimates(h, q, 20_000, torch.Generator().manual_seed(1))
    exact = gradients.exact(h, q)
    for name in NAMES:
        estimate = getattr(found, name)
        assert (np.abs(estimate.mean - exact) < 4.5 * estimate.error).all()
    assert (found.score.variance > 1.5 * found.baseline.variance).all()
    assert (found.baseline.variance > 2 * found.reparameterized.variance).all()


def test_draw_by_draw_it_is_the_derivative_along_the_draw(model, x, q):
    found = gradients.estimates(
        lambda z: posterior.log_likelihood(model, x, z), q, 3, torch.Generator().manual_seed(2)
    )
    noise = torch.randn(3, 2, generator=torch.Generator().manual_seed(2))
    for row in range(3):
        by_mean, by_std = jacobian(
            lambda m, s, xi=noise[row]: posterior.log_likelihood(model, x, (m + s * xi)[None]).sum(),
            (q.mean, q.std),
        )
        np.testing.assert_allclose(
            found.reparameterized.draws[row], torch.cat((by_mean, by_std)), rtol=1e-3, atol=1e-3
        )


def test_one_dimension_works_and_more_than_two_have_no_quadrature():
    one = Encoded(torch.tensor([0.5]), torch.tensor([0.2]))
    np.testing.assert_allclose(gradients.exact(lambda z: z[:, 0].double() ** 2, one), [1.0, 0.4], rtol=1e-5)
    ten = Encoded(torch.zeros(10), torch.ones(10))
    with pytest.raises(PosteriorError, match="10 dimensions"):
        gradients.exact(lambda z: z.sum(1).double(), ten)
    found = gradients.estimates(lambda z: z.sum(1).double(), ten, 50, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(found.reparameterized.mean[:10], 1)


def test_one_draw_is_too_few():
    with pytest.raises(ConfigError, match="draws = 1"):
        gradients.estimates(quadratic, Q, 1, torch.Generator())
