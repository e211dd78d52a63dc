"""The map in a real browser: every place answers, points tell what they are, lassos select, the address restores."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from vae_core import checkpoint
from vae_core.models.rendering import render
from vae_explorer import library

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"
PLANE = f"map?model={DIGITS}&source=reference&projection=plane&first=0&second=1"


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(library.FOLDER / f"{DIGITS}.safetensors")


class Reader:
    """Somebody looking at the map."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.stage = self.page.locator(".stage")
        self.box = self.stage.bounding_box()

    def place(self):
        """The place under the pointer, as the panel says it."""
        words = self.page.locator(".place").inner_text().replace("−", "-")
        return np.array([float(x) for x in re.findall(r"z[₁₂] (-?[\d.]+)", words)])

    def hover(self, x, y):
        """Move to a share of the stage, and wait until the panel speaks of that place."""
        before = self.page.locator(".place").inner_text()
        self.page.mouse.move(self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"])
        self.visitor.until(lambda: self.page.locator(".place").inner_text() != before, "the panel")
        return self.place()

    def screen_of(self, code):
        """Where a place of the plane is on the screen; two places that the panel names tell the scale."""
        a, b = self.hover(0.3, 0.3), self.hover(0.7, 0.6)
        scale = 0.4 * self.box["width"] / (b[0] - a[0])
        x = self.box["x"] + 0.3 * self.box["width"] + (code[0] - a[0]) * scale
        y = self.box["y"] + 0.3 * self.box["height"] + (a[1] - code[1]) * scale
        return x, y

    def query(self, name):
        return parse_qs(urlsplit(self.page.url).query).get(name, [""])[0]


@pytest.fixture
def look(visit):
    def open_map(query=PLANE, **options):
        visitor = visit(**options)
        visitor.page.goto(visitor.home + query)
        expect(visitor.page.locator('.map[aria-busy="false"]')).to_be_visible()
        return Reader(visitor)

    return open_map


def decoded(model, z):
    return render(model, np.array([z], np.float32))[0][..., 0].astype(int)


def shown(reader):
    return reader.visitor.pixels(reader.page.locator(".decoded .image"))[..., 0].astype(int)


# --- places and points ------------------------------------------------------------------------------------------


def test_every_place_decodes_to_what_the_model_makes_of_it(look, digits):
    reader = look()
    for x, y in ((0.31, 0.42), (0.9, 0.9)):  # among the points, and where none is
        place = reader.hover(x, y)
        # The panel names a place to two digits, so its picture may be off by a shade.
        reader.visitor.until(
            lambda place=place: np.abs(shown(reader) - decoded(digits.model, place)).max() <= 12, "the decode"
        )


def test_a_point_tells_its_class_and_shows_its_original(look, digits):
    reader = look()
    mean, labels = digits.reference.mean.numpy(), digits.reference.labels.numpy()
    away = np.linalg.norm(mean[:, None] - mean[None], axis=-1) + np.eye(len(mean)) * 1e9
    lonely = int(np.argmax(np.where(np.abs(mean).max(1) < 2, away.min(1), 0)))  # no other point near it
    reader.page.mouse.move(*reader.screen_of(mean[lonely]))
    facts = reader.page.locator(".point .facts")
    expect(facts).to_contain_text(f"no.{lonely + 1}")
    expect(facts).to_contain_text(f"class{labels[lonely]}")
    expect(facts).to_contain_text("KL")
    expect(reader.page.locator(".point .original")).to_be_visible()
    again = reader.page.locator(".point .again canvas")
    reader.visitor.until(
        lambda: (
            np.abs(
                reader.visitor.pixels(again)[..., 0].astype(int) - decoded(digits.model, mean[lonely])
            ).max()
            <= 1
        ),
        "the reconstruction",
    )


def test_a_pinned_place_goes_to_explore_as_it_is(look):
    reader = look()
    place = reader.hover(0.42, 0.33)
    reader.page.mouse.down()
    reader.page.mouse.up()
    expect(reader.page.locator(".decoded figcaption")).to_contain_text("pinned")
    reader.page.get_by_role("button", name="Explore", exact=True).click()
    reader.visitor.painted()
    reader.visitor.rested()
    np.testing.assert_allclose(reader.visitor.z, place, atol=0.2)  # a point near the pointer is taken itself


def said(reader):
    """All that the panel says of a place, in words and in pixels, once the pointer has rested there."""
    words = reader.page.locator(".place")
    expect(words).to_contain_text("nearest")
    return words.inner_text(), reader.page.locator(".point .facts").inner_text(), shown(reader).tobytes()


def test_a_pin_holds_the_panel_while_the_pointer_looks_around(look, digits):
    """Caption, place, picture and point belong together; what is under the pointer shows beside the pointer."""
    reader = look()
    mean = digits.reference.mean.numpy()
    x, y = reader.screen_of(mean[0])
    reader.page.mouse.move(x, y)
    expect(reader.page.locator(".point .original")).to_be_visible()
    reader.page.mouse.click(x, y)
    caption = reader.page.locator(".decoded figcaption")
    expect(caption).to_contain_text("pinned")
    pinned, words = said(reader), caption.inner_text()
    original = reader.visitor.pixels(reader.page.locator(".point .original canvas"))

    beside = reader.page.locator(".beside")
    for place in ((0.15, 0.2), (0.5, 0.5)):
        reader.page.mouse.move(
            reader.box["x"] + place[0] * reader.box["width"],
            reader.box["y"] + place[1] * reader.box["height"],
        )
        expect(beside).to_be_visible()
        before = reader.visitor.pixels(beside)
    reader.page.mouse.move(reader.box["x"] + 0.8 * reader.box["width"], reader.box["y"] + 30)
    reader.visitor.until_pixels_change(before, beside)
    assert said(reader) == pinned
    assert caption.inner_text() == words
    assert (reader.visitor.pixels(reader.page.locator(".point .original canvas")) == original).all()

    reader.page.keyboard.press("Escape")
    expect(caption).not_to_contain_text("pinned")
    reader.visitor.until(lambda: said(reader) != pinned, "what is under the pointer")
    expect(beside).to_be_hidden()


DRAWN = """(canvas, [x, y, side]) => {
  const ratio = canvas.width / canvas.clientWidth, box = [x - side / 2, y - side / 2, side, side].map((v) => v * ratio);
  return canvas.getContext("2d").getImageData(...box).data.filter((_, i) => i % 4 === 3).some((alpha) => alpha > 0);
}"""


def test_a_pin_marks_its_place_on_the_map(look):
    """The mark stays where it is while the pointer goes on, and goes when the pin does."""
    reader = look()
    reader.hover(0.97, 0.9)  # no point near, and no other mark
    marks = reader.page.locator("canvas.marks")
    around = [0.97 * reader.box["width"], 0.9 * reader.box["height"] - 8, 16]
    assert not marks.evaluate(DRAWN, around)
    reader.page.mouse.down()
    reader.page.mouse.up()
    reader.visitor.until(lambda: marks.evaluate(DRAWN, around), "the mark")
    reader.page.mouse.move(reader.box["x"] + 5, reader.box["y"] + 5)
    expect(reader.page.locator(".beside")).to_be_visible()
    assert marks.evaluate(DRAWN, around)
    reader.page.keyboard.press("Escape")
    reader.visitor.until(lambda: not marks.evaluate(DRAWN, around), "no mark")


def test_unpinning_lets_the_panel_follow_again(look):
    reader = look()
    reader.hover(0.42, 0.33)
    free = reader.page.get_by_role("button", name="Unpin")
    expect(free).to_be_hidden()
    reader.page.mouse.down()
    reader.page.mouse.up()
    free.click()
    expect(free).to_be_hidden()
    expect(reader.page.locator(".decoded figcaption")).not_to_contain_text("pinned")
    reader.hover(0.6, 0.7)


def test_a_pin_by_keyboard_stays_while_the_crosshair_moves_on(look):
    reader = look()
    reader.stage.focus()
    reader.page.keyboard.press("ArrowRight")
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator(".decoded figcaption")).to_contain_text("pinned")
    pinned = said(reader)
    for _ in range(4):
        reader.page.keyboard.press("Shift+ArrowUp")
    expect(reader.page.locator(".beside")).to_be_visible()
    assert said(reader) == pinned
    reader.page.keyboard.press("Escape")
    reader.visitor.until(lambda: said(reader) != pinned, "the place under the crosshair")
    expect(reader.page.locator(".decoded figcaption")).not_to_contain_text("pinned")


def test_a_finger_takes_the_pin_along(look):
    reader = look(viewport=PHONE, has_touch=True)
    places = []
    for x, y in ((150, 120), (90, 200)):
        reader.page.touchscreen.tap(reader.box["x"] + x, reader.box["y"] + y)
        expect(reader.page.locator(".decoded figcaption")).to_contain_text("pinned")
        places.append(reader.place())
    assert np.abs(places[0] - places[1]).max() > 0.1


def test_the_keyboard_moves_the_crosshair_zooms_and_pins(look):
    reader = look()
    reader.stage.focus()
    reader.page.keyboard.press("ArrowRight")
    first = reader.place()
    reader.page.keyboard.press("ArrowRight")
    reader.visitor.until(lambda: reader.place()[0] > first[0], "a step to the right")
    reader.page.keyboard.press("+")
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    reader.page.keyboard.press("Enter")
    expect(reader.page.locator(".decoded figcaption")).to_contain_text("pinned")


# --- selecting --------------------------------------------------------------------------------------------------


def lasso(reader, corners):
    reader.page.get_by_role("button", name="Lasso", exact=True).click()
    points = [
        (reader.box["x"] + x * reader.box["width"], reader.box["y"] + y * reader.box["height"])
        for x, y in corners
    ]
    reader.page.mouse.move(*points[0])
    reader.page.mouse.down()
    for point in points[1:]:
        reader.page.mouse.move(*point, steps=3)
    reader.page.mouse.up()


LEFT, RIGHT = (
    [(0.02, 0.02), (0.48, 0.02), (0.48, 0.98), (0.02, 0.98)],
    [(0.52, 0.02), (0.98, 0.02), (0.98, 0.98), (0.52, 0.98)],
)


def inside(reader, digits, corners):
    """Which codes lie in the box between the first and the third of these corners."""
    low, high = reader.hover(*corners[0]), reader.hover(*corners[2])
    mean = digits.reference.mean.numpy()
    within = (mean > np.minimum(low, high)) & (mean < np.maximum(low, high))
    return within.all(1)


def test_a_lasso_counts_what_it_holds_and_the_address_restores_it(look, digits):
    reader = look()
    expected = int(inside(reader, digits, LEFT).sum())
    lasso(reader, LEFT)
    count = reader.page.locator(".selected .count")
    expect(count).to_contain_text("points")
    found = int(re.sub(r"\D", "", count.inner_text()))
    assert abs(found - expected) <= 2  # on the line itself a pixel may decide
    expect(reader.page.locator(".mix")).to_have_attribute("aria-label", re.compile(r"\d"))
    reader.visitor.until(lambda: reader.query("lasso"), "the lasso in the address")

    again = look(reader.page.url.removeprefix(reader.visitor.home))
    expect(again.page.locator(".selected .count")).to_contain_text(f"{found} points")
    again.page.keyboard.press("Escape")


def test_two_groups_give_a_direction_that_moves_the_picture(look, digits):
    reader = look()
    sides = [inside(reader, digits, corners) for corners in (LEFT, RIGHT)]
    keep(reader, "left", LEFT)
    keep(reader, "right", RIGHT)
    mean = digits.reference.mean.numpy()
    length = float(np.linalg.norm(mean[sides[1]].mean(0) - mean[sides[0]].mean(0)))
    effect = reader.page.locator(".effect")
    expect(effect).to_contain_text("effect size")
    assert float(effect.inner_text().split(" long")[0]) == pytest.approx(length, abs=0.05)
    reader.hover(0.5, 0.5)
    before = shown(reader)
    reader.page.get_by_role("slider", name="Strength").fill("1.5")
    reader.visitor.until(lambda: np.abs(shown(reader) - before).max() > 20, "the picture at another strength")
    reader.page.locator(".named .drop").first.click()
    expect(reader.page.locator(".attribute")).to_be_hidden()


def keep(reader, name, corners):
    """Lasso a group and keep it under a name."""
    lasso(reader, corners)
    expect(reader.page.locator(".selected .spread")).to_contain_text("RMS")
    reader.page.locator(".save-group .name").fill(name)
    reader.page.get_by_role("button", name="Keep", exact=True).click()
    expect(reader.page.locator(".named")).to_contain_text(name)


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_groups_that_overlap_say_so_at_the_slider_by_their_names(look):
    """The page knows both groups: nothing is asked for that would be refused."""
    reader = look()
    asked = []
    reader.page.on("request", lambda request: asked.append(request.url))
    keep(reader, "west", box(0.02, 0.02, 0.6, 0.98))
    keep(reader, "east", box(0.4, 0.02, 0.98, 0.98))
    effect = reader.page.locator(".attribute .effect")
    expect(effect).to_contain_text(re.compile(r"west and east share \d+ points"))
    expect(reader.page.get_by_role("slider", name="Strength")).to_be_disabled()
    assert not reader.page.locator(".message").inner_text()
    assert not [url for url in asked if url.endswith("/attribute")]


def test_the_sum_of_groups_starts_from_three_different_ones(look):
    """With two groups A - B + C has no C: the first result would be A itself."""
    reader = look()
    keep(reader, "north", box(0.02, 0.02, 0.98, 0.3))
    keep(reader, "middle", box(0.02, 0.35, 0.98, 0.6))
    sums = reader.page.locator(".arithmetic")
    decode, why = sums.get_by_role("button", name="Decode"), sums.locator(".why")
    expect(sums.locator(".c")).to_have_value("")
    expect(decode).to_be_disabled()
    expect(why).to_contain_text("third group")
    keep(reader, "south", box(0.02, 0.65, 0.98, 0.98))
    assert [sums.locator(f".{each}").input_value() for each in "abc"] == ["north", "middle", "south"]
    expect(why).to_be_empty()
    sums.locator(".c").select_option("middle")
    expect(why).to_contain_text("north itself")
    expect(decode).to_be_disabled()
    sums.locator(".c").select_option("north")  # twice as far from the middle
    expect(why).to_be_empty()
    decode.click()
    expect(reader.page.locator(".decoded figcaption")).to_contain_text("north − middle + north")


def test_undo_takes_back_a_selection_and_a_zoom(look):
    reader = look()
    lasso(reader, LEFT)
    expect(reader.page.locator(".selected")).to_be_visible()
    reader.page.get_by_role("button", name="Undo").click()
    expect(reader.page.locator(".selected")).to_be_hidden()
    reader.page.get_by_role("button", name="Redo").click()
    expect(reader.page.locator(".selected")).to_be_visible()


# --- looking around ---------------------------------------------------------------------------------------------


def test_hidden_classes_are_not_counted_and_cannot_be_hit(look, digits):
    reader = look()
    labels = digits.reference.labels.numpy()
    count = reader.page.locator(".under .count")
    reader.page.get_by_role("button", name="All", exact=True).click()
    reader.page.keyboard.press("-")
    chip = reader.page.locator(".chip").first
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    reader.stage.focus()
    for _ in range(4):
        reader.page.keyboard.press("-")
    expect(count).to_contain_text(f"{(labels != 0).sum()} of {len(labels)}")


def test_zoom_brings_the_decoded_images_and_pan_moves_them(look):
    reader = look()
    reader.hover(0.5, 0.5)
    back = reader.page.locator("canvas.back")
    before = reader.visitor.pixels(back)
    for _ in range(8):
        reader.page.mouse.wheel(0, -200)
    reader.visitor.until(lambda: (reader.visitor.pixels(back) != before).mean() > 0.2, "decoded images")
    reader.page.mouse.down()
    reader.page.mouse.move(reader.box["x"] + 100, reader.box["y"] + 100, steps=4)
    zoomed = reader.visitor.pixels(back)
    reader.page.mouse.up()
    reader.visitor.until(lambda: reader.query("view"), "the view in the address")
    assert (reader.visitor.pixels(back) != before).any()
    assert zoomed.shape == before.shape


def test_the_worst_reconstructed_can_be_visited(look):
    reader = look()
    reader.page.get_by_role("button", name="Worst reconstructed").click()
    first = reader.page.locator(".results button").first
    expect(first).to_contain_text("squared error")
    first.click()
    expect(reader.page.locator(".point .facts")).to_contain_text("squared error")


def test_pca_of_ten_dimensions_and_the_colours(look):
    reader = look("map?model=mnist-vae-10d&projection=pca&colour=kl")
    expect(reader.page.locator(".belief")).to_contain_text("of the codes' variance")
    expect(reader.page.locator(".legend")).to_contain_text("percentile")
    reader.page.locator(".colour select").select_option("label")
    expect(reader.page.locator(".chip")).to_have_count(10)
    assert reader.query("colour") == "label"


def test_points_fade_away_from_the_slice(look):
    reader = look("map?model=mnist-vae-10d&projection=plane&first=0&second=1")
    points = reader.page.locator("canvas.points")
    reader.page.locator(".layers summary").click()
    box = reader.page.get_by_label("Fade away from the slice")
    before = reader.visitor.pixels(points)
    reader.visitor.until(lambda: reader.page.locator(".place").inner_text().count("nearest") > 0, "the codes")
    box.check()
    reader.visitor.until_pixels_change(before, points)
    box.uncheck()
    reader.visitor.until(lambda: np.array_equal(reader.visitor.pixels(points), before), "all points again")


def test_the_map_is_saved_as_a_picture_a_drawing_and_a_table(look, digits):
    reader = look()
    start = {"png": b"\x89PNG", "svg": b"<svg", "csv": b'"point"', "parquet": b"PAR1"}
    for words, suffix in (("PNG", "png"), ("SVG", "svg"), ("CSV", "csv"), ("Parquet", "parquet")):
        reader.page.locator(".save summary").click()
        with reader.page.expect_download() as found:
            reader.page.locator(".save div").get_by_text(words).click()
        content = Path(found.value.path()).read_bytes()
        assert found.value.suggested_filename.endswith(f".{suffix}")
        assert content.startswith(start[suffix])
        if suffix == "svg":
            assert content.count(b"<circle") >= 0.98 * len(digits.reference)  # those in view
        reader.page.locator(".save").evaluate("menu => (menu.open = false)")


def test_the_map_stays_and_answers_while_another_one_is_made(look, digits):
    reader = look()
    before = reader.page.locator(".count").first.inner_text()
    reader.page.get_by_test_id("stSelectbox").locator("input").nth(2).click()
    reader.page.get_by_role("option", name="t-SNE", exact=True).click()
    dimmed = reader.page.locator('.map[data-dimmed="true"]')
    expect(dimmed).to_be_visible()
    expect(reader.page.locator(".note")).to_contain_text("until the new map is made")
    expect(reader.page.get_by_test_id("stProgress")).to_be_visible()
    assert reader.page.locator(".count").first.inner_text() == before
    assert reader.stage.bounding_box() == reader.box  # nothing moves away under the pointer
    place = reader.hover(0.9, 0.9)
    reader.visitor.until(lambda: np.abs(shown(reader) - decoded(digits.model, place)).max() <= 12, "decode")
    reader.visitor.until(lambda: reader.query("projection") == "tsne", "what was asked for in the address")
    reader.visitor.button("Stop").click()
    expect(dimmed).to_be_hidden()
    expect(reader.page.locator(".note")).to_contain_text("was not made")
    expect(reader.visitor.button("Try again")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(look, scheme):
    reader = look(viewport=PHONE, color_scheme=scheme, has_touch=True)
    wide = reader.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    reader.page.touchscreen.tap(reader.box["x"] + 150, reader.box["y"] + 120)
    expect(reader.page.locator(".decoded figcaption")).to_contain_text("pinned")
