"""PCA of few points: the lecture's numbers, scikit-learn's, and that no direction does better."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vae_core.equations import linear
from vae_core.errors import ConfigError

CODES = [-0.63, -0.39, 0.09, 0.41, 0.53]
DECODED = [(-0.54, -0.33), (-0.34, -0.20), (0.07, 0.04), (0.35, 0.21), (0.46, 0.27)]


def test_the_five_points_encode_and_decode_as_in_the_lecture():
    found = linear.principal(linear.POINTS).reduction
    np.testing.assert_array_equal(found.codes.round(2), CODES)
    np.testing.assert_array_equal(found.decoded.round(2), DECODED)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_that_of_scikit_learn(seed):
    points = np.random.default_rng(seed).normal(size=(12, 2)) @ [[1.0, 0.4], [0.1, 0.6]] + [3, -2]
    found = linear.principal(points)
    theirs = PCA(2).fit(points)
    np.testing.assert_allclose(found.reduction.centre, theirs.mean_)
    np.testing.assert_allclose(found.variances * 12 / 11, theirs.explained_variance_)
    np.testing.assert_allclose(np.abs(np.sum(found.axes.T * theirs.components_, 1)), 1)
    one = PCA(1).fit(points)
    np.testing.assert_allclose(found.reduction.decoded, one.inverse_transform(one.transform(points)))
    np.testing.assert_allclose(found.covariance, np.cov(points.T, ddof=0))


def test_no_direction_is_better_and_the_error_is_the_other_eigenvalue():
    found = linear.principal(linear.POINTS)
    errors = [linear.along(linear.POINTS, angle).error for angle in np.linspace(0, np.pi, 361)]
    assert found.reduction.error <= min(errors)
    assert found.reduction.error == pytest.approx(5 * found.variances[1])
    angle = np.arctan2(*found.reduction.direction[::-1])
    assert linear.along(linear.POINTS, angle).error == pytest.approx(found.reduction.error)
    assert linear.along(linear.POINTS, angle + np.pi / 2).error == pytest.approx(5 * found.variances[0])


def test_what_is_lost_is_at_right_angles_to_what_is_kept():
    points = linear.POINTS + np.array([2.0, 1.0])
    found = linear.along(points, 0.3)
    lost = points - found.decoded
    np.testing.assert_allclose(lost @ found.direction, 0, atol=1e-12)
    np.testing.assert_allclose(found.errors, np.square(lost).sum(1))
    assert np.linalg.norm(found.direction) == pytest.approx(1)


@pytest.mark.parametrize("angle", [0.0, 1.5, 2.0, 3.1, 4.0, -0.5])
def test_a_direction_has_one_sign(angle):
    one, other = linear.along(linear.POINTS, angle), linear.along(linear.POINTS, angle + np.pi)
    assert one.direction[0] >= 0
    np.testing.assert_allclose(one.codes, other.codes, atol=1e-12)


def test_points_above_one_another_have_the_upright_axis():
    found = linear.principal(np.array([[1.0, 0.0], [1.0, 2.0], [1.0, 4.0]]))
    np.testing.assert_allclose(found.reduction.direction, [0, 1], atol=1e-12)
    np.testing.assert_allclose(found.reduction.codes, [-2, 0, 2])
    assert found.reduction.error == pytest.approx(0)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.zeros((1, 2)), "1 rows"),
        (np.array([[0.0, np.nan], [1, 1]]), "finite"),
        (np.ones((4, 2)), "at one place"),
    ],
)
def test_what_has_no_principal_axis_is_one_sentence(points, sentence):
    with pytest.raises(ConfigError, match=sentence):
        linear.principal(points)
