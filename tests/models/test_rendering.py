"""Rendered pixels are the rounded mean of p(x|z), however the codes are cut up."""

import numpy as np
import pytest
import torch

from vae_core.config import ModelConfig
from vae_core.models import build
from vae_core.models.rendering import CHUNK, render


def model(channels=1, architecture="mlp", likelihood="bernoulli"):
    return build(
        ModelConfig(
            data_shape=(channels, 8, 11), architecture=architecture, hidden=(6, 12), likelihood=likelihood
        )
    )


def codes(count):
    return np.random.default_rng(0).normal(0, 2, (count, 2)).astype(np.float32)


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 3 * CHUNK - 1])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_pixels_are_the_rounded_mean_channels_last(count, channels, architecture):
    decoder, z = model(channels, architecture), codes(count)
    pixels = render(decoder, z)
    assert pixels.shape == (count, 8, 11, channels)
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    with torch.no_grad():
        mean = decoder.decode(torch.from_numpy(z)).mean.numpy().transpose(0, 2, 3, 1)
    assert np.abs(pixels / 255 - mean).max() < 0.5001 / 255


def test_a_gaussian_decoder_beyond_the_range_is_clipped():
    decoder = model(likelihood="gaussian")
    with torch.no_grad():
        decoder.decoder[-2].bias.copy_(torch.linspace(-300, 300, 88))
    pixels = render(decoder, codes(3))
    assert (pixels.reshape(3, -1)[:, :40] == 0).all()
    assert (pixels.reshape(3, -1)[:, 48:] == 255).all()


def test_no_codes_give_no_pictures():
    assert render(model(), codes(0)).shape == (0, 8, 11, 1)


def test_rendering_leaves_no_gradients_and_keeps_the_codes():
    decoder, z = model(), codes(5)
    kept = z.copy()
    render(decoder, z)
    assert np.array_equal(z, kept)
    assert all(parameter.grad is None for parameter in decoder.parameters())
