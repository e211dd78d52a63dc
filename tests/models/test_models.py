"""Trained models, all architectures, every kind of data: shapes, gradients, what is random and what is not."""

import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributions import Distribution, Independent, Normal

from vae_core import checkpoint, objectives
from vae_core.config import ModelConfig
from vae_core.models import VAE, Autoencoder, LatentModel, PointMass, build

# Even and odd, square and not, the smallest and the largest.
SIDES = [(8, 8), (9, 13), (28, 28), (31, 64)]
CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
KINDS = {"vae": VAE, "autoencoder": Autoencoder}


def config(kind="vae", architecture="mlp", channels=1, sides=(9, 13), depth=3, shape=None):
    shape = shape or (channels, *sides)
    return ModelConfig(
        kind=kind,
        data_shape=shape,
        latent_dim=3,
        architecture=architecture,
        hidden=(*range(3, 3 + depth), 12) if architecture == "conv" else (12,) * depth,
        likelihood="bernoulli" if len(shape) == 3 else "gaussian",
    )


def images(shape, count=5, seed=0):
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(seed))


SERIES, TABLES = [(1, 8), (3, 37), (2, 64)], [(1,), (13,)]

every_model = pytest.mark.parametrize(
    "settings",
    [
        config(kind, architecture, channels, sides)
        for kind, architecture, channels, sides in itertools.product(
            KINDS, ("mlp", "conv", "linear"), (1, 3), SIDES
        )
    ]
    + [
        config(kind, architecture, shape=shape)
        for kind, architecture, shape in itertools.product(
            KINDS, ("mlp", "conv", "linear"), (*SERIES, *TABLES)
        )
        if architecture != "conv" or len(shape) > 1
    ],
    ids=lambda c: f"{c.kind}-{c.architecture}-{'x'.join(map(str, c.data_shape))}",
)
one_of_each = pytest.mark.parametrize(
    "settings",
    [config(kind, architecture) for kind, architecture in itertools.product(KINDS, ("mlp", "conv", "linear"))]
    + [config("vae", "conv", shape=(2, 19)), config("vae", "mlp", shape=(7,))],
    ids=lambda c: f"{c.kind}-{c.architecture}-{len(c.data_shape)}",
)


@every_model
def test_shapes_and_gradients(settings):
    model = build(settings)
    assert isinstance(model, KINDS[settings.kind])
    assert isinstance(model, LatentModel)
    assert (model.latent_dim, model.data_shape) == (3, settings.data_shape)

    x = images(model.data_shape)
    posterior = model.encode(x)
    assert isinstance(posterior, Distribution)
    assert posterior.batch_shape == (5,)
    assert posterior.event_shape == (3,)
    assert posterior.mean.shape == posterior.variance.shape == (5, 3)

    likelihood = model.decode(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
    assert likelihood.batch_shape == (4,)
    assert likelihood.event_shape == model.data_shape
    assert likelihood.mean.shape == (4, *model.data_shape)
    if settings.likelihood == "bernoulli":
        assert 0 <= likelihood.mean.min() <= likelihood.mean.max() <= 1

    objectives.terms(model, x, torch.Generator().manual_seed(2)).loss().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("side", [8, 15, 16, 17, 33, 64])
def test_conv_reaches_as_deep_as_its_config_allows(side):
    for depth in range(1, min(4, side.bit_length() - 1) + 1):
        model = build(config(architecture="conv", sides=(side, 64), depth=depth))
        assert model.decode(model.encode(images(model.data_shape)).mean).mean.shape == (5, 1, side, 64)


@pytest.mark.parametrize("length", [8, 15, 16, 17, 33, 100])
def test_conv_halves_a_series_as_often_as_its_config_allows(length):
    for depth in range(1, min(4, length.bit_length() - 1) + 1):
        model = build(config(architecture="conv", shape=(2, length), depth=depth))
        assert model.decode(model.encode(images((2, length))).mean).mean.shape == (5, 2, length)
        convolutions = [layer for layer in model.encoder if isinstance(layer, torch.nn.Conv1d)]
        assert len(convolutions) == depth


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 8, 9), (2, 19), (7,)])
def test_linear_models_are_straight_lines_both_ways(kind, shape):
    model = build(config(kind, "linear", shape=shape))
    a, b = images(shape, seed=1), images(shape, seed=2)
    middle = (model.encode(a).mean + model.encode(b).mean) / 2
    torch.testing.assert_close(model.encode((a + b) / 2).mean, middle)
    codes = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    ends = [model.decoder(z) for z in codes]
    torch.testing.assert_close(model.decoder(codes.mean(0)), (ends[0] + ends[1]) / 2)


@one_of_each
def test_moments_are_those_of_the_posterior(settings):
    model = build(settings)
    x = images(model.data_shape)
    mean, std = model.moments(x)
    assert torch.equal(mean, model.encode(x).mean)
    if settings.kind == "vae":
        torch.testing.assert_close(std, model.encode(x).stddev)
    else:
        assert std is None


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_the_bundled_weights_fit_by_name_and_shape(path):
    stored = load_file(path)
    built = build(checkpoint.describe(path).model).state_dict()
    assert {f"model.{name}": tensor.shape for name, tensor in built.items()} == {
        name: tensor.shape for name, tensor in stored.items() if name.startswith("model.")
    }


@one_of_each
def test_every_pixel_and_every_code_matters(settings):
    model = build(settings)
    x = images(model.data_shape, count=1).requires_grad_()
    model.encode(x).mean.sum().backward()
    assert x.grad is not None
    assert x.grad.all()  # the last row and column of an odd side too
    z = torch.zeros(1, 3, requires_grad=True)
    model.decode(z).mean.square().sum().backward()
    assert z.grad is not None
    assert z.grad.all()


@one_of_each
def test_each_example_is_treated_alone(settings):
    model = build(settings)
    x = images(model.data_shape)
    alone = torch.cat([model.encode(example).mean for example in x.split(1)])
    torch.testing.assert_close(model.encode(x).mean, alone)
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([model.decode(code).mean for code in z.split(1)])
    torch.testing.assert_close(model.decode(z).mean, alone)


@one_of_each
def test_train_and_eval_mode_change_nothing(settings):
    model = build(settings)
    x = images(model.data_shape)

    def results():
        posterior = model.encode(x)
        z = objectives.reparameterize(posterior, torch.Generator().manual_seed(3))
        return posterior.mean, posterior.variance, z, model.decode(z).mean, model.decode(z).log_prob(x)

    training, evaluating = (results() for model in (model.train(), model.eval()))
    for a, b in zip(training, evaluating, strict=True):
        assert torch.equal(a, b)


@one_of_each
def test_encode_and_decode_draw_nothing(settings):
    model = build(settings)
    x = images(model.data_shape)
    before = torch.get_rng_state()
    first, second = (model.decode(model.encode(x).mean).mean for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


@one_of_each
def test_the_seed_decides_the_weights_and_the_global_generator_is_kept(settings):
    before = torch.get_rng_state()
    torch.rand(7)
    moved = torch.get_rng_state()
    same, again, other = build(settings, 5).state_dict(), build(settings, 5).state_dict(), build(settings, 6)
    assert torch.equal(torch.get_rng_state(), moved)
    torch.set_rng_state(before)
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert not any(torch.equal(same[name], tensor) for name, tensor in other.state_dict().items())


def test_the_prior_is_the_standard_normal():
    prior = build(config()).prior()
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    assert prior.event_shape == (3,)
    torch.testing.assert_close(prior.log_prob(z), expected.log_prob(z))


@pytest.mark.parametrize("push", [-1000.0, -100.0, 100.0, 1000.0])
def test_the_posterior_keeps_a_positive_finite_width(push):
    model = build(config())
    with torch.no_grad():
        model.std.bias.fill_(push)
    posterior = model.encode(images(model.data_shape))
    assert isinstance(posterior, Independent)
    assert isinstance(posterior.base_dist, Normal)
    assert (posterior.stddev > 0).all()
    kl = objectives.kl_to_prior(posterior)
    assert torch.isfinite(kl).all()
    kl.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.encoder.parameters())


def test_a_point_mass_is_its_point():
    point = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    posterior = PointMass(point)
    assert (posterior.batch_shape, posterior.event_shape) == ((4,), (3,))
    assert torch.equal(posterior.mean, point)
    assert posterior.variance.eq(0).all()
    assert posterior.stddev.eq(0).all()
    draws = posterior.rsample((6,))
    assert draws.shape == (6, 4, 3)
    assert all(torch.equal(draw, point) for draw in draws)
    assert torch.equal(posterior.sample(), point)
    with pytest.raises(NotImplementedError):
        posterior.log_prob(point)


def test_an_autoencoder_passes_gradients_through_its_point():
    model = build(config("autoencoder"))
    x = images(model.data_shape)
    assert model.encode(x).rsample().requires_grad
    assert isinstance(model.encode(x), PointMass)
