"""Headline figures and worst places in a real browser: they are the core's, they last, and they lead to Explore."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP, PHONE
from vae_core.evaluation import worst
from vae_core.evaluation.headlines import headlines
from vae_core.models.rendering import render
from vae_explorer import library
from vae_explorer.live.models import examples

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"


@pytest.fixture(scope="module")
def opened(data_folder):
    return library.open_file(DIGITS, library.FOLDER / f"{DIGITS}.safetensors")


class Seeker:
    """Somebody on the Continuity page's Worst places tab."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page

    def seek(self):
        start = self.page.locator(".findings .start")
        start.click()
        expect(start).to_be_hidden()
        expect(start).to_have_text("Look again")
        expect(start).to_be_visible()
        return self

    def places(self, kind):
        return self.page.locator(f'.findings [data-kind="{kind}"] .go')

    def words(self, kind, number):
        return self.places(kind).nth(number).locator("strong").inner_text()

    def painted(self, canvas):
        """Wait for a picture that is not empty, and return its pixels."""
        self.visitor.until(lambda: canvas.evaluate("canvas => canvas.width") != 300, "a picture")
        return self.visitor.pixels(canvas)


@pytest.fixture
def seeker(visit):
    def open_page(model=DIGITS, **options):
        visitor = visit(**options)
        visitor.page.goto(f"{visitor.home}continuity?model={model}&tab=worst")
        expect(visitor.page.locator(".findings .seek")).to_be_visible()
        return Seeker(visitor)

    return open_page


def test_the_worst_cliff_is_the_cores_and_a_click_lands_on_it_in_explore(seeker, opened):
    found = worst.find("cliffs", opened.checkpoint, None)
    somebody = seeker().seek()
    assert float(somebody.words("cliffs", 0).split()[0]) == pytest.approx(found[0].value, rel=0.06)
    somebody.places("cliffs").first.click()
    somebody.visitor.painted().rested()
    np.testing.assert_allclose(somebody.visitor.z, found[0].code, atol=1e-4)


@pytest.mark.parametrize("kind", ["holes", "drifts", "reconstructions"])
def test_every_list_leads_to_explore_by_keyboard(seeker, opened, kind):
    found = worst.find(kind, opened.checkpoint, examples(opened))
    somebody = seeker().seek()
    assert somebody.places(kind).count() == len(found)
    somebody.places(kind).nth(1).press("Enter")
    somebody.visitor.painted().rested()
    np.testing.assert_allclose(somebody.visitor.z, found[1].code, atol=1e-4)


def test_reconstructions_are_shown_beside_their_originals(seeker, opened):
    found = worst.find("reconstructions", opened.checkpoint, examples(opened))
    somebody = seeker().seek()
    row = somebody.places("reconstructions").first
    expect(row.locator("canvas")).to_have_count(2)
    original, again = (somebody.painted(row.locator("canvas").nth(i)) for i in (0, 1))
    image = examples(opened)[found[0].index, 0].numpy()
    np.testing.assert_allclose(original[..., 0].astype(float), image, atol=1)
    decoded = render(opened.checkpoint.model, np.float32([found[0].code]))[0]
    np.testing.assert_allclose(again[..., 0].astype(float), decoded[..., 0], atol=1)


@pytest.mark.parametrize(("kind", "panel"), [("cliffs", "cliffs"), ("holes", "holes"), ("drifts", "drift")])
def test_a_place_is_pinned_on_the_maps_with_the_number_of_its_list(seeker, opened, kind, panel):
    found = worst.find(kind, opened.checkpoint, None)
    somebody = seeker().seek()
    words = somebody.words(kind, 0)
    somebody.places(kind).first.hover()
    somebody.page.locator(f'.findings [data-kind="{kind}"] .to-map').first.click()
    where = somebody.page.locator(".spot .where")
    for value in found[0].code:
        expect(where).to_contain_text(f"{value:.2f}".replace("-", "−"))
    expect(somebody.page.locator(".maps-tab.pinned")).to_be_visible()
    shown = somebody.page.locator(f"[data-measure={panel}] .value:not(.awaited) b")
    expect(shown).not_to_have_text("–")
    assert shown.inner_text().split()[0] in words.split()


def test_figures_that_are_measured_are_the_cores_and_are_there_again_after_a_reload(seeker, opened):
    found = headlines(opened.checkpoint, examples(opened)).figures
    somebody = seeker()
    start = somebody.page.get_by_role("button", name="Measure now")
    stored = "continuity" in opened.checkpoint.description.evaluation
    expect(start).to_be_visible(visible=not stored)
    if not stored:
        start.click()
    for _ in range(2):
        for name in ("continuity", "completeness"):
            shown = somebody.page.locator(f'.headline[data-figure="{name}"] .value')
            expect(shown).to_have_text(f"{found[name]:.2f}")
        expect(somebody.page.locator(".figures dd").first).to_have_text(f"{found['precision']:.2f}")
        somebody.page.reload()


def test_one_model_beside_the_other_of_the_same_data(seeker):
    """Whatever is stored in the bundled files is named beside the model in view."""
    named = {}
    for name, path in library.bundled().items():
        if name.startswith("mnist"):
            figures = library.open_file(name, path).checkpoint.description.evaluation
            if "continuity" in figures:
                named[name] = f"{name} {figures['continuity']:.2f}"
    words = seeker("mnist-vae-2d").page.locator('.headline[data-figure="continuity"] .beside')
    expect(words).to_have_count(1)
    for name in named.keys() - {"mnist-vae-2d"}:
        expect(words).to_contain_text(named[name])


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_nothing_is_wider_than_the_screen(seeker, viewport):
    somebody = seeker(viewport=viewport).seek()
    for part in somebody.page.locator(".findings .go, .headline, .support").all():
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= viewport["width"] + 1
