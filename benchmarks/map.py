"""How soon the map is there and how it follows the pointer, on the Map page and on a stock Streamlit page.

Both show the same draws from q(z) of one model in their latent plane, in one Chromium, and get the same trusted input
(CDP `Input.dispatchMouseEvent`). `probe.js` and `map_probe.js` watch from inside the page. Cases are named after the
number of points, those of the stock page are `stock COUNT`; each is measured with three fresh servers, and the figures
are medians over these (memory: the largest).

    first_paint_s        in an app that is open on Explore, from the click on *Map* to the painted points, for the first
                         visitor: the points are made meanwhile
    first_image_s        the same, to the first decoded image
    page_s               from opening the page's address, with an empty cache, to the painted points, for the second
                         visitor of a server: what it imports and keeps is there. The stock page has only this time,
                         and it is to be compared with ours of this name.
    redraws_per_s        while the map is dragged around for 3 s, 120 moves per second: pictures of the points that
                         differ from the one before. `shown_per_s` counts the frames in which one came onto the screen
                         (of two in one frame only the second does); `redraw_p95_ms` and `longest_redraw_gap_ms` are the
                         times between two pictures
    zoom_redraws_per_s   the same, while the wheel zooms in and out
    hover_p50_ms         from a move over the points to the decoded image of that place, one move at a time
    flood_p50_ms         the same with 120 moves per second for 3 s, answered or not: since the newest move that an image
                         reflects; `flood_longest_gap_ms` is the longest time between two images
    click_p50_ms         the stock page decodes on a click only: from the click on a point to its image
    rss_bytes            resident memory of the server after all that
    browser_rss_bytes    of all of Chromium's processes, what they share counted for each

With `--umap` it measures instead how long `python -m vae_core map` takes to lay out 70,000 draws of a model of ten
dimensions with UMAP (`wall_s`), and umap-learn called bare on the same codes in the same way; fresh processes in turn.
"""

import argparse
import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from benchmarks import browser, drag, server
from benchmarks.chromium import ChromiumNotFound
from benchmarks.report import Results, percentile, show

CHECKPOINT, UMAP_CHECKPOINT = "mnist-vae-2d", "mnist-vae-10d"
COUNTS = (10_000, 70_000, 1_000_000)
UMAP_COUNT = 70_000
RUNS = 3

RATE, SECONDS = 120, 3.0
MOVES = int(RATE * SECONDS)
WHEEL_PX, WHEEL_TURNS = 20, 60  # of one turn of the wheel; turns before it goes the other way
HOVERS, HOVER_S, PATIENCE_MS = 300, 5.0, 500
CLICKS, CLICK_MS = 8, 5000
SETTLE_MS = 1500  # what a page does once it is painted is over by then
MAP_IMAGE, POINTS = "first-map-image", "first-points"  # marks of the Map page and of map_probe.js
STAGE, STOCK_STAGE = ".map .stage", ".js-plotly-plot .nsewdrag"
PROBES = (browser.PROBE, Path(__file__).with_name("map_probe.js"))

BARE_UMAP = """
import sys, numpy, umap
mapper = umap.UMAP(n_neighbors=15, min_dist=0.1, metric="euclidean", random_state=0, n_jobs=1)
numpy.save(sys.argv[2], mapper.fit_transform(numpy.load(sys.argv[1])))
"""

Place = tuple[float, float]  # shares of the map's width and height
Run = dict[str, float]


class Pointer:
    """The mouse on a map."""

    def __init__(self, session: CDPSession, left: float, top: float, width: float, height: float) -> None:
        self._session, self._left, self._top, self._width, self._height = session, left, top, width, height
        self.moves = 0

    @classmethod
    async def on(cls, page: Page, selector: str) -> "Pointer":
        """Put a pointer on the element that `selector` selects."""
        box = await page.locator(selector).first.bounding_box()
        if box is None:
            raise PlaywrightError(f"{selector} is not on the screen")
        return cls(await page.context.new_cdp_session(page), box["x"], box["y"], box["width"], box["height"])

    async def move(self, place: Place, *, pressed: bool = False) -> None:
        self.moves += 1
        await self._dispatch("mouseMoved", place, button="left" if pressed else "none", buttons=int(pressed))

    async def press(self, place: Place) -> None:
        await self._dispatch("mousePressed", place, button="left", buttons=1, clickCount=1)

    async def release(self, place: Place) -> None:
        await self._dispatch("mouseReleased", place, button="left", buttons=0, clickCount=1)

    async def wheel(self, place: Place, pixels: float) -> None:
        await self._dispatch("mouseWheel", place, deltaX=0, deltaY=pixels)

    async def _dispatch(self, kind: str, place: Place, **more: Any) -> None:
        x, y = self._left + place[0] * self._width, self._top + place[1] * self._height
        await self._session.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})


def around(move: int, reach: float = 0.2) -> Place:
    """Return a place on a closed way around the middle, once a second, another one for each move of that second."""
    angle = 2 * math.pi * move / RATE
    return 0.5 + reach * math.cos(angle), 0.5 + reach * math.sin(angle)


def across(move: int) -> Place:
    """Return a place on a way that crosses the middle of the map again and again (a Lissajous figure)."""
    return 0.5 + 0.25 * math.sin(2 * math.pi * move / 97), 0.5 + 0.25 * math.sin(2 * math.pi * move / 61)


async def at_rate(act: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Do something 120 times per second for 3 s, answered or not."""
    start = time.monotonic()
    under_way = []
    for i in range(1, MOVES + 1):
        under_way.append(asyncio.create_task(act(i)))
        await asyncio.sleep(max(start + i / RATE - time.monotonic(), 0))
    await asyncio.gather(*under_way)


# --- redraws --------------------------------------------------------------------------------------------------------


async def pan(pointer: Pointer) -> None:
    await pointer.press(around(0))
    await at_rate(lambda i: pointer.move(around(i), pressed=True))
    await pointer.release(around(MOVES))


async def zoom(pointer: Pointer) -> None:
    middle = (0.5, 0.5)
    await pointer.move(middle)
    await at_rate(lambda i: pointer.wheel(middle, WHEEL_PX * (1 if i // WHEEL_TURNS % 2 else -1)))


async def redraws(page: Page, pointer: Pointer, drive: Callable[[Pointer], Awaitable[None]]) -> Run:
    """Drive the map, and say how often it was another picture."""
    await page.evaluate("mapProbe.clear()")
    await drive(pointer)
    until: float = await page.evaluate("mapProbe.now()")
    await page.wait_for_timeout(SETTLE_MS)
    return redraw_figures(await page.evaluate("mapProbe.results()"), until)


def redraw_figures(record: dict[str, Any], until: float) -> Run:
    """Turn what the probe saw from `record["since"]` to `until` or the last redraw into figures."""
    redraws = record["redraws"]
    times = [record["since"], *(redraw["at"] for redraw in redraws)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not gaps:
        return {"redraws_per_s": 0.0}
    seconds = (max(until, times[-1]) - times[0]) / 1000
    shown = {redraw["frame"] for redraw in redraws if redraw["frame"] is not None}
    return {
        "redraws_per_s": len(gaps) / seconds,
        "shown_per_s": len(shown) / seconds,
        "redraw_p95_ms": percentile(gaps, 95),
        "longest_redraw_gap_ms": max(gaps),
    }


# --- decoded images -------------------------------------------------------------------------------------------------


async def hover(page: Page, pointer: Pointer) -> None:
    """Make one move at a time, each when the image of the last is there."""
    deadline = time.monotonic() + HOVER_S
    painted = 0
    for i in range(1, HOVERS + 1):
        if time.monotonic() > deadline:
            break
        await pointer.move(across(i))
        painted = await _painted(page, painted, PATIENCE_MS)


async def flood(page: Page, pointer: Pointer) -> None:
    """Move at a fixed rate."""
    await at_rate(lambda i: pointer.move(across(i)))


async def clicks(page: Page, pointer: Pointer) -> None:
    """Click on one point after the other; a pause before it, as Plotly looks for the point while the pointer rests."""
    for i in range(1, CLICKS + 1):
        place = across(13 * i)
        await pointer.move(place)
        await page.wait_for_timeout(PATIENCE_MS)
        painted = await _painted(page, -1, 0)
        await pointer.press(place)
        await pointer.release(place)
        await _painted(page, painted, CLICK_MS)


async def images(page: Page, pointer: Pointer, drive: Callable[[Page, Pointer], Awaitable[None]]) -> Run:
    """Drive the pointer, and say how soon the images of its places followed."""
    await page.evaluate("probe.clear()")
    pointer.moves = 0
    await drive(page, pointer)
    await page.wait_for_timeout(SETTLE_MS / 3)
    sent = 0 if drive is clicks else pointer.moves  # clicks have no pace
    found = drag.figures(await page.evaluate("probe.results()"), sent)
    kept = ("p50_ms", "p95_ms", "max_ms", "frame_p95_ms", "longest_gap_ms", "updates_per_s", "updates")
    return {name: found[name] for name in kept if name in found}


async def _painted(page: Page, count: int, patience_ms: float) -> int:
    """Wait until there are more than `count` images, but not longer than `patience_ms`; return how many."""
    painted: int = await page.evaluate(f"probe.more({count}, {patience_ms})")
    return painted


# --- pages ----------------------------------------------------------------------------------------------------------


async def ours(chromium: Browser, running: server.Server, count: int) -> Run:
    """Open the explorer, go to its map, and drive it; then visit the map directly."""
    asked = f"?model={CHECKPOINT}&source=draws&count={count}"
    async with browser.opened(chromium, f"{running.url}/{asked}", probes=PROBES) as page:
        await page.wait_for_timeout(SETTLE_MS)
        await page.get_by_role("link", name="Map").click()
        await page.wait_for_function(_is_there(POINTS), timeout=browser.PATIENCE_MS)
        await page.wait_for_function(_is_there(MAP_IMAGE), timeout=browser.PATIENCE_MS)
        clicked: float = await page.evaluate("mapProbe.clicked()")
        found = {"first_paint_s": await _mark(page, POINTS) - clicked / 1000}
        found["first_image_s"] = await _mark(page, MAP_IMAGE) - clicked / 1000
        await page.wait_for_timeout(SETTLE_MS)
        pointer = await Pointer.on(page, STAGE)
        found |= _named("hover_", await images(page, pointer, hover))
        found |= _named("flood_", await images(page, pointer, flood))
        found |= await redraws(page, pointer, pan)
        found |= _named("zoom_", await redraws(page, pointer, zoom))
        found |= await memory(chromium, running)
    async with browser.opened(chromium, f"{running.url}/map{asked}", until=POINTS, probes=PROBES) as page:
        return found | {"page_s": await _mark(page, POINTS)}


async def stock(chromium: Browser, running: server.Server, count: int) -> Run:
    """Open the stock page a second time, and drive it."""
    async with browser.opened(chromium, running.url, until=POINTS, probes=PROBES) as page:
        await page.wait_for_timeout(SETTLE_MS)
    async with browser.opened(chromium, running.url, until=POINTS, probes=PROBES) as page:
        found = {"page_s": await _mark(page, POINTS)}
        await page.wait_for_timeout(2 * SETTLE_MS)
        pointer = await Pointer.on(page, STOCK_STAGE)
        found |= await redraws(page, pointer, pan)
        found |= _named("zoom_", await redraws(page, pointer, zoom))
        await page.reload(wait_until="commit")  # as nothing brings the first view back
        await page.wait_for_function(_is_there(POINTS), timeout=browser.PATIENCE_MS)
        await page.wait_for_timeout(2 * SETTLE_MS)
        found |= _named("click_", await images(page, pointer, clicks))
        return found | await memory(chromium, running)


async def memory(chromium: Browser, running: server.Server) -> Run:
    """Resident bytes of the server and of the browser."""
    session = await chromium.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    first = next(each["id"] for each in processes if each["type"] == "browser")
    return {"rss_bytes": running.memory(), "browser_rss_bytes": server.resident(int(first))}


def _is_there(mark: str) -> str:
    return f"performance.getEntriesByName('{mark}').length > 0"


async def _mark(page: Page, name: str) -> float:
    """Seconds from the start of the page to a mark."""
    at: float = await page.evaluate(f"performance.getEntriesByName('{name}')[0].startTime")
    return at / 1000


def _named(prefix: str, figures: Run) -> Run:
    return {f"{prefix}{name}": value for name, value in figures.items()}


# --- all of it ------------------------------------------------------------------------------------------------------


async def run(counts: list[int], runs: int) -> Results:
    """Measure both pages with each number of points, in turn."""
    results: Results = {}
    found: dict[str, list[Run]] = {}
    checkpoint = str(server.ROOT / "checkpoints" / f"{CHECKPOINT}.safetensors")
    for count in counts:
        for _ in range(runs):
            for name, visit, script, arguments in (
                (str(count), ours, server.APP, ()),
                (f"stock {count}", stock, server.STOCK_MAP, (checkpoint, str(count))),
            ):
                try:
                    with server.running(script, *arguments) as running:
                        async with browser.chromium() as chromium:
                            found.setdefault(name, []).append(await visit(chromium, running, count))
                except (PlaywrightError, server.ServerFailed) as error:
                    print(f"map: {name} could not be measured: {error}", file=sys.stderr)
    results |= {name: summary(each) for name, each in found.items()}
    return results


def summary(runs: list[Run]) -> Run:
    """Return the medians over the runs, and the largest memory; a figure that only some runs have counts for those."""
    names = dict.fromkeys(name for run in runs for name in run)
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {
        name: int(max(each)) if name.endswith("_bytes") else percentile(each, 50)
        for name, each in values.items()
    } | {"runs": len(runs)}


def umap(runs: int) -> Results:
    """Lay the same codes out with our command and with umap-learn called bare, in turn."""
    file = server.ROOT / "checkpoints" / f"{UMAP_CHECKPOINT}.safetensors"
    asked = ["--source", "draws", "--count", str(UMAP_COUNT), "--projection", "umap", "--json"]
    ours, bare, same = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as place:
            made, layout = Path(place) / "map", Path(place) / "bare.npy"
            ours.append(_wall_s("-m", "vae_core", "map", str(file), *asked, "--out", str(made)))
            bare.append(_wall_s("-c", BARE_UMAP, str(made / "codes.npy"), str(layout)))
            same.append(_share_of_equal(made / "xy.npy", layout))
    wall, rival = percentile(ours, 50), percentile(bare, 50)
    return {
        f"umap {UMAP_COUNT}": {
            "wall_s": wall,
            "ratio": wall / rival,
            "same_percent": min(same),
            "runs": runs,
        },
        f"bare umap {UMAP_COUNT}": {"wall_s": rival},
    }


def _wall_s(*arguments: str) -> float:
    """Seconds that a fresh Python takes from its start to its end."""
    started = time.perf_counter()
    environment = os.environ | {"VAE_PRIORITY": "normal"}
    subprocess.run(
        [sys.executable, *arguments], cwd=server.ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def _share_of_equal(ours: Path, bare: Path) -> float:
    """Percent of the points that are at the same place on both maps."""
    import numpy as np

    return 100 * float((np.load(ours) == np.load(bare)).all(axis=1).mean())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.map", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--cases", nargs="+", type=int, choices=COUNTS, default=list(COUNTS), help="numbers of points"
    )
    parser.add_argument("--runs", type=int, default=RUNS, help=f"fresh starts of each (default: {RUNS})")
    parser.add_argument("--umap", action="store_true", help="UMAP beside umap-learn instead")
    options = parser.parse_args()
    name, runs = UMAP_CHECKPOINT if options.umap else CHECKPOINT, max(options.runs, 1)
    if not (server.ROOT / "checkpoints" / f"{name}.safetensors").is_file():
        print(f"map: {name}.safetensors is not there, so there is nothing to map.", file=sys.stderr)
        return 1
    try:
        results = umap(runs) if options.umap else asyncio.run(run(options.cases, runs))
    except (ChromiumNotFound, subprocess.CalledProcessError) as error:
        print(f"map: {error}", file=sys.stderr)
        return 1
    if not results:
        print("map: nothing could be measured.", file=sys.stderr)
        return 1
    show("map", results, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
