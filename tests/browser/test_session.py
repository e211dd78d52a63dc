"""What a session keeps, in a real browser: from a link to a run, by back and forward, over reloads."""

import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.training import making as training
from ui import library
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Status

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"


def go_to(visitor, page):
    visitor.page.get_by_role("link", name=page, exact=True).click()
    visitor.page.wait_for_url(
        lambda url: urlsplit(url).path == ("/" if page == "Explore" else f"/{page.lower()}")
    )


def query(visitor):
    return {name: values[0] for name, values in parse_qs(urlsplit(visitor.page.url).query).items()}


@pytest.fixture
def run():
    """A run that ended after one epoch."""
    run = training.make(jobs.root(), "Yesterday's")
    run.say(Status(state="stopped", epoch=1, epochs=6))
    shutil.copy(library.FOLDER / f"{DIGITS}.safetensors", run.checkpoint(1))
    yield run
    runs.delete(run)


# --- the first page of a session ----------------------------------------------------------------------------


@pytest.mark.parametrize("names_run", [False, True])
def test_explore_shows_the_run_of_a_tab_that_began_on_train(visit, run, names_run):
    visitor = visit()
    visitor.page.goto(f"{visitor.home}train" + (f"?run={run.id}" if names_run else ""))
    visitor.button("Explore").click()
    visitor.painted().rested()
    assert query(visitor)["model"] == f"run/{run.id}"
    expect(visitor.find('[data-testid="stException"]')).to_have_count(0)
    before = visitor.pixels()
    visitor.drag(0, 0.3, 0.8)
    visitor.until_pixels_change(before)
    visitor.page.reload()
    visitor.painted().rested()
    assert query(visitor)["model"] == f"run/{run.id}"


# --- back and forward ---------------------------------------------------------------------------------------


def test_back_and_forward_show_what_their_addresses_say(visitor):
    visitor.drag(0, 0.4, 0.8)
    first, seen = query(visitor), visitor.pixels()
    go_to(visitor, "Map")
    visitor.page.wait_for_url(lambda url: "model=" in url)
    go_to(visitor, "Explore")
    visitor.rested()
    assert query(visitor) == first  # the session keeps it
    visitor.choose("mnist-vae-2d")
    visitor.drag(1, 0.5, 0.2)
    second = query(visitor)
    visitor.page.go_back()
    visitor.page.wait_for_url(lambda url: "/map" in url)
    visitor.page.go_back()
    visitor.until(lambda: query(visitor) == first, "the first address")
    visitor.until(lambda: np.array_equal(visitor.pixels(), seen), "the first picture")
    visitor.page.go_forward()
    visitor.page.wait_for_url(lambda url: "/map" in url)
    visitor.page.go_forward()
    visitor.until(lambda: query(visitor) == second, "the second address")
    expect(visitor.page.get_by_test_id("stSelectbox").locator("input").first).to_have_value("mnist-vae-2d")
