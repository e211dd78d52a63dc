"""From the start of the process to the first decoded image on the screen, and the memory held then.

`streamlit run app.py` is started anew five times; a Chromium that is already running opens a tab the moment the
server listens, with an empty cache, and waits for the mark `first-decoded-image`. The rival, a stock Streamlit page
with the same model (`stock_page.py`), is started the same way, in turn; its mark is the load event of its image.
Times are seconds of the wall clock since the process was started, medians over the runs:

    listen_s       the server accepts connections
    page_s         the browser has the page's HTML
    component_s    the browser has our component's JavaScript: Streamlit and the page's script have run
    socket_s       the live socket is open
    first_paint_s  the image is there (first_paint_max_s: in the slowest run)

`rss_bytes` is the resident memory of the server's process tree after that, the largest of the runs.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError

from benchmarks import browser, server
from benchmarks.chromium import ChromiumNotFound
from benchmarks.report import Results, percentile, show

CHECKPOINT = "mnist-vae-2d"  # what the home page opens on
RUNS = 5
SETTLE_MS = 500  # for what the server still does after the first image

# Milliseconds since 1970 of each moment that the page knows of.
MOMENTS = """() => {
  const moments = { first_paint_s: performance.getEntriesByName("first-decoded-image")[0]?.startTime };
  moments.page_s = performance.getEntriesByType("navigation")[0].responseEnd;
  moments.socket_s = performance.getEntriesByName("live-socket-open")[0]?.startTime;
  const scripts = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/explore.js"));
  moments.component_s = scripts[0]?.responseEnd;
  const known = Object.entries(moments).filter(([, moment]) => moment !== undefined);
  return Object.fromEntries(known.map(([name, moment]) => [name, performance.timeOrigin + moment]));
}"""

Run = dict[str, float]


async def start(chromium: Browser, script: Path, *arguments: str) -> Run:
    """Start a server, look at its page, and return when everything happened and the memory it takes."""
    with server.running(script, *arguments) as running:
        async with browser.opened(chromium, running.url) as page:
            await page.wait_for_timeout(SETTLE_MS)
            found = {"listen_s": running.listening - running.spawned}
            found |= await _moments(page, running.spawned)
            return found | {"rss_bytes": running.memory()}


async def _moments(page: Page, spawned: float) -> Run:
    moments: Run = await page.evaluate(MOMENTS)
    return {name: moment / 1000 - spawned for name, moment in moments.items()}


def figures(runs: list[Run]) -> dict[str, float]:
    """Summarise the runs: medians of the times, the largest memory, the slowest first image."""
    times = [name for name in runs[0] if name.endswith("_s")]
    found = {
        name: percentile([run[name] for run in runs], 50) for name in sorted(times, key=runs[0].__getitem__)
    }
    found["first_paint_max_s"] = max(run["first_paint_s"] for run in runs)
    return found | {"rss_bytes": int(max(run["rss_bytes"] for run in runs)), "runs": len(runs)}


async def measure(file: Path, count: int) -> Results:
    """Start the explorer and the stock page in turn."""
    ours: list[Run] = []
    stock: list[Run] = []
    async with browser.chromium() as chromium:
        for _ in range(count):
            ours.append(await start(chromium, server.APP))
            stock.append(await start(chromium, server.STOCK, str(file)))
    return {CHECKPOINT: figures(ours), "stock": figures(stock)}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how often each is started (default: {RUNS})")
    options = parser.parse_args()
    file = server.ROOT / "checkpoints" / f"{CHECKPOINT}.safetensors"
    if not file.is_file():
        print(f"startup: {file.name} is not there, so there is no first image to wait for.", file=sys.stderr)
        return 1
    try:
        results = asyncio.run(measure(file, max(options.runs, 1)))
    except (ChromiumNotFound, PlaywrightError, server.ServerFailed) as error:
        print(f"startup: {error}", file=sys.stderr)
        return 1
    show("startup", results, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
