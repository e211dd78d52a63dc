"""What the browser's console says: nothing, on a link to any page and on the way from page to page."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from vae_explorer.live import front

pytestmark = pytest.mark.browser

PAGES = sorted(path.stem for path in (Path(__file__).parents[2] / "pages").glob("*.py"))


@pytest.fixture
def listener(visit):
    """Somebody with the console open, from the first request on."""
    visitor = visit()
    visitor.heard = []
    visitor.page.on("console", lambda message: visitor.heard.append(f"{message.type}: {message.text}"))
    return visitor


def until_done(visitor) -> None:
    expect(visitor.find('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    visitor.page.wait_for_load_state("networkidle")


def test_there_are_seven_pages():
    assert len(PAGES) == 7


@pytest.mark.parametrize("name", PAGES)
def test_a_link_to_a_page_says_nothing_and_asks_for_nothing_that_is_not_there(listener, name):
    refused = []
    listener.page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    listener.page.goto(f"{listener.home}{'' if name == 'explore' else name}?model=digits-vae-2d")
    until_done(listener)
    expect(listener.page.get_by_role("link", name=name.capitalize())).to_be_visible()
    assert (listener.heard, refused) == ([], [])


@pytest.mark.parametrize("below", ["", "/below", "/two/down"])
@pytest.mark.parametrize("page", ["", "/", "/train", "/train/?run=a"])
def test_the_server_is_where_the_page_is_below_any_path(browser, below, page):
    """A proxy may show the explorer below any path of its own."""
    html = front.told("<head></head>", PAGES)
    with browser.new_context() as context:
        tab = context.new_page()
        tab.route("http://proxy.test/**", lambda route: route.fulfill(body=html, content_type="text/html"))
        tab.goto(f"http://proxy.test{below}{page or '/'}")
        assert tab.evaluate("__streamlit.BACKEND_BASE_URL") == f"http://proxy.test{below}/"


def test_going_from_page_to_page_says_nothing(listener):
    listener.open()
    for name in (*PAGES, *reversed(PAGES)):
        listener.page.get_by_role("link", name=name.capitalize(), exact=True).click()
        listener.page.wait_for_url(lambda url, name=name: name == "explore" or f"/{name}" in url)
    until_done(listener)
    assert listener.heard == []
