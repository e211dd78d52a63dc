"""Bounds of log p(x) where log p(x) is known: a linear-Gaussian model."""

import itertools
import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from vae_core.config import ModelConfig
from vae_core.evaluation.likelihood import active_units, evaluate, importance_weighted_bound
from vae_core.models import LatentModel, PointMass, build
from vae_core.objectives import terms

SIDE = 3  # images of 3 x 3 pixels


class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(W z + b, c I) with orthogonal columns in W, so that p(z|x) is diagonal.

    q(z|x) is p(z|x), moved by `shift` of its standard deviations and widened `widen` times.
    """

    latent_dim, data_shape = 2, (1, SIDE, SIDE)

    def __init__(self, shift=0.0, widen=1.0):
        generator = torch.Generator().manual_seed(0)
        columns, _ = torch.linalg.qr(torch.randn(SIDE**2, 2, generator=generator, dtype=torch.float64))
        self.weight = columns * torch.tensor([1.5, 0.6], dtype=torch.float64)
        self.bias = torch.rand(SIDE**2, generator=generator, dtype=torch.float64)
        self.variance, self.shift, self.widen = 0.1, shift, widen

    def encode(self, x):
        precision = 1 + self.weight.square().sum(0) / self.variance
        mean = (x.flatten(1).double() - self.bias) @ self.weight / self.variance / precision
        std = precision.rsqrt()
        return Independent(Normal(mean + self.shift * std, (self.widen * std).expand_as(mean)), 1)

    def decode(self, z):
        mean = (z @ self.weight.T + self.bias).unflatten(-1, self.data_shape)
        return Independent(Normal(mean, math.sqrt(self.variance)), 3)

    def log_evidence(self, x):
        covariance = self.weight @ self.weight.T + self.variance * torch.eye(SIDE**2, dtype=torch.float64)
        return MultivariateNormal(self.bias, covariance).log_prob(x.flatten(1).double())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=4):
    return torch.rand(count, 1, SIDE, SIDE, generator=generator(9), dtype=torch.float64)


def many_bounds(model, samples, repeats=400, seed=0):
    """Independent estimates (repeats, 4) of the bound for each image."""
    x = images().repeat(repeats, 1, 1, 1)
    return importance_weighted_bound(model, x, samples, generator(seed)).reshape(repeats, -1)


@pytest.mark.parametrize("samples", [1, 2, 25])
def test_with_the_exact_posterior_every_draw_gives_the_evidence(samples):
    model = LinearGaussian()
    bound = importance_weighted_bound(model, images(), samples, generator())
    torch.testing.assert_close(bound.double(), model.log_evidence(images()), atol=1e-4, rtol=1e-4)


def test_one_draw_is_the_elbo_on_average():
    model = LinearGaussian(shift=0.7, widen=1.6)
    bound = many_bounds(model, 1, repeats=4000)
    elbo = terms(model, images().repeat(4000, 1, 1, 1), generator(1)).elbo.reshape(4000, -1)
    error = (bound.var(0) / 4000 + elbo.var(0) / 4000).sqrt()
    assert ((bound.mean(0) - elbo.mean(0)).abs() < 5 * error).all()
    assert (error < 0.1).all()
    assert (elbo.mean(0) < model.log_evidence(images()) - 0.2).all()


def test_more_draws_tighten_the_bound_and_none_exceeds_the_evidence_on_average():
    model = LinearGaussian(shift=0.7, widen=1.6)
    evidence = model.log_evidence(images())
    bounds = torch.stack([many_bounds(model, samples).double() for samples in (1, 3, 10, 40)])
    means, errors = bounds.mean(1), bounds.std(1) / 400**0.5
    assert (means.diff(dim=0) > -3 * errors[1:]).all()
    assert (means <= evidence + 4 * errors).all()
    assert (evidence - means[0] > 5 * (evidence - means[-1])).all()


def test_many_draws_reach_the_evidence():
    model = LinearGaussian(shift=0.5, widen=1.5)
    bound = importance_weighted_bound(model, images(), 5000, generator(), chunk=1000)
    torch.testing.assert_close(bound.double(), model.log_evidence(images()), atol=0.05, rtol=0)


@pytest.mark.parametrize("chunk", [1, 3, 16, 100])
def test_the_chunk_size_changes_the_memory_and_not_the_answer(chunk):
    # 8 images with 2 latent dimensions: a multiple of the 16 numbers that torch draws at a time, so that
    # the same generator gives the same draws however they are asked for.
    model, x = LinearGaussian(shift=0.7, widen=1.6), images(8)
    whole = importance_weighted_bound(model, x, 16, generator(), chunk=16)
    torch.testing.assert_close(importance_weighted_bound(model, x, 16, generator(), chunk), whole)


def test_the_bound_of_a_vae_is_above_its_elbo_on_average_and_draws_from_its_generator_only():
    model = build(ModelConfig(data_shape=(1, 8, 8), hidden=(16,)))
    x = torch.rand(200, 1, 8, 8, generator=generator())
    before = torch.get_rng_state()
    with torch.no_grad():
        first, again = (importance_weighted_bound(model, x, 20, generator(3)) for _ in range(2))
        elbo = torch.stack([terms(model, x, generator(seed)).elbo for seed in range(20)]).mean()
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.shape == (200,)
    assert first.mean() > elbo


# --- evaluate -----------------------------------------------------------------------------------------------


def bytes_of(count=60):
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=generator(5))


def vae(**settings):
    return build(ModelConfig(data_shape=(1, 8, 8), latent_dim=3, hidden=(16,), **settings))


def test_figures_are_averages_over_the_examples_and_add_up():
    model, data = vae(), bytes_of()
    figures = evaluate(model, data, generator(1))
    assert figures["examples"] == 60
    assert figures["elbo"] == pytest.approx(figures["reconstruction"] - figures["kl"])
    assert sum(figures["kl_per_dimension"]) == pytest.approx(figures["kl"])
    assert len(figures["kl_per_dimension"]) == 3
    with torch.no_grad():
        expected = terms(model, data / 255, generator(1))
    assert figures["elbo"] == pytest.approx(expected.elbo.mean().item(), rel=1e-6)
    assert figures["kl_per_dimension"] == pytest.approx(expected.kl_per_dimension.mean(0).tolist(), rel=1e-5)


def test_the_batch_size_does_not_change_what_is_measured():
    model, data = vae(), bytes_of()
    whole, parts = (evaluate(model, data, generator(1), batch_size=size) for size in (1000, 7))
    assert parts["kl_per_dimension"] == pytest.approx(whole["kl_per_dimension"], rel=1e-5)
    assert parts["active_units"] == whole["active_units"]
    assert parts["reconstruction"] == pytest.approx(whole["reconstruction"], rel=0.05)  # other draws


def test_the_same_seed_gives_the_same_figures():
    model, data = vae(), bytes_of()
    assert evaluate(model, data, generator(1), samples=3) == evaluate(model, data, generator(1), samples=3)
    assert evaluate(model, data, generator(1)) != evaluate(model, data, generator(2))


def test_the_bound_is_reported_when_asked_for():
    model, data = vae(), bytes_of()
    without, with_bound = (evaluate(model, data, generator(1), samples=samples) for samples in (0, 30))
    assert with_bound.keys() - without.keys() == {"importance_weighted_bound", "importance_samples"}
    assert with_bound["importance_samples"] == 30
    assert with_bound["importance_weighted_bound"] > with_bound["elbo"]


def test_an_autoencoder_has_no_elbo():
    figures = evaluate(vae(kind="autoencoder"), bytes_of(), generator(), samples=5)
    assert figures.keys() == {"examples", "reconstruction", "squared_error", "active_units"}


KINDS = {
    "vae": {"hidden": (16,)},
    "conv": {"hidden": (4, 16), "architecture": "conv"},
    "autoencoder": {"kind": "autoencoder", "hidden": (16,)},
    "linear": {"architecture": "linear"},
    "pca": {"kind": "pca"},
}
LIKELIHOODS = ("bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal")


def there_is(kind, shape, likelihood):
    if len(shape) < 3 and "bernoulli" in likelihood:
        return False
    return likelihood == "gaussian" if kind == "pca" else kind != "conv" or len(shape) > 1


@pytest.mark.parametrize(
    ("kind", "shape", "likelihood"),
    [case for case in itertools.product(KINDS, ((1, 8, 8), (2, 20), (7,)), LIKELIHOODS) if there_is(*case)],
    ids=str,
)
def test_every_model_of_every_kind_of_data_has_its_figures(kind, shape, likelihood):
    model = build(ModelConfig(data_shape=shape, likelihood=likelihood, **KINDS[kind]))
    data = bytes_of() if len(shape) == 3 else torch.randn(60, *shape, generator=generator(5))
    figures = evaluate(model, data, generator(), samples=2, batch_size=25)
    assert ("elbo" in figures) == ("importance_weighted_bound" in figures) == (model.config.kind == "vae")
    assert all(math.isfinite(value) for value in figures.values() if isinstance(value, float))
    if model.config.kind != "vae":
        x = data / 255 if len(shape) == 3 else data
        with torch.no_grad():
            again = model.decode(model.encode(x).mean).mean
        distance = ((again - x).flatten(1).norm(dim=1) ** 2).mean().item()
        assert figures["squared_error"] == pytest.approx(distance / math.prod(shape), rel=1e-5)


def test_a_known_error_is_measured_as_it_is():
    # The planted decoder always says 0, so the error of uniform bytes is the mean of their squares, 1/3.
    assert evaluate(Planted(), bytes_of(2000), generator())["squared_error"] == pytest.approx(1 / 3, rel=0.02)


def test_evaluation_leaves_the_model_as_it_was():
    model = vae()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, bytes_of(), generator())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Planted:
    """Its posterior means are the first pixels, as given; everything else is the prior."""

    latent_dim, data_shape = 4, (1, 8, 8)

    def encode(self, x):
        return PointMass(x.flatten(1)[:, :4] * torch.tensor([1.0, 0.5, 0.05, 0.0]))

    def decode(self, z):
        return Independent(Normal(torch.zeros(len(z), 1, 8, 8), 1.0), 3)


def test_active_units_are_those_whose_mean_varies():
    # Uniform pixels have variance 1/12: 0.083, then 0.021, 0.0002 and 0.
    model = Planted()
    assert isinstance(model, LatentModel)
    assert evaluate(model, bytes_of(2000), generator(), batch_size=300)["active_units"] == 2


def test_a_mean_far_from_zero_that_does_not_vary_is_not_active():
    means = torch.randn(1000, 5, generator=generator()) * torch.tensor([1.0, 0.2, 0.05, 0.0, 0.09]) + 100
    assert active_units(means) == 2
