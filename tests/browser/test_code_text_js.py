"""Codes as text: what a link holds reads back as the same float32 numbers. Needs no server."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from ui.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://codes.test"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name:
            route.fulfill(body=(FOLDER / name).read_text(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    with browser.new_context() as context:
        context.route("**/*", answer)
        page = context.new_page()
        page.goto(f"{ORIGIN}/")
        yield page


def texts(page: Page, numbers: np.ndarray) -> list[str]:
    return page.evaluate(
        """async (numbers) => {
             const { codeText } = await import("/code-text.js");
             return codeText(Float32Array.from(numbers)).split(",");
           }""",
        numbers.astype(float).tolist(),
    )


def test_every_float32_reads_back_as_itself_in_the_browser_and_in_python(page: Page) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, dtype=np.uint64).astype(np.uint32)
    numbers = bits.view(np.float32)
    usual = np.random.default_rng(1).normal(size=4000).astype(np.float32)
    ends = np.array([0, 1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38, 16777217, 0.1, 1 / 3], np.float32)
    numbers = np.concatenate([numbers[np.isfinite(numbers)], usual, ends])
    written = texts(page, numbers)
    assert np.array_equal(np.array([float(text) for text in written], np.float32), numbers)
    again = page.evaluate(
        """async ([text, width]) => {
             const { parseCode } = await import("/code-text.js");
             return Array.from(parseCode(text, width));
           }""",
        [",".join(written), len(written)],
    )
    assert np.array_equal(np.array(again, np.float32), numbers)


def test_a_number_that_was_typed_stays_as_short_as_it_was(page: Page) -> None:
    typed = ["0", "1", "-2.5", "0.1", "0.05", "-1.25", "0.123456", "1234567"]
    assert texts(page, np.array([float(text) for text in typed], np.float32)) == typed
