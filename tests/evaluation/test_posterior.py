"""p(z|x), log p(x) and the identity that ties them to the ELBO, where they are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from sklearn.datasets import load_digits

from tests.evaluation.planted_posteriors import LinearGaussian, TwoModes, example, generator
from vae_core import checkpoint
from vae_core.config import ModelConfig
from vae_core.errors import PosteriorError, Stopped
from vae_core.evaluation import posterior
from vae_core.evaluation.posterior import Encoded, elbo, encoded, exact, heat_map, identity, log_joint
from vae_core.models import build

CHECKPOINTS = Path("checkpoints")


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("variance", [1e-3, 0.1, 10.0])
def test_a_linear_gaussian_model_has_its_closed_form(latent, variance):
    model = LinearGaussian(latent, variance=variance)
    x = example(model)
    found, true = exact(model, x), model.posterior(x)
    assert found.log_evidence == pytest.approx(model.log_evidence(x), abs=1e-3)
    covariance = true.covariance_matrix.reshape(latent, latent).numpy()
    scale = np.sqrt(covariance.diagonal())
    np.testing.assert_allclose(found.mean, true.mean[0], atol=1e-3 * scale.max())
    np.testing.assert_allclose(found.covariance, covariance, atol=2e-3 * scale.max() ** 2)


def test_the_heat_map_is_the_density_at_its_places():
    model = LinearGaussian()
    x = example(model)
    found = exact(model, x)
    places = torch.cartesian_prod(*map(torch.from_numpy, found.axes))
    expected = model.posterior(x).log_prob(places).reshape(found.log_posterior.shape)
    np.testing.assert_allclose(found.log_posterior, expected, atol=1e-2)
    area = math.prod(axis[1] - axis[0] for axis in found.axes)
    assert np.exp(found.log_posterior).sum() * area == pytest.approx(1, abs=1e-3)
    part = heat_map(model, x, found.log_evidence, (found.axes[0][:5], found.axes[1][7:9]))
    np.testing.assert_allclose(part, found.log_posterior[:5, 7:9])


def test_both_modes_are_kept_also_the_one_that_q_does_not_know():
    model = TwoModes()
    found = exact(model, torch.tensor([[2.5, 0.4]], dtype=torch.float64))
    # Each mode is a product of Gaussians: N(x; |z|, s^2) N(z; 0, 1), so the evidence is twice that of one.
    one = sum(-0.5 * (v * v / (1 + 0.05**2) + math.log(2 * math.pi * (1 + 0.05**2))) for v in (2.5, 0.4))
    assert found.log_evidence == pytest.approx(one + math.log(2), abs=1e-3)
    assert found.mean[0] == pytest.approx(0, abs=1e-3)
    assert found.covariance[0, 0] == pytest.approx((2.5 / (1 + 0.05**2)) ** 2, rel=1e-2)
    first, _ = found.axes
    assert first[0] < -2.5 < 2.5 < first[-1]


def test_a_small_network_as_scipy_integrates_it():
    model = build(
        ModelConfig(data_shape=(3,), latent_dim=2, hidden=(8,), likelihood="gaussian", variance=0.3)
    )
    x = torch.tensor([[0.5, -1.0, 0.2]])

    def density(b, a):
        with torch.inference_mode():
            return log_joint(model, x, torch.tensor([[a, b]])).exp().item()

    reference, _ = dblquad(density, -6, 6, -6, 6, epsabs=1e-8, epsrel=1e-5)
    assert exact(model, x).log_evidence == pytest.approx(math.log(reference), abs=1e-3)


def test_a_constant_decoder_leaves_the_prior_as_it_was():
    model = LinearGaussian()
    model.weight = torch.zeros_like(model.weight)
    x = example(model)
    found = exact(model, x)
    log_likelihood = model.decode(torch.zeros(1, 2, dtype=torch.float64)).log_prob(x).item()
    assert found.log_evidence == pytest.approx(log_likelihood, abs=1e-3)
    np.testing.assert_allclose(found.mean, 0, atol=1e-4)
    np.testing.assert_allclose(found.covariance, np.eye(2), atol=1e-3)


# --- log p(x) = ELBO + KL ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "widen"), [(0.0, 1.0), (0.3, 0.2), (-1.0, 2.5), (0.1, 0.01)])
@pytest.mark.parametrize("latent", [1, 2])
def test_the_identity_in_closed_form(latent, shift, widen):
    model = LinearGaussian(latent, shift, widen)
    x = example(model)
    found, q = identity(model, x), encoded(model, x)
    kl = model.kl_of(x, q.mean, q.std)
    assert found.kl_to_true == pytest.approx(kl, abs=2e-3)
    assert found.elbo == pytest.approx(model.log_evidence(x) - kl, abs=2e-3)
    assert abs(found.difference) < 2e-3
    assert found.elbo == elbo(model, x, q)


def digits(count):
    return torch.from_numpy(load_digits().images[:count] / 16).float()[:, None]


def mnist_like():
    """What the decoder makes of a reference code, a blend with another one, and an empty picture."""
    loaded = checkpoint.load(CHECKPOINTS / "mnist-vae-2d.safetensors")
    with torch.no_grad():
        means = loaded.model.decode(loaded.reference.mean[:2]).mean
    return loaded.model, torch.cat((means[:1], means.mean(0, keepdim=True), torch.zeros(1, 1, 28, 28)))


def test_the_identity_closes_on_handwritten_digits_also_badly_encoded_ones():
    model = checkpoint.load(CHECKPOINTS / "digits-vae-2d.safetensors").model
    x = torch.cat((digits(4), digits(2).flip(-1), torch.rand(1, 1, 8, 8, generator=generator())))
    found = [identity(model, each) for each in x.split(1)]
    assert max(abs(each.difference) for each in found) < 1e-2
    assert min(each.kl_to_true for each in found) > 0
    assert max(each.kl_to_true for each in found) > 5  # the last ones are not what it was trained on


def test_the_identity_closes_on_mnist_where_q_misses_whole_regions():
    model, x = mnist_like()
    found = [identity(model, each) for each in x.split(1)]
    assert max(abs(each.difference) for each in found) < 1e-2
    assert found[-1].kl_to_true > 100


def test_the_identity_would_show_a_wrong_evidence():
    model = LinearGaussian()
    x = example(model)
    found = exact(model, x)
    wrong = posterior.Exact(found.log_evidence + 0.1, *list(vars(found).values())[1:])
    assert identity(model, x, wrong).difference == pytest.approx(0.1, abs=2e-3)


def test_the_elbo_of_any_gaussian_agrees_with_draws():
    model, x = mnist_like()
    q = Encoded(torch.tensor([0.3, -0.8]), torch.tensor([0.4, 0.2]))
    z = q.mean + q.std * torch.randn(5_000, 2, generator=generator())
    with torch.inference_mode():
        values = posterior.log_likelihood(model, x[:1], z)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, q.std), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    error = (values.std() / len(z) ** 0.5).item()
    assert elbo(model, x[:1], q) == pytest.approx((values.mean() - kl).item(), abs=4 * error)


# --- what has none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["autoencoder", "pca"])
def test_models_without_a_posterior_say_so(kind):
    model = build(ModelConfig(kind=kind, data_shape=(7,), likelihood="gaussian"))
    with pytest.raises(PosteriorError, match="no posterior"):
        exact(model, torch.zeros(1, 7))


def test_more_than_two_dimensions_say_what_else_there_is():
    model = LinearGaussian(3)
    for call in (exact, identity):
        with pytest.raises(PosteriorError, match="has 3 latent dimensions"):
            call(model, example(model))


@pytest.mark.parametrize("shape", [(2, 6), (1, 5), (6,)])
def test_one_example_at_a_time(shape):
    with pytest.raises(PosteriorError, match="one example"):
        encoded(LinearGaussian(), torch.zeros(shape, dtype=torch.float64))


def test_an_encoder_that_says_nothing_is_named():
    model = build(ModelConfig(data_shape=(6,), latent_dim=2, hidden=(8,), likelihood="gaussian"))
    with pytest.raises(PosteriorError, match="not finite"):
        exact(model, torch.full((1, 6), math.nan))


def test_it_can_be_stopped():
    model = LinearGaussian()
    with pytest.raises(Stopped):
        exact(model, example(model), should_stop=lambda: True)


def test_it_is_the_same_in_inference_mode_and_leaves_the_model_alone():
    model = build(ModelConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(16,)))
    x = torch.rand(1, 1, 8, 8, generator=generator())
    outside = exact(model, x)
    with torch.inference_mode():
        inside = exact(model, x.clone())
    assert inside.log_evidence == outside.log_evidence
    assert all(parameter.grad is None for parameter in model.parameters())
