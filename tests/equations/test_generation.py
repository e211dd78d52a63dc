"""MMD and its null distribution: what is the same is told from what is not."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from vae_core.equations import generation
from vae_core.errors import DataError
from vae_core.objectives.discrepancy import mmd


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(count, width=5, seed=0, shift=0.0):
    return torch.randn(count, width, generator=seeded(seed)) + shift


def test_it_is_the_unbiased_estimate_written_out():
    a, b = normal(30, seed=1), normal(40, seed=2, shift=0.5)
    found = generation.two_sample(a, b, 5, seeded(), bandwidth=1.7)
    within, others, across = (rbf_kernel(p, q, gamma=1 / (2 * 1.7**2)) for p, q in ((a, a), (b, b), (a, b)))
    np.fill_diagonal(within, 0)
    np.fill_diagonal(others, 0)
    expected = within.sum() / (30 * 29) + others.sum() / (40 * 39) - 2 * across.mean()
    assert found.mmd == pytest.approx(expected, rel=1e-5)
    same_size = generation.two_sample(a, b[:30], 5, seeded(), bandwidth=1.7)
    ours = mmd(a, b[:30], lambda squared, width: torch.exp(-squared / (2 * 1.7**2)))
    assert same_size.mmd == pytest.approx(float(ours), rel=1e-4)


def test_two_halves_of_one_sample_are_inside_the_null_as_often_as_they_should():
    p = [
        generation.two_sample(normal(60, seed=seed), normal(60, seed=seed + 999), 99, seeded(seed)).p
        for seed in range(60)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.15
    assert 0.35 < np.mean(p) < 0.65


@pytest.mark.parametrize("other", [normal(150, seed=7, shift=0.5), 1.6 * normal(150, seed=7)])
def test_another_distribution_is_outside(other):
    found = generation.two_sample(normal(150, seed=3), other, 199, seeded())
    assert found.mmd > found.limit
    assert found.p == pytest.approx(1 / 200)


def test_halves_of_the_images_are_the_same_and_noise_is_not(images):
    halves = generation.two_sample(images[:150], images[150:300], 199, seeded())
    assert halves.p > 0.05
    assert abs(halves.mmd) < 0.005
    noise = torch.rand(150, 1, 8, 8, generator=seeded())
    assert generation.two_sample(noise, images[:150], 199, seeded()).mmd > 20 * halves.limit


def test_the_null_is_what_shuffling_gives():
    found = generation.two_sample(normal(50, seed=1), normal(50, seed=2, shift=1), 499, seeded())
    assert (np.diff(found.null) >= 0).all()
    assert found.null.mean() == pytest.approx(0, abs=3 * found.null.std() / np.sqrt(499))
    assert np.mean(found.null <= found.limit) == pytest.approx(0.95, abs=0.01)
    again = generation.two_sample(normal(50, seed=1), normal(50, seed=2, shift=1), 499, seeded())
    np.testing.assert_array_equal(found.null, again.null)


def test_the_bandwidth_is_the_median_distance_and_equal_points_have_one_too():
    a, b = normal(20, seed=1), normal(20, seed=2)
    found = generation.two_sample(a, b, 2, seeded())
    assert found.bandwidth == pytest.approx(float(torch.pdist(torch.cat((a, b))).median()), rel=1e-5)
    assert generation.two_sample(torch.ones(4, 3), torch.ones(4, 3), 2, seeded()).mmd == pytest.approx(0)


def test_draws_decode_as_the_model_does(model):
    codes, samples = generation.decoded_draws(model, 300, seeded())
    np.testing.assert_allclose(samples[7], model.decode(codes[7:8]).mean[0].detach(), atol=1e-5)
    assert codes.mean().abs() < 0.2
    np.testing.assert_allclose(codes.std(0), 1, atol=0.15)


@pytest.mark.parametrize("flat", [False, True])
def test_a_gaussian_is_fitted_to_codes(model, flat):
    planted = normal(4000, 2, seed=3) @ torch.tensor([[2.0, 0.5], [0.0, 0.0 if flat else 0.3]]) + 5
    mean, root = generation.fitted(planted)
    np.testing.assert_allclose(mean, planted.mean(0), atol=1e-4)
    np.testing.assert_allclose(root @ root.T, torch.cov(planted.T), atol=1e-3)
    codes, _ = generation.decoded_draws(model, 4000, seeded(1), planted)
    np.testing.assert_allclose(torch.cov(codes.T), torch.cov(planted.T), atol=0.25)
    assert generation.fitted(planted[:, :1])[1].shape == (1, 1)


@pytest.mark.parametrize(
    ("a", "b", "permutations", "sentence"),
    [
        (torch.ones(1, 2), torch.ones(5, 2), 5, "1 samples"),
        (torch.ones(5, 2), torch.ones(5, 2), 0, "0 permutations"),
        (torch.full((5, 2), torch.nan), torch.ones(5, 2), 5, "NaN"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(a, b, permutations, sentence):
    with pytest.raises(DataError, match=sentence):
        generation.two_sample(a, b, permutations, seeded())
