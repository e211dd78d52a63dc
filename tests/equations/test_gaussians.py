"""KL between Gaussians, against torch.distributions and by quadrature."""

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vae_core.equations import gaussians
from vae_core.errors import ConfigError


def some(k, seed):
    """A mean and a covariance."""
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(k, k)) + np.eye(k)
    return draw.normal(size=k), root @ root.T + 0.1 * np.eye(k)


@pytest.mark.parametrize("k", [1, 2, 5, 20])
@pytest.mark.parametrize("seed", range(3))
def test_kl_is_that_of_torch(k, seed):
    (m0, s0), (m1, s1) = some(k, seed), some(k, seed + 100)
    first, second = (
        MultivariateNormal(torch.from_numpy(m), torch.from_numpy(s)) for m, s in ((m0, s0), (m1, s1))
    )
    found = gaussians.kl(m0, s0, m1, s1)
    assert found.kl == pytest.approx(float(kl_divergence(first, second)), rel=1e-8)
    assert found.kl >= 0
    assert found.dimensions == k


def test_kl_is_the_integral_that_defines_it():
    (m0, s0), (m1, s1) = some(2, 1), some(2, 2)
    first, second = multivariate_normal(m0, s0), multivariate_normal(m1, s1)
    reach = 9 * np.sqrt(np.diag(s0))

    def integrand(b, a):
        return first.pdf([a, b]) * (first.logpdf([a, b]) - second.logpdf([a, b]))

    value, _ = dblquad(
        integrand, *(m0[0] - reach[0], m0[0] + reach[0], m0[1] - reach[1], m0[1] + reach[1]), epsabs=1e-5
    )
    assert gaussians.kl(m0, s0, m1, s1).kl == pytest.approx(value, abs=1e-3)


def test_it_is_zero_for_equal_ones_and_not_symmetric():
    (m0, s0), (m1, s1) = some(3, 5), some(3, 6)
    same = gaussians.kl(m0, s0, m0, s0)
    assert same.kl == pytest.approx(0, abs=1e-10)
    assert (same.trace, same.distance, same.log_determinants) == pytest.approx((3, 0, 0), abs=1e-10)
    assert gaussians.kl(m0, s0, m1, s1).kl != pytest.approx(gaussians.kl(m1, s1, m0, s0).kl, rel=0.01)


def test_each_term_answers_to_what_it_is_named_after():
    zero, unit = np.zeros(2), np.eye(2)
    moved = gaussians.kl(np.array([3.0, 4.0]), unit, zero, unit)
    assert (moved.trace, moved.distance, moved.log_determinants) == pytest.approx((2, 25, 0))
    wider = gaussians.kl(zero, 4 * unit, zero, unit)
    assert (wider.trace, wider.distance, wider.log_determinants) == pytest.approx((8, 0, -np.log(16)))


def test_the_diagonal_case_falls_apart_into_dimensions():
    mean, std = np.array([0.5, -2.0, 0.0]), np.array([0.1, 1.5, 1.0])
    parts = gaussians.kl_to_prior(mean, std)
    normals = Normal(torch.from_numpy(mean), torch.from_numpy(std))
    expected = kl_divergence(normals, Normal(torch.zeros(3).double(), torch.ones(3).double()))
    np.testing.assert_allclose(parts, expected, rtol=1e-10, atol=1e-12)
    whole = gaussians.kl(mean, np.diag(std**2), np.zeros(3), np.eye(3))
    assert parts.sum() == pytest.approx(whole.kl)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.5, -1.0])
def test_an_ellipse_is_a_covariance_with_its_axes(angle):
    axes = np.array([2.0, 0.5])
    covariance = gaussians.covariance_of(axes, angle)
    direction = np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(covariance @ direction, 4 * direction, atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [0.25, 4])


@pytest.mark.parametrize(
    "covariance", [np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[1.0, 0.5], [0.0, 1.0]])]
)
def test_what_is_no_covariance_is_one_sentence(covariance):
    with pytest.raises(ConfigError, match=r"covariance1 = .* positive definite"):
        gaussians.kl(np.zeros(2), np.eye(2), np.zeros(2), covariance)


def test_settings_out_of_range_are_one_sentence():
    with pytest.raises(ConfigError, match="finite"):
        gaussians.kl(np.array([np.nan]), np.eye(1), np.zeros(1), np.eye(1))
    with pytest.raises(ConfigError, match="std"):
        gaussians.kl_to_prior(np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(ConfigError, match="axes"):
        gaussians.covariance_of(np.array([1.0, -1.0]), 0.0)
