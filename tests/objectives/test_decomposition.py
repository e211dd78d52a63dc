"""The three parts of the KL term where q(z) is known, and the minibatch estimate of q(z) where all batches can be listed."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vae_core.errors import ConfigError
from vae_core.objectives import decompose
from vae_core.objectives.decomposition import log_weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def planted(covariance, width, count, seed=0):
    """Posteriors N(m, width^2) with m ~ N(0, covariance) - width^2, so that q(z) is about N(0, covariance)."""
    inner = torch.as_tensor(covariance) - width**2 * torch.eye(len(covariance))
    mean = torch.randn(count, len(covariance), generator=generator(seed)) @ torch.linalg.cholesky(inner).T
    std = torch.full_like(mean, width)
    return mean + std * torch.randn(mean.shape, generator=generator(seed + 1)), mean, std


COVARIANCE = torch.tensor([[1.5, 0.9, 0.0], [0.9, 1.2, 0.0], [0.0, 0.0, 0.7]])
WIDTH = 0.6


def test_a_planted_gaussian_has_its_closed_form_parts():
    z, mean, std = planted(COVARIANCE, WIDTH, 3000)
    found = decompose(z, mean, std, len(z))
    zero, eye = torch.zeros(3), torch.eye(3)
    aggregate = MultivariateNormal(zero, COVARIANCE)
    apart = MultivariateNormal(zero, COVARIANCE.diag().diag())
    expected = {
        # I(z; n) is the entropy of q(z) less that of each q(z|x).
        "mutual_information": aggregate.entropy() - MultivariateNormal(zero, WIDTH**2 * eye).entropy(),
        "total_correlation": kl_divergence(aggregate, apart),
        "dimension_kl": kl_divergence(apart, MultivariateNormal(zero, eye)),
    }
    for name, value in expected.items():
        part = getattr(found, name)
        # 3000 means are not quite their distribution: a few hundredths of a nat, and the noise of the average.
        assert abs(part.mean() - value) < 0.03 + 4 * part.std() / len(part) ** 0.5, name
    assert expected["total_correlation"] > 0.25
    assert expected["mutual_information"] > 1


@pytest.mark.parametrize("size", [64, 5000])
def test_the_parts_add_up_to_the_kl_on_average(size):
    z, mean, std = planted(COVARIANCE, WIDTH, 64)
    sums = []
    for seed in range(400):
        z = mean + std * torch.randn(mean.shape, generator=generator(seed))
        found = decompose(z, mean, std, size)
        sums.append((found.mutual_information + found.total_correlation + found.dimension_kl).mean())
    expected = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum(-1).mean()
    sums = torch.stack(sums)
    assert abs(sums.mean() - expected) < 5 * sums.std() / 20
    assert sums.std() / 20 < 0.02


def test_independent_dimensions_have_no_total_correlation_and_the_prior_has_nothing():
    z, mean, std = planted(torch.eye(2), 0.999, 2000)
    found = decompose(z, mean, std, 2000)
    for part in vars(found).values():
        assert abs(part.mean()) < 0.02


# --- the estimate of q(z) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "size"), [(1, 1), (1, 9), (2, 2), (2, 1000), (7, 7), (7, 60_000), (128, 129)]
)
def test_the_weights_of_each_row_sum_to_one(batch, size):
    weights = log_weights(batch, size)
    assert weights.shape == (batch, batch)
    torch.testing.assert_close(weights.logsumexp(1), torch.zeros(batch), atol=1e-5, rtol=0)


def test_with_all_the_data_the_estimate_is_the_aggregate_posterior():
    assert log_weights(6, 6).exp().numpy() == pytest.approx(np.full((6, 6), 1 / 6))


@pytest.mark.parametrize("batch", [2, 3, 5])
def test_over_all_batches_with_its_example_the_estimate_is_right_on_average(batch):
    size, z = 6, 0.3
    means, stds = np.linspace(-2, 2, size), np.linspace(0.3, 1.1, size)
    density = stats.norm.pdf(z, means, stds)
    weights = log_weights(batch, size).exp().double().numpy()
    for own in range(size):
        others = itertools.combinations([n for n in range(size) if n != own], batch - 1)
        estimates = [weights[0] @ density[[own, *chosen]] for chosen in others]
        assert np.mean(estimates) == pytest.approx(density.mean(), rel=1e-6)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ConfigError, match="dataset_size is 3, but the batch has 4"):
        log_weights(4, 3)


def test_a_single_example_is_all_there_is_to_go_by():
    z, mean, std = planted(torch.eye(2), 0.5, 1)
    found = decompose(z, mean, std, 100)
    assert found.mutual_information.abs().item() < 1e-5
    assert found.total_correlation.abs().item() < 1e-5


def test_gradients_reach_codes_means_and_widths():
    tensors = [t.clone().requires_grad_() for t in planted(COVARIANCE, WIDTH, 20)]
    found = decompose(*tensors, 500)
    (found.total_correlation + found.mutual_information).sum().backward()
    assert all(t.grad.isfinite().all() and t.grad.any() for t in tensors)
