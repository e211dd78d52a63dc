"""Choosing and opening models in a real browser: bundled ones, good files, bad files, wide and coloured ones."""

import io

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from tests.vae_explorer import making
from vae_core import checkpoint
from vae_explorer import library

pytestmark = pytest.mark.browser

WIDE, ALIVE = 40, 30


@pytest.fixture(scope="module")
def wide():
    return making.content(latent_dim=WIDE, alive=ALIVE)


def pickled():
    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, buffer)
    return buffer.getvalue()


BAD_FILES = {
    "truncated": making.content()[:2000],
    "cut-in-the-weights": making.content()[:-100],
    "pickle": pickled(),
    "noise": np.random.default_rng(0).bytes(5000),
    "empty": b"",
}


def test_every_bundled_model_opens_from_the_list(visitor):
    for name, path in library.bundled().items():
        visitor.choose(name)
        shown = min(12, checkpoint.describe(path).model.latent_dim)
        expect(visitor.sliders).to_have_count(shown)
        visitor.until(lambda: visitor.image.evaluate("image => image.width") > 0)
        before = visitor.pixels()
        visitor.drag(0, 0.3, 0.9)
        visitor.until_pixels_change(before)


def test_an_opened_file_is_the_model_in_view_and_codes_are_kept_per_model(visitor, wide):
    visitor.drag(0, 0.4, 0.8)
    code = visitor.z
    visitor.open_model("wide", wide)
    expect(visitor.sliders).to_have_count(12)
    assert visitor.z == [0] * WIDE
    before = visitor.pixels()
    visitor.drag(visitor.topmost(), 0.4, 0.9)
    visitor.until_pixels_change(before)
    elsewhere = visitor.z
    visitor.choose("digits-vae-2d")
    expect(visitor.sliders).to_have_count(2)
    assert visitor.z == pytest.approx(code, abs=1e-5)
    visitor.choose("wide")
    expect(visitor.sliders).to_have_count(12)
    assert visitor.z == pytest.approx(elsewhere, abs=1e-5)


def test_a_bad_file_gets_one_sentence_and_the_model_stays(visitor, wide):
    for name, content in BAD_FILES.items():
        visitor.open_file(f"{name}.safetensors", content)
        expect(visitor.alerts).to_contain_text(name)
        expect(visitor.alerts).to_have_count(1)
        visitor.page.keyboard.press("Escape")
    expect(visitor.sliders).to_have_count(2)
    before = visitor.pixels()
    visitor.drag(0, 0.4, 0.8)
    visitor.until_pixels_change(before)
    assert "model=digits-vae-2d" in visitor.page.url
    visitor.open_model("wide", wide)
    expect(visitor.alerts).to_have_count(0)
    expect(visitor.sliders).to_have_count(12)


def test_a_file_named_as_a_bundled_model_hides_neither(visit, wide):
    visitor = visit(locale="en-GB").open()  # a browser that has opened nothing else
    visitor.open_file("digits-vae-2d.safetensors", wide)
    expect(visitor.sliders).to_have_count(12)
    visitor.page.keyboard.press("Escape")
    visitor.rested()
    visitor.page.get_by_test_id("stSelectbox").locator("input").click()
    options = visitor.page.get_by_role("option").all_inner_texts()
    assert len(options) == len(set(options)) == len(library.bundled()) + 1


# --- many dimensions ----------------------------------------------------------------------------------------


def test_many_dimensions_come_in_portions_the_dead_ones_last(visitor, wide):
    visitor.open_model("wide", wide)
    more = visitor.find(".more")
    for shown, rest in ((12, 28), (24, 16), (36, 4)):
        expect(visitor.sliders).to_have_count(shown)
        expect(more).to_contain_text(f"12 more of {rest}" if rest > 12 else f"the last {rest}")
        more.click()
    expect(visitor.sliders).to_have_count(WIDE)
    expect(more).to_be_hidden()
    dead = visitor.find(".dim").evaluate_all("dims => dims.map(dim => dim.classList.contains('dead'))")
    assert dead == [False] * ALIVE + [True] * (WIDE - ALIVE)
    expect(visitor.find(".dim.dead .kl").first).to_contain_text("dead")


def test_strips_are_painted_when_they_come_into_view(visitor, wide):
    visitor.open_model("wide", wide)
    visitor.find(".more").click()
    last = visitor.strip(23)
    last.scroll_into_view_if_needed()
    visitor.until(lambda: last.evaluate("strip => strip.width") == 9 * 8, "the strip")
    visitor.until(lambda: np.ptp(visitor.pixels(last)) > 10, "the strip's picture")


def test_a_dead_dimension_can_still_be_moved(visitor):
    visitor.open_model("sleepy", making.content(latent_dim=3, alive=1))
    expect(visitor.find(".dim.dead")).to_have_count(2)
    before = visitor.pixels()
    visitor.drag(2, 0.4, 0.9)
    visitor.until_pixels_change(before)


# --- other kinds of models ----------------------------------------------------------------------------------


def test_a_coloured_model_paints_colour(visitor):
    visitor.open_model("colours", making.content(info=making.COLOURS))
    visitor.until(lambda: visitor.image.evaluate("image => image.width") == 16)
    red, green, _ = np.moveaxis(visitor.pixels().astype(int), -1, 0)
    assert np.abs(red - green).max() > 20
    visitor.until(lambda: visitor.strip(1).evaluate("strip => strip.width") == 9 * 16)
    red, green, _ = np.moveaxis(visitor.pixels(visitor.strip(1)).astype(int), -1, 0)
    assert np.abs(red - green).max() > 20
    # A dataset that this program does not know is not here, and there is nowhere to fetch it from.
    expect(visitor.page.get_by_text("not on this machine").first).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Fetch")).to_have_count(0)


def test_an_autoencoder_has_a_point_in_the_place_of_a_posterior(visitor):
    visitor.open_model("plain", making.content(kind="autoencoder"))
    visitor.find(".encode .next").click()
    band = visitor.slider(0).locator(".band")
    expect(band).to_be_visible()
    assert "±" not in band.get_attribute("title")
    visitor.until_url_follows()


def test_a_model_without_reference_codes_still_explores(visitor):
    visitor.open_model("bare", making.content(with_reference=False))
    expect(visitor.button("Data point")).to_be_disabled()
    before = visitor.pixels()
    visitor.drag(0, 0.4, 0.8)
    visitor.until_pixels_change(before)
