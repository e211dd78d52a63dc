"""What a drag makes the page's main thread do, counted by Chromium's own trace: counts, for no machine's milliseconds."""

import pytest
from playwright.sync_api import expect

from benchmarks import trace

pytestmark = pytest.mark.browser

MOVES = 90
WORDS_PER_SECOND = 10  # as often words and figures may change, each time with a layout
ENDS = 2  # the words of what was before, and of the last move, may fall into the same time
LAYERS = "PaintArtifactCompositor::Update"  # all layers of the page are put together anew


def place_on(visitor, what):
    """The box of a slider's track or of the image."""
    return (visitor.slider(0) if what == "slider" else visitor.image).bounding_box()


@pytest.mark.parametrize("what", ["slider", "image"])
@pytest.mark.parametrize("model", ["digits-vae-2d", "sprites-vae-10d"])
def test_a_drag_forces_no_layout_and_lays_out_and_layers_only_for_words(visit, browser, model, what):
    visitor = visit().open(f"model={model}")
    expect(visitor.find('.trust [data-name="realism"]')).to_be_visible()
    box, mouse = place_on(visitor, what), visitor.page.mouse
    y = box["y"] + box["height"] / 2
    mouse.move(box["x"] + 0.3 * box["width"], y)
    mouse.down()
    before = visitor.pixels()
    browser.start_tracing(page=visitor.page, categories=[*trace.CATEGORIES, "blink"])
    visitor.page.evaluate(f"performance.mark('{trace.BEGIN}')")
    for move in range(1, MOVES + 1):
        mouse.move(box["x"] + (0.3 + 0.4 * move / MOVES) * box["width"], y)
    visitor.page.evaluate(f"performance.mark('{trace.END}')")
    events = trace.main_thread(browser.stop_tracing())
    visitor.until_pixels_change(before)
    mouse.up()
    visitor.until_url_follows()
    found = trace.figures(events, MOVES)
    assert found["frames_per_move"] > 0
    assert (found["forced_layouts"], found["forced_style_recalcs"]) == (0, 0)
    layouts = found["layouts_per_move"] * MOVES
    layers = sum(event["name"] == LAYERS for event in events)
    assert max(layouts, layers) <= WORDS_PER_SECOND * trace.seconds(events) + ENDS
