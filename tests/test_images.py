"""Pixels keep their values on the way out, and a photo becomes the kind of image a model knows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw, ImageFilter
from sklearn.datasets import load_digits

from vae_core import images

MNIST = (1, 28, 28)
MNIST_EXTENT = 20 / 28


def centre_of_mass(pixels):
    """(y, x) in pixels from the top left corner, from moments."""
    mass = pixels[..., 0].astype(float)
    rows, columns = np.mgrid[: mass.shape[0], : mass.shape[1]] + 0.5
    return (mass * rows).sum() / mass.sum(), (mass * columns).sum() / mass.sum()


def ink_photo(size=(400, 300), shift=(90, -40), stroke=14):
    """A seven drawn with a dark pen on lit, grainy, light paper, away from the middle."""
    width, height = size
    rng = np.random.default_rng(0)
    paper = 215 + 15 * np.linspace(-1, 1, width)[None, :] + rng.normal(0, 2, (height, width))
    picture = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
    x, y = width / 2 + shift[0], height / 2 + shift[1]
    ImageDraw.Draw(picture).line(
        [(x - 40, y - 60), (x + 40, y - 60), (x - 10, y + 60)], fill=25, width=stroke, joint="curve"
    )
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(1)).convert("RGB"))


def mnist_like():
    """A digit with soft edges, 20 pixels high, its centre of mass in the middle of 28 x 28."""
    picture = Image.new("L", (280, 280))
    ImageDraw.Draw(picture).ellipse((85, 40, 195, 240), outline=255, width=28)
    return np.asarray(picture.resize((28, 28), Image.Resampling.BOX))[..., None]


# --- values -------------------------------------------------------------------------------------------------


def test_to_uint8_undoes_division_by_255_for_every_byte():
    every = np.arange(256, dtype=np.uint8)
    for kind in (np.float32, np.float64):
        assert images.to_uint8(every.astype(kind) / 255).tolist() == every.tolist()


def test_to_uint8_rounds_to_the_nearest_and_clips():
    values = np.array([-3.0, -0.001, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.001, 7.0])
    assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 254, 255, 255, 255]


@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=3), elements=st.floats(0, 1)))
def test_to_uint8_keeps_the_shape_and_errs_by_half_a_level_at_most(values):
    rounded = images.to_uint8(values)
    assert rounded.shape == values.shape
    assert rounded.dtype == np.uint8
    assert np.abs(rounded / 255 - values).max() <= 0.5 / 255 + 1e-12


# --- ink: strokes on paper ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (900, 260)])
@pytest.mark.parametrize("shift", [(0, 0), (90, -40), (-60, 30)])
def test_a_photo_of_dark_ink_becomes_light_on_black_and_centred(size, shift):
    fitted = images.fit(ink_photo(size, shift), MNIST, "ink", MNIST_EXTENT)
    assert fitted.shape == (28, 28, 1)
    assert fitted.dtype == np.uint8
    border = np.concatenate([fitted[0], fitted[-1], fitted[:, 0], fitted[:, -1]])
    assert border.max() == 0
    assert fitted.max() > 200
    assert np.mean(fitted > 60) < 0.3  # strokes, not a grey sheet
    assert centre_of_mass(fitted) == pytest.approx((14, 14), abs=1)
    rows, columns = np.nonzero(fitted[..., 0])
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=1)  # MNIST's 20-pixel box


def test_where_the_ink_is_on_the_paper_does_not_matter():
    # Clean paper, shifts of whole pixels: the same strokes, so the same picture.
    def drawn(dx, dy):
        picture = Image.new("L", (200, 160), 250)
        ImageDraw.Draw(picture).line(
            [(60 + dx, 40 + dy), (90 + dx, 40 + dy), (75 + dx, 100 + dy)], fill=10, width=8
        )
        return np.asarray(picture)[..., None]

    at_home = images.fit(drawn(0, 0), MNIST, "ink", MNIST_EXTENT)
    assert np.array_equal(images.fit(drawn(40, 33), MNIST, "ink", MNIST_EXTENT), at_home)
    assert at_home.max() > 200


@pytest.mark.parametrize("turns", range(4))
def test_the_mass_is_centred_not_the_outline(turns):
    # A heavy block with a thin arm, so that the two middles are 3.6 pixels apart.
    drawn = np.full((300, 300, 1), 255, np.uint8)
    drawn[90:210, 50:170] = drawn[146:154, 170:250] = 0
    fitted = images.fit(np.ascontiguousarray(np.rot90(drawn, turns)), MNIST, "ink", MNIST_EXTENT)
    assert centre_of_mass(fitted) == pytest.approx((14, 14), abs=1)


def test_light_ink_on_a_dark_board_is_not_inverted():
    board = 255 - ink_photo()
    light, dark = (images.fit(p, MNIST, "ink", MNIST_EXTENT).astype(int) for p in (board, ink_photo()))
    assert np.abs(light - dark).mean() < 2


def test_an_image_in_the_form_of_mnist_stays_nearly_as_it_is():
    original = mnist_like()
    assert centre_of_mass(original) == pytest.approx((14, 14), abs=0.5)  # it is in that form
    fitted = images.fit(original, MNIST, "ink", MNIST_EXTENT)
    difference = np.abs(fitted.astype(int) - original.astype(int))
    assert difference.mean() < 5
    assert np.corrcoef(fitted.ravel(), original.ravel())[0, 1] > 0.98


def test_scikit_learns_digits_stay_nearly_as_they_are():
    sources = (load_digits().images[:50] * (255 / 16)).round().astype(np.uint8)
    correlations = [
        np.corrcoef(images.fit(s[..., None], (1, 8, 8), "ink", 1.0).ravel(), s.ravel())[0, 1] for s in sources
    ]
    assert np.median(correlations) > 0.9


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("data_shape", [MNIST, (3, 9, 13)])
def test_an_empty_canvas_is_black(level, data_shape):
    canvas = np.full((50, 70, 3), level, np.uint8)
    fitted = images.fit(canvas, data_shape, "ink", MNIST_EXTENT)
    assert fitted.shape == (*data_shape[1:], data_shape[0])
    assert fitted.max() == 0


def test_ink_for_a_colour_model_is_grey_in_three_channels():
    fitted = images.fit(ink_photo(), (3, 32, 32), "ink", 0.7)
    assert fitted.shape == (32, 32, 3)
    assert fitted.max() > 200
    assert (fitted == fitted[..., :1]).all()


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))),
    st.tuples(st.sampled_from([1, 3]), st.integers(8, 64), st.integers(8, 64)),
    st.sampled_from(["ink", "plain"]),
    st.floats(0.1, 1),
)
def test_any_picture_fits_any_model(pixels, data_shape, framing, extent):
    fitted = images.fit(pixels, data_shape, framing, extent)
    assert fitted.shape == (*data_shape[1:], data_shape[0])
    assert fitted.dtype == np.uint8
    assert fitted.flags["C_CONTIGUOUS"]


# --- plain: pictures ----------------------------------------------------------------------------------------


def test_a_picture_of_the_right_size_is_left_alone():
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (20, 24, channels), dtype=np.uint8)
        assert np.array_equal(images.fit(pixels, (channels, 20, 24)), pixels)


def test_a_wide_picture_loses_its_sides_and_keeps_its_proportions():
    pixels = np.zeros((100, 300, 1), np.uint8)
    pixels[:, 100:200] = 200  # the middle square
    pixels[25:75, 125:175] = 50  # a square in it, half as wide
    fitted = images.fit(pixels, (1, 20, 20), "plain")
    expected = np.full((20, 20, 1), 200, np.uint8)
    expected[5:15, 5:15] = 50
    assert np.array_equal(fitted, expected)


def test_shrinking_averages_and_leaves_no_moire():
    board = np.indices((64, 64)).sum(0)[..., None] % 2 * 255
    assert np.abs(images.fit(board.astype(np.uint8), (1, 8, 8)).astype(int) - 127.5).max() <= 1


def test_colours_survive_and_are_mixed_for_a_grey_model():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8], pixels[:, 8:] = (255, 0, 0), (0, 0, 255)
    colour = images.fit(pixels, (3, 8, 8))
    assert (colour[:, :4] == (255, 0, 0)).all()
    assert (colour[:, 4:] == (0, 0, 255)).all()
    grey = images.fit(pixels, (1, 8, 8))
    assert grey.shape == (8, 8, 1)
    assert 0 < grey[0, -1, 0] < grey[0, 0, 0] < 255  # red is lighter than blue


def test_a_grey_picture_fits_a_colour_model():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    assert np.array_equal(images.fit(pixels, (3, 8, 8)), np.repeat(pixels, 3, axis=2))
