"""One Chromium for a whole benchmark, and pages in it that carry the probe (`probe.js`)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.chromium import LAUNCH_ARGUMENTS, find_chromium

PROBE = Path(__file__).with_name("probe.js")
FIRST_IMAGE = "first-decoded-image"  # the mark that explore.js sets, and the probe on a stock page

# A laptop's screen in height, and wide enough for all ten sliders and strips of sprites-vae-10d.
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 1440, 1000
PATIENCE_MS = 60_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=list(LAUNCH_ARGUMENTS), handle_sigint=False
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, url: str, *, until: str = FIRST_IMAGE, probes: Sequence[Path] = (PROBE,)
) -> AsyncIterator[Page]:
    """Open a page with an empty cache and wait for a mark, as a rule until it shows its first decoded image."""
    context = await browser.new_context(viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT})
    try:
        page = await context.new_page()
        for probe in probes:
            await page.add_init_script(path=probe)
        await page.goto(url, wait_until="commit")
        shown = f"performance.getEntriesByName('{until}').length > 0"
        await page.wait_for_function(shown, timeout=PATIENCE_MS)
        yield page
    finally:
        await context.close()
