"""A presenter's remote on every page that has something to go through: next, previous, black screen."""

import re

import pytest
from playwright.sync_api import expect

from tests.training import filming
from vae_core.training import jobs
from vae_core.training import run as runs

pytestmark = pytest.mark.browser

MODEL = "model=digits-vae-2d"
NEXT, PREVIOUS, BLACK = "PageDown", "PageUp", "b"


@pytest.fixture
def speaker(visit):
    """Somebody who opens a page and holds a remote."""
    visitor = visit()

    def at(path: str):
        visitor.page.goto(visitor.home + path)
        return visitor

    return at


def press(visitor, key: str) -> bool:
    """Press a key of the remote; return whether the page took it, so that nothing scrolls."""
    visitor.find(".black-screen").first.wait_for(state="attached")  # the page listens
    visitor.page.evaluate(
        "() => { window.took = new Promise((done) => window.addEventListener('keydown', "
        "(event) => setTimeout(() => done(event.defaultPrevented)), { once: true, capture: true })); }"
    )
    visitor.page.keyboard.press(key)
    return visitor.page.evaluate("() => window.took")


def goes_black_and_back(visitor) -> None:
    black = visitor.find(".black-screen:not([hidden])")
    press(visitor, BLACK)
    expect(black).to_have_count(1)
    visitor.page.keyboard.press(".")  # no part of the page hears of this one
    expect(black).to_have_count(0)


def test_explore_goes_through_the_items(speaker):
    visitor = speaker(f"?{MODEL}").painted().rested()
    number = visitor.find(".encode .number")
    for key, at in ((NEXT, "1"), (NEXT, "2"), (PREVIOUS, "1")):
        assert press(visitor, key)
        expect(number).to_have_value(at)
    goes_black_and_back(visitor)
    visitor.tab("Draw")
    assert not press(visitor, NEXT)
    expect(number).to_have_value("1")
    visitor.until_url_follows()


def test_map_goes_through_what_was_searched(speaker):
    visitor = speaker(f"map?{MODEL}")
    visitor.button("Outliers").wait_for()
    assert not press(visitor, NEXT)
    visitor.button("Outliers").click()
    results = visitor.find(".search .results button")
    expect(results.first).to_be_visible()
    for key, at in ((NEXT, 0), (NEXT, 1), (PREVIOUS, 0)):
        assert press(visitor, key)
        expect(results.nth(at)).to_be_focused()
    goes_black_and_back(visitor)


def test_the_posterior_goes_through_the_examples(speaker):
    visitor = speaker(f"continuity?{MODEL}&tab=posterior")
    number = visitor.find(".posterior .number")
    expect(visitor.find(".posterior .subject")).to_be_visible()
    for key, at in ((NEXT, "1"), (NEXT, "2"), (PREVIOUS, "1")):
        assert press(visitor, key)
        expect(number).to_have_value(at)
    goes_black_and_back(visitor)
    visitor.tab("Maps")
    assert not press(visitor, NEXT)


def test_the_worst_places_are_gone_through(speaker):
    visitor = speaker(f"continuity?{MODEL}&tab=worst")
    start, places = visitor.find(".seek .start"), visitor.find(".places .go")
    expect(start).to_have_text(
        re.compile("Find the worst for me|Look again")
    )  # the server keeps what others found
    assert press(visitor, NEXT) == (start.inner_text() == "Look again")
    start.click()
    expect(start).to_have_text("Look again")
    expect(start).to_be_visible()
    for key, at in ((NEXT, 0), (NEXT, 1), (PREVIOUS, 0)):
        assert press(visitor, key)
        expect(places.nth(at)).to_be_focused()


def test_compare_goes_through_the_items(speaker):
    visitor = speaker("compare?models=digits-vae-2d")
    name = visitor.find(".item .name")
    expect(name).to_contain_text("item")
    first = name.text_content()
    assert press(visitor, NEXT)
    expect(name).not_to_have_text(first)
    assert press(visitor, PREVIOUS)
    expect(name).to_have_text(first)
    goes_black_and_back(visitor)
    visitor.tab("Figures")
    assert not press(visitor, NEXT)


def test_a_run_goes_from_epoch_to_epoch(speaker):
    run = filming.make(jobs.root(), epochs=4)
    visitor = speaker(f"train?run={run.id}")
    timeline = visitor.find('.run[aria-busy="false"] [role=slider]')
    expect(timeline).to_have_attribute("aria-valuenow", "4")
    for key, at in ((PREVIOUS, "3"), (PREVIOUS, "2"), (NEXT, "3")):
        assert press(visitor, key)
        expect(timeline).to_have_attribute("aria-valuenow", at)
    goes_black_and_back(visitor)
    runs.delete(run)


def test_equations_goes_from_step_to_step(speaker):
    visitor = speaker(f"equations?{MODEL}&step=2")
    heading = visitor.page.get_by_role("heading", level=3).first
    expect(heading).to_contain_text("2 ·")
    goes_black_and_back(visitor)
    expect(visitor.find('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    visitor.page.keyboard.press(NEXT)
    expect(heading).to_contain_text("3 ·")
    goes_black_and_back(visitor)
