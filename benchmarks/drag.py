"""How quickly the picture follows the pointer, on the explorer and on a stock Streamlit page.

Both pages show the same model in one Chromium, and the same trusted pointer input (CDP
`Input.dispatchMouseEvent`) moves the first slider of each. `probe.js` watches from inside the page: a
latency runs from the timeStamp of the newest input that a picture reflects to the moment its pixels stand in the
page (`p50_ms`), or to the first frame after that (`frame_p50_ms`). An update is a picture whose pixels differ from
the one before. Per checkpoint and rival there are three cases:

    NAME             one move at a time: the next move is made when the picture of the last one is there, or
                     after half a second without one; 300 moves or 5 seconds.
    NAME flood       120 moves per second for 3 seconds, answered or not. A page that listens to pointermove
                     hears of one per frame, one that listens to pointerrawupdate of all.
    NAME per change  one click at a new place of the slider: the fair question to a stock slider, which
                     sends its value on release only.

    NAME traced      240 moves under Chromium's trace, 60 per second or as fast as the page takes them, each when
                     the last was delivered: what a move costs the page's main thread (`benchmarks/trace.py`). At
                     most BUDGET_MS and no forced layout are promised for the explorer; more is said, and the exit
                     code is 1.

`longest_gap_ms` is the longest time between two updates, or the press of the button and the first one. Traversal
strips, which a worker of the page paints, have their own latency (`strips_p50_ms`): until their pixels are written
there. `strips_per_update` were painted for each picture.

With `--training` the explorer is measured against itself: as it is, and while a run as the Train page starts it
trains in the background (NAME while training).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from benchmarks import browser, server, trace
from benchmarks.chromium import ChromiumNotFound
from benchmarks.report import Results, show, spread
from vae_core import data
from vae_core.config import ComputeConfig, DataConfig, Experiment, ModelConfig, TrainingConfig
from vae_core.training import jobs
from vae_core.training import run as runs

CHECKPOINTS = ("mnist-vae-2d", "sprites-vae-10d")

MOVES, DRAG_S, PATIENCE_MS = 300, 5.0, 500
FLOOD_MOVES, FLOOD_RATE = 360, 120
CLICKS = 12
TRACED_MOVES, TRACED_RATE = 240, 60
READOUT = ".trust .figure:not(.absent)"  # measuring it takes part in every drag
BUDGET_MS = 4.0  # of the main thread's CPU time per move, by the trace
SETTLE_MS = 1000
LAST_ANSWER_MS = 5000
TRAINING_STARTS_S = 120
SWEEP, LOW, HIGH = 61, 0.1, 0.9  # moves from one end of the path to the other, as shares of the slider

TRACED = " traced"

Record = dict[str, Any]  # {"inputs": [...], "paints": [...], "strips": [...]} as probe.js tells it


@dataclass(frozen=True)
class Target:
    """A page to be driven: its case name, how to serve it, its first slider, and what stands there when all is shown."""

    name: str
    script: Path
    arguments: tuple[str, ...]
    path: str
    track: str
    ready: str


def targets(checkpoint: str) -> tuple[Target, Target]:
    """Return the explorer and the stock page for a checkpoint."""
    file = server.ROOT / "checkpoints" / f"{checkpoint}.safetensors"
    rival = "stock" if checkpoint == CHECKPOINTS[0] else f"stock {checkpoint}"
    return (
        Target(checkpoint, server.APP, (), f"/?model={checkpoint}", "[role=slider]", READOUT),
        Target(
            rival,
            server.STOCK,
            (str(file),),
            "/",
            "[data-testid=stSlider] [role=group] > div",
            "[data-testid=stImage] img",
        ),
    )


class Pointer:
    """The mouse on a slider; places are shares of the slider's width."""

    def __init__(self, session: CDPSession, left: float, width: float, y: float) -> None:
        self._session, self._left, self._width, self._y = session, left, width, y
        self.moves = 0

    @classmethod
    async def on(cls, page: Page, track: str) -> "Pointer":
        """Put a pointer on the first element that `track` selects."""
        box = await page.locator(track).first.bounding_box()
        if box is None:
            raise PlaywrightError(f"{track} is not on the screen")
        session = await page.context.new_cdp_session(page)
        return cls(session, box["x"], box["width"], box["y"] + box["height"] / 2)

    async def press(self, share: float) -> None:
        await self._dispatch("mousePressed", share, clickCount=1)

    async def move(self, share: float) -> None:
        self.moves += 1
        await self._dispatch("mouseMoved", share)

    async def release(self, share: float) -> None:
        await self._dispatch("mouseReleased", share, clickCount=1)

    async def _dispatch(self, kind: str, share: float, **more: int) -> None:
        place = {"x": self._left + share * self._width, "y": self._y}
        event = {"type": kind, "button": "left", "buttons": int(kind != "mouseReleased"), **place, **more}
        await self._session.send("Input.dispatchMouseEvent", event)


def sweep(count: int) -> Iterator[float]:
    """Yield places from one end of the slider to the other and back, evenly spaced, `count` in all."""
    for i in range(1, count + 1):
        back = abs((i + SWEEP) % (2 * SWEEP) - SWEEP) / SWEEP  # 1 at the turn, 0 at the start
        yield LOW + (1 - back) * (HIGH - LOW)


async def drag(page: Page, pointer: Pointer) -> None:
    """Make one move at a time, each when the last is answered."""
    await pointer.press(LOW)
    painted = await _painted(page, 0, PATIENCE_MS)
    deadline = time.monotonic() + DRAG_S
    share = LOW
    for share in sweep(MOVES):
        if time.monotonic() > deadline:
            break
        await pointer.move(share)
        painted = await _painted(page, painted, PATIENCE_MS)
    await pointer.release(share)
    await _painted(page, painted, LAST_ANSWER_MS)


async def flood(page: Page, pointer: Pointer) -> None:
    """Move at a fixed rate, answered or not."""
    await pointer.press(LOW)
    start = time.monotonic()
    under_way = []
    share = LOW
    for i, share in enumerate(sweep(FLOOD_MOVES), start=1):
        under_way.append(asyncio.create_task(pointer.move(share)))
        await asyncio.sleep(max(start + i / FLOOD_RATE - time.monotonic(), 0))
    await asyncio.gather(*under_way)
    painted = await _painted(page, -1, 0)
    await pointer.release(share)
    await _painted(page, painted, LAST_ANSWER_MS)


async def clicks(page: Page, pointer: Pointer) -> None:
    """Click at one new place after the other."""
    for i in range(CLICKS):
        share = LOW + (HIGH - LOW) * (i * 7 % CLICKS) / CLICKS
        painted = await _painted(page, -1, 0)
        await pointer.press(share)
        await pointer.release(share)
        await _painted(page, painted, LAST_ANSWER_MS)
        await page.wait_for_timeout(PATIENCE_MS / 2)


DRIVES: dict[str, Callable[[Page, Pointer], Awaitable[None]]] = {
    "": drag,
    " flood": flood,
    " per change": clicks,
}


def figures(record: Record, sent: int) -> dict[str, float]:
    """Turn what the probe saw during one drive into figures; without moves (`sent`) there is no pace."""
    inputs, paints = record["inputs"], record["paints"]
    updates = [paint for paint in paints if paint["changed"] and paint["input"] >= 0]
    counts: dict[str, float] = {"paints": len(paints), "updates": len(updates)}
    if sent:
        counts |= _moves(inputs, paints, sent)
    if not updates:
        return counts
    counts["changed_percent"] = 100 * len(updates) / len(paints)
    counts["strips_per_update"] = len(record["strips"]) / len(updates)
    pace = _pace(inputs, updates) if sent else {}
    return pace | _latencies(record, updates) | counts


def _moves(inputs: list[Any], paints: list[Any], sent: int) -> dict[str, float]:
    """How many moves were made, reached the page, and were the newest that some picture reflects."""
    delivered = {i for i, each in enumerate(inputs) if each["type"] == "pointermove"}
    answered = delivered.intersection(paint["input"] for paint in paints)
    return {"moves_sent": sent, "moves_delivered": len(delivered), "moves_answered": len(answered)}


def _pace(inputs: list[Any], updates: list[Any]) -> dict[str, float]:
    """How often there was a new picture from the first input to the last answer, and the longest wait for one."""
    end = max(inputs[-1]["at"], updates[-1]["at"])
    times = [inputs[0]["at"], *(update["at"] for update in updates)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return {"updates_per_s": 1000 * len(updates) / (end - times[0]), "longest_gap_ms": max(gaps)}


def _latencies(record: Record, updates: list[Any]) -> dict[str, float]:
    """Milliseconds since the newest input that a picture, the frame that shows it, or a strip reflects."""
    inputs, strips = record["inputs"], [strip for strip in record["strips"] if strip["input"] >= 0]

    def since_input(painted: list[Any], moment: str) -> list[float]:
        return [each[moment] - inputs[each["input"]]["at"] for each in painted if each[moment] is not None]

    return (
        spread(since_input(updates, "at"))
        | spread(since_input(updates, "frame"), prefix="frame_")
        | spread(since_input(strips, "at"), prefix="strips_")
    )


async def measure(chromium: Browser, target: Target, *, only_traced: bool = False) -> Results:
    """Serve a page, drive its first slider in every way, and return the figures by case."""
    results: Results = {}
    with server.running(target.script, *target.arguments) as running:
        url = running.url + target.path
        if not only_traced:
            results |= await probed(chromium, url, target)
        results[target.name + TRACED] = await traced(chromium, url, target)
    return results


async def probed(chromium: Browser, url: str, target: Target) -> Results:
    """Drive the first slider of a page in every way that the probe watches."""
    results: Results = {}
    async with browser.opened(chromium, url) as page:
        await page.wait_for_timeout(SETTLE_MS)
        for suffix, drive in DRIVES.items():
            pointer = await Pointer.on(page, target.track)
            await page.evaluate("probe.clear()")
            await drive(page, pointer)
            await page.wait_for_timeout(SETTLE_MS / 2)
            record = await page.evaluate("probe.results()")
            results[target.name + suffix] = figures(record, pointer.moves)
    return results


async def traced(chromium: Browser, url: str, target: Target) -> dict[str, float]:
    """Drag the first slider of a page of its own under Chromium's trace."""
    # The explorer itself tells of its first picture, so nothing of ours needs to run in it.
    probes = () if target.script == server.APP else (browser.PROBE,)
    async with browser.opened(chromium, url, probes=probes) as page:
        await page.wait_for_selector(target.ready, timeout=browser.PATIENCE_MS)
        await page.wait_for_timeout(SETTLE_MS)
        pointer = await Pointer.on(page, target.track)
        await pointer.press(LOW)
        await page.wait_for_timeout(SETTLE_MS)
        share = LOW
        async with trace.traced(chromium, page) as events:
            for share in sweep(TRACED_MOVES):
                pause = asyncio.create_task(asyncio.sleep(1 / TRACED_RATE))
                await pointer.move(share)
                await pause
        await pointer.release(share)
    return trace.figures(events, pointer.moves)


def over_budget(results: Results) -> list[str]:
    """Say in a sentence each what the explorer's main thread does beyond what is promised."""
    said = []
    for case, found in results.items():
        if not case.endswith(TRACED) or case.startswith("stock"):
            continue
        took, forced = found["main_thread_ms_per_move"], found["forced_layouts"]
        if took > BUDGET_MS:
            said.append(f"{case}: a move took {took:.2f} ms of the main thread, {BUDGET_MS:g} are promised.")
        if forced:
            said.append(f"{case}: {forced:.0f} layouts were forced by scripts, none is promised.")
    return said


@contextmanager
def training() -> Iterator[None]:
    """Train 784-400-20 on MNIST (sprites where that is absent) in the background until the block ends."""
    name = "mnist" if data.is_available("mnist") else "sprites"
    settings = Experiment(
        data=DataConfig(name=name),
        model=ModelConfig(data_shape=data.info(name).data_shape, latent_dim=20, hidden=(400,)),
        training=TrainingConfig(epochs=100),
        compute=ComputeConfig(accelerator="cpu"),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = runs.prepare(Path(folder) / "run", settings)
        jobs.start(run)
        try:
            _until(lambda: len(run.metrics()) > 0, TRAINING_STARTS_S)
            yield
            if run.status().state != "training":
                raise RuntimeError(f"the run in the background ended early: {run.status().message}")
        finally:
            jobs.stop(run)
            _until(lambda: not run.status().busy, TRAINING_STARTS_S)


def _until(holds: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the run in the background is not where it should be after {patience_s:.0f} s"
            )
        time.sleep(0.1)


async def run_while_training(checkpoints: Sequence[str]) -> Results:
    """Measure the explorer without and with a run in the background."""
    results: Results = {}
    async with browser.chromium() as chromium:
        for checkpoint in checkpoints:
            alone, _ = targets(checkpoint)
            results |= await measure(chromium, alone)
            with training():
                results |= await measure(chromium, replace(alone, name=f"{checkpoint} while training"))
    return results


async def run(checkpoints: Sequence[str], *, only_traced: bool = False) -> Results:
    """Measure every checkpoint that is here, and say which are not."""
    results: Results = {}
    async with browser.chromium() as chromium:
        for checkpoint in checkpoints:
            file = server.ROOT / "checkpoints" / f"{checkpoint}.safetensors"
            if not file.is_file():
                print(f"drag: {checkpoint} is skipped, because {file.name} is not there.", file=sys.stderr)
                continue
            for target in targets(checkpoint):
                try:
                    results |= await measure(chromium, target, only_traced=only_traced)
                except (PlaywrightError, server.ServerFailed) as error:
                    print(f"drag: {target.name} could not be measured: {error}", file=sys.stderr)
    return results


async def _painted(page: Page, count: int, patience_ms: float) -> int:
    """Wait until there are more than `count` paints, but not longer than `patience_ms`; return how many."""
    painted: int = await page.evaluate(f"probe.more({count}, {patience_ms})")
    return painted


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drag", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=CHECKPOINTS, default=CHECKPOINTS, help="checkpoints")
    parser.add_argument("--training", action="store_true", help="with and without a run in the background")
    parser.add_argument("--traced", action="store_true", help="only what a move costs the page's main thread")
    options = parser.parse_args()
    if options.training and options.traced:
        parser.error("--training and --traced are two comparisons; ask for one at a time.")
    try:
        if options.training:
            results = asyncio.run(run_while_training(options.cases))
        else:
            results = asyncio.run(run(options.cases, only_traced=options.traced))
    except ChromiumNotFound as error:
        print(f"drag: {error}", file=sys.stderr)
        return 1
    if not results:
        print("drag: nothing could be measured.", file=sys.stderr)
        return 1
    show("drag", results, as_json=options.json)
    beyond = over_budget(results)
    for sentence in beyond:
        print(f"drag: {sentence}", file=sys.stderr)
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
