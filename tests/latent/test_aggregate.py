"""The data ratio q(z) / p(z), against closed forms, quadrature and planted holes; the Gaussian that stands for a prior."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from vae_core.errors import CodeError, DataError
from vae_core.latent.aggregate import Aggregate, Gaussian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(n, latent, seed=0):
    return np.random.default_rng(seed).normal(size=(n, latent)).astype(np.float32)


def points(codes, prior=None, k=16):
    return Aggregate.of(
        torch.from_numpy(codes), None, prior or Gaussian.standard(codes.shape[1]), seeded(), k
    )


def brute_force(codes, z, k=16):
    radius = np.sort(np.linalg.norm(codes.astype(float) - z, axis=1))[k - 1]
    within = stats.ncx2.cdf(radius**2, codes.shape[1], float(z @ z))
    return (k - 1) / (len(codes) * within)


# --- the ratio ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", [1, 2, 10])
def test_the_ratio_is_what_a_loop_over_the_definition_gives(latent):
    codes, query = normal(500, latent), 2 * normal(20, latent, seed=1) + 0.1
    expected = [brute_force(codes, z.astype(float)) for z in query]
    np.testing.assert_allclose(points(codes).ratio(query), expected, rtol=1e-9)


def test_the_mass_of_a_ball_is_the_integral_of_the_prior_over_it():
    codes, z, k = normal(400, 2), np.array([1.0, -0.7], np.float32), 7
    radius = np.sort(np.linalg.norm(codes - z, axis=1))[k - 1]

    def density(r, angle):
        place = z + r * np.array([np.cos(angle), np.sin(angle)])
        return r * np.exp(-place @ place / 2) / (2 * np.pi)

    mass, _ = integrate.dblquad(density, 0, 2 * np.pi, 0, radius)
    assert points(codes, k=k).ratio(z[None])[0] == pytest.approx((k - 1) / (400 * mass), rel=1e-6)


@pytest.mark.parametrize("latent", [1, 2, 10, 50])
def test_where_q_is_the_prior_the_mean_ratio_is_1_in_any_number_of_dimensions(latent):
    found = np.concatenate(
        [points(normal(1000, latent, seed)).ratio(normal(200, latent, seed + 100)) for seed in range(20)]
    )
    assert found.mean() == pytest.approx(1, abs=0.02)
    assert found.std() == pytest.approx(14**-0.5, rel=0.1)


def test_where_q_has_a_closed_form_so_has_the_ratio():
    codes = 0.6 * normal(40_000, 2)
    query = normal(300, 2, seed=1)
    query = query[np.linalg.norm(query, axis=1) < 1.5]
    expected = np.exp(stats.norm.logpdf(query, scale=0.6).sum(1) - stats.norm.logpdf(query).sum(1))
    off = np.log(points(codes).ratio(query) / expected)
    assert abs(off.mean()) < 0.05
    assert off.std() < 0.3


def outside_of_a_disc(codes, centre=(0.8, -0.4), radius=0.7):
    return np.linalg.norm(codes - np.array(centre), axis=1) - radius


def right_of_a_line(codes):
    return 0.5 - codes[:, 0]


@pytest.mark.parametrize("depth", [outside_of_a_disc, right_of_a_line])
def test_the_ratio_is_low_exactly_where_a_hole_was_planted(depth):
    """`depth` is the signed distance from the edge of the hole, negative in it."""
    codes = normal(60_000, 2)
    codes = codes[depth(codes) > 0]
    query = normal(3000, 2, seed=1)
    query = query[np.linalg.norm(query, axis=1) < 2.5]
    ratio, from_edge = points(codes).ratio(query), depth(query)
    assert (ratio[from_edge < -0.1] < 0.5).all()
    assert (ratio[from_edge > 0.1] > 0.5).mean() > 0.995  # but for chance


def spiral(n):
    """Spread codes over N(0, I) in 2 dimensions so evenly that shares of them are masses by quadrature."""
    radius = np.sqrt(-2 * np.log1p(-(np.arange(n) + 0.5) / n))
    angle = np.arange(n) * np.pi * (3 - 5**0.5)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)


PLANTED = {
    "disc": (lambda z: np.hypot(*z.T) < 1, 1 - np.exp(-0.5)),
    "half plane": (lambda z: z[:, 0] > 0.3, stats.norm.sf(0.3)),
    "disc off the centre": (
        lambda z: np.hypot(z[:, 0] - 1, z[:, 1] - 0.5) < 0.8,
        stats.ncx2.cdf(0.64, 2, 1.25),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_mass_of_a_planted_hole_is_the_integral_of_the_prior_over_it(name):
    inside, mass = PLANTED[name]
    codes, query = normal(40_000, 2), spiral(6000)
    assert inside(query).mean() == pytest.approx(mass, rel=2e-3)
    codes[inside(codes)] = [-3, -3]
    assert (points(codes).ratio(query) < 0.5).mean() == pytest.approx(mass, rel=0.02)


def test_far_codes_have_a_finite_ratio_at_once():
    aggregate = points(np.concatenate([normal(500, 2), 60 + normal(20, 2)]))
    far = np.array([[60, 60], [1e3, 0], [-1e6, 1e6], [1e20, 0]], np.float32)
    found = aggregate.ratio(far)
    assert np.isfinite(found.astype(np.float32)).all()
    assert found[0] > 1e20  # data where the prior promises none
    beyond = aggregate.ratio(np.array([[-999.9, 0], [-1001, 0], [-3e3, 0]], np.float32))
    np.testing.assert_allclose(beyond, beyond[0], rtol=0.01)  # no step where a ball becomes a half space


def test_without_a_group_is_the_ratio_of_the_others():
    codes, query = normal(600, 3), normal(50, 3, seed=1)
    groups = np.random.default_rng(2).integers(0, 4, 600)
    found = points(codes).ratio_without(query, groups)
    np.testing.assert_allclose(found[:, 0], points(codes).ratio(query))
    for group in range(4):
        expected = points(codes[groups != group]).ratio(query)
        np.testing.assert_allclose(found[:, 1 + group], expected, rtol=1e-9)


# --- draws --------------------------------------------------------------------------------------------------


def test_a_linear_gaussian_model_has_its_prior_as_aggregate_posterior():
    """Probabilistic PCA with orthogonal columns: x = W z + noise; its exact posteriors, mixed, are N(0, I)."""
    rng = np.random.default_rng(0)
    scales, noise = np.array([2.0, 0.5]), 0.8  # of the columns, of the pixels
    w = np.linalg.qr(rng.normal(size=(12, 2)))[0] * scales
    x = rng.normal(size=(20_000, 2)) @ w.T + noise * rng.normal(size=(20_000, 12))
    precision = scales**2 / noise**2 + 1
    mean = torch.from_numpy((x @ w / noise**2 / precision).astype(np.float32))
    log_variance = torch.from_numpy(-np.log(precision).astype(np.float32)).expand_as(mean)
    found = Aggregate.of(mean, log_variance, Gaussian.standard(2), seeded())
    np.testing.assert_allclose(np.cov(found.draws.T), np.eye(2), atol=0.03)
    query = normal(2000, 2, seed=1)
    assert found.ratio(query).mean() == pytest.approx(1, abs=0.05)
    assert (found.ratio(query) < 0.5).mean() < 0.01
    assert (points(mean.numpy()).ratio(query) < 0.5).mean() > 0.3  # the means alone do not fill the prior


def test_a_draw_repeats_with_its_seed_and_points_stand_for_themselves():
    mean, log_variance = torch.from_numpy(normal(50, 2)), torch.zeros(50, 2)
    first, second = (Aggregate.of(mean, log_variance, Gaussian.standard(2), seeded(3)) for _ in range(2))
    np.testing.assert_array_equal(first.draws, second.draws)
    np.testing.assert_array_equal(points(mean.numpy()).draws, mean.numpy())
    assert len(first) == 50


def test_dead_dimensions_of_a_vae_take_nothing_away():
    mean = torch.cat([torch.from_numpy(normal(5000, 2)), torch.zeros(5000, 3)], 1)
    log_variance = torch.cat([torch.full((5000, 2), -20.0), torch.zeros(5000, 3)], 1)
    found = Aggregate.of(mean, log_variance, Gaussian.standard(5), seeded())
    assert found.ratio(normal(1000, 5, seed=1)).mean() == pytest.approx(1, abs=0.05)


def test_bad_codes_are_one_clear_sentence():
    codes = normal(20, 2)
    with pytest.raises(DataError, match=r"^Holes need at least 16 encoded examples, but there are 15;"):
        points(codes[:15])
    with pytest.raises(DataError, match="at least 2 encoded"):
        points(codes, k=1)
    assert points(codes).ratio(np.empty((0, 2), np.float32)).shape == (0,)
    with pytest.raises(CodeError, match="must have 2 latent dimensions"):
        points(codes).ratio(normal(3, 4))
    with pytest.raises(CodeError, match="NaN or infinity"):
        points(codes).ratio(np.full((1, 2), np.nan, np.float32))
    codes[3, 1] = np.inf
    with pytest.raises(CodeError, match=r"NaN or infinity in 1 of 20 rows"):
        points(codes)


# --- the Gaussian -------------------------------------------------------------------------------------------


def stretched(n=3000, seed=0):
    mixing = np.array([[3.0, 0, 0], [1, 0.5, 0], [-2, 0.1, 0.01]])
    return (normal(n, 3, seed) @ mixing.T + [5, -1, 0.3]).astype(np.float32)


def test_the_fitted_prior_has_the_codes_mean_and_covariance():
    codes = stretched()
    prior = Gaussian.fitted(codes)
    whitened = prior.whiten(codes)
    np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(3), atol=1e-6)
    drawn = prior.draw(100_000, seeded())
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.05, atol=0.01)


def test_the_ratio_under_a_fitted_prior_does_not_know_scales():
    codes, query = stretched(), stretched(200, seed=1)
    found = points(codes, Gaussian.fitted(codes)).ratio(query)
    scale = np.array([1e4, 1e-3, 7], np.float32)
    again = points(codes * scale, Gaussian.fitted(codes * scale)).ratio(query * scale)
    np.testing.assert_allclose(again, found, rtol=1e-3)
    assert found.mean() == pytest.approx(1, abs=0.1)


def test_directions_in_which_all_codes_are_alike_do_not_count():
    codes, query = normal(2000, 2), normal(100, 2, seed=1)
    expected = points(codes, Gaussian.fitted(codes)).ratio(query)

    def embedded(z):
        return np.stack([z[:, 0], np.full(len(z), 3.3), z[:, 1], z[:, 0] * 2], 1).astype(np.float32)

    prior = Gaussian.fitted(embedded(codes))
    assert prior.rank == 2
    assert (prior.draw(50, seeded())[:, 1] == np.float32(3.3)).all()
    doubled = np.stack([codes[:, 0] * 5**0.5, codes[:, 1]], 1)  # as long as in the embedding
    again = points(doubled, Gaussian.fitted(doubled)).ratio(query * np.array([5**0.5, 1], np.float32))
    np.testing.assert_allclose(points(embedded(codes), prior).ratio(embedded(query)), again, rtol=1e-4)
    np.testing.assert_allclose(again, expected, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 3.3, -1e30])
def test_codes_that_are_all_equal_have_no_gaussian(value):
    with pytest.raises(CodeError, match=r"^All 40 codes are equal, so no Gaussian can be fitted to them;"):
        Gaussian.fitted(np.full((40, 3), value, np.float32))


def test_the_percentile_is_the_mass_closer_to_the_centre():
    prior = Gaussian.fitted(stretched())
    drawn, query = prior.draw(50_000, seeded()), prior.draw(5, seeded(1))
    inside = np.linalg.norm(prior.whiten(drawn), axis=1)
    share = [(inside < r).mean() for r in np.linalg.norm(prior.whiten(query), axis=1)]
    np.testing.assert_allclose(prior.percentile(query), share, atol=0.01)
    plane = Gaussian.standard(2).percentile(np.array([[0, 0], [3, 4], [1e3, 0]], np.float32))
    np.testing.assert_allclose(plane, [0, 1 - np.exp(-12.5), 1], rtol=1e-12)
    assert Gaussian.standard(2).percentile(np.empty((0, 2), np.float32)).shape == (0,)
