"""Exact neighbours, against scikit-learn's and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from vae_core.errors import CodeError, ConfigError
from vae_core.latent import neighbours
from vae_core.latent.neighbours import CodeIndex, nearest


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_sklearn(codes, query, k):
    search = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(codes.astype(np.float64))
    return search.kneighbors(query.astype(np.float64))


@pytest.mark.parametrize(
    ("n", "latent", "k"), [(1, 1, 1), (7, 3, 7), (500, 2, 5), (3000, 10, 15), (20_000, 4, 12), (4001, 40, 3)]
)
def test_neighbours_are_scikit_learns(n, latent, k):
    codes, query = draw(n, latent), draw(50, latent, seed=1)
    found = nearest(codes, query, k)
    distances, indices = by_sklearn(codes, query, k)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


@pytest.mark.parametrize("block", [1, 5000, 100_000])
def test_chunks_change_nothing(monkeypatch, block):
    codes, query = draw(4000, 5), draw(33, 5, seed=1)
    whole = nearest(codes, query, 6)
    monkeypatch.setattr(neighbours, "BLOCK", block)
    parts = nearest(codes, query, 6)
    np.testing.assert_array_equal(parts.indices, whole.indices)
    np.testing.assert_array_equal(parts.distances, whole.distances)


@given(st.integers(1, 6), st.integers(1, 200), st.integers(0, 2**32 - 1), st.data())
def test_distances_on_a_crowded_lattice_are_exact(latent, n, seed, data):
    k = data.draw(st.integers(1, n))
    codes = np.random.default_rng(seed).integers(-2, 3, (n, latent)).astype(np.float32)
    found = nearest(codes, codes, k)
    every = np.linalg.norm(codes[:, None] - codes[None], axis=-1).astype(np.float64)
    np.testing.assert_allclose(found.distances, np.sort(every, 1)[:, :k], rtol=1e-6)
    np.testing.assert_allclose(found.distances, np.take_along_axis(every, found.indices, 1), rtol=1e-6)
    assert all(len(set(row)) == k for row in found.indices.tolist())


def test_close_codes_far_from_the_origin_are_told_apart():
    # Steps of one unit in the last place of float32, where |x|^2 - 2 q.x in float32 would be all noise.
    steps = np.arange(3000)
    codes = (1000 + steps * np.spacing(np.float32(1000)))[:, None].astype(np.float32).repeat(2, 1)
    found = nearest(codes, codes[[1500]], 3)
    assert found.indices.tolist() == [[1500, 1499, 1501]]


def test_huge_and_tiny_codes_do_not_overflow_or_vanish():
    codes = np.array([[0.0], [3e38], [1e-30], [-3e38]], np.float32)
    found = nearest(codes, np.array([[2e38]], np.float32), 4)
    assert found.indices.tolist() == [[1, 0, 2, 3]]
    assert found.distances[0, -1] == pytest.approx(5e38)


def test_equal_codes_come_in_index_order():
    found = nearest(np.zeros((5, 2), np.float32), np.ones((1, 2), np.float32), 5)
    assert found.indices.tolist() == [[0, 1, 2, 3, 4]]
    assert found.distances == pytest.approx(np.full((1, 5), 2**0.5))


def test_an_index_answers_again_and_leaves_its_codes_alone():
    codes = draw(300, 3)
    before = codes.copy()
    index = CodeIndex.of(codes)
    for seed in (1, 2):
        query = draw(4, 3, seed=seed)
        np.testing.assert_array_equal(index.nearest(query, 2).indices, by_sklearn(codes, query, 2)[1])
    np.testing.assert_array_equal(codes, before)


def test_no_query_has_no_neighbours():
    assert nearest(draw(10, 3), draw(0, 3), 2).indices.shape == (0, 2)


def test_bad_input_is_one_clear_sentence():
    codes = draw(10, 3)
    for k in (0, 11):
        with pytest.raises(ConfigError, match=rf"k is {k}, but must be between 1 and .* 10\.$"):
            nearest(codes, codes, k)
    with pytest.raises(CodeError, match=r"^query must have 3 latent dimensions, .* not 2\.$"):
        nearest(codes, codes[:, :2], 1)
    with pytest.raises(CodeError, match=r"^codes has shape \(0, 3\)"):
        nearest(codes[:0], codes, 1)
    codes[[4, 7], 1] = np.nan, np.inf
    with pytest.raises(
        CodeError, match=r"^codes holds NaN or infinity in 2 of 10 rows \(the first is row 4\)"
    ):
        nearest(codes, draw(1, 3), 1)
    with pytest.raises(CodeError, match=r"^query holds NaN or infinity in 2 of 10 rows"):
        nearest(draw(10, 3), codes, 1)
