"""Trustworthiness and continuity, against scikit-learn and on maps whose faults are planted."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from vae_core.errors import ProjectionError, Stopped
from vae_core.latent import faithfulness as module
from vae_core.latent.faithfulness import faithfulness


def draw(n=300, latent=5, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(n, latent)).astype(np.float32)
    return codes, (codes[:, :2] + 0.3 * rng.normal(size=(n, 2))).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 12])
def test_both_are_those_of_scikit_learn(k):
    codes, points = draw()
    found = faithfulness(codes, points, k)
    # In float64 on both sides: two distances that differ by a rounding of float32 would change ranks.
    codes, points = codes.astype(np.float64), points.astype(np.float64)
    assert found.trustworthiness == pytest.approx(trustworthiness(codes, points, n_neighbors=k), abs=1e-12)
    assert found.continuity == pytest.approx(trustworthiness(points, codes, n_neighbors=k), abs=1e-12)
    assert (found.neighbours, found.rows) == (k, 300)


def test_a_copy_is_faithful_and_a_shuffled_map_is_not():
    codes, points = draw(latent=2)
    copy = faithfulness(codes, codes * 3 + 1)
    assert (copy.trustworthiness, copy.continuity) == (1, 1)
    shuffled = faithfulness(codes, np.random.default_rng(1).permutation(points))
    assert shuffled.trustworthiness == pytest.approx(0.5, abs=0.03)
    assert shuffled.continuity == pytest.approx(0.5, abs=0.03)


def test_folding_costs_trust_and_tearing_costs_continuity():
    line = np.linspace(-1, 1, 400, dtype=np.float32)
    flat = np.stack([line, np.zeros_like(line)], 1)
    folded = np.abs(flat)
    torn = flat + np.where(flat[:, :1] > 0, 10, 0) * np.where(np.arange(400) % 2, 1, -1)[:, None]
    torn = torn.astype(np.float32)
    fold, tear = faithfulness(flat, folded), faithfulness(flat, torn)
    assert fold.trustworthiness < fold.continuity
    assert tear.continuity < tear.trustworthiness


def test_a_sample_estimates_the_whole_and_repeats():
    codes, points = draw(3000)
    whole, part = (faithfulness(codes, points, sample=sample) for sample in (3000, 600))
    assert (whole.rows, part.rows) == (3000, 600)
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.01)
    assert part.continuity == pytest.approx(whole.continuity, abs=0.01)
    assert part == faithfulness(codes, points, sample=600)
    assert part != faithfulness(codes, points, sample=600, seed=1)


def test_blocks_do_not_change_the_figures(monkeypatch):
    codes, points = draw()
    whole = faithfulness(codes, points)
    monkeypatch.setattr(module, "BLOCK", 1000)
    assert faithfulness(codes, points) == whole


def test_of_very_many_points_fewer_are_looked_at(monkeypatch):
    monkeypatch.setattr(module, "WORK", 300 * 250)
    assert faithfulness(*draw(), sample=260).rows == 250
    monkeypatch.setattr(module, "WORK", 1)
    assert faithfulness(*draw(), sample=260).rows == module.FEWEST
    assert faithfulness(*draw(), sample=10).rows == 10


def test_few_points_have_fewer_neighbours():
    assert faithfulness(*draw(3)).neighbours == 1
    assert faithfulness(*draw(10)).neighbours == 4
    for settings in ({"k": 0}, {"sample": 0}):
        with pytest.raises(ProjectionError, match="faithfulness takes at least"):
            faithfulness(*draw(), **settings)
    with pytest.raises(ProjectionError, match="There are 2 points"):
        faithfulness(*draw(2))


def test_equal_points_have_figures_between_0_and_1():
    codes, points = draw()
    found = faithfulness(codes, np.zeros_like(points))
    assert 0 <= found.trustworthiness <= 1
    assert 0 <= found.continuity <= 1


def test_progress_rises_to_the_end_and_it_can_be_stopped(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 300 * 100)
    heard = []
    faithfulness(*draw(), on_progress=heard.append)
    assert heard == pytest.approx([1 / 3, 2 / 3, 1])
    with pytest.raises(Stopped):
        faithfulness(*draw(), should_stop=lambda: True)
