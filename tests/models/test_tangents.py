"""Derivatives through the decoder's layers, against torch's own forward mode and against differences in float64."""

import pytest
import torch
from torch import nn

from vae_core.config import ModelConfig
from vae_core.latent.metric import largest_stretch, pullback
from vae_core.models import PCA, build
from vae_core.models.tangents import tangents_of

SHAPES = {
    "mlp": {"data_shape": (1, 8, 8), "hidden": (16, 12)},
    "linear": {"data_shape": (1, 8, 8), "architecture": "linear", "hidden": (16,)},
    "conv": {"data_shape": (3, 16, 16), "architecture": "conv", "hidden": (4, 8, 16)},
    "odd sides": {"data_shape": (1, 28, 28), "architecture": "conv", "hidden": (4, 8, 8, 16)},
    "series": {"data_shape": (2, 32), "architecture": "conv", "hidden": (4, 8, 16), "likelihood": "gaussian"},
    "table": {"data_shape": (7,), "hidden": (16,), "likelihood": "gaussian"},
}


def made(**settings):
    config = ModelConfig(**{"latent_dim": 3} | settings)
    model = build(config, seed=1)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3)  # so that activations and pictures are bent
    return model.eval()


def codes(n=9, latent=3):
    return torch.randn(n, latent, generator=torch.Generator().manual_seed(0))


def mean(model):
    return lambda z: model.decode(z).mean


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
@pytest.mark.parametrize("settings", SHAPES.values(), ids=SHAPES)
def test_the_metric_is_that_of_forward_mode(kind, settings):
    model, z = made(kind=kind, **settings), codes()
    expected = pullback(mean(model), z)
    found = pullback(mean(model), z, tangents=tangents_of(model))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal"])
def test_tangents_are_the_limit_of_differences(likelihood):
    model = made(**SHAPES["conv"], likelihood=likelihood).double()
    z, directions, step = codes().double(), torch.eye(3).double()[:2], 1e-6
    with torch.no_grad():
        found = tangents_of(model)(z, directions)
        for k, direction in enumerate(directions):
            there, back = (mean(model)(z + sign * step * direction).flatten(1) for sign in (1, -1))
            torch.testing.assert_close(found[:, k], (there - back) / (2 * step), rtol=1e-4, atol=1e-6)


def test_directions_need_not_be_axes():
    model, z = made(**SHAPES["mlp"]), codes()
    with torch.no_grad():
        push = tangents_of(model)
        columns = push(z, torch.eye(3))
        mixed = push(z, torch.tensor([[1.0, -2.0, 0.5]]))
    torch.testing.assert_close(mixed[:, 0], columns[:, 0] - 2 * columns[:, 1] + 0.5 * columns[:, 2])


def test_channels_last_changes_nothing():
    model, z = made(**SHAPES["conv"]), codes()
    before = pullback(mean(model), z, tangents=tangents_of(model))
    model.to(memory_format=torch.channels_last)
    after = pullback(mean(model), z, tangents=tangents_of(model))
    torch.testing.assert_close(largest_stretch(after), largest_stretch(before), rtol=1e-4, atol=0)


def test_decoders_of_other_layers_are_left_to_forward_mode():
    model = made(**SHAPES["mlp"])
    model.decoder.append(nn.Tanh())
    assert tangents_of(model) is None
    config = ModelConfig(kind="pca", data_shape=(1, 8, 8), latent_dim=2, likelihood="gaussian")
    assert (
        tangents_of(PCA.fit(config, torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))))
        is None
    )
