"""Approximation and amortization gap where both are known in closed form."""

import itertools
import math

import pytest
import torch

from tests.evaluation.planted_posteriors import LinearGaussian, TwoModes, example, generator
from vae_core.config import ModelConfig
from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation.gaps import best_gaussian, gaps
from vae_core.evaluation.posterior import encoded, exact
from vae_core.models import build


def closed_forms(model, x):
    """KL of the best diagonal Gaussian, whose variances are 1 / precision_dd, and by how much q's is larger."""
    q = encoded(model, x)
    approximation = model.kl_of(x, model.posterior(x).mean[0], model.precision.diagonal().rsqrt())
    return approximation, model.kl_of(x, q.mean, q.std) - approximation


@pytest.mark.parametrize(("shift", "widen"), [(0.0, 1.0), (0.4, 1.0), (-0.2, 0.3), (2.0, 3.0)])
@pytest.mark.parametrize("latent", [1, 2])
def test_by_quadrature_they_are_the_closed_forms(latent, shift, widen):
    model = LinearGaussian(latent, shift, widen)
    x = example(model)
    found = gaps(model, x, generator())
    approximation, amortization = closed_forms(model, x)
    assert found.is_exact
    assert found.log_evidence == pytest.approx(model.log_evidence(x), abs=1e-3)
    assert found.approximation_gap == pytest.approx(approximation, abs=3e-3)
    assert found.amortization_gap == pytest.approx(amortization, abs=3e-3)
    torch.testing.assert_close(found.best.mean, model.posterior(x).mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(found.best.std, model.precision.diagonal().rsqrt(), rtol=0.05, atol=0)


def test_in_more_dimensions_they_are_estimates_with_standard_errors():
    model = LinearGaussian(4, shift=0.2, widen=1.5)
    x = example(model)
    found = gaps(model, x, generator())
    approximation, amortization = closed_forms(model, x)
    assert not found.is_exact
    assert found.amortization_gap == pytest.approx(amortization, abs=4 * found.amortization_error + 0.02)
    assert found.approximation_gap == pytest.approx(approximation, abs=4 * found.approximation_error + 0.05)
    assert found.log_evidence == pytest.approx(
        model.log_evidence(x), abs=4 * found.approximation_error + 0.05
    )
    assert found.approximation_error < 0.2
    assert found.seconds > 0


def test_what_is_known_of_the_evidence_is_not_computed_again():
    model = LinearGaussian()
    assert gaps(model, example(model), generator(), log_evidence=-1.0).log_evidence == -1.0


def test_the_best_gaussian_of_two_modes_sits_in_one_and_pays_for_the_other():
    model = TwoModes()
    x = torch.tensor([[2.5, 0.4]], dtype=torch.float64)
    found = gaps(model, x, generator())
    assert abs(found.best.mean[0]) == pytest.approx(2.5, abs=0.05)
    assert found.approximation_gap == pytest.approx(math.log(2), abs=5e-3)
    assert exact(model, x).log_evidence == pytest.approx(found.log_evidence, abs=1e-6)


def test_a_trained_or_untrained_network_has_gaps_that_are_not_negative():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(16,)))
    x = torch.rand(1, 1, 8, 8, generator=generator())
    with torch.inference_mode():  # as a page may call it
        found = gaps(model, x, generator())
    assert found.approximation_gap > -1e-3
    assert found.amortization_gap >= 0
    total = found.log_evidence - found.elbo
    assert found.approximation_gap + found.amortization_gap == pytest.approx(total)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_same_generator_gives_the_same_q():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=3, hidden=(16,)))
    x = torch.rand(1, 1, 8, 8, generator=generator())
    before = torch.get_rng_state()
    first, again = (best_gaussian(model, x, generator(5)) for _ in range(2))
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.std, again.std)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("latent", [2, 4])
def test_it_says_how_far_it_is_and_can_be_stopped(latent):
    model, seen = LinearGaussian(latent, shift=0.3), []
    gaps(model, example(model), generator(), on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    asked = itertools.count()
    with pytest.raises(Stopped):
        gaps(model, example(model), generator(), should_stop=lambda: next(asked) == 3)


def test_models_without_a_posterior_say_so():
    model = build(ModelConfig(kind="autoencoder", data_shape=(7,), likelihood="gaussian"))
    with pytest.raises(PosteriorError, match="no posterior"):
        gaps(model, torch.zeros(1, 7), generator())
