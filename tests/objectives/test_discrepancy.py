"""MMD against closed forms, against sums written out, and where it must vanish."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from vae_core.objectives import mmd
from vae_core.objectives.discrepancy import SCALES


def normal(count, width=3, seed=0, mean=0.0, std=1.0):
    draws = torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean + std * draws


def written_out(z, prior, kernel):
    """The unbiased estimate from a matrix of similarities, pair by pair."""
    n = len(z)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    inside = sum(kernel(z, z)[i, j] + kernel(prior, prior)[i, j] for i, j in pairs)
    return inside / (n * (n - 1)) - 2 * kernel(z, prior).mean()


def test_it_equals_the_sum_over_pairs_with_the_inverse_multiquadratic_kernel():
    z, prior = normal(12, mean=0.5, std=2.0), normal(12, seed=1)

    def kernel(a, b):
        squared = cdist(a, b, "sqeuclidean")
        return np.sum([2 * 3 * s / (2 * 3 * s + squared) for s in SCALES], 0)

    assert mmd(z, prior).item() == pytest.approx(written_out(z.numpy(), prior.numpy(), kernel), rel=1e-6)


def test_it_equals_scikit_learns_kernel():
    z, prior = normal(12, mean=0.5, std=2.0), normal(12, seed=1)
    found = mmd(z, prior, lambda squared, width: torch.exp(-0.7 * squared))
    expected = written_out(z.numpy(), prior.numpy(), lambda a, b: rbf_kernel(a, b, gamma=0.7))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_two_gaussians_have_their_closed_form():
    # E exp(-|x - y|^2 / 2) of x - y ~ N(m, v I) in D dimensions is (1 + v)^(-D/2) exp(-|m|^2 / 2 (1 + v)).
    shift, std, width = 0.8, 0.5, 2

    def expectation(variance, distance=0.0):
        return (1 + variance) ** (-width / 2) * math.exp(-(distance**2) * width / (2 * (1 + variance)))

    expected = expectation(2 * std**2) + expectation(2.0) - 2 * expectation(1 + std**2, shift)
    found = torch.stack(
        [
            mmd(
                normal(50, width, seed, shift, std),
                normal(50, width, 1000 + seed),
                lambda s, _: (-s / 2).exp(),
            )
            for seed in range(400)
        ]
    )
    error = found.std() / 20
    assert abs(found.mean() - expected) < 4 * error
    assert error < expected / 20


def test_it_vanishes_on_average_for_equal_distributions():
    found = torch.stack([mmd(normal(16, 4, seed), normal(16, 4, 5000 + seed)) for seed in range(1000)])
    assert abs(found.mean()) < 4 * found.std() / 1000**0.5
    assert (found < 0).any()
    assert mmd(normal(16, 4, mean=2.0), normal(16, 4, 1)) > 5 * found.std()


def test_descending_it_moves_codes_to_the_prior():
    z = normal(60, 2, mean=3.0, std=0.5).requires_grad_()
    optimizer = torch.optim.Adam([z], 0.1)
    for step in range(200):
        optimizer.zero_grad()
        mmd(z, normal(60, 2, 1 + step)).backward()
        optimizer.step()
    # Of most of them: the far ones feel little, and push each other away as well.
    assert z.median(0).values.abs().max() < 0.3
    middle = z.quantile(torch.tensor([0.25, 0.75], dtype=z.dtype), dim=0).diff(dim=0)
    assert (middle - 1.35).abs().max() < 0.35  # as of the standard normal


def test_a_single_code_has_no_discrepancy():
    z = normal(1).requires_grad_()
    found = mmd(z, normal(1, seed=1))
    found.backward()
    assert found.item() == 0
    assert z.grad.eq(0).all()
