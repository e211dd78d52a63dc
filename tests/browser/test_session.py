"""What a session keeps, in a real browser: from a link to a run, by back and forward, over reloads."""

import io
import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.training import making as training
from tests.vae_explorer import making
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Status
from vae_explorer import library
from vae_explorer.live.browser import COOKIE

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
    if not names_run:
        visitor.button("Back to the runs").click()  # the newest comes into view
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
    model = visitor.page.get_by_test_id("stSelectbox").locator("input").first
    expect(model).to_have_value(DIGITS)  # as its address says
    expect(visitor.find('.map[aria-busy="false"]')).to_be_visible()
    visitor.page.go_back()
    visitor.until(lambda: query(visitor) == first, "the first address")
    visitor.painted().rested()
    visitor.until(lambda: np.array_equal(visitor.pixels(), seen), "the first picture")
    visitor.page.go_forward()
    visitor.page.wait_for_url(lambda url: "/map" in url)
    visitor.page.go_forward()
    visitor.until(lambda: query(visitor) == second, "the second address")
    expect(model).to_have_value("mnist-vae-2d")


@pytest.mark.parametrize("wait_ms", [0, 30, 120, 400])
def test_two_quick_steps_back_lead_to_the_first_address_and_forward_again(visitor, wait_ms):
    visitor.drag(0, 0.4, 0.8)
    first = query(visitor)
    go_to(visitor, "Map")
    visitor.page.wait_for_url(lambda url: "model=" in url)
    go_to(visitor, "Continuity")
    visitor.page.wait_for_url(lambda url: "model=" in url)
    steps = visitor.page.evaluate("history.length")
    visitor.page.evaluate(
        "async (ms) => { history.back(); await new Promise((then) => setTimeout(then, ms)); history.back(); }",
        wait_ms,
    )
    visitor.until(lambda: urlsplit(visitor.page.url).path == "/", "Explore's address")
    visitor.painted().rested()
    assert query(visitor) == first
    for path in ("/map", "/continuity"):
        visitor.page.go_forward()
        visitor.page.wait_for_url(lambda url, path=path: urlsplit(url).path == path)
    expect(visitor.find(".continuity")).to_be_visible()
    assert visitor.page.evaluate("history.length") == steps


# --- a link shows what is seen --------------------------------------------------------------------------------


def encode_item(visitor):
    """Encode an item, smooth, and move away from its code."""
    visitor.find(".class").select_option(label="3")
    visitor.find(".number").fill("2")
    expect(visitor.find(".original figcaption")).to_contain_text("class 3")
    visitor.button("Smooth").click()
    visitor.drag(1, 0.5, 0.61)
    expect(visitor.find(".spread canvas")).to_be_visible()


def seen(visitor):
    """Everything on the page that a link promises."""
    expect(visitor.find(".spread canvas")).to_be_visible()
    expect(visitor.find(".spread figcaption")).to_contain_text("pixel spread")
    canvases = [".decoded canvas", ".original canvas", ".spread canvas"]
    return {
        "pictures": [visitor.pixels(visitor.find(each)).tolist() for each in canvases],
        "words": [
            visitor.find(f"{each} figcaption").inner_text() for each in (".decoded", ".original", ".spread")
        ],
        "bands": visitor.find(".band").evaluate_all("bands => bands.map((band) => band.style.cssText)"),
        "smooth": visitor.button("Smooth").get_attribute("aria-pressed"),
        "z": visitor.z,
        "query": query(visitor),
    }


def until_seen(visitor, wanted):
    expect(visitor.find(".original canvas")).to_be_visible()
    visitor.until(lambda: seen(visitor) == wanted, "what the link shows")


def test_a_link_shows_the_item_its_spread_and_smooth_to_others(visit):
    visitor = visit(locale="en-GB").open()
    encode_item(visitor)
    wanted = seen(visitor)
    assert wanted["query"]["item"].startswith("held-out.")
    assert wanted["smooth"] == "true"
    elsewhere = visit(locale="en-IE")
    elsewhere.page.goto(visitor.page.url)
    until_seen(elsewhere.painted().rested(), wanted)
    assert elsewhere.find(".encode .number").input_value() == wanted["query"]["item"].removeprefix(
        "held-out."
    )
    elsewhere.page.reload()
    until_seen(elsewhere.painted().rested(), wanted)


def test_the_view_is_the_same_after_another_page_another_model_and_back(visit):
    visitor = visit(locale="en-GB").open()
    encode_item(visitor)
    wanted = seen(visitor)
    go_to(visitor, "Train")
    go_to(visitor, "Explore")
    until_seen(visitor.rested(), wanted)
    go_to(visitor, "Train")
    visitor.page.go_back()
    until_seen(visitor.rested(), wanted)
    visitor.choose("mnist-vae-2d")
    assert "item" not in query(visitor)
    visitor.choose(DIGITS)
    until_seen(visitor.rested(), wanted)


def test_what_an_address_says_of_smooth_wins_over_what_was_chosen_here_before(visit):
    visitor = visit(locale="en-GB").open()
    smooth = visitor.button("Smooth")
    smooth.click()
    visitor.open(f"model={DIGITS}&z=0,0&smooth=0")
    expect(smooth).to_have_attribute("aria-pressed", "false")
    visitor.open(f"model={DIGITS}")
    expect(smooth).to_have_attribute("aria-pressed", "true")
    assert query(visitor)["smooth"] == "1"


@pytest.mark.parametrize("item", ["held-out.999999", "held-out.-1", "train.3", "seven"])
def test_an_item_that_is_not_there_gets_a_sentence_and_leaves_the_link(visit, item):
    visitor = visit().open(f"model={DIGITS}&z=0.5,1&item={item}")
    expect(visitor.find(".message")).to_contain_text(item)
    expect(visitor.find(".message")).to_contain_text("held-out.0 to held-out.")
    assert visitor.z == [0.5, 1]
    assert "item" not in query(visitor)


def test_a_picture_of_ones_own_is_still_there_after_another_page_and_its_code_in_the_link(visitor):
    encode_item(visitor)
    buffer = io.BytesIO()
    Image.fromarray(np.tri(20, dtype=np.uint8) * 255).save(buffer, "PNG")
    spread = visitor.find(".spread canvas")
    before = visitor.pixels(spread)
    visitor.tab("Upload")
    file = {"name": "corner.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    visitor.find(".encode input[type=file]").set_input_files(file)
    expect(visitor.find(".original figcaption")).to_have_text("original: corner.png")
    visitor.until_url_follows()
    visitor.until(lambda: "item" not in query(visitor), "an address of the code alone")
    visitor.until_pixels_change(before, spread)
    wanted = seen(visitor)
    go_to(visitor, "Train")
    go_to(visitor, "Explore")
    until_seen(visitor.rested(), wanted)


# --- opened files ---------------------------------------------------------------------------------------------


def test_an_opened_file_is_there_after_a_reload_and_for_nobody_else(visit):
    visitor = visit(locale="en-GB").open()
    visitor.open_model("mine", making.content(latent_dim=3))
    expect(visitor.page.get_by_text("open in this browser only")).to_be_visible()
    visitor.drag(0, 0.3, 0.8)
    shown, address = visitor.pixels(), visitor.page.url
    visitor.page.reload()
    visitor.painted().rested()
    assert query(visitor)["model"] == "mine"
    expect(visitor.sliders).to_have_count(3)
    visitor.until(lambda: np.array_equal(visitor.pixels(), shown), "the picture of the opened file")
    expect(visitor.alerts).to_have_count(0)
    assert COOKIE not in visitor.page.evaluate("document.cookie")

    other = visit(locale="en-IE")
    other.page.goto(address)
    other.painted().rested()
    expect(other.alerts).to_have_count(1)
    expect(other.alerts).to_contain_text("no model named mine here")
    expect(other.alerts).to_contain_text("another browser's session; open that file here")
    assert query(other)["model"] != "mine"
