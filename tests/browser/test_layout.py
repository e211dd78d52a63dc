"""What fits where, fingers, and whether words can be read, from a phone to a laptop, in light and dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP, PHONE

pytestmark = pytest.mark.browser

# Contrast of every visible text of the component against what lies behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const up = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = up(e)) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const opacity = (element) => {
    let all = 1;
    for (let e = element; e; e = up(e)) all *= Number(getComputedStyle(e).opacity);
    return all;
  };
  const find = (selector) => [...document.querySelectorAll("*")].flatMap((e) => e.shadowRoot ? [e.shadowRoot] : [])
    .flatMap((root) => [...root.querySelectorAll(selector)]);
  return find(".name, .kl, .value, .word, .trust dt, .z, figcaption, .hint, .title, label, button:not(:disabled)")
    .filter((e) => e.checkVisibility() && (e.tagName === "INPUT" ? e.value : e.textContent).trim() !== "" && !e.closest(".dead"))
    .map((e) => {
      const ground = behind(e);
      const [r, g, b, a = 1] = parse(getComputedStyle(e).color);
      const words = over([r, g, b, a * opacity(e)], ground);
      const [dark, light] = [luminance(ground), luminance(words)].sort((x, y) => x - y);
      return [e.className || e.textContent.trim(), (light + 0.05) / (dark + 0.05)];
    });
}"""


def phone(visit):
    return visit(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2).open()


def touch_drag(visitor, start, end, steps=6):
    """Drag one finger; returns a function that lifts it."""
    fingers = visitor.page.context.new_cdp_session(visitor.page)
    for i in range(steps + 1):
        x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
        kind = "touchMove" if i else "touchStart"
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    return lambda: fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_moves_a_slider_with_the_image_in_view(visit):
    visitor = phone(visit)
    visitor.sliders.nth(1).scroll_into_view_if_needed()
    image, slider = visitor.image.bounding_box(), visitor.sliders.nth(1).bounding_box()
    for box in (image, slider):
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= PHONE["height"]
    assert image["y"] + image["height"] <= slider["y"]
    before, runs = visitor.pixels(), visitor.script_runs
    lift = touch_drag(visitor, visitor.point(1, 0.5), visitor.point(1, 0.9))
    visitor.until_pixels_change(before)
    visitor.until(lambda: visitor.value(1) > 1, "the value")
    assert visitor.script_runs == runs
    lift()
    visitor.until_url_follows()


def test_a_finger_scrolls_the_page_over_a_slider(visit):
    visitor = phone(visit)
    main = visitor.page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollTop") == 0
    x, y = visitor.point(1, 0.5)
    touch_drag(visitor, (x, y), (x, y - 300))()
    visitor.until(lambda: main.evaluate("main => main.scrollTop") > 50, "the page's scrolling")
    visitor.find(".encode").scroll_into_view_if_needed()
    image = visitor.image.bounding_box()  # stays in view, however far one scrolls
    assert image["y"] >= 0
    assert image["y"] + image["height"] <= PHONE["height"]


def test_nothing_is_wider_than_the_screen(visit):
    visitor = visit(locale="en-GB").open()
    visitor.find(".encode .next").click()
    expect(visitor.find(".original canvas")).to_be_visible()
    main = visitor.page.get_by_test_id("stMain")
    for width in (320, 390, 768, 1280):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        for tab in ("Upload", "Draw", "Data"):
            visitor.tab(tab)
            assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            assert main.evaluate("main => main.scrollWidth - main.clientWidth") <= 0
    visitor.until_url_follows()


def test_image_and_both_sliders_fit_a_laptop_without_scrolling(visitor):
    visitor.find(".encode .next").click()
    expect(visitor.find(".original canvas")).to_be_visible()
    boxes = [visitor.image.bounding_box(), *(visitor.sliders.nth(i).bounding_box() for i in range(2))]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= LAPTOP["height"] for box in boxes)
    visitor.until_url_follows()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read(visit, scheme):
    visitor = visit(color_scheme=scheme).open()
    visitor.find(".encode .next").click()
    expect(visitor.find(".original canvas")).to_be_visible()
    visitor.until_url_follows()
    contrasts = visitor.page.evaluate(CONTRASTS)
    assert len(contrasts) > 15
    assert [(what, round(ratio, 2)) for what, ratio in contrasts if ratio < 4.5] == []
