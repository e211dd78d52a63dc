"""A presenter's remote on any page: what its keys mean, and the black screen."""

import io
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://remote.test"
BODY = """<!doctype html><body style="background: #fff">
  <input id="text"><input id="number" type="number"><input id="range" type="range"><textarea id="area"></textarea>
  <select id="select"><option>one</option></select><div id="edited" contenteditable="true">x</div>
  <div id="slider" role="slider" tabindex="0">s</div><button id="button">press</button>
  <dialog><p tabindex="0" id="inside">inside</p></dialog></body>"""
OPEN = """async () => {
  const { Remote } = await import("/kit/remote.js");
  window.heard = [];
  window.pressed = [];
  window.addEventListener("keydown", (event) => pressed.push(event.key));
  window.remote = new Remote(window, { next: () => heard.push("next"), previous: () => heard.push("previous") });
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 400, "height": 300})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith(".js"):
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(body=BODY, content_type="text/html")

    page.route(f"{ORIGIN}/**", answer)
    page.goto(f"{ORIGIN}/")
    page.evaluate(OPEN)
    yield page
    page.close()
    assert not errors


@pytest.fixture
def heard(page: Page) -> Callable[[], list[str]]:
    return lambda: page.evaluate("heard.splice(0)")


def is_black(page: Page) -> bool:
    """Is there nothing but black on the whole screen?"""
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        return all(high == 0 for _, high in seen.convert("RGB").getextrema())


def test_page_keys_are_next_and_previous(page, heard):
    for key in ("PageDown", "PageUp", "PageDown", "a", "ArrowDown"):
        page.keyboard.press(key)
    assert heard() == ["next", "previous", "next"]


@pytest.mark.parametrize("where", ["text", "number", "area", "select", "edited"])
def test_a_key_pressed_while_typing_is_typed(page, heard, where):
    page.locator(f"#{where}").focus()
    for key in ("PageDown", "PageUp", "b", "."):
        page.keyboard.press(key)
    assert heard() == []
    assert not is_black(page)


@pytest.mark.parametrize("where", ["range", "slider"])
def test_page_keys_move_a_slider_that_has_the_focus(page, heard, where):
    page.locator(f"#{where}").focus()
    page.keyboard.press("PageDown")
    assert heard() == []
    page.keyboard.press("b")
    assert is_black(page)


def test_keys_with_a_modifier_belong_to_the_browser(page, heard):
    page.keyboard.press("Control+b")
    page.keyboard.press("Alt+.")
    assert heard() == []
    assert not is_black(page)


@pytest.mark.parametrize("key", ["b", "B", "."])
def test_the_screen_goes_black_and_comes_back_with_the_same_key(page, key):
    page.locator("#button").focus()
    page.keyboard.press(key)
    assert is_black(page)
    page.keyboard.press(key)
    assert not is_black(page)


def test_any_other_key_brings_the_page_back_and_does_nothing_else(page, heard):
    for key in ("PageDown", "x", "Escape", "Enter"):
        page.keyboard.press("b")
        page.evaluate("pressed.length = 0")
        page.keyboard.press("Shift")
        assert is_black(page)
        page.keyboard.press(key)
        assert not is_black(page)
        assert page.evaluate("pressed") == ["Shift"]
    assert heard() == []


@pytest.mark.parametrize("dialog", [False, True])
def test_a_press_brings_the_page_back_and_does_nothing_else(page, dialog):
    page.evaluate(
        """(dialog) => {
      if (dialog) document.querySelector("dialog").showModal();
      for (const type of ["pointerdown", "click"]) document.addEventListener(type, () => heard.push(type));
    }""",
        dialog,
    )
    page.keyboard.press(".")
    page.mouse.click(200, 150)
    assert not is_black(page)
    assert page.evaluate("heard") == []


def test_a_key_held_down_changes_the_screen_once(page):
    page.keyboard.down("b")
    page.keyboard.down("b")  # the second one is a repetition
    assert is_black(page)
    page.keyboard.up("b")
    page.keyboard.press("b")
    assert not is_black(page)


def test_black_covers_dialogs_and_full_screen(page):
    page.evaluate("document.querySelector('dialog').showModal()")
    page.locator("#inside").focus()
    page.keyboard.press("b")
    assert is_black(page)
    page.keyboard.press("Escape")
    assert not is_black(page)
    assert page.evaluate("document.querySelector('dialog').open")
    page.evaluate("document.querySelector('#inside').requestFullscreen()")
    page.wait_for_function("document.fullscreenElement")
    page.keyboard.press(".")
    assert is_black(page)


SCROLLED = """() => {
  window.ours = [];
  window.addEventListener("keydown", (event) => ours.push(event.defaultPrevented));
}"""


def test_the_remote_presses_what_is_in_view_and_leaves_the_key_alone_where_nothing_is(page):
    page.evaluate("""async () => {
      remote.close();
      const { Remote, buttons } = await import("/kit/remote.js");
      document.body.insertAdjacentHTML("beforeend", `<section hidden><button class="next">hidden</button></section>
        <section id="shown"><button class="next" disabled>off</button><button class="next">on</button></section>`);
      for (const each of document.querySelectorAll(".next")) each.addEventListener("click", () => heard.push(each.textContent));
      window.remote = new Remote(window, buttons(document.body));
    }""")
    page.evaluate(SCROLLED)
    page.keyboard.press("PageDown")
    page.keyboard.press("PageUp")
    page.evaluate("document.querySelector('#shown').hidden = true")
    page.keyboard.press("PageDown")
    assert page.evaluate("[heard, ours]") == [["on"], [True, False, False]]


def test_the_remote_goes_through_a_list_from_end_to_end(page):
    page.evaluate("""async () => {
      remote.close();
      const { Remote, list } = await import("/kit/remote.js");
      document.body.insertAdjacentHTML("beforeend", "<ol></ol>");
      window.remote = new Remote(window, list(document.querySelector("ol"), "button", (each) => heard.push(each.textContent)));
    }""")
    page.evaluate(SCROLLED)
    page.keyboard.press("PageDown")
    assert page.evaluate("[heard, ours]") == [[], [False]]
    page.evaluate(
        "document.querySelector('ol').innerHTML = '<li><button>1</button><li hidden><button>2</button><li><button>3</button>'"
    )
    for key in ("PageDown", "PageDown", "PageDown", "PageUp"):
        page.keyboard.press(key)
    assert page.evaluate("heard") == ["1", "3", "3", "1"]
    assert page.evaluate("document.activeElement.textContent") == "1"


def test_a_remote_that_is_closed_listens_no_more(page, heard):
    page.keyboard.press("b")
    page.evaluate("remote.close()")
    assert not is_black(page)
    for key in ("PageDown", "b"):
        page.keyboard.press(key)
    assert heard() == []
    assert not is_black(page)
