"""log p(x) = ELBO + KL for any q on the grid, against quadrature that knows no grid."""

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal

from vae_core.equations import evidence, gaussians
from vae_core.errors import ConfigError, PosteriorError
from vae_core.evaluation import gaps, posterior
from vae_core.evaluation.posterior import Encoded


@pytest.fixture(scope="module")
def grid(model, x, exact, q):
    return evidence.grid(model, x, exact, q)


@pytest.fixture(scope="module")
def anything(grid):
    """Many a q that a hand may drag it to: all over the grid, wide and narrow, long and round."""
    draw = np.random.default_rng(0)
    side = grid.cell * (len(grid.log_joint) - 1)
    found = []
    for _ in range(60):
        axes = side * 10 ** draw.uniform(-2, -1.05, 2)
        room = 5 * axes.max() / side
        place = draw.uniform(min(room, 0.5), max(1 - room, 0.5), 2)
        mean = np.array([grid.left, grid.bottom]) + side * place
        found.append((mean, gaussians.covariance_of(axes, draw.uniform(0, np.pi))))
    return found


def test_the_identity_closes_for_any_q(grid, exact, anything):
    trusted = 0
    for mean, covariance in anything:
        bound = grid.bound(mean, covariance)
        if bound.doubt is None:
            trusted += 1
            assert exact.log_evidence - bound.elbo - bound.kl == pytest.approx(0, abs=1e-2)
            assert bound.kl > -1e-2
    assert trusted > 50


def test_bounds_are_those_of_quadrature_that_decodes(model, x, exact, grid, anything):
    for mean, covariance in anything[:8]:
        diagonal = np.diag(np.diag(covariance).copy())
        bound = grid.bound(mean, diagonal)
        gaussian = Encoded(
            torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(np.diag(diagonal))).float()
        )
        expected = posterior.elbo(model, x, gaussian)
        assert bound.elbo == pytest.approx(expected, abs=1e-2, rel=2e-4)
        assert bound.kl == pytest.approx(exact.log_evidence - expected, abs=1e-2, rel=2e-4)


def test_a_tilted_q_is_as_right_as_an_upright_one(model, x, grid, exact):
    mean, covariance = exact.mean, exact.covariance
    normal = multivariate_normal(mean, covariance)
    reach = 6 * np.sqrt(np.diag(covariance))

    def integrand(b, a):
        with torch.inference_mode():
            joint = posterior.log_joint(model, x, torch.tensor([[a, b]]))
        return normal.pdf([a, b]) * (float(joint) - normal.logpdf([a, b]))

    value, _ = dblquad(
        integrand,
        *(mean[0] - reach[0], mean[0] + reach[0], mean[1] - reach[1], mean[1] + reach[1]),
        epsabs=3e-3,
        epsrel=1e-3,
    )
    assert grid.bound(mean, covariance).elbo == pytest.approx(value, abs=2e-2)


def test_the_encoders_q_has_the_figures_of_the_identity(model, x, exact, grid, q):
    figures = posterior.identity(model, x, exact)
    bound = grid.bound(q.mean.double().numpy(), np.diag(q.std.double().numpy() ** 2))
    assert bound.elbo == pytest.approx(figures.elbo, abs=1e-3)
    assert bound.kl == pytest.approx(figures.kl_to_true, abs=1e-3)
    assert grid.log_evidence == pytest.approx(exact.log_evidence, abs=1e-3)
    assert bound.doubt is None


def test_the_best_q_is_better_than_its_neighbours_and_as_good_as_any(model, x, grid, q, exact):
    mean, covariance = q.mean.double().numpy(), np.diag(q.std.double().numpy() ** 2)
    upright, tilted = (evidence.best(grid, mean, covariance, full) for full in (False, True))
    assert upright[1][0, 1] == 0
    reference = gaps.best_gaussian(model, x, torch.Generator().manual_seed(0))
    assert grid.bound(*upright).elbo == pytest.approx(posterior.elbo(model, x, reference), abs=1e-2)
    assert grid.bound(*tilted).elbo >= grid.bound(*upright).elbo > grid.bound(mean, covariance).elbo
    draw = np.random.default_rng(1)
    for centre, spread in (upright, tilted):
        for _ in range(10):
            shift = draw.normal(size=2) * np.sqrt(np.diag(spread)) * 0.2
            assert grid.bound(centre + shift, spread).elbo < grid.bound(centre, spread).elbo
            grown = spread * 10 ** draw.choice([-0.1, 0.1])
            assert grid.bound(centre, grown).elbo < grid.bound(centre, spread).elbo


def test_it_says_when_q_is_too_narrow_or_too_far(grid):
    middle = np.array([grid.left, grid.bottom]) + grid.cell * len(grid.log_joint) / 2
    narrow = grid.bound(middle, np.diag([(0.3 * grid.cell) ** 2, grid.cell**2]))
    assert "too narrow for the grid: 0.30 cells" in narrow.doubt
    far = grid.bound(np.array([grid.left, grid.bottom]), np.eye(2) * grid.cell**2)
    assert "too far out" in far.doubt
    assert np.isfinite([far.elbo, far.kl]).all()


def test_between_points_a_gaussians_logarithm_is_exact():
    line = np.linspace(-2, 2, 21)
    a, b = np.meshgrid(line, line)
    planted = evidence.Grid(-2.0, -2.0, 0.2, -3 * a**2 - b**2 + a * b + 0.5 * a - 7)
    inner = np.random.default_rng(0).uniform(-1.8, 1.8, (200, 2))
    values, inside = planted.at(inner)
    expected = -3 * inner[:, 0] ** 2 - inner[:, 1] ** 2 + inner.prod(1) + 0.5 * inner[:, 0] - 7
    np.testing.assert_allclose(values, expected, atol=1e-9)
    assert inside.all()
    np.testing.assert_allclose(planted.at(np.stack((a, b), -1).reshape(-1, 2))[0], planted.log_joint.ravel())
    outside, inside = planted.at(np.array([[9.0, 0.0], [0.0, -2.01]]))
    np.testing.assert_allclose(outside, planted.log_joint[[10, 0], [20, 10]])
    assert not inside.any()


def test_a_linear_gaussian_posterior_has_no_gap():
    """p(x, z) = N(z; m, S) e^c: the best q of any tilt is the posterior itself, and its bound is c."""
    mean, covariance = np.array([0.3, -0.2]), np.array([[0.04, 0.018], [0.018, 0.02]])
    line = np.linspace(-1.5, 1.5, 96)
    points = np.stack(np.meshgrid(line, line), -1)
    planted = evidence.Grid(
        -1.5, -1.5, line[1] - line[0], multivariate_normal(mean, covariance).logpdf(points) - 42
    )
    assert planted.log_evidence == pytest.approx(-42, abs=1e-6)
    centre, spread = evidence.best(planted, np.zeros(2), np.eye(2) * 0.03, full=True)
    np.testing.assert_allclose(centre, mean, atol=1e-3)
    np.testing.assert_allclose(spread, covariance, atol=3e-4)
    assert planted.bound(centre, spread).kl == pytest.approx(0, abs=1e-3)
    # The best upright one has the posterior's precisions (Bishop 2006, section 10.1.2).
    _, upright = evidence.best(planted, np.zeros(2), np.eye(2) * 0.03, full=False)
    np.testing.assert_allclose(1 / np.diag(upright), np.diag(np.linalg.inv(covariance)), rtol=0.02)


def test_other_models_and_settings_are_one_sentence(model, x, exact, q, grid, monkeypatch):
    with pytest.raises(ConfigError, match="cells = 2"):
        evidence.grid(model, x, exact, q, 2)
    with pytest.raises(ConfigError, match="positive definite"):
        grid.bound(np.zeros(2), np.zeros((2, 2)))
    monkeypatch.setattr(model, "latent_dim", 10)
    with pytest.raises(PosteriorError, match="10 latent dimensions"):
        evidence.grid(model, x, exact, q)


def test_the_grid_is_finer_where_the_posterior_is_narrow(model, x, exact, q):
    narrow = posterior.Exact(**vars(exact) | {"covariance": np.diag([1e-6, 1.0])})
    assert len(evidence.grid(model, x, narrow, q).log_joint) == evidence.MOST_CELLS
    assert evidence.grid(model, x, narrow, q, 40).log_joint.shape == (40, 40)
