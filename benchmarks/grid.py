"""How quickly a grid of decoded images follows the hand, on the explorer and on a stock Streamlit page.

The grid of the Walk page is made a square of N x N tiles. Trusted pointer input (CDP) drags it; the grid itself says
(`settled`) when the last tile of the newest view has been painted, and which event was behind it:

    pan_*      from a drag event of STEP_PX to the frame that completes its view, one event at a time
    flood_*    the same at 120 events per second for 3 seconds; only the newest view is ever completed
    redraw_*   every tile anew, after the number of tiles has changed

What a redraw spends its time on, medians; the stages follow one another and come to the whole:

    redraw_ask_ms      until its first request leaves
    redraw_answers_ms  until its last answer is there: decoding, sending, and taking in the answers before
    redraw_keep_ms     taking in the last answer's tiles
    redraw_frame_ms    waiting for the screen's next frame
    redraw_paint_ms    painting, with labels and axes

Beside the browser, for the same tiles in as many requests: `answer_ms` is their time over the socket to a client that
paints nothing, `decode_ms` that of decoding them in this process, `decode_cpu_ms` the processors' time for that (which a busy machine
changes little), `answer_bytes` their size.

The stock page shows the same tiles as one image and moves them with a slider; `p50_ms` is from a click on the slider to
the new image. `geodesic` is a path of 64 codes in mnist-vae-2d, in a process that has made one before.
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError
from websockets.sync.client import connect

from benchmarks import browser, drag, server
from benchmarks.chromium import ChromiumNotFound
from benchmarks.report import Results, percentile, show, spread

STOCK = server.ROOT / "benchmarks" / "stock_grid_page.py"
STEP_PX, MOVES = 20, 80
FLOOD_MOVES, FLOOD_RATE = 360, 120
REDRAWS = 12
PATIENCE_MS = 15_000
GEODESICS = 5
REQUESTS = 2  # in which the page asks for a grid
STAGES = ("last", "sent", "answered", "kept", "frame", "at")  # of what the grid says, in order
STAGE_NAMES = ("ask", "answers", "keep", "frame", "paint")

# The element is inside the component's shadow root; what it says is kept for whoever asks.
LISTEN = """() => {
  const find = (root) => root.querySelector(".walk-grid") ?? [...root.querySelectorAll("*")].reduce((found, e) => found ?? (e.shadowRoot && find(e.shadowRoot)), null);
  const grid = find(document);
  grid.style.width = `${grid.offsetHeight}px`;
  window.settled = [];
  grid.addEventListener("settled", ({ detail }) => window.settled.push(detail));
}"""


@dataclass(frozen=True)
class Case:
    """A model and a number of tiles."""

    checkpoint: str
    n: int

    @property
    def name(self) -> str:
        return f"{self.checkpoint}-{self.n}x{self.n}"

    @property
    def file(self) -> Path:
        return server.ROOT / "checkpoints" / f"{self.checkpoint}.safetensors"


CASES = (Case("mnist-vae-2d", 20), Case("sprites-vae-10d", 12))


async def ours(chromium: Browser, case: Case) -> dict[str, float]:
    """Drag and redraw the explorer's grid."""
    with server.running(server.APP) as running:
        url = f"{running.url}/walk?model={case.checkpoint}&tiles={case.n}"
        async with browser.opened(chromium, url, until="first-grid", probes=()) as page:
            await page.wait_for_timeout(drag.SETTLE_MS)
            await page.evaluate(LISTEN)
            await page.wait_for_timeout(drag.SETTLE_MS)
            figures = await panned(page) | await flooded(page)
            figures |= await redrawn(page, case.n)
        return figures | await asyncio.to_thread(without_browser, running.url, case)


async def panned(page: Page) -> dict[str, float]:
    """One event at a time, each when the view of the last is complete."""
    hand = await Hand.on(page)
    await hand.press()
    latencies = []
    for i in range(MOVES):
        before = await _settled(page)
        await hand.move(STEP_PX * (1 if i // 10 % 2 == 0 else -1), STEP_PX / 2)
        detail = await _next(page, before)
        latencies.append(detail["at"] - detail["last"])
    await hand.release()
    return spread(latencies, prefix="pan_")


async def flooded(page: Page) -> dict[str, float]:
    """Events at a fixed rate, answered or not."""
    hand = await Hand.on(page)
    await hand.press()
    before, start, under_way = await _settled(page), time.monotonic(), []
    for i in range(1, FLOOD_MOVES + 1):
        step = STEP_PX / 3 * (1 if i // 60 % 2 == 0 else -1)
        under_way.append(asyncio.create_task(hand.move(step, step / 2)))
        await asyncio.sleep(max(start + i / FLOOD_RATE - time.monotonic(), 0))
    await asyncio.gather(*under_way)
    await _next(page, before)
    took = time.monotonic() - start
    await hand.release()
    found: list[Any] = await page.evaluate(f"settled.slice({before})")
    latencies = [detail["at"] - detail["last"] for detail in found]
    return spread(latencies, prefix="flood_") | {"views_completed_per_s": len(found) / took}


async def redrawn(page: Page, n: int) -> dict[str, float]:
    """Every tile anew, the grid where it is at first: between two tiles there would be more of them on the screen."""
    await page.locator(".walk-grid").press("0")
    slider = page.locator(".tiles-across")
    found = []
    for _ in range(REDRAWS):
        for count in (n - 1, n):
            before = await _settled(page)
            await slider.fill(str(count))
            detail = await _next(page, before)
            if count == n:
                found.append(detail)
    if any(detail["tiles"] != n * n for detail in found):
        raise server.ServerFailed(f"The grid on the page is {found[0]['tiles']} tiles, not {n} x {n}.")
    return spread([detail["at"] - detail["last"] for detail in found], prefix="redraw_") | stages(found)


def stages(details: list[dict[str, float]]) -> dict[str, float]:
    """What redraws spent their time on: the median of each stage, in ms."""
    figures = {}
    for name, (start, end) in zip(STAGE_NAMES, pairwise(STAGES), strict=True):
        figures[f"redraw_{name}_ms"] = percentile([detail[end] - detail[start] for detail in details], 50)
    return figures


def without_browser(url: str, case: Case) -> dict[str, float]:
    """Decode the grid in this process, and ask the server for it without painting it."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the server does, before torch comes
    from vae_core.latent import planes
    from vae_explorer import library
    from vae_explorer.live import models
    from vae_explorer.live.protocol import pack_decode_request

    opened = library.open_file(case.checkpoint, case.file)
    live = models.live(opened)
    plane = planes.of_dimensions(np.zeros(live.latent_dim, np.float32), 0, 1)
    parts = np.array_split(planes.grid(plane, case.n).reshape(case.n**2, -1), REQUESTS)
    frames = [pack_decode_request(number, opened.id, part) for number, part in enumerate(parts)]
    decoding, computing, answering, size = [], [], [], 0
    with connect(url.replace("http", "ws", 1) + "/live", max_size=None) as connection:
        for _ in range(REDRAWS + 1):
            started, cpu = time.perf_counter(), time.process_time()
            for part in parts:
                live.decode(part)
            decoded = time.perf_counter()
            computing.append(1000 * (time.process_time() - cpu))
            for frame in frames:
                connection.send(frame)
            size = sum(len(connection.recv()) for _ in frames)
            answering.append(1000 * (time.perf_counter() - decoded))
            decoding.append(1000 * (decoded - started))
    return {
        "decode_ms": percentile(decoding[1:], 50),
        "decode_cpu_ms": percentile(computing[1:], 50),
        "answer_ms": percentile(answering[1:], 50),
        "answer_bytes": size,
    }


class Hand:
    """The mouse on the grid."""

    def __init__(self, session: Any, x: float, y: float) -> None:
        self._session, self._x, self._y = session, x, y

    @classmethod
    async def on(cls, page: Page) -> "Hand":
        box = await page.locator(".walk-grid").bounding_box()
        assert box is not None
        session = await page.context.new_cdp_session(page)
        return cls(session, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    async def press(self) -> None:
        await self._dispatch("mousePressed", clickCount=1)

    async def move(self, dx: float, dy: float) -> None:
        self._x += dx
        self._y += dy
        await self._dispatch("mouseMoved")

    async def release(self) -> None:
        await self._dispatch("mouseReleased", clickCount=1)

    async def _dispatch(self, kind: str, **more: int) -> None:
        event = {"type": kind, "button": "left", "buttons": int(kind != "mouseReleased"), **more}
        await self._session.send("Input.dispatchMouseEvent", event | {"x": self._x, "y": self._y})


async def _settled(page: Page) -> int:
    count: int = await page.evaluate("settled.length")
    return count


async def _next(page: Page, before: int) -> dict[str, float]:
    """The detail of the newest complete view, once there is one more than before."""
    await page.wait_for_function(f"settled.length > {before}", timeout=PATIENCE_MS, polling=5)
    detail: dict[str, float] = await page.evaluate("settled.at(-1)")
    return detail


async def stock(chromium: Browser, case: Case) -> dict[str, float]:
    """Click the stock page's slider."""
    with server.running(STOCK, str(case.file), str(case.n)) as running:
        async with browser.opened(chromium, running.url) as page:
            await page.wait_for_timeout(drag.SETTLE_MS)
            pointer = await drag.Pointer.on(page, "[data-testid=stSlider] [role=group] > div")
            await page.evaluate("probe.clear()")
            await drag.clicks(page, pointer)
            await page.wait_for_timeout(drag.SETTLE_MS / 2)
            return drag.figures(await page.evaluate("probe.results()"), pointer.moves)


def geodesics() -> Results:
    """Paths of 64 codes between random encoded items."""
    import torch

    from vae_core import checkpoint
    from vae_core.latent.paths import geodesic

    case = CASES[0]
    loaded = checkpoint.load(case.file)
    assert loaded.reference is not None
    rows = torch.randperm(len(loaded.reference), generator=torch.Generator().manual_seed(0))
    codes = loaded.reference.mean[rows[: 2 * GEODESICS + 2]].numpy().astype(np.float32)
    took = []
    for a, b in zip(codes[::2], codes[1::2], strict=True):
        started = time.perf_counter()
        geodesic(lambda z: loaded.model.decode(z).mean, a, b, 64)
        took.append(time.perf_counter() - started)
    return {"geodesic": {"first_s": took[0]} | spread(took[1:], unit="s")}


async def run(cases: list[Case]) -> Results:
    """Measure every case, and the stock page beside the first one."""
    results: Results = {}
    async with browser.chromium() as chromium:
        for case in cases:
            try:
                results[case.name] = await ours(chromium, case)
                rival = "stock" if case == CASES[0] else f"stock {case.name}"
                results[rival] = await stock(chromium, case)
            except (PlaywrightError, server.ServerFailed) as error:
                print(f"grid: {case.name} could not be measured: {error}", file=sys.stderr)
    return results


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], default=None)
    options = parser.parse_args()
    chosen = [case for case in CASES if options.cases is None or case.name in options.cases]
    try:
        results = asyncio.run(run(chosen))
    except ChromiumNotFound as error:
        print(f"grid: {error}", file=sys.stderr)
        return 1
    if CASES[0] in chosen:
        results |= geodesics()
    if not results:
        print("grid: nothing could be measured.", file=sys.stderr)
        return 1
    show("grid", results, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
