"""Paths between codes: ends, norms, several ends, overshooting, an even pace, and paths through data."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_core.errors import PathError
from vae_core.latent import following as graphs
from vae_core.latent import paths

F = np.float32


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(F)


def angle(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))


# --- lines and arcs -----------------------------------------------------------------------------------------


@given(st.integers(2, 12), st.integers(2, 70), st.integers(0, 10**6), st.sampled_from([1e-30, 1, 1e4, 1e30]))
def test_ends_are_exact_to_the_bit(latent, count, seed, scale):
    a, b = draw(2, latent, seed=seed) * F(scale)
    for method in (paths.linear, paths.slerp):
        path = method(a, b, count)
        assert path.shape == (count, latent)
        assert path[0].tobytes() == a.tobytes()
        assert path[-1].tobytes() == b.tobytes()
        assert np.isfinite(path).all()


def test_a_straight_line_has_equal_steps():
    path = paths.linear(np.array([0.0, 3]), np.array([4.0, 0]), 5)
    np.testing.assert_array_equal(path, np.stack((np.arange(5), 3 - 0.75 * np.arange(5)), 1))


@given(st.integers(2, 12), st.integers(0, 10**6))
def test_slerp_keeps_equal_norms_and_turns_evenly(latent, seed):
    a, b = draw(2, latent, seed=seed).astype(np.float64)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    path = paths.slerp(3 * a, 3 * b, 9)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 3, rtol=1e-6)
    steps = [angle(x, y) for x, y in pairwise(path)]
    np.testing.assert_allclose(steps, angle(a, b) / 8, atol=1e-3)


def test_slerp_between_unequal_norms_goes_linearly_from_one_to_the_other():
    path = paths.slerp(np.array([2.0, 0]), np.array([0.0, 4]), 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), [2, 2.5, 3, 3.5, 4], rtol=1e-6)


@pytest.mark.parametrize("off", [0, 1e-9, 1e-7, 1e-5, 1e-3])
def test_slerp_of_nearly_parallel_codes_is_nearly_straight(off):
    a, b = np.array([1.0, 0, 0], F), np.array([2, off, 0], F)
    np.testing.assert_allclose(paths.slerp(a, b, 11), paths.linear(a, b, 11), atol=off + 1e-6)


@pytest.mark.parametrize("off", [0, 1e-9, 1e-7, 1e-5, 1e-3])
def test_slerp_of_opposite_codes_goes_round_the_origin(off):
    a, b = np.array([2.0, 0, 0], F), np.array([-2, 0, off], F)
    path = paths.slerp(a, b, 13)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2, rtol=1e-5)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, 4 * np.sin(np.pi / 24), rtol=1e-3)


def test_slerp_from_or_to_zero_is_straight():
    zero, b = np.zeros(3, F), np.array([1.0, 2, 2], F)
    np.testing.assert_allclose(paths.slerp(zero, b, 4), paths.linear(zero, b, 4), rtol=1e-6)
    np.testing.assert_allclose(paths.slerp(b, zero, 4), paths.linear(b, zero, 4), rtol=1e-6)


# --- several ends, beyond the ends --------------------------------------------------------------------------


@given(st.integers(2, 6), st.integers(0, 30), st.booleans(), st.integers(0, 10**6))
def test_a_path_visits_every_end_in_order(ends, more, closed, seed):
    stops = list(draw(ends, 3, seed=seed))
    count = ends + closed + more
    path = paths.through(stops, paths.slerp, count, closed=closed)
    assert len(path) == count
    where = [int(np.flatnonzero((path == stop).all(1))[0]) for stop in stops]
    assert where == sorted(where)
    assert where[0] == 0
    assert path[-1].tobytes() == (stops[0] if closed else stops[-1]).tobytes()


def test_longer_legs_get_more_steps():
    stops = [np.array([0.0, 0], F), np.array([1.0, 0], F), np.array([4.0, 0], F)]
    np.testing.assert_allclose(paths.through(stops, paths.linear, 41)[:, 0], np.linspace(0, 4, 41), atol=0.11)


def test_overshooting_goes_on_at_the_same_pace():
    a, b = draw(2, 4)
    path = paths.linear(a, b, 21)
    longer = paths.overshoot(path, 1.5)
    assert len(longer) == 41
    assert longer[10:31].tobytes() == path.tobytes()
    t = np.linspace(-0.5, 1.5, 41)[:, None]
    np.testing.assert_allclose(longer, a + t * (b - a), atol=1e-4)
    assert paths.overshoot(path, 1.0).tobytes() == path.tobytes()


def test_overshooting_an_arc_keeps_turning():
    turn = np.linspace(0, 1, 11)
    path = paths.slerp(np.array([2.0, 0], F), np.array([2 * np.cos(1), 2 * np.sin(1)], F), 11)
    longer = paths.overshoot(path, 1.2, turning=True)
    turn = np.linspace(-0.2, 1.2, 15)
    np.testing.assert_allclose(longer, 2 * np.stack((np.cos(turn), np.sin(turn)), 1), atol=1e-5)


# --- pace ---------------------------------------------------------------------------------------------------


def cliff(z):
    """A picture of 12 pixels that hardly changes, then changes all at once, then hardly again."""
    height = 0.05 * z[:, :1] + torch.sigmoid(200 * (z[:, :1] - 0.3))
    return torch.cat((height * torch.linspace(-1, 1, 11), torch.sin(9 * height)), 1).unflatten(1, (3, 4))


def test_speed_is_that_of_the_pictures():
    path = np.array([[0.0, 0], [3, 4], [3, 4], [3, 5]], F)
    found = paths.speed(lambda z: torch.cat((z, 0 * z), 1), path)
    np.testing.assert_allclose(found.steps, [2.5, 0, 0.5])
    assert (found.length, found.worst) == (6, 0)
    assert found.ratio == pytest.approx(2.5)


def test_many_codes_are_measured_as_few_are(monkeypatch):
    path = paths.linear(np.array([-1.0, 0]), np.array([1.0, 0]), 100)
    whole = paths.speed(cliff, path)
    monkeypatch.setattr("vae_core.latent.pace.BATCH", 7)
    np.testing.assert_allclose(paths.speed(cliff, path).steps, whole.steps, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 10, 64, 300])
def test_equal_steps_climb_a_cliff_evenly(count):
    path = paths.linear(np.array([-1.0, 0]), np.array([1.0, 0.5]), 20)
    assert paths.speed(cliff, path).ratio > 5
    even = paths.equal_steps(cliff, path, count)
    assert len(even) == count
    assert paths.speed(cliff, even).ratio <= 1.1
    assert even[0].tobytes() == path[0].tobytes()
    assert even[-1].tobytes() == path[-1].tobytes()
    assert (np.diff(even[:, 0]) > 0).all()
    np.testing.assert_allclose(even[:, 1], (even[:, 0] + 1) / 4, atol=1e-6)  # on the same line


def test_a_picture_that_never_changes_has_an_even_pace():
    path = paths.linear(np.array([-1.0, 0]), np.array([1.0, 0]), 5)
    assert paths.speed(torch.zeros_like, path).ratio == 1
    np.testing.assert_allclose(paths.equal_steps(torch.zeros_like, path, 5), path)


# --- through data -------------------------------------------------------------------------------------------


def ring(n=600):
    turn = np.random.default_rng(0).uniform(0, 2 * np.pi, n)
    return (np.stack((np.cos(turn), np.sin(turn)), 1) * 3 + draw(n, 2) * 0.1).astype(F)


def test_a_path_through_data_goes_round_a_hole():
    data, a, b = ring(), np.array([3.0, 0.3], F), np.array([-3.0, 0.4], F)
    path = paths.following(data, a, b, 50)
    assert np.linalg.norm(paths.linear(a, b, 50), axis=1).min() < 0.5
    assert path[0].tobytes() == a.tobytes()
    assert path[-1].tobytes() == b.tobytes()
    nearest = np.linalg.norm(path[:, None] - data, axis=2).min(1)
    assert nearest.max() < 0.3
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() / steps.mean() < 1.2


def test_groups_that_no_neighbours_join_are_joined_where_they_are_nearest():
    data = np.concatenate([draw(40, 2, seed=k) * 0.1 + [4 * k, 0] for k in range(3)]).astype(F)
    path = paths.DataGraph.of(data, 3).path(data[0], data[-1], 30)
    assert path[-1].tobytes() == data[-1].tobytes()
    assert np.linalg.norm(path - np.array([4, 0]), axis=1).min() < 0.5  # by way of the middle


def test_equal_codes_and_ends_among_the_data_do_no_harm():
    data = np.repeat(ring(50), 3, axis=0)
    path = paths.following(data, data[0], data[70], 20, k=3)
    assert path[0].tobytes() == data[0].tobytes()
    assert np.isfinite(path).all()


def test_of_very_many_codes_some_are_taken(monkeypatch):
    monkeypatch.setattr(graphs, "MOST", 100)
    graph = paths.DataGraph.of(ring(), 5)
    assert len(graph.index.codes) == 100
    radius = np.linalg.norm(graph.path(ring()[0], ring()[1], 30), axis=1)
    assert radius.min() > 2


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [paths.linear, paths.slerp, paths.DataGraph.of(ring(50)).path])
def test_bad_ends_are_one_clear_sentence(method):
    a, b = np.zeros(2, F), np.ones(2, F)
    with pytest.raises(PathError, match=r"^count is 1, but a path has at least 2 codes"):
        method(a, b, 1)
    with pytest.raises(PathError, match=r"^The ends have 2 and 3 dimensions"):
        method(a, np.ones(3, F), 5)
    with pytest.raises(PathError, match=r"^The last code of the path holds NaN"):
        method(a, np.array([0, np.nan], F), 5)
    with pytest.raises(PathError, match=r"begins and ends at the same code"):
        method(a, a.copy(), 5)


def test_other_bad_input_is_one_clear_sentence():
    a, b = np.zeros(2, F), np.ones(2, F)
    with pytest.raises(PathError, match=r"slerp .* takes at least 2 dimensions"):
        paths.slerp(a[:1], b[:1], 5)
    with pytest.raises(PathError, match=r"^The path has 1 ends"):
        paths.through([a], paths.linear, 5)
    with pytest.raises(PathError, match=r"^count is 2, but this path visits 3 codes"):
        paths.through([a, b], paths.linear, 2, closed=True)
    with pytest.raises(PathError, match=r"^factor is 2\.0, but must be from 1 to 1\.5"):
        paths.overshoot(paths.linear(a, b, 5), 2.0)
    with pytest.raises(PathError, match=r"^k is 50, .* below the number of different codes, 50"):
        paths.following(ring(50), a, b, 5, k=50)
    with pytest.raises(PathError, match=r"^The ends have 3 dimensions, but the data 2"):
        paths.following(ring(50), np.zeros(3, F), np.ones(3, F), 5)
    with pytest.raises(PathError, match=r"^The path has 1 codes"):
        paths.speed(cliff, a[None])
    with pytest.raises(PathError, match=r"^The decoder gives NaN or infinity"):
        paths.speed(lambda z: z / 0 * 0, paths.linear(a, b, 5))
