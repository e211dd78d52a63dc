"""One server and one browser for all tests in this folder; a page per test, and nothing may go wrong behind it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from benchmarks.chromium import LAUNCH_ARGUMENTS, find_chromium
from tests.browser.server import Server
from tests.browser.visitor import Visitor
from tests.patience import PATIENCE_MS

LAPTOP = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="package")
def server(data_folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "log.txt")
    server.start()
    yield server
    server.stop()


# Of the package and no wider: while Playwright runs, no other test in this thread could call asyncio.run.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(LAUNCH_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def laptop(browser: Browser) -> Iterator[BrowserContext]:
    """One context for most tests, so that Streamlit's own files are loaded once."""
    with browser.new_context(viewport=LAPTOP) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


@pytest.fixture
def visit(server: Server, browser: Browser, laptop: BrowserContext) -> Iterator[Callable[..., Visitor]]:
    """Make visitors: `visit()` on the laptop, `visit(viewport=..., ...)` in a browser context of their own."""
    said_before = len(server.said())
    visitors: list[Visitor] = []
    own: list[BrowserContext] = []

    def make(**options) -> Visitor:
        context = laptop
        if options:
            context = browser.new_context(**{"viewport": LAPTOP} | options)
            own.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        visitors.append(Visitor(page, server.url))
        return visitors[-1]

    yield make
    problems = [problem for visitor in visitors for problem in visitor.problems]
    for visitor in visitors:
        visitor.page.close()
    for context in own:
        context.close()
    assert not problems
    assert "Traceback" not in server.said()[said_before:]


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    """Somebody who opened the digits."""
    return visit().open()
