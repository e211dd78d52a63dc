"""Nearest images, precision, recall, density and coverage against loops written from the papers' definitions."""

import math

import pytest
import torch

from vae_core import data
from vae_core.config import DataConfig
from vae_core.errors import MeasureError, Stopped
from vae_core.evaluation import realism
from vae_core.evaluation.realism import Gallery, examples_of, prdc
from vae_core.latent.codes import ReferenceCodes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n, pixels, seed=0):
    return torch.randn(n, pixels, generator=generator(seed))


def smooth(n, pixels=40, seed=0):
    """Images that vary in five directions only, but for a little noise."""
    return 5 + noise(n, 5, seed) @ noise(5, pixels, 99) + 0.1 * noise(n, pixels, seed + 50)


def digits():
    return data.load(DataConfig(name="digits"), "held-out")


# --- the nearest image ------------------------------------------------------------------------------------------

CASES = {
    "smooth": (smooth(700), smooth(60, seed=1)),
    "noise, which no few directions hold": (noise(900, 600), noise(50, 600, 1)),
    "far away": (smooth(700), 100 + smooth(20, seed=1)),
    "few images": (smooth(3), smooth(60, seed=1)),
    "as many as are measured": (smooth(realism.CANDIDATES), smooth(60, seed=1)),
    "one pixel": (noise(300, 1), noise(30, 1, 1)),
    "images themselves": (smooth(700), smooth(700)[100:140]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_nearest_image_is_the_nearest_one(case):
    images, pictures = CASES[case]
    distance, index = Gallery.of(images, generator()).nearest(pictures)
    offsets = (pictures[:, None] - images).double().norm(dim=2)
    # Squares of numbers of size s are right to about 1e-6 s^2.
    torch.testing.assert_close(distance.double(), offsets.min(1).values, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(
        offsets.gather(1, index[:, None])[:, 0], distance.double(), atol=1e-4, rtol=1e-5
    )


def test_an_image_of_the_gallery_is_found_at_no_distance():
    images = digits().examples[:300].flatten(1).float() / 255
    distance, index = Gallery.of(images, generator()).nearest(images[40:90])
    assert distance.max() == 0
    assert torch.equal(images[index], images[40:90])


@pytest.mark.parametrize("kind", ["noise", "digits"])
def test_bytes_are_searched_as_they_are_and_give_the_figures_of_numbers(kind):
    made = torch.randint(256, (1500, 400), generator=generator(), dtype=torch.uint8)
    images = made if kind == "noise" else data.load(DataConfig(name="digits"), "train").examples.flatten(1)
    pictures = 0.8 * (images[:60].float() / 255) + 0.1
    held, numbers = Gallery.of(images, generator()), Gallery.of(images.float() / 255, generator())
    assert held.unit == numbers.unit
    for found, expected in zip(held.nearest(pictures), numbers.nearest(pictures), strict=True):
        assert torch.equal(found, expected)
    assert (
        held.images.data_ptr() == images.data_ptr()
    )  # neither a copy nor numbers, which take four times as much


def test_a_direction_that_no_image_takes_does_not_hide_the_nearest():
    # All images lie on a line, so that the searched directions hold next to nothing of this picture.
    images = torch.linspace(0, 1, 50)[:, None] * torch.ones(30) / 30**0.5
    off = torch.ones(1, 30) * 0.5 / 30**0.5
    off[0, 0] += 3
    distance, index = Gallery.of(images, generator()).nearest(off)
    assert index[0] == (off - images).norm(dim=1).argmin()
    assert distance[0] == pytest.approx((off - images).norm(dim=1).min().item(), rel=1e-5)


@pytest.mark.parametrize("n", [150, 1300])
def test_the_unit_is_the_median_distance_to_the_nearest_other_image(n):
    images = smooth(n)
    distances = torch.cdist(images.double(), images.double()).fill_diagonal_(math.inf).min(1).values
    unit = Gallery.of(images, generator()).unit
    assert unit == pytest.approx(distances.median().item(), rel=1e-3 if n <= realism.SAMPLE else 0.03)
    assert unit == Gallery.of(images, generator()).unit


def test_more_of_the_same_is_about_one_unit_away():
    gallery = Gallery.of(smooth(2000), generator())
    assert gallery.nearest(smooth(400, seed=7))[0].median() / gallery.unit == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(1, 5), "at least two finite images; these are 1"),
        (torch.full((10, 5), math.nan), "finite"),
        (torch.ones(10, 5), "equal to another one"),
    ],
    ids=["one", "nan", "all equal"],
)
def test_a_gallery_without_a_unit_is_one_sentence(images, sentence):
    with pytest.raises(MeasureError, match=sentence):
        Gallery.of(images, generator())


# --- precision, recall, density, coverage -----------------------------------------------------------------------


def by_definition(real, generated, k):
    """Kynkäänniemi et al. (2019), eq. 1 to 3; Naeem et al. (2020), eq. 4 and 5."""

    def reaches(points):
        return [sorted((p - q).norm().item() for q in points)[k] for p in points]  # place 0 is p itself

    def inside(point, centre, reach):
        return (point - centre).norm().item() <= reach

    of_real, of_generated = reaches(real), reaches(generated)
    held = [[inside(y, x, r) for x, r in zip(real, of_real, strict=True)] for y in generated]
    recalled = [any(inside(x, y, r) for y, r in zip(generated, of_generated, strict=True)) for x in real]
    return {
        "precision": sum(map(any, held)) / len(generated),
        "recall": sum(recalled) / len(real),
        "density": sum(map(sum, held)) / (k * len(generated)),
        "coverage": sum(any(row[i] for row in held) for i in range(len(real))) / len(real),
    }


@pytest.mark.parametrize(("k", "rows"), [(5, None), (5, 7), (1, 3), (3, 1000)])
def test_figures_equal_their_definitions(monkeypatch, k, rows):
    real, generated = smooth(70), smooth(45, seed=1) * 1.2 + 1
    if rows:
        monkeypatch.setattr(realism, "BLOCK", rows * 45)
    found = vars(prdc(real, generated, k))
    assert found == pytest.approx(by_definition(real.double(), generated.double(), k))
    assert sum(found.values()) > 0


def test_sets_drawn_alike_have_the_figures_of_theory():
    # Of N + M - 1 others the k nearest are all real with the chance (N-1)..(N-k) / ((N+M-1)..(N+M-k)) (Naeem et al.).
    n, k = 1500, 5
    found = prdc(noise(n, 4), noise(n, 4, 1), k)
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert found.coverage == pytest.approx(expected, abs=0.015)
    assert found.density == pytest.approx(1, abs=0.06)
    assert found.precision == pytest.approx(found.recall, abs=0.03)


def test_a_dropped_mode_is_seen_by_recall_and_coverage_only():
    modes = noise(600, 4) + 30 * (torch.arange(600) % 2)[:, None]
    found = prdc(modes, noise(600, 4, 1))
    assert found.precision > 0.9
    assert found.recall < 0.55
    assert found.coverage < 0.55


def test_one_outlier_among_the_data_lifts_precision_and_not_density():
    outlier = torch.cat([noise(400, 4), torch.full((1, 4), 20.0)])
    found = prdc(outlier, noise(400, 4, 1) + 15)
    assert found.precision > 0.9
    assert found.density < 0.25


def test_sets_far_apart_share_nothing():
    found = prdc(smooth(60), smooth(60, seed=1) + 1000)
    assert set(vars(found).values()) == {0.0}


def test_progress_rises_to_one_and_it_stops_when_asked(monkeypatch):
    monkeypatch.setattr(realism, "BLOCK", 500)
    heard = []
    prdc(smooth(50), smooth(50, seed=1), on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1
    with pytest.raises(Stopped, match="stopped"):
        prdc(smooth(50), smooth(50, seed=1), should_stop=lambda: True)


def test_too_few_images_are_one_sentence():
    with pytest.raises(MeasureError, match="more than k = 5 finite generated images; these are 5"):
        prdc(smooth(50), smooth(5))


# --- the encoded examples ---------------------------------------------------------------------------------------


def codes(indices):
    return ReferenceCodes(torch.zeros(len(indices), 2), None, indices)


def test_examples_come_in_the_order_of_the_codes():
    split = digits()
    chosen = torch.tensor([50, 3, 200, 3, 0])
    found = examples_of(codes(split.indices[chosen]), split)
    assert torch.equal(found, split.examples[chosen])


def test_examples_in_the_order_of_the_data_are_no_copy():
    split = digits()
    found = examples_of(codes(split.indices[:40]), split)
    assert torch.equal(found, split.examples[:40])
    assert found.data_ptr() == split.examples.data_ptr()


def test_examples_of_another_split_are_none():
    train = data.load(DataConfig(name="digits"), "train")
    assert examples_of(codes(train.indices[:5]), digits()) is None
