"""The Posterior tab in a real browser: its numbers are the core's, its map decodes, and long work can be stopped."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP, PHONE
from vae_core.evaluation import posterior
from vae_core.models.rendering import render
from vae_explorer import library
from vae_explorer.live import models
from vae_explorer.posterior.answers import subject_of

pytestmark = pytest.mark.browser

DIGITS, NTH = "digits-vae-2d", 7


@pytest.fixture(scope="module")
def opened(data_folder):
    return library.open_file(DIGITS, library.FOLDER / f"{DIGITS}.safetensors")


@pytest.fixture(scope="module")
def known(opened):
    """What the core says of the example that most tests look at."""
    models.publish(opened)
    subject = subject_of({"model": opened.id, "label": -1, "nth": NTH})
    return posterior.identity(subject.model, subject.x)


class Looker:
    """Somebody on the Continuity page's Posterior tab."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.root = self.page.locator(".posterior")

    def card(self, name):
        return self.root.locator(f".card.{name}")

    def measured(self):
        expect(self.card("identity")).to_contain_text("the identity closes")
        expect(self.card("bound").locator(".words")).to_contain_text("L = ")
        return self

    def bars(self):
        return [number(text) for text in self.card("identity").locator(".value").all_inner_texts()]

    def point_at(self, x, y):
        """Move to a share of the map; return the place that its caption names."""
        # The first row of the page may still grow while it loads: the box is taken when everything is measured.
        self.root.locator(".map").scroll_into_view_if_needed()
        box = self.root.locator(".map").bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        words = self.root.locator(".density figcaption")
        expect(words).to_contain_text("z₁")
        return np.array([number(text) for text in re.findall(r"z[₀-₉]+ (−?[\d.]+)", words.inner_text())])

    def choose(self, name, value):
        self.root.get_by_label(name).select_option(value)


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


@pytest.fixture
def look(visit):
    def open_page(model=DIGITS, more=f"&px=-1/{NTH}", **options):
        visitor = visit(**options)
        visitor.page.goto(f"{visitor.home}continuity?model={model}&tab=posterior{more}")
        expect(visitor.page.locator(".posterior")).to_be_visible()
        return Looker(visitor)

    return open_page


def test_the_three_numbers_are_the_cores_and_close(look, known):
    looker = look().measured()
    np.testing.assert_allclose(looker.bars(), [known.log_evidence, known.elbo, known.kl_to_true], atol=2e-3)
    evidence, elbo, kl = looker.bars()
    assert evidence - elbo - kl == pytest.approx(0, abs=1e-2)


def test_the_place_under_the_pointer_is_decoded_and_a_click_goes_there(look, opened):
    looker = look().measured()
    for x, y in ((0.5, 0.5), (0.2, 0.7)):
        place = looker.point_at(x, y)
        # The caption names a place to three digits, so its picture may be off by a shade.
        expected = render(opened.checkpoint.model, place[None].astype(np.float32))[0, ..., 0].astype(int)
        shown = looker.root.locator(".here")
        looker.visitor.until(
            lambda e=expected, s=shown: np.abs(looker.visitor.pixels(s)[..., 0].astype(int) - e).max() <= 12,
            "the decode",
        )
    looker.page.mouse.down()
    looker.page.mouse.up()
    looker.visitor.painted()
    looker.visitor.rested()
    np.testing.assert_allclose(looker.visitor.z, place, atol=2e-3)


def test_the_peak_of_the_map_is_bright_and_far_away_is_dark(look):
    looker = look().measured()
    pixels = looker.visitor.pixels(looker.root.locator(".map")).astype(int)
    yellow = pixels[..., 0] + pixels[..., 1] > 400  # the end of the scale, and the ellipses
    rows, columns = np.nonzero(yellow)
    assert 0.2 < columns.mean() / pixels.shape[1] < 0.8
    assert 0.2 < rows.mean() / pixels.shape[0] < 0.8
    np.testing.assert_allclose(pixels[30, -30], (68, 1, 84), atol=6)


def test_the_address_restores_example_bound_and_window(look):
    looker = look(more="").measured()
    looker.choose("Class", "3")
    looker.root.get_by_label("Next example").click()
    looker.measured()
    looker.root.get_by_role("button", name="Prior", exact=True).click()
    looker.root.get_by_label("Number of draws K").focus()
    for _ in range(3):
        looker.page.keyboard.press("ArrowRight")
    looker.visitor.until(lambda: "pk=" in looker.page.url, "K in the address")
    bars, words = looker.bars(), looker.card("bound").locator(".words").inner_text()
    again = look(more="&" + looker.page.url.split("?")[1])
    again.measured()
    assert again.bars() == bars
    expect(again.card("bound").locator(".words")).to_have_text(words)
    expect(again.root.get_by_role("button", name="Prior", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(again.root.get_by_label("Class")).to_have_value("3")


def test_nuts_can_be_stopped_and_begun_again(look):
    looker = look().measured()
    start = looker.root.get_by_role("button", name="Sample p(z|x) by NUTS")
    start.click()
    expect(looker.card("roads").locator(".says")).to_contain_text("%")
    looker.root.get_by_role("button", name="Cancel").click()
    expect(looker.card("roads").locator(".says")).to_have_text("Stopped.")
    expect(start).to_be_visible()
    start.click()
    expect(looker.card("roads").locator(".words")).to_contain_text("the chains agree")
    expect(looker.root.get_by_text("draws by NUTS")).to_be_visible()


def test_the_gaps_are_what_the_kl_is_made_of(look, known):
    looker = look().measured()
    looker.root.get_by_role("button", name="Fit the best q for this x").click()
    values = looker.card("gaps").locator(".key .value")
    expect(values).to_have_count(2)
    gaps = [number(text.split()[0]) for text in values.all_inner_texts()]
    assert sum(gaps) == pytest.approx(known.kl_to_true, abs=1e-2)


def test_another_example_gives_up_what_the_last_one_began(look):
    looker = look().measured()
    looker.root.get_by_role("button", name="Sample p(z|x) by NUTS").click()
    for _ in range(6):
        looker.root.get_by_label("Next example").click()
    looker.measured()
    expect(looker.root.get_by_label("No.")).to_have_value(str(NTH + 6))
    expect(looker.root.get_by_role("button", name="Sample p(z|x) by NUTS")).to_be_visible()
    looker.root.get_by_role("button", name="Fit the best q for this x").click()
    expect(looker.card("gaps").locator(".key")).to_have_count(2)  # the queue is free


def test_without_data_the_model_may_make_its_own_x(look):
    looker = look("mnist-vae-2d", "&px=3/4")
    expect(looker.root.get_by_text("are not on this machine")).to_be_visible()
    looker.root.get_by_label("what the mean of its q(z|x) decodes to").check()
    looker.measured()
    expect(looker.root.locator(".of")).to_have_text("x, decoded")
    looker.choose("What x is", "place")
    expect(looker.root.get_by_text("z = (0.00, 0.00)")).to_be_visible()
    looker.measured()


def test_many_dimensions_are_seen_two_at_a_time_and_bounded(look):
    looker = look("sprites-vae-10d", "&pd=0,4")
    expect(looker.card("identity")).to_contain_text("takes one or two latent dimensions")
    expect(looker.card("bound").locator(".words")).to_contain_text("L = ")
    assert len(looker.point_at(0.4, 0.4)) == 2
    expect(looker.root.get_by_label("Second axis")).to_have_value("4")
    looker.choose("Second axis", "0")
    expect(looker.root.get_by_label("First axis")).to_have_value("4")


def test_a_model_without_a_posterior_says_so(look):
    looker = look("mnist-ae-2d", "")
    expect(looker.root.get_by_text("there is no posterior")).to_be_visible()
    expect(looker.root.locator(".subject")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_it_fits(look, scheme, size):
    looker = look(viewport=size, color_scheme=scheme, has_touch=size == PHONE).measured()
    assert looker.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for card in looker.root.locator(".card").all():
        assert card.evaluate("card => card.scrollWidth <= card.clientWidth")
