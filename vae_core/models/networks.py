"""Encoder and decoder networks: plain stacks of layers, sized by a `ModelConfig`.

An encoder maps (B, C, H, W) to a feature vector; a decoder maps a code (B, D) to one real number per
pixel, (B, C, H, W), which the likelihood turns into p(x|z). Both are smooth (SiLU), because the
latent geometry that this program measures needs derivatives.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import prod

from torch import nn

from vae_core.config import ModelConfig

KERNEL, STRIDE, PADDING = 4, 2, 1  # halves the side at each step, rounding down


def encoder(config: ModelConfig) -> tuple[nn.Sequential, int]:
    """Return the encoder's body and the number of features it ends with."""
    layers = _conv_encoder if config.architecture == "conv" else _mlp_encoder
    return nn.Sequential(*layers(config)), config.hidden[-1]


def decoder(config: ModelConfig) -> nn.Sequential:
    """Return the decoder: code (B, D) -> one real number per pixel (B, C, H, W)."""
    layers = _conv_decoder if config.architecture == "conv" else _mlp_decoder
    return nn.Sequential(*layers(config))


def _mlp_encoder(config: ModelConfig) -> Iterator[nn.Module]:
    yield nn.Flatten()
    for inputs, outputs in pairwise((prod(config.data_shape), *config.hidden)):
        yield from (nn.Linear(inputs, outputs), nn.SiLU())


def _mlp_decoder(config: ModelConfig) -> Iterator[nn.Module]:
    widths = (config.latent_dim, *reversed(config.hidden))
    for inputs, outputs in pairwise(widths):
        yield from (nn.Linear(inputs, outputs), nn.SiLU())
    yield nn.Linear(widths[-1], prod(config.data_shape))
    yield nn.Unflatten(1, config.data_shape)


def _sides(config: ModelConfig) -> list[tuple[int, int]]:
    """Heights and widths before the first convolution and after each of them."""
    sides = [config.data_shape[1:]]
    for _ in config.hidden[:-1]:
        height, width = sides[-1]
        sides.append((height // STRIDE, width // STRIDE))
    return sides


def _conv_encoder(config: ModelConfig) -> Iterator[nn.Module]:
    *channels, dense = config.hidden
    for inputs, outputs in pairwise((config.data_shape[0], *channels)):
        yield from (nn.Conv2d(inputs, outputs, KERNEL, STRIDE, PADDING), nn.SiLU())
    yield from (nn.Flatten(), nn.Linear(channels[-1] * prod(_sides(config)[-1]), dense), nn.SiLU())


def _conv_decoder(config: ModelConfig) -> Iterator[nn.Module]:
    *channels, dense = config.hidden
    sides = _sides(config)
    yield from (nn.Linear(config.latent_dim, dense), nn.SiLU())
    yield from (nn.Linear(dense, channels[-1] * prod(sides[-1])), nn.SiLU())
    yield nn.Unflatten(1, (channels[-1], *sides[-1]))
    steps = list(
        zip(pairwise((*reversed(channels), config.data_shape[0])), pairwise(reversed(sides)), strict=True)
    )
    for (inputs, outputs), (small, large) in steps:
        # An odd side was rounded down by the encoder: give the lost row or column back here.
        lost = (large[0] - STRIDE * small[0], large[1] - STRIDE * small[1])
        yield nn.ConvTranspose2d(inputs, outputs, KERNEL, STRIDE, PADDING, output_padding=lost)
        if large is not sides[0]:
            yield nn.SiLU()
