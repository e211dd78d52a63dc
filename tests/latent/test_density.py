"""Density of codes, against closed forms and scikit-learn's kernel density; points that stand out."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, gammaln
from sklearn.neighbors import KernelDensity

from vae_core.errors import CodeError, ConfigError, DataError
from vae_core.latent.density import log_density, worst


def draw(n, latent, seed=0):
    return np.random.default_rng(seed).normal(size=(n, latent)).astype(np.float32)


def test_three_points_on_a_line_by_hand():
    codes = np.array([[0.0], [1.0], [4.0]], np.float32)
    r = np.array([1.0, 1.0, 3.0])  # to the nearest of the 2 others
    expected = digamma(1) - digamma(3) - np.log(2 * r)
    np.testing.assert_allclose(log_density(codes, k=1), expected)


@pytest.mark.parametrize("latent", [1, 2, 5, 30])
def test_the_volume_is_that_of_the_ball(latent):
    codes = np.zeros((2, latent), np.float32)
    codes[1, 0] = 2.0
    log_ball = latent / 2 * np.log(np.pi) - gammaln(latent / 2 + 1)
    expected = digamma(1) - digamma(2) - log_ball - latent * np.log(2)
    np.testing.assert_allclose(log_density(codes, k=1), [expected] * 2)


@pytest.mark.parametrize(("latent", "tolerance"), [(1, 0.03), (2, 0.05), (4, 0.12)])
def test_minus_the_mean_is_the_entropy(latent, tolerance):
    found = -log_density(draw(4000, latent), k=5).mean()
    assert found == pytest.approx(stats.multivariate_normal(cov=np.eye(latent)).entropy(), abs=tolerance)


def test_it_agrees_with_the_true_density_and_with_kernels():
    codes, query = draw(5000, 2), draw(300, 2, seed=1)
    found = log_density(codes, query, k=50)
    truth = stats.multivariate_normal(cov=np.eye(2)).logpdf(query)
    kernels = KernelDensity(bandwidth=5000 ** (-1 / 6)).fit(codes).score_samples(query)
    inside = np.linalg.norm(query, axis=1) < 2
    assert np.abs(found - truth)[inside].mean() < 0.2
    assert np.abs(found - kernels)[inside].mean() < 0.25
    assert np.corrcoef(found, kernels)[0, 1] > 0.9


def test_scaling_the_codes_shifts_the_density_by_the_volume():
    codes = draw(300, 3)
    np.testing.assert_allclose(
        log_density(codes * 2, k=4), log_density(codes, k=4) - 3 * np.log(2), rtol=1e-6
    )


def test_planted_outliers_are_the_least_dense():
    codes = draw(2000, 10)
    planted = [3, 700, 1999]
    codes[planted] = 8 * np.eye(3, 10, dtype=np.float32)
    assert set(np.argsort(log_density(codes))[:3].tolist()) == set(planted)


def test_repeated_codes_are_dense_and_finite():
    codes = np.concatenate([draw(200, 2), np.full((50, 2), 0.5, np.float32)])
    found = log_density(codes, k=5)
    assert np.isfinite(found).all()
    assert found[200:] == pytest.approx(np.full(50, found.max()))
    assert found.max() == pytest.approx(np.sort(found[:200])[-1])  # as dense as the densest with a distance


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30])
def test_codes_that_are_all_equal_are_equally_dense(value):
    found = log_density(np.full((40, 3), value, np.float32), k=5)
    assert np.isfinite(found).all()
    assert len(set(found.tolist())) == 1


def test_density_refuses_what_it_cannot_use():
    codes = draw(10, 2)
    for k in (0, 10):
        with pytest.raises(ConfigError, match=rf"k is {k}, but must be between 1 and 9,"):
            log_density(codes, k=k)
    assert log_density(codes, codes[:1], k=10).shape == (1,)
    with pytest.raises(ConfigError, match="between 1 and 0"):
        log_density(codes[:1], k=1)
    codes[2, 0] = np.nan
    with pytest.raises(CodeError, match="1 of 10 rows"):
        log_density(codes, k=2)


# --- the worst of each class --------------------------------------------------------------------------------


def test_the_worst_are_the_highest_of_each_label_in_order():
    values = np.array([3.0, 1, 2, 9, 9, 5])
    labels = np.array([0, 0, 0, 7, 7, -1], np.int16)
    found = {label: each.tolist() for label, each in worst(values, labels, 2).items()}
    assert found == {-1: [5], 0: [0, 2], 7: [3, 4]}


def test_without_labels_there_is_one_list():
    (label, found), *rest = worst(np.array([1.0, 3.0, 2.0]), count=2).items()
    assert (label, found.tolist(), rest) == (None, [1, 2], [])
    assert worst(np.array([]))[None].tolist() == []


def test_worst_refuses_what_it_cannot_rank():
    with pytest.raises(
        DataError, match=r"^labels has 3 entries for 2 values; pass one label for each value\.$"
    ):
        worst(np.zeros(2), np.zeros(3, int))
    with pytest.raises(DataError, match="NaN in 1 of 2 places"):
        worst(np.array([0.0, np.nan]))
    with pytest.raises(ConfigError, match="count is 0"):
        worst(np.zeros(2), count=0)
