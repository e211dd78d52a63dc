"""The sprites: their factors are true. Each test looks at the pixels, not at how they were made."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import sprites
from vae_core.errors import DataError

KINDS = range(3)
MIDDLE = {"shape": 0, "scale": 5, "rotation": 3, "x": 15, "y": 16}


def combinations(**chosen: int | range) -> torch.Tensor:
    """Image indices of a middling sprite, with the chosen factor indices instead; ranges are crossed."""
    values = {**MIDDLE, **chosen}
    columns = [torch.tensor([v] if isinstance(v, int) else list(v)) for v in values.values()]
    return sprites.image_indices(torch.cartesian_prod(*columns))


def draw(**chosen: int | range) -> torch.Tensor:
    return sprites.render(combinations(**chosen)).squeeze(1).double() / 255


def centres(images: torch.Tensor) -> torch.Tensor:
    """(n, 2): x and y of the centre of mass in pixels, pixel i reaching from i to i + 1."""
    middle = torch.arange(64, dtype=torch.float64) + 0.5
    mass = images.sum((1, 2))
    return torch.stack([images.sum(1) @ middle / mass, images.sum(2) @ middle / mass], dim=1)


def orientation(images: torch.Tensor) -> torch.Tensor:
    """(n,): angle of the long axis, from the second moments, y downwards."""
    middle = torch.arange(64, dtype=torch.float64) + 0.5
    x, y = (middle - c[:, None] for c in centres(images).unbind(1))
    xx = (images.sum(1) * x**2).sum(1)
    yy = (images.sum(2) * y**2).sum(1)
    xy = torch.einsum("nhw,nh,nw->n", images, y, x)
    return 0.5 * torch.atan2(2 * xy, xx - yy)


@given(st.integers(0, sprites.TOTAL - 1))
def test_index_and_factor_indices_are_one_to_one(index):
    digits = sprites.factor_indices(torch.tensor([index]))
    assert all(0 <= d < size for d, size in zip(digits[0].tolist(), sprites.FACTOR_SIZES, strict=True))
    assert sprites.image_indices(digits).tolist() == [index]


def test_y_is_fastest_and_shape_slowest():
    rows = sprites.factor_indices(torch.tensor([0, 1, 32, 737_279]))
    assert rows.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [2, 5, 39, 31, 31]]


@pytest.mark.parametrize("index", [-1, 737_280])
@pytest.mark.parametrize("call", [sprites.render, sprites.factors, sprites.factor_indices])
def test_an_index_that_does_not_exist_is_refused(call, index):
    with pytest.raises(DataError, match=rf"index {index} does not exist; use 0 to 737279"):
        call(torch.tensor([5, index]))


@pytest.mark.parametrize("bad", [[3, 0, 0, 0, 0], [0, 0, 0, 0, -1]])
def test_a_factor_index_that_does_not_exist_is_refused(bad):
    with pytest.raises(DataError, match="does not exist"):
        sprites.image_indices(torch.tensor([bad]))


def test_factor_values_span_what_they_promise():
    values = sprites.factors(combinations(shape=KINDS, scale=range(6), rotation=range(40)))
    assert values[:, 0].unique().tolist() == [0, 1, 2]
    torch.testing.assert_close(values[:, 1].unique(), torch.tensor([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]))
    assert len(values[:, 2].unique()) == 40
    assert 0 == values[:, 2].min() < values[:, 2].max() < 2 * math.pi
    corners = sprites.factors(combinations(x=range(0, 32, 31), y=range(0, 32, 31)))
    assert corners[:, 3:].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("shape", KINDS)
def test_the_centre_of_mass_moves_with_x_and_y(shape):
    found = centres(draw(shape=shape, x=range(32), y=range(0, 32, 5)))
    truth = sprites.factors(combinations(shape=shape, x=range(32), y=range(0, 32, 5)))[:, 3:].double()
    torch.testing.assert_close(found, 16 + 32 * truth, atol=0.1, rtol=0)


@pytest.mark.parametrize("shape", KINDS)
def test_rotation_keeps_area_and_centre(shape):
    images = draw(shape=shape, rotation=range(40))
    area = images.sum((1, 2))
    assert (area.max() - area.min()) / area.mean() < 0.02
    assert (centres(images) - centres(images).mean(0)).abs().max() < 0.1


@pytest.mark.parametrize("shape", KINDS)
@pytest.mark.parametrize("rotation", [0, 7])
def test_area_grows_with_the_square_of_scale(shape, rotation):
    area = draw(shape=shape, scale=range(6), rotation=rotation).sum((1, 2))
    scale = torch.linspace(0.5, 1, 6, dtype=torch.float64)
    torch.testing.assert_close(area / area[-1], scale**2, rtol=0.02, atol=0)


def test_areas_are_those_of_geometry():
    square, ellipse, heart = draw(shape=KINDS).sum((1, 2)).tolist()
    side = 15 * math.sqrt(2)
    assert square == pytest.approx(side**2, rel=0.01)
    assert ellipse == pytest.approx(math.pi * 15 * 7.5, rel=0.01)
    # A heart is a square and one disc as wide; its tip is 15 from its centre of mass.
    wide = (27, 28)
    columns = (draw(shape=2, rotation=0) > 0.5).any(1).sum().item()
    assert columns in wide
    assert heart == pytest.approx((4 + math.pi) * (columns / (2 + math.sqrt(2))) ** 2, rel=0.05)


def test_the_long_axis_of_the_ellipse_is_its_rotation():
    found = orientation(draw(shape=1, rotation=range(40)))
    truth = sprites.factors(combinations(shape=1, rotation=range(40)))[:, 2].double()
    difference = (found - truth + math.pi / 2) % math.pi - math.pi / 2  # an axis has no direction
    assert difference.abs().max() < 0.02


def test_the_tip_of_the_heart_is_below_and_turns_clockwise():
    upright, quarter, half, _ = draw(shape=2, rotation=range(0, 40, 10), x=16, y=16)
    rows, columns = (upright > 0.5).nonzero().unbind(1)
    assert (columns[rows == rows.max()].double().mean() + 0.5) == pytest.approx(
        centres(upright[None])[0, 0].item(), abs=0.6
    )
    assert (rows == rows.max()).sum() < (rows == rows.min()).sum()
    rows, columns = (quarter > 0.5).nonzero().unbind(1)
    assert (columns == columns.min()).sum() < (columns == columns.max()).sum()  # the tip points left
    rows, columns = (half > 0.5).nonzero().unbind(1)
    assert (rows == rows.min()).sum() < (rows == rows.max()).sum()


@pytest.mark.parametrize(("shape", "symmetry"), [(0, 4), (1, 2), (2, 1)])
def test_only_symmetric_rotations_look_alike(shape, symmetry):
    images = draw(shape=shape, rotation=range(40)).flatten(1)
    turn = 40 // symmetry
    difference = (images[:, None] - images[None]).abs().sum(-1)
    steps = torch.arange(40)
    alike = (steps[:, None] - steps) % turn == 0
    assert difference[alike].max() < 0.1
    assert difference[~alike].min() > 5


def test_every_factor_changes_the_image():
    for name, size in zip(sprites.FACTOR_NAMES, sprites.FACTOR_SIZES, strict=True):
        images = draw(**{"shape": 2, name: range(size)}).flatten(1)
        assert len(images.unique(dim=0)) == size


def test_no_shape_touches_the_frame():
    images = draw(shape=KINDS, rotation=range(40), x=range(0, 32, 31), y=range(0, 32, 31))
    border = torch.ones(64, 64, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    assert images[:, border].max() == 0
    assert images.amax((1, 2)).min() == 1


def test_edges_are_smooth_and_one_pixel_wide():
    images = draw(shape=KINDS, rotation=3)
    inside = images.sum((1, 2))
    grey = ((images > 0) & (images < 1)).sum((1, 2))
    perimeter = torch.tensor([4 * 15 * math.sqrt(2), 72.7, 90.0])
    assert (grey > 0.8 * perimeter).all()
    assert (grey < 2 * perimeter).all()
    assert (inside > 300).all()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, sprites.TOTAL - 1), max_size=40))
def test_an_image_does_not_depend_on_its_company(indices):
    together = sprites.render(torch.tensor(indices, dtype=torch.int64))
    assert together.shape == (len(indices), 1, 64, 64)
    for index, image in zip(indices, together, strict=True):
        assert torch.equal(sprites.render(torch.tensor([index]))[0], image)


def test_chunks_join_without_a_seam():
    indices = torch.arange(0, sprites.TOTAL, 1201)[: 2 * sprites.CHUNK + 3]
    parts = torch.cat([sprites.render(part) for part in indices.split(100)])
    assert torch.equal(sprites.render(indices), parts)


def test_a_split_carries_the_true_factors_of_its_images():
    split = data.load(DataConfig(name="sprites", train_size=50), "train")
    assert torch.equal(split.examples, sprites.render(split.indices))
    assert torch.equal(split.factors, sprites.factors(split.indices))
    assert torch.equal(split.labels.float(), split.factors[:, 0])
    found = centres(split.examples.squeeze(1).double())
    torch.testing.assert_close(found, 16 + 32 * split.factors[:, 3:].double(), atol=0.15, rtol=0)


def test_defaults_are_sixty_and_ten_thousand():
    assert sprites.DEFAULT_SIZES == {"train": 60_000, "held-out": 10_000}
    assert len(data.load(DataConfig(name="sprites"), "held-out")) == 10_000
