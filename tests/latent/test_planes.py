"""Planes and grids: where places are, which way is up, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from vae_core.config import ProjectionConfig
from vae_core.errors import PlaneError
from vae_core.latent import planes
from vae_core.latent.planes import Plane
from vae_core.latent.projection import project

F = np.float32


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def paint(codes):
    """A decoder whose picture is its first two coordinates: red for z_0, green for z_1."""
    return codes[..., :2]


def test_the_grid_is_as_it_is_looked_at():
    base = np.array([9, 9, 0.5], np.float32)
    picture = paint(planes.grid(planes.of_dimensions(base, 0, 1), 5, low=-2.0, high=2.0))
    assert picture.shape == (5, 5, 2)
    assert picture[0, 0].tolist() == [-2, 2]  # top left: the smallest u, the largest v
    assert picture[0, -1].tolist() == [2, 2]
    assert picture[-1, 0].tolist() == [-2, -2]
    assert (np.diff(picture[..., 0], axis=1) == 1).all()
    assert (np.diff(picture[..., 1], axis=0) == -1).all()


def test_a_plane_of_dimensions_leaves_the_others_alone():
    base = draw(5)
    codes = planes.grid(planes.of_dimensions(base, 3, 1), 4)
    np.testing.assert_array_equal(codes[..., [0, 2, 4]], np.broadcast_to(base[[0, 2, 4]], (4, 4, 3)))
    np.testing.assert_array_equal(codes[0, :, 3], np.linspace(-3, 3, 4, dtype=np.float32))
    np.testing.assert_array_equal(codes[:, 0, 1], np.linspace(3, -3, 4, dtype=np.float32))


@pytest.mark.parametrize("n", [2, 5, 20, 40])
def test_quantiles_are_those_of_the_normal_distribution(n):
    plane = planes.of_dimensions(np.zeros(2, np.float32), 0, 1)
    codes = planes.grid(plane, n, spacing="quantile")
    shares = norm.cdf(codes[0, :, 0].astype(np.float64))
    np.testing.assert_allclose(shares, (np.arange(n) + 0.5) / n, atol=1e-6)
    np.testing.assert_allclose(codes[::-1, 0, 1], norm.ppf((np.arange(n) + 0.5) / n), atol=1e-6)


@given(st.integers(2, 9), st.integers(0, 10**6))
def test_place_to_code_to_place_closes_on_any_plane(latent, seed):
    plane = Plane(
        draw(latent, seed=seed), np.linalg.qr(draw(latent, 2, seed=seed + 1))[0].T * F([[2], [0.5]])
    )
    places = draw(7, 2, seed=seed + 2)
    codes = plane.codes(places)
    np.testing.assert_allclose(plane.places(codes), places, atol=1e-4)
    np.testing.assert_allclose(plane.distance(codes), 0, atol=1e-5)


def test_the_distance_is_how_far_a_code_is_off():
    plane = planes.of_dimensions(np.zeros(4, np.float32), 0, 2)
    assert plane.distance(np.array([[7.0, 3, -5, 4]])).tolist() == [5]
    assert plane.places(np.array([[7.0, 3, -5, 4]])).tolist() == [[7, -5]]
    assert plane.reach(np.array([[1.0, 9, -5, 9]])) == pytest.approx(5)


@given(st.integers(2, 9), st.integers(0, 10**6))
def test_three_codes_span_their_plane(latent, seed):
    corners = draw(3, latent, seed=seed) * 3 + 1
    plane = planes.through(*corners)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(plane.distance(corners), 0, atol=1e-4)
    a, b, c = plane.places(corners)
    assert a[1] == pytest.approx(b[1], abs=1e-4)
    assert b[0] > a[0]
    assert c[1] > a[1]
    np.testing.assert_allclose((a + b + c), 0, atol=1e-4)
    reach = plane.reach(corners)
    assert np.abs([a, b, c]).max() == pytest.approx(reach, rel=1e-5)


def test_principal_places_are_those_of_the_map():
    codes = draw(200, 6) @ draw(6, 6, seed=1) + 3
    chart = project(codes, ProjectionConfig(method="pca"))
    plane = planes.of_principal(codes)
    np.testing.assert_allclose(plane.places(codes), chart.points, atol=1e-4)
    base = draw(6, seed=2)
    moved = planes.of_principal(codes, base)
    assert moved.distance(base[None])[0] == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(moved.places(codes), chart.points, atol=1e-4)


def test_bad_input_is_one_clear_sentence():
    a, b = np.zeros(3, np.float32), np.ones(3, np.float32)
    plane = planes.of_dimensions(a, 0, 1)
    for n in (1, 41):
        with pytest.raises(PlaneError, match=rf"^n is {n}, but a grid has from 2 to 40 tiles"):
            planes.grid(plane, n)
    with pytest.raises(PlaneError, match=r"^low is 3.0 and high is -3.0"):
        planes.grid(plane, 5, low=3.0, high=-3.0)
    with pytest.raises(PlaneError, match=r"a, b and c lie on one line"):
        planes.through(a, b, 2 * b)
    with pytest.raises(PlaneError, match=r"^a and b are equal"):
        planes.through(a, a, b)
    with pytest.raises(PlaneError, match=r"^b and c are equal"):
        planes.through(a, b, b)
    with pytest.raises(PlaneError, match=r"^c has 2 dimensions and the others 3"):
        planes.through(a, b, np.array([1.0, 2]))
    with pytest.raises(PlaneError, match=r"^b holds NaN"):
        planes.through(a, np.array([1, np.nan, 0]), b)
    with pytest.raises(PlaneError, match=r"at least 2 dimensions, but this one has 1"):
        planes.of_dimensions(np.zeros(1), 0, 0)
    with pytest.raises(PlaneError, match=r"^second is dimension 3, but must be from 0 to 2"):
        planes.of_dimensions(a, 0, 3)
    with pytest.raises(PlaneError, match=r"^first and second are both dimension 1"):
        planes.of_dimensions(a, 1, 1)
    with pytest.raises(PlaneError, match=r"vary in fewer than two directions"):
        planes.of_principal(np.arange(9.0)[:, None] * np.ones(3))
    with pytest.raises(PlaneError, match=r"^codes have 2 dimensions, but the plane lies in .* 3"):
        plane.places(np.zeros((1, 2)))
