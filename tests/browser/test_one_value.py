"""One code of one model has one value of every figure, in the same words, on every page that prints it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP, PHONE

pytestmark = pytest.mark.browser

MODELS = {"mnist-vae-2d": 2, "sprites-vae-10d": 10}
REALISM_TO = {
    "mnist-vae-2d": "reconstructions",
    "sprites-vae-10d": "images",
}  # MNIST is not here, sprites are drawn
MAPS = {"stretch": "cliffs", "data": "holes", "drift": "drift", "realism": "realism"}


def read_out(page, inside=""):
    """The figures of a trust read-out under their labels, once they are there."""
    root = page.locator(f"{inside} .trust".strip())
    figure = lambda name: root.locator(f'[data-name="{name}"]')  # noqa: E731
    expect(figure("realism")).to_be_visible()
    label = lambda name: figure(name).locator("dt").inner_text().strip().lower()  # noqa: E731
    return {label(name): figure(name).locator(".value").inner_text().strip("▲ \n") for name in MAPS}


def on_the_maps(page):
    """The same of the Continuity page's maps, once they are of the place in view."""
    found = {}
    for name, panel in MAPS.items():
        root = page.locator(f"[data-measure={panel}]")
        expect(root.locator(".value:not(.awaited) b")).not_to_have_text("–")
        title = root.locator("h3").inner_text().strip().lower()
        found[title if name == "realism" else name] = root.locator(".value b").inner_text().strip("▲ \n")
    return found


def point_at(page, element, x, y):
    box = element.bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def opened(visit, query):
    visitor = visit()
    visitor.page.goto(visitor.home + query)
    return visitor


@pytest.mark.parametrize("model", MODELS)
def test_the_origin_reads_the_same_on_explore_map_walk_and_continuity(visit, model):
    explore = read_out(visit().open(f"model={model}&z={','.join('0' * MODELS[model])}").page)
    assert set(explore) == {"stretch", "data", "drift", f"realism to {REALISM_TO[model]}"}

    walk = opened(visit, f"walk?model={model}").page
    assert read_out(walk, ".grid-tab") == explore

    visitor = opened(visit, f"map?model={model}&source=reference&projection=plane&view=0,0,6")
    over = visitor.page
    expect(over.locator('.map[aria-busy="false"]')).to_be_visible()
    over.locator(".stage").focus()
    for key in ("ArrowRight", "ArrowLeft"):
        over.keyboard.press(key)
    visitor.until(lambda: read_out(over) == explore, f"{explore} on the map")

    assert on_the_maps(opened(visit, f"continuity?model={model}").page) == explore


@pytest.mark.parametrize("model", MODELS)
def test_a_place_of_the_maps_reads_the_same_when_it_is_opened_in_explore(visit, model):
    visitor = opened(visit, f"continuity?model={model}")
    page = visitor.page
    on_the_maps(page)
    point_at(page, page.locator("[data-measure=holes] .field"), 0.63, 0.31)
    page.mouse.down()
    page.mouse.up()
    there = on_the_maps(page)
    page.get_by_role("button", name="Open in Explore").click()
    visitor.painted().rested()
    assert read_out(page) == there


def test_a_tile_of_the_walk_reads_the_same_when_it_is_opened_in_explore(visit):
    visitor = opened(visit, "walk?model=mnist-vae-2d")
    page = visitor.page
    origin = read_out(page, ".grid-tab")
    point_at(page, page.locator(".walk-grid"), 0.4, 0.3)
    visitor.until(lambda: read_out(page, ".grid-tab") != origin, "figures of the tile")
    there = read_out(page, ".grid-tab")
    page.get_by_role("button", name="Explore", exact=True).click()
    visitor.painted().rested()
    assert read_out(page) == there


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("z", ["0.5,-1", "9,9"])
def test_what_realism_compares_with_is_in_plain_sight(visit, viewport, z):
    page = visit(viewport=viewport).open(f"model=mnist-vae-2d&z={z}").page
    read_out(page)
    label = page.locator('.trust [data-name="realism"] dt')
    expect(label).to_have_text("realism to reconstructions")
    assert label.evaluate("label => label.scrollWidth <= label.clientWidth"), "the label is cut off"
    box = label.bounding_box()
    assert box["x"] + box["width"] <= viewport["width"]
