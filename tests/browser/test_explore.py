"""The Explore page in a real browser: sliders, keyboard, text, history, and the address."""

from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.visitor import z_name
from vae_core import checkpoint
from vae_core.models.rendering import render
from vae_explorer import library

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(library.FOLDER / f"{DIGITS}.safetensors")


def decoded(model, z):
    """What the model itself makes of a code."""
    return render(model, np.array([z], np.float32))[0]


def focused(visitor):
    """Role and label of the element that has the keyboard, inside shadow roots too."""
    return visitor.page.evaluate(
        """() => {
             let element = document.activeElement;
             while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
             return [element?.getAttribute("role"), element?.getAttribute("aria-label")];
           }"""
    )


def type_value(visitor, text, number=0):
    field = visitor.page.get_by_label(f"{z_name(number)}, exact value")
    field.fill(text)
    field.press("Enter")


def paste(visitor, text):
    visitor.text.fill(text)
    visitor.text.press("Enter")


# --- the first look -----------------------------------------------------------------------------------------


def test_home_shows_the_first_model_at_once(visit):
    visitor = visit().open("")
    assert np.ptp(visitor.pixels()) > 30
    first = next(iter(library.bundled()))
    assert parse_qs(urlsplit(visitor.page.url).query)["model"] == [first]
    assert visitor.page.title() == "Latent-space explorer"


@pytest.mark.parametrize("browser_paints_in_workers", [True, False])
def test_image_and_strips_are_what_the_model_decodes(visit, digits, browser_paints_in_workers):
    visitor = visit()
    if not browser_paints_in_workers:
        visitor.page.add_init_script("delete window.OffscreenCanvas")
    visitor.open()
    assert len(visitor.page.workers) == browser_paints_in_workers
    type_value(visitor, "1.25")
    expected = decoded(digits.model, [1.25, 0])
    visitor.until(lambda: np.abs(visitor.pixels().astype(int) - expected).max() <= 1, "the decoded image")
    low, high = (float(visitor.slider(1).get_attribute(f"aria-value{end}")) for end in ("min", "max"))
    first_tile = decoded(digits.model, [1.25, low + (high - low) / 18])
    visitor.until(lambda: np.abs(visitor.pixels(visitor.strip(1))[:, :8].astype(int) - first_tile).max() <= 1)


def test_the_worker_of_the_strips_ends_with_the_page(visitor):
    assert len(visitor.page.workers) == 1
    visitor.page.get_by_role("link", name="Map", exact=True).click()
    visitor.until(lambda: not visitor.page.workers, "the worker's end")
    visitor.page.get_by_role("link", name="Explore", exact=True).click()
    visitor.rested().until(lambda: len(visitor.page.workers) == 1, "a worker again")


# --- dragging -----------------------------------------------------------------------------------------------


def test_dragging_paints_at_once_and_python_hears_on_release(visitor):
    still, runs, address = visitor.pixels(), visitor.script_runs, visitor.page.url
    for number in (0, 1):
        visitor.until(lambda number=number: np.ptp(visitor.pixels(visitor.strip(number))) > 30, "the strip")
    own_strip, other_strip = (visitor.pixels(visitor.strip(number)) for number in (0, 1))
    visitor.press(0, 0.3)
    visitor.until_pixels_change(still)
    moved = visitor.pixels()
    visitor.page.mouse.move(*visitor.point(0, 0.7), steps=4)
    visitor.until_pixels_change(moved)
    visitor.until_pixels_change(other_strip, visitor.strip(1))
    visitor.until_at(0, 0.7)
    assert (visitor.script_runs, visitor.page.url) == (runs, address)
    visitor.page.mouse.up()
    visitor.until_url_follows()
    assert visitor.z_in_url[0] == pytest.approx(visitor.value(), abs=0.006)
    assert visitor.script_runs == runs + 1
    assert np.array_equal(visitor.pixels(visitor.strip(0)), own_strip)


def test_dragging_the_image_moves_two_dimensions(visitor):
    box = visitor.image.bounding_box()
    visitor.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3, steps=4)
    visitor.until(lambda: visitor.value(0) > 0.5 and visitor.value(1) > 0.5, "both values")
    visitor.page.mouse.up()
    visitor.until_url_follows()


def test_release_runs_the_script_and_leaves_the_page_as_it_is(visitor):
    visitor.find(".explorer").evaluate("element => { element.mine = true; }")
    visitor.drag(0, 0.2, 0.3)
    visitor.drag(1, 0.6, 0.7)
    assert visitor.find(".explorer").evaluate("element => element.mine")
    expect(visitor.find(".explorer")).to_have_count(1)
    visitor.button("Undo").click()
    assert visitor.value(1) == 0
    assert visitor.value(0) < -0.5


# --- keyboard -----------------------------------------------------------------------------------------------


def test_keyboard_alone_reaches_and_moves_a_slider(visitor):
    for _ in range(20):
        visitor.page.keyboard.press("Tab")
        if focused(visitor)[0] == "slider":
            break
    role, label = focused(visitor)
    assert role == "slider"
    assert label.startswith(("z₁", "z₂"))
    visitor.page.keyboard.press("ArrowRight")
    visitor.until_url_follows()
    assert sorted(visitor.z_in_url) == [0, pytest.approx(0.05)]


def test_keys_step_leap_and_jump_to_the_ends(visitor):
    slider = visitor.slider(0)
    steps = [
        ("ArrowRight", "0.05"),
        ("Shift+ArrowRight", "0.55"),
        ("ArrowLeft", "0.50"),
        ("ArrowDown", "0.45"),
    ]
    for key, value in steps:
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuenow", value)
    visitor.until_url_follows()
    slider.press("Control+z")  # a series of keys is one step of history
    assert visitor.value() == 0
    for key, end in (("Home", "aria-valuemin"), ("End", "aria-valuemax")):
        slider.press(key)
        assert visitor.value() == pytest.approx(float(slider.get_attribute(end)), abs=0.006)
    visitor.until_url_follows()


def test_double_click_resets_one_dimension(visitor):
    visitor.drag(0, 0.2, 0.3)
    visitor.drag(1, 0.2, 0.3)
    visitor.page.mouse.dblclick(*visitor.point(0, 0.8))
    visitor.until_url_follows()
    assert visitor.value(0) == 0
    assert visitor.value(1) < -0.5


# --- exact values and text ----------------------------------------------------------------------------------


def test_typing_an_exact_value(visitor):
    before = visitor.pixels()
    type_value(visitor, "-1.25")
    visitor.until_pixels_change(before)
    visitor.until_url_follows()
    assert visitor.z_in_url == [-1.25, 0]


def test_what_is_no_number_gets_a_sentence_and_changes_nothing(visitor):
    type_value(visitor, "0.5")
    visitor.until_url_follows()
    for text in ("high", "", "nan"):
        type_value(visitor, text)
        expect(visitor.find(".message")).to_contain_text(f'z₁ = "{text}"')
        expect(visitor.page.get_by_label("z₁, exact value")).to_have_value("0.50")
        assert visitor.value() == 0.5


def test_pasting_a_code(visitor):
    for text, z in (
        ("0.5, -1.5", [0.5, -1.5]),
        ("[1 -2.5]", [1, -2.5]),
        ("0.25;−1", [0.25, -1]),
        ("(2\t3)", [2, 3]),
    ):
        paste(visitor, text)
        visitor.until(lambda z=z: [visitor.value(0), visitor.value(1)] == z, f"sliders at {z}")
        visitor.until(lambda z=z: visitor.z_in_url == z, f"the address at {z}")
        expect(visitor.text).to_have_value(f"{z[0]:g}, {z[1]:g}")


def test_pasting_what_is_no_code_gets_a_sentence(visitor):
    paste(visitor, "0.5, 0.5")
    visitor.until_url_follows()
    for text, sentence in (("1, 2, 3", "3 numbers"), ("one two", "one two"), ("", "not a list")):
        paste(visitor, text)
        expect(visitor.find(".message")).to_contain_text(sentence)
        expect(visitor.text).to_have_value("0.5, 0.5")
        assert visitor.value() == 0.5


def test_a_number_too_large_for_float32_gets_a_sentence(visitor):
    type_value(visitor, "1e39")
    expect(visitor.find(".message")).to_contain_text("1e39")
    paste(visitor, "0, -1e39")
    expect(visitor.find(".message")).to_contain_text("1e39")
    assert visitor.z == [0, 0]
    visitor.drag(0, 0.4, 0.8)


def test_copying_the_code(visitor):
    paste(visitor, "0.123456, -1")
    visitor.button("Copy").click()
    expect(visitor.find(".message")).to_contain_text("copied")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "0.123456, -1"
    visitor.until_url_follows()


# --- buttons and history ------------------------------------------------------------------------------------


def test_prior_draw_data_point_and_origin(visitor, digits):
    visitor.button("Prior draw").click()
    visitor.until(lambda: visitor.value(0) != 0 and visitor.value(1) != 0)
    visitor.button("Data point").click()
    expect(visitor.find(".decoded figcaption")).to_have_text("reconstruction from the posterior mean")
    gaps = np.abs(digits.reference.mean.numpy() - np.array(visitor.z)).max(1)
    assert gaps.min() < 1e-4
    visitor.button("Origin").click()
    visitor.until(lambda: visitor.z == [0, 0])
    visitor.until_url_follows()


def test_a_locked_dimension_stays_on_a_prior_draw(visitor):
    paste(visitor, "0.75, 0.25")
    lock = visitor.button("Lock z₁")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        before = visitor.value(1)
        visitor.button("Prior draw").click()
        visitor.until(lambda before=before: visitor.value(1) != before)
        assert visitor.value(0) == 0.75
    visitor.until_url_follows()


def test_undo_and_redo(visitor):
    expect(visitor.button("Undo")).to_be_disabled()
    visitor.drag(0, 0.4, 0.8)
    moved = visitor.z
    visitor.button("Undo").click()
    assert visitor.z == [0, 0]
    visitor.until_url_follows()
    visitor.button("Redo").click()
    assert visitor.z == moved
    expect(visitor.button("Redo")).to_be_disabled()
    visitor.slider(0).press("Control+z")
    assert visitor.z == [0, 0]
    visitor.slider(0).press("Control+Shift+z")
    assert visitor.z == moved
    visitor.button("Undo").click()
    visitor.drag(1, 0.4, 0.8)  # a new move forgets what was undone
    expect(visitor.button("Redo")).to_be_disabled()


def test_the_address_follows_however_fast_one_moves(visitor):
    for _ in range(4):
        visitor.button("Prior draw").click()
        visitor.button("Undo").click()
    assert visitor.z == [0, 0]
    visitor.until_url_follows()


def test_smooth_is_remembered(visit):
    visitor = visit(viewport={"width": 1280, "height": 720}).open()
    assert visitor.image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    visitor.button("Smooth").click()
    assert visitor.image.evaluate("image => getComputedStyle(image).imageRendering") == "auto"
    visitor.page.reload()
    visitor.painted().rested()
    expect(visitor.button("Smooth")).to_have_attribute("aria-pressed", "true")


# --- the address --------------------------------------------------------------------------------------------


def test_address_opens_the_same_view_in_another_browser(visitor, visit):
    visitor.drag(0, 0.4, 0.8)
    visitor.drag(1, 0.6, 0.3)
    elsewhere = visit(locale="en-GB").open(urlsplit(visitor.page.url).query)
    assert elsewhere.z == pytest.approx(visitor.z, abs=1e-5)
    assert np.array_equal(elsewhere.pixels(), visitor.pixels())


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"model": DIGITS, "z": "1,abc"}, "1,abc"),
        ({"model": DIGITS, "z": "1e39,0"}, "1e39,0"),
        ({"model": "../nobody"}, "../nobody"),
    ],
)
def test_a_bad_address_gets_one_sentence_and_a_working_page(visit, query, sentence):
    visitor = visit().open(urlencode(query))
    expect(visitor.alerts).to_have_count(1)
    expect(visitor.alerts).to_contain_text(sentence)
    assert set(visitor.z) == {0}
    before = visitor.pixels()
    visitor.drag(0, 0.4, 0.8)
    visitor.until_pixels_change(before)
    expect(visitor.alerts).to_have_count(0)


def test_back_is_no_trap(visitor):
    visitor.page.goto("about:blank")
    visitor.open()
    visitor.drag(0, 0.4, 0.8)
    visitor.page.go_back(wait_until="commit")
    visitor.page.wait_for_url("about:blank", wait_until="commit")
    visitor.page.goto("about:blank")  # a page that is still on its way back may never close
