"""Rendered pixels are the rounded mean of p(x|z), however the codes are cut up."""

import numpy as np
import pytest
import torch

from vae_core.config import ModelConfig
from vae_core.models import build
from vae_core.models.rendering import CHUNK, HEIGHT, LIMIT, WIDTH, picture_shape, pictures, render


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


# --- series and tables ----------------------------------------------------------------------------------------


def background():
    """A picture with nothing but its ground and its zero line."""
    return pictures(torch.zeros(1, 3))[0].astype(int)


def drawn(values):
    """Where the pictures differ from an empty one, (B, HEIGHT, WIDTH)."""
    return np.abs(pictures(values).astype(int) - background()).sum(-1) > 60


def rows_of(mask):
    """Mean height of what is drawn in each column, in rows from the upper edge to the middle of a pixel."""
    return (mask * (np.arange(HEIGHT)[:, None] + 0.5)).sum(0) / mask.sum(0)


@pytest.mark.parametrize("shape", [(1, 8, 11), (3, 8, 11), (1, 8), (5, 300), (1,), (7,), (500,)])
def test_every_kind_of_data_has_its_picture(shape):
    values = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    shown = pictures(values)
    assert shown.shape == (4, *picture_shape(shape))
    assert shown.dtype == np.uint8
    assert shown.flags["C_CONTIGUOUS"]
    assert pictures(values[:0]).shape == (0, *picture_shape(shape))
    alone = np.concatenate([pictures(value) for value in values.split(1)])
    assert np.array_equal(alone, shown)


@pytest.mark.parametrize(("shape", "architecture"), [((2, 20), "conv"), ((2, 20), "linear"), ((7,), "mlp")])
def test_decoded_series_and_rows_are_shown_as_data_are(shape, architecture):
    decoder = build(
        ModelConfig(data_shape=shape, architecture=architecture, hidden=(6, 12), likelihood="gaussian")
    )
    z = codes(CHUNK + 3)
    with torch.no_grad():
        mean = decoder.decode(torch.from_numpy(z)).mean
    # In chunks the last bits of the mean may differ.
    assert np.abs(render(decoder, z).astype(int) - pictures(mean)).max() <= 1


def test_images_as_bytes_are_themselves_and_as_floats_are_rounded():
    bytes_ = torch.randint(
        0, 256, (5, 3, 8, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert np.array_equal(pictures(bytes_), bytes_.permute(0, 2, 3, 1).numpy())
    assert np.array_equal(pictures(bytes_ / 255), pictures(bytes_))


def test_a_constant_is_a_level_line_and_its_height_is_its_value():
    heights = []
    for value in (-3.0, -1.5, 0.0, 1.5, 3.0):
        (mask,) = drawn(torch.full((1, 1, 30), value))
        assert mask.any(0).all()
        assert mask.sum(0).max() <= 3
        heights.append(rows_of(mask).mean())
    assert np.diff(heights) == pytest.approx([-HEIGHT * 1.5 / (2 * LIMIT)] * 4, abs=0.6)
    assert heights[2] == pytest.approx(HEIGHT / 2, abs=0.1)


def test_a_line_follows_its_values_in_time():
    (mask,) = drawn(torch.linspace(-3, 3, 50)[None, None])
    assert np.corrcoef(rows_of(mask), np.arange(WIDTH))[0, 1] < -0.999


@pytest.mark.parametrize("length", [400, 4096])
def test_no_peak_of_a_long_series_or_a_wide_table_is_lost(length):
    for place in (0, 1, length // 3, length - 1):
        values = torch.zeros(1, length)
        values[0, place] = 3.0
        for mask in (drawn(values[:, None])[0], drawn(values)[0]):
            columns = np.flatnonzero(mask[: HEIGHT // 4].any(0))
            assert len(columns) >= 1
            assert columns.mean() == pytest.approx(place / length * WIDTH, abs=1.5)


@pytest.mark.parametrize("value", [LIMIT + 1, 1e9, -1e9])
def test_what_is_beyond_the_limit_stays_in_sight_at_the_edge(value):
    (mask,) = drawn(torch.full((1, 1, 30), value))
    edge = mask[:2] if value > 0 else mask[-2:]
    assert edge.any(0).all()
    assert mask.sum() == edge.sum()


def test_channels_have_colours_of_their_own():
    levels = torch.tensor([3.0, 1.8, 0.6, -0.6, -1.8, -3.0])[None, :, None].expand(1, 6, 20)
    (shown,) = pictures(levels)
    column = {tuple(pixel) for pixel in shown[drawn(levels)[0]].tolist()}
    strongest = {colour for colour in column if max(colour) > 150}
    assert len(strongest) >= 6


def test_bars_rise_above_zero_and_hang_below_it_in_their_own_columns_and_colours():
    values = torch.tensor([[2.0, 0.0, -2.0, 1.0]])
    (mask,) = drawn(values)
    middle, quarter = HEIGHT // 2, WIDTH // 4
    above, below = mask[: middle - 1], mask[middle + 1 :]
    heights = [(above[:, i * quarter : (i + 1) * quarter].any(1)).sum() for i in range(4)]
    depths = [(below[:, i * quarter : (i + 1) * quarter].any(1)).sum() for i in range(4)]
    scale = HEIGHT / (2 * LIMIT)
    assert heights == pytest.approx([2 * scale, 0, 0, scale], abs=1.5)
    assert depths == pytest.approx([0, 0, 2 * scale, 0], abs=1.5)
    (shown,) = pictures(values)
    assert shown[middle - 5, 5].tolist() != shown[middle + 5, 2 * quarter + 5].tolist()
    assert not mask[:, quarter - 1].any()  # a gap between neighbours


def test_the_zero_line_is_seen_and_the_ground_is_dark():
    empty = background()
    assert empty.max() < 100
    assert (empty[HEIGHT // 2].sum(-1) > empty[0].sum(-1) + 60).all()
