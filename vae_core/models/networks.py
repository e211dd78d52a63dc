"""Encoder and decoder networks: plain stacks of layers, sized by a `ModelConfig`.

An encoder maps (B, *data_shape) to a feature vector; a decoder maps a code (B, D) to one real number per
pixel, step or column, (B, *data_shape), which the likelihood turns into p(x|z). Both are smooth (SiLU, or nothing
but a linear map), because the latent geometry that this program measures needs derivatives.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import prod

from torch import nn

from vae_core.config import ModelConfig

KERNEL, STRIDE, PADDING = 4, 2, 1  # halves the side at each step, rounding down


def encoder(config: ModelConfig) -> tuple[nn.Sequential, int]:
    """Return the encoder's body and the number of features it ends with.

    Without hidden layers (architecture linear) the features are the example itself, flattened.
    """
    if config.architecture == "conv":
        return nn.Sequential(*_conv_encoder(config)), config.hidden[-1]
    widths = (prod(config.data_shape), *_hidden(config))
    return nn.Sequential(nn.Flatten(), *_dense(widths)), widths[-1]


def decoder(config: ModelConfig) -> nn.Sequential:
    """Return the decoder: code (B, D) -> one real number per pixel (B, *data_shape)."""
    if config.architecture == "conv":
        return nn.Sequential(*_conv_decoder(config))
    widths = (config.latent_dim, *reversed(_hidden(config)))
    last = nn.Linear(widths[-1], prod(config.data_shape))
    return nn.Sequential(*_dense(widths), last, nn.Unflatten(1, config.data_shape))


def _hidden(config: ModelConfig) -> tuple[int, ...]:
    return () if config.architecture == "linear" else config.hidden


def _dense(widths: tuple[int, ...]) -> Iterator[nn.Module]:
    for inputs, outputs in pairwise(widths):
        yield from (nn.Linear(inputs, outputs), nn.SiLU())


def _sides(config: ModelConfig) -> list[tuple[int, ...]]:
    """Height and width (or length) before the first convolution and after each of them."""
    sides = [config.data_shape[1:]]
    for _ in config.hidden[:-1]:
        sides.append(tuple(side // STRIDE for side in sides[-1]))
    return sides


def _conv_encoder(config: ModelConfig) -> Iterator[nn.Module]:
    convolution = nn.Conv2d if len(config.data_shape) == 3 else nn.Conv1d
    *channels, dense = config.hidden
    for inputs, outputs in pairwise((config.data_shape[0], *channels)):
        yield from (convolution(inputs, outputs, KERNEL, STRIDE, PADDING), nn.SiLU())
    yield from (nn.Flatten(), nn.Linear(channels[-1] * prod(_sides(config)[-1]), dense), nn.SiLU())


def _conv_decoder(config: ModelConfig) -> Iterator[nn.Module]:
    *channels, dense = config.hidden
    sides = _sides(config)
    yield from (nn.Linear(config.latent_dim, dense), nn.SiLU())
    yield from (nn.Linear(dense, channels[-1] * prod(sides[-1])), nn.SiLU())
    yield nn.Unflatten(1, (channels[-1], *sides[-1]))
    steps = zip(pairwise((*reversed(channels), config.data_shape[0])), pairwise(reversed(sides)), strict=True)
    for (inputs, outputs), (small, large) in steps:
        yield _enlarge(inputs, outputs, small, large)
        if large is not sides[0]:
            yield nn.SiLU()


def _enlarge(inputs: int, outputs: int, small: tuple[int, ...], large: tuple[int, ...]) -> nn.Module:
    # An odd side was rounded down by the encoder: give the lost row or column back here.
    lost = [big - STRIDE * little for little, big in zip(small, large, strict=True)]
    if len(lost) == 1:
        return nn.ConvTranspose1d(inputs, outputs, KERNEL, STRIDE, PADDING, output_padding=lost[0])
    return nn.ConvTranspose2d(inputs, outputs, KERNEL, STRIDE, PADDING, output_padding=(lost[0], lost[1]))
