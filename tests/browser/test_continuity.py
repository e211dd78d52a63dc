"""The Continuity page in a real browser: maps follow the plane, say what the core says, keep a place, and lead to Explore."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP, PHONE
from vae_core.evaluation.measures import Measures
from vae_explorer import library
from vae_explorer.live.models import examples

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"
NAMES = ("cliffs", "holes", "drift", "realism")


@pytest.fixture(scope="module")
def measures(data_folder):
    opened = library.open_file(DIGITS, library.FOLDER / f"{DIGITS}.safetensors")
    return Measures.of(opened.checkpoint, lambda count: examples(opened, count))


class Reader:
    """Somebody on the Continuity page."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.grid = self.page.locator(".walk-grid")

    def field(self, name):
        return self.page.locator(f"[data-measure={name}] .field")

    def settled(self):
        """Wait until every map is refined."""
        for name in NAMES:
            expect(self.page.locator(f"[data-measure={name}][data-settled=true]")).to_have_count(1)
        return self

    def point_at(self, target, x, y):
        box = target.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def drag(self, target, start, end):
        self.point_at(target, *start)
        self.page.mouse.down()
        for share in (0.2, 0.4, 0.6, 0.8, 1):
            self.point_at(target, *(a + share * (b - a) for a, b in zip(start, end, strict=True)))
        self.page.mouse.up()

    @property
    def place(self):
        words = self.page.locator(".spot .where").inner_text().replace("−", "-")
        return np.array([float(n) for n in re.findall(r"z[₀-₉]+ (-?[\d.]+)", words)], np.float32)

    def value(self, name):
        words = self.page.locator(f"[data-measure={name}] .value b").inner_text()
        return float(words.replace("−", "-").strip("×<▲ "))

    def last_digit(self, name):
        """One unit of the last digit that is shown."""
        words = self.page.locator(f"[data-measure={name}] .value b").inner_text()
        digits = re.search(r"\d+(?:\.(\d+))?", words)
        return 10.0 ** -len(digits[1] or "")

    def told(self):
        """Wait until the numbers are of the place in view."""
        for name in NAMES:
            expect(self.page.locator(f"[data-measure={name}] .value:not(.awaited)")).to_have_count(1)
        return self

    @property
    def pinned(self):
        return self.page.locator(".maps-tab.pinned").count() == 1

    def click(self, target, x, y):
        self.point_at(target, x, y)
        self.page.mouse.down()
        self.page.mouse.up()

    @property
    def values(self):
        return {name: self.value(name) for name in NAMES}

    def query(self, name):
        return parse_qs(urlsplit(self.page.url).query).get(name, [""])[0]


@pytest.fixture
def read(visit):
    def open_page(query=f"continuity?model={DIGITS}", **options):
        visitor = visit(**options)
        visitor.page.goto(visitor.home + query)
        expect(visitor.page.locator(".measures")).to_be_visible()
        return Reader(visitor)

    return open_page


def agrees(reader, measures):
    """The numbers are those of the exact place in view, which `.where` names to two digits."""
    reader.told()
    reach = 0.0051 * np.linspace(-1, 1, 5)
    codes = (reader.place + np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)).astype(np.float32)
    found = {
        "cliffs": measures.cliffs(codes)[0],
        "holes": measures.ratio(codes),
        "drift": np.linalg.norm(measures.drift(codes), axis=1),
        "realism": measures.realism(codes)[0],
    }
    for name, values in found.items():
        shown, last = reader.value(name), reader.last_digit(name)
        assert values.min() - last <= shown <= values.max() + last, name


def test_the_maps_say_what_the_core_says_where_the_pointer_is(read, measures):
    reader = read().settled()
    for target, x, y in ((reader.field("holes"), 0.3, 0.4), (reader.grid, 0.7, 0.2)):
        reader.point_at(target, x, y)
        agrees(reader, measures)


def test_dragging_the_plane_moves_all_maps_and_they_are_refined_when_it_rests(read, measures):
    reader = read().settled()
    middle = lambda: reader.point_at(reader.field("cliffs"), 0.5, 0.5)  # noqa: E731
    middle()
    before, place = reader.told().values, reader.place
    canvases = {name: reader.visitor.pixels(reader.field(name).locator("canvas.colours")) for name in NAMES}
    reader.drag(reader.grid, (0.5, 0.5), (0.15, 0.7))
    for name in NAMES:
        reader.visitor.until_pixels_change(canvases[name], reader.field(name).locator("canvas.colours"))
    reader.settled()
    middle()
    reader.told()
    moved = reader.place - place
    assert moved[0] > 1
    assert moved[1] > 0.5
    assert reader.values != before
    agrees(reader, measures)


def test_dragging_and_zooming_a_map_moves_the_grid_and_the_others(read):
    reader = read().settled()
    tiles = reader.page.locator(".walk-grid canvas.tiles")
    before = reader.visitor.pixels(tiles)
    reader.drag(reader.field("realism"), (0.3, 0.5), (0.7, 0.5))
    reader.visitor.until_pixels_change(before, tiles)
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    x, _, span = (float(part) for part in reader.query("view").split(","))
    assert x < -1
    reader.page.mouse.wheel(0, -400)
    reader.visitor.until(lambda: float(reader.query("view").split(",")[2]) < 0.7 * span, "a closer view")
    reader.settled()


def test_the_address_restores_plane_and_view(read):
    reader = read()
    reader.drag(reader.grid, (0.5, 0.5), (0.7, 0.6))
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    again = read(reader.page.url.removeprefix(reader.visitor.home))
    assert again.query("tab") == "maps"
    again.visitor.until(lambda: again.query("view") == reader.query("view"), "the same view")
    for each in (reader, again):
        each.point_at(each.field("holes"), 0.4, 0.4)
    np.testing.assert_allclose(again.place, reader.place, atol=0.02)


@pytest.mark.parametrize("name", ["grid", "drift"])
def test_a_click_pins_a_place_until_it_is_freed(read, measures, name):
    reader = read()
    target = reader.grid if name == "grid" else reader.field(name)
    hint = reader.page.locator(".spot .pin")
    expect(hint).to_contain_text("pins a place")
    reader.click(target, 0.6, 0.35)
    expect(hint).to_contain_text("Pinned")
    place, values = reader.place, reader.told().values
    decoded = reader.visitor.pixels(reader.page.locator(".spot .decoded canvas"))
    for other, x, y in ((reader.field("holes"), 0.2, 0.8), (reader.grid, 0.1, 0.2)):
        reader.point_at(other, x, y)
    reader.drag(reader.grid, (0.5, 0.5), (0.6, 0.6))
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    assert "/continuity" in reader.page.url
    assert reader.pinned
    assert reader.told().values == values
    np.testing.assert_array_equal(reader.place, place)
    assert np.array_equal(reader.visitor.pixels(reader.page.locator(".spot .decoded canvas")), decoded)
    agrees(reader, measures)
    reader.click(reader.field("holes"), 0.2, 0.8)
    expect(hint).to_contain_text("pins a place")
    assert not np.array_equal(reader.place, place)
    reader.point_at(reader.field("holes"), 0.7, 0.7)
    agrees(reader, measures)


def test_a_pinned_place_opens_in_explore(read):
    reader = read()
    reader.click(reader.field("drift"), 0.6, 0.35)
    place = reader.place
    reader.point_at(reader.field("drift"), 0.1, 0.1)
    reader.page.get_by_role("button", name="Open in Explore").click()
    reader.visitor.painted().rested()
    np.testing.assert_allclose(reader.visitor.z, place, atol=0.01)


def test_a_link_shows_the_pinned_place(read):
    reader = read()
    reader.click(reader.field("holes"), 0.3, 0.4)
    reader.visitor.until(lambda: reader.query("pin"), "the pin in the address")
    again = read(reader.page.url.removeprefix(reader.visitor.home))
    expect(again.page.locator(".spot .pin")).to_contain_text("Pinned")
    np.testing.assert_array_equal(again.place, reader.place)
    assert again.told().values == reader.told().values
    again.page.keyboard.press("Escape")
    again.visitor.until(lambda: not again.query("pin"), "an address without a pin")


def test_the_keyboard_pins_frees_and_opens_in_explore(read):
    reader = read()
    reader.field("holes").focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        reader.page.keyboard.press(key)
    assert reader.pinned
    place = reader.place
    reader.page.keyboard.press("ArrowLeft")
    np.testing.assert_array_equal(reader.place, place)
    reader.page.keyboard.press("Escape")
    assert not reader.pinned
    reader.page.keyboard.press("Enter")
    place = reader.place
    reader.page.get_by_role("button", name="Open in Explore").press("Enter")
    reader.visitor.painted().rested()
    np.testing.assert_allclose(reader.visitor.z, place, atol=0.01)


def test_escape_closes_a_definition_before_it_frees_a_place(read):
    reader = read()
    reader.click(reader.field("holes"), 0.3, 0.4)
    reader.page.locator("[data-measure=drift]").get_by_text("Definition").click()
    reader.page.keyboard.press("Escape")
    expect(reader.page.locator(".measures details[open]")).to_have_count(0)
    assert reader.pinned
    reader.page.keyboard.press("Escape")
    assert not reader.pinned


def test_other_axes_free_a_place(read):
    reader = read()
    reader.click(reader.field("holes"), 0.3, 0.4)
    reader.page.locator(".maps-tab select.kind").select_option("principal")
    reader.visitor.until(lambda: not reader.pinned, "no pin on another plane")


def test_the_keyboard_moves_a_map(read):
    reader = read()
    reader.field("holes").focus()
    for key in ("ArrowRight", "ArrowRight", "+"):
        reader.page.keyboard.press(key)
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    assert float(reader.query("view").split(",")[0]) > 0.5
    reader.page.keyboard.press("0")
    reader.visitor.until(lambda: not reader.query("view"), "the home view")


def test_a_third_dimension_moves_all_maps(read):
    reader = read("continuity?model=mnist-vae-10d")
    colours = reader.page.locator("[data-measure=cliffs] .coloured")
    expect(colours).to_have_text("colours: in all directions")
    holes = reader.field("holes").locator("canvas.colours")
    before = reader.visitor.pixels(holes)
    reader.page.get_by_label("Value of the third dimension").fill("2.5")
    expect(colours).to_have_text("colours: within the plane")
    reader.visitor.until(lambda: (reader.visitor.pixels(holes) != before).mean() > 0.1, "other values")
    expect(colours).to_have_text("colours: in all directions")
    assert float(reader.query("base").split(",")[2]) == pytest.approx(2.5, abs=0.01)
    again = read(reader.page.url.removeprefix(reader.visitor.home))
    again.visitor.until(lambda: again.query("base") == reader.query("base"), "the same plane")


def test_each_map_explains_itself(read):
    reader = read()
    for name in NAMES:
        panel = reader.page.locator(f"[data-measure={name}]")
        expect(panel.locator(".sentence")).to_contain_text(".")
        panel.get_by_text("Definition").click()
        expect(panel.locator(".definition")).to_be_visible()
    expect(reader.page.locator(".measures details[open]")).to_have_count(1)
    reader.page.keyboard.press("Escape")
    expect(reader.page.locator(".measures details[open]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_maps_fit_a_laptop_without_scrolling(read, scheme):
    reader = read(color_scheme=scheme)
    for target in (reader.grid, *(reader.field(name) for name in NAMES)):
        box = target.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= LAPTOP["height"]


def test_a_finger_reads_the_maps_of_a_phone(read, measures):
    reader = read(viewport=PHONE, has_touch=True, is_mobile=True)
    reader.settled()
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    field = reader.field("realism")
    field.scroll_into_view_if_needed()
    field.tap(position={"x": 40, "y": 60})
    reader.visitor.until(lambda: abs(reader.place[0]) > 0.1, "the place under the finger")
    agrees(reader, measures)
    assert "/continuity" in reader.page.url
    first = reader.place
    field.tap(position={"x": 80, "y": 30})
    assert reader.pinned
    place = reader.place
    assert not np.array_equal(place, first)
    agrees(reader, measures)
    reader.page.locator(".spot .explore").click()
    reader.visitor.painted().rested()
    np.testing.assert_allclose(reader.visitor.z, place, atol=0.01)
