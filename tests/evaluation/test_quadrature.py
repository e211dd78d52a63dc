"""Adaptive quadrature of densities whose integral is known, in closed form or by scipy."""

import math

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.quadrature import integrate


def gaussian(mean, covariance):
    return multivariate_normal(mean, covariance).logpdf


@pytest.mark.parametrize("std", [2e-3, 0.05, 0.8])
@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_a_gaussian_of_any_width_integrates_to_one_and_has_its_moments(std, correlation):
    mean = np.array([3.1234, -2.2])
    covariance = std**2 * np.array([[1, 0.5 * correlation], [0.5 * correlation, 0.25]])
    found = integrate(lambda z: gaussian(mean, covariance)(z) - 1234.5, 2, 6.0)
    assert found.log_value == pytest.approx(-1234.5, abs=1e-3)
    assert found.moved < 1e-3
    where, spread = found.moments()
    np.testing.assert_allclose(where, mean, atol=1e-3 * std)
    np.testing.assert_allclose(spread, covariance, rtol=2e-3, atol=2e-3 * std**2)
    assert logsumexp(found.log_shares) == pytest.approx(0, abs=1e-9)


def test_one_dimension():
    found = integrate(lambda z: -0.5 * ((z[:, 0] - 1.7) / 0.01) ** 2, 1, 6.0)
    assert found.log_value == pytest.approx(math.log(0.01 * math.sqrt(2 * math.pi)), abs=1e-4)
    mean, covariance = found.moments()
    assert mean == pytest.approx([1.7], abs=1e-5)
    assert covariance.ravel() == pytest.approx([1e-4], rel=1e-3)


def test_far_and_narrow_modes_keep_their_shares():
    places = [(-4.3, 3.3), (4.1, -0.7), (0.03, 0.02)]
    shares = [0.2, 0.5, 0.3]
    modes = [gaussian(place, np.eye(2) * 0.01**2) for place in places]

    def log_density(z):
        return logsumexp([np.log(share) + mode(z) for share, mode in zip(shares, modes, strict=True)], axis=0)

    found = integrate(log_density, 2, 6.0)
    assert found.log_value == pytest.approx(0, abs=1e-3)
    for place, share in zip(places, shares, strict=True):
        near = np.linalg.norm(found.points - place, axis=1) < 0.1
        assert np.exp(found.log_shares[near]).sum() == pytest.approx(share, abs=1e-3)


def banana(z):
    return -0.5 * (z[:, 0] ** 2 + ((z[:, 1] - z[:, 0] ** 2 + 1) / 0.1) ** 2)


def test_a_bent_ridge_as_scipy_integrates_it():
    found = integrate(banana, 2, 6.0)
    assert found.log_value == pytest.approx(math.log(2 * math.pi * 0.1), abs=1e-3)  # a shear keeps areas


def test_a_density_with_kinks_as_scipy_integrates_it():
    def log_density(z):
        return -3 * np.abs(z[:, 0] - 0.3) - 2 * np.abs(z[:, 1] + z[:, 0]) - 0.5 * (z**2).sum(1)

    reference, _ = dblquad(
        lambda b, a: math.exp(log_density(np.array([[a, b]]))[0]), -5, 5, -5, 5, epsabs=1e-5, epsrel=1e-5
    )
    assert integrate(log_density, 2, 6.0).log_value == pytest.approx(math.log(reference), abs=1e-3)


def test_mass_beyond_the_square_makes_it_grow():
    found = integrate(gaussian([14.0, 0.0], np.eye(2)), 2, 6.0)
    assert found.log_value == pytest.approx(0, abs=1e-3)
    assert found.moments()[0] == pytest.approx([14.0, 0.0], abs=1e-3)


def test_heavy_points_hold_all_but_the_share():
    found = integrate(gaussian([0.0, 0.0], np.eye(2)), 2, 6.0)
    radius = np.linalg.norm(found.heavy(1e-3), axis=1).max()
    # exp(-r^2 / 2) = 1e-3 at 3.72; points lie within cells, which reach a little further.
    assert 3.4 < radius < 4.4


@pytest.mark.parametrize(
    ("log_density", "says"),
    [
        (lambda z: np.full(len(z), np.nan), "not a number"),
        (lambda z: np.where(z[:, 0] > 0, np.inf, 0.0), "not a number"),
        (lambda z: np.zeros(len(z)), "further than 1000"),
    ],
)
def test_what_has_no_integral_is_refused(log_density, says):
    with pytest.raises(PosteriorError, match=says):
        integrate(log_density, 2, 6.0)


def test_places_without_any_density_are_allowed():
    def half(z):
        with np.errstate(divide="ignore"):
            return np.log(z[:, 0] > 0) - 0.5 * (z**2).sum(1) - math.log(2 * math.pi)

    assert integrate(half, 2, 6.0).log_value == pytest.approx(math.log(0.5), abs=1e-3)


def test_it_can_be_stopped_and_says_how_far_it_is():
    with pytest.raises(Stopped):
        integrate(banana, 2, 6.0, should_stop=lambda: True)
    seen = []
    integrate(gaussian([1.0, 2.0], 0.01 * np.eye(2)), 2, 6.0, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
