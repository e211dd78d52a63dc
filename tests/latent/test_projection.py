"""Maps of codes: planes and PCA exact both ways, what is refused, and how neighbours stand in for a formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.decomposition import PCA

from vae_core.config import ProjectionConfig
from vae_core.errors import CodeError, ProjectionError
from vae_core.latent import neighbour_map
from vae_core.latent.projection import Projection, project


def draw(n=300, latent=5, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(latent, latent))
    return (rng.normal(size=(n, latent)) @ mixing + rng.normal(size=latent)).astype(np.float32)


def placed(codes, points, **settings):
    """A map as UMAP or t-SNE leave it: places without a formula."""
    config = ProjectionConfig(method="umap", **settings)
    return Projection(config, codes, np.asarray(points, np.float32))


# --- plane and PCA ------------------------------------------------------------------------------------------


def test_a_plane_shows_two_dimensions_as_they_are():
    codes = draw()
    plane = project(codes, ProjectionConfig(first=3, second=1))
    np.testing.assert_array_equal(plane.points, codes[:, [3, 1]])
    shares = codes.var(0, dtype=np.float64) / codes.var(0, dtype=np.float64).sum()
    assert plane.explained == pytest.approx(shares[[3, 1]])


def test_pca_is_that_of_scikit_learn():
    codes = draw()
    ours, theirs = project(codes, ProjectionConfig(method="pca")), PCA(2).fit(codes.astype(np.float64))
    signs = np.sign((ours.axes * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.axes, theirs.components_ * signs[:, None], atol=1e-6)
    np.testing.assert_allclose(ours.points, theirs.transform(codes) * signs, atol=1e-5)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_)
    assert list(ours.explained) == sorted(ours.explained, reverse=True)


def test_pca_of_many_codes_does_not_depend_on_how_they_are_cut(monkeypatch):
    codes = draw(1000)
    whole = project(codes, ProjectionConfig(method="pca"))
    monkeypatch.setattr("vae_core.latent.projection.ROWS", 64)
    np.testing.assert_allclose(project(codes, ProjectionConfig(method="pca")).points, whole.points, atol=1e-5)


def test_the_order_of_the_codes_does_not_mirror_pca():
    codes = draw()
    one, other = (project(c, ProjectionConfig(method="pca")) for c in (codes, codes[::-1].copy()))
    np.testing.assert_allclose(one.axes, other.axes, atol=1e-6)


@given(st.integers(0, 1000), st.integers(1, 9), st.sampled_from(["plane", "pca"]))
def test_place_to_code_to_place_closes_and_keeps_what_is_beyond_the_plane(seed, latent, method):
    rng = np.random.default_rng(seed)
    made = project(draw(50, latent, seed), ProjectionConfig(method=method, first=latent - 1, second=0))
    places = rng.normal(size=(7, 2)).astype(np.float32) * 3
    if latent == 1:
        places[:, 1] = 0
    base = rng.normal(size=latent).astype(np.float32)
    codes, _ = made.lift(places, base)
    np.testing.assert_allclose(made.transform(codes), places, atol=1e-4)
    moved = codes - base
    np.testing.assert_allclose(moved - (moved @ made.axes.T) @ made.axes, 0, atol=1e-4)


@pytest.mark.parametrize("method", ["plane", "pca"])
def test_an_encoded_code_comes_back_from_its_place_if_it_is_the_base(method):
    codes = draw()
    made = project(codes, ProjectionConfig(method=method))
    lifted, distance = made.lift(made.points[4:5], codes[4])
    np.testing.assert_allclose(lifted[0], codes[4], atol=1e-5)
    assert distance.tolist() == [0]


@pytest.mark.parametrize("method", ["plane", "pca"])
def test_without_a_base_places_are_lifted_from_the_origin(method):
    made = project(draw(), ProjectionConfig(method=method))
    codes, _ = made.lift(made.transform(made.origin[None]))
    np.testing.assert_allclose(codes[0], made.origin, atol=1e-6)


@pytest.mark.parametrize("method", ["plane", "pca"])
def test_encoded_codes_are_transformed_to_where_they_are(method):
    codes = draw()
    made = project(codes, ProjectionConfig(method=method))
    np.testing.assert_array_equal(made.transform(codes), made.points)
    assert made.transform(codes[:0]).shape == (0, 2)


def test_the_distance_is_that_to_the_nearest_point_on_the_map():
    made = project(draw(), ProjectionConfig(method="pca"))
    places = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32) * 5
    _, distance = made.lift(places)
    expected = np.linalg.norm(places[:, None] - made.points, axis=2).min(1)
    np.testing.assert_allclose(distance, expected, rtol=1e-5)


# --- one dimension, one point, equal points -----------------------------------------------------------------


def test_one_latent_dimension_lies_along_the_map():
    codes = draw(30, 1)
    made = project(codes, ProjectionConfig())
    np.testing.assert_array_equal(made.points, np.c_[codes, np.zeros_like(codes)])
    assert made.explained == (1,)
    lifted, _ = made.lift(np.array([[1.5, 7]]))
    assert lifted.tolist() == [[1.5]]


def test_one_latent_dimension_stands_at_its_spread():
    codes, spread = draw(30, 1), np.linspace(0, 1, 30, dtype=np.float32)
    made = project(codes, ProjectionConfig(), spread=spread)
    np.testing.assert_array_equal(made.points, np.c_[codes[:, 0], spread])
    assert made.transform(codes[:3])[:, 1].tolist() == [0, 0, 0]
    assert project(draw(), ProjectionConfig(), spread=np.ones(300, np.float32)).points[0, 1] == draw()[0, 1]


@pytest.mark.parametrize("codes", [np.ones((1, 3)), np.ones((20, 3))])
def test_a_plane_draws_one_point_and_equal_points(codes):
    made = project(codes.astype(np.float32), ProjectionConfig())
    assert (made.points == 1).all()
    assert made.explained == (0, 0)


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["plane", "pca", "umap", "tsne"])
def test_codes_that_are_not_finite_are_counted(method, bad):
    codes = draw(200)
    codes[[3, 8], 1] = bad
    with pytest.raises(CodeError, match=r"codes: 2 of 200 rows hold NaN or infinity"):
        project(codes, ProjectionConfig(method=method))
    with pytest.raises(CodeError, match="2 of 200"):
        project(draw(), ProjectionConfig()).transform(codes)


@pytest.mark.parametrize(
    ("codes", "settings", "message"),
    [
        (np.ones((0, 2)), {}, "no codes"),
        (draw(), {"second": 5}, "second is dimension 5, but the codes have 5, counted from 0"),
        (draw(), {"first": 9}, "first is dimension 9"),
        (draw(9, 1), {"first": 1}, "first is dimension 1"),
        (draw(), {"first": 1}, "first and second are both dimension 1"),
        (draw(1), {"method": "pca"}, "pca takes at least 2 codes, not 1"),
        (draw(1), {"method": "umap"}, "umap takes at least 2 codes, not 1"),
        (np.ones((40, 2)), {"method": "pca"}, "All 40 codes are equal"),
        (np.ones((40, 2)), {"method": "umap"}, "All 40 codes are equal"),
        (np.ones((400, 2)), {"method": "tsne"}, "All 400 codes are equal"),
        (draw(15), {"method": "umap"}, "neighbours is 15, but there are only 15 codes"),
        (draw(90), {"method": "tsne"}, "perplexity is 30, which takes more than 90 codes, but there are 90"),
        (draw(90, 1), {"method": "umap", "metric": "cosine"}, "metric is cosine"),
        (draw(90) * 1e20, {"method": "umap"}, r"Codes reach .*e\+2[01]; beyond 1e\+15 umap"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_in_a_sentence(codes, settings, message):
    with pytest.raises(ProjectionError, match=message) as refused:
        project(codes.astype(np.float32), ProjectionConfig(**settings))
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text


def test_codes_of_another_width_are_refused():
    made = project(draw(), ProjectionConfig())
    with pytest.raises(CodeError, match="Codes have 3 dimensions, but this map was made of codes with 5"):
        made.transform(draw(4, 3))
    with pytest.raises(CodeError, match="3 dimensions"):
        made.lift(made.points, np.zeros(3, np.float32))
    with pytest.raises(CodeError, match="places: 1 of 1"):
        made.lift(np.array([[np.nan, 0]]))


# --- neighbours in place of a formula -----------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(3, 20), st.sampled_from([1e-6, 1.0, 1e6]))
def test_smooth_weights_are_exponential_with_a_count_of_log2_k(seed, k, scale):
    distances = np.sort(np.random.default_rng(seed).uniform(1, 3, size=(1, k)) * scale)
    sigma = brentq(lambda s: np.exp(-distances[0, 1:] / s).sum() - np.log2(k), 1e-3 * scale, 1e4 * scale)
    expected = np.exp(-distances[0] / sigma)
    weights = neighbour_map.smooth_weights(distances)[0]
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-6)


def test_smooth_weights_of_extremes_are_weights():
    rows = np.array([[0, 0, 3, 4], [0, 1, 2, 3], [5, 5, 5, 5], [1e-30, 1e-20, 1, 1e20], [0, 0, 0, 0]])
    weights = neighbour_map.smooth_weights(rows)
    np.testing.assert_allclose(weights.sum(1), 1)
    np.testing.assert_allclose(weights[0], [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(weights[1], [1, 0, 0, 0])
    np.testing.assert_allclose(weights[[2, 4]], 0.25)
    assert neighbour_map.smooth_weights(np.ones((3, 1))).tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
@pytest.mark.parametrize("latent", [2, 20])
def test_an_encoded_code_is_placed_where_it_is_and_its_place_gives_it_back(metric, latent):
    codes = draw(200, latent)
    points = np.random.default_rng(1).normal(size=(200, 2))
    made = placed(codes, points, metric=metric)
    np.testing.assert_allclose(made.transform(codes), made.points, rtol=1e-6)
    lifted, distance = made.lift(made.points)
    np.testing.assert_allclose(lifted, codes, rtol=1e-6)
    assert not distance.any()


def test_a_new_code_is_placed_among_the_nearest_by_the_maps_own_metric():
    rng = np.random.default_rng(0)
    angles, lengths = rng.uniform(0, 2 * np.pi, 300), rng.uniform(0.1, 10, 300)
    codes = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    made = placed((codes.T * lengths).T.astype(np.float32), codes, metric="cosine", neighbours=5)
    np.testing.assert_allclose(made.transform(codes * 3), made.points, atol=0.1)
    assert made.transform(codes[:0]).shape == (0, 2)


def test_a_place_gives_a_code_between_those_of_its_neighbours():
    codes = np.array([[0.0], [1], [2], [100]], np.float32)
    made = placed(codes, [[0, 0], [0, 1], [1, 0], [50, 50]])
    lifted, distance = made.lift(np.array([[0, 0.5], [0.1, 0], [0, 0]]), np.array([77.0]))
    assert 0.1 < lifted[0, 0] < 1
    assert 0 < lifted[1, 0] < 0.2
    assert lifted[2, 0] == pytest.approx(0, abs=1e-6)
    assert distance.tolist() == pytest.approx([0.5, 0.1, 0])


def test_codes_change_without_jumps_while_a_pointer_moves():
    codes = draw(2000)
    made = placed(codes, np.random.default_rng(1).normal(size=(2000, 2)))
    widest = []
    for steps in (20_000, 200_000):
        line = np.linspace([-1, -1], [1, 0.7], steps)
        lifted, _ = made.lift(line)
        widest.append(np.abs(np.diff(lifted, axis=0)).max())
    assert widest[1] < widest[0] / 5  # a jump would stay as wide however small the steps


def test_equal_places_and_places_equally_far_share_the_code():
    codes = np.array([[1.0], [3]], np.float32)
    made = placed(codes, [[0, 0], [0, 0]])
    assert made.lift(np.array([[0.0, 0], [5, 5]]))[0].tolist() == [[2], [2]]
    crowd = placed(np.arange(40, dtype=np.float32)[:, None] % 2, np.zeros((40, 2)))
    lifted, distance = crowd.lift(np.array([[3.0, 4]]))
    assert 0 <= lifted[0, 0] <= 1
    assert distance.tolist() == [5]
