"""What a page's main thread does while something is done to it, read from Chromium's own trace.

Times are the thread's own CPU time, so that other work on the machine hardly shows, except where `wall` says
otherwise; the trace itself is on and costs a little, too. Everything that a task contains is told by what it is
for, without what runs inside it: script, style, layout, paint (with pre-paint), composite (layers and their hand
over to the compositor), other. A layout or a style recalculation is *forced* where it runs inside a script: the
script asked for a geometry that its own changes had made out of date.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page

CATEGORIES = ("devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing")
BEGIN, END = "trace-begins", "trace-ends"

SCRIPT, STYLE, LAYOUT, PAINT, COMPOSITE, OTHER = "script", "style", "layout", "paint", "composite", "other"
STAGES = (SCRIPT, STYLE, LAYOUT, PAINT, COMPOSITE, OTHER)
_STAGE = (
    dict.fromkeys(("FunctionCall", "EvaluateScript", "EventDispatch", "TimerFire", "FireAnimationFrame"), SCRIPT)
    | dict.fromkeys(("MinorGC", "MajorGC"), SCRIPT)
    | {"UpdateLayoutTree": STYLE, "Layout": LAYOUT, "PrePaint": PAINT, "Paint": PAINT}
    | dict.fromkeys(("Layerize", "UpdateLayer", "Commit"), COMPOSITE)
)  # fmt: skip
_CALLS = ("FunctionCall", "EvaluateScript")  # somebody's script runs inside these

Event = dict[str, Any]  # of the trace event format: name, ph, ts, dur, tdur (microseconds), pid, tid


@asynccontextmanager
async def traced(browser: Browser, page: Page) -> AsyncIterator[list[Event]]:
    """Trace a page until the block ends; the list is then filled with what its main thread did meanwhile."""
    events: list[Event] = []
    await browser.start_tracing(page=page, categories=list(CATEGORIES))
    await page.evaluate(f"performance.mark('{BEGIN}')")
    try:
        yield events
        await page.evaluate(f"performance.mark('{END}')")
    finally:
        content = await browser.stop_tracing()
    events += main_thread(content)


def main_thread(content: bytes) -> list[Event]:
    """Return the complete events of the marked page's main thread between its marks, in order of their start."""
    events = json.loads(content)["traceEvents"]
    marks = {event["name"]: event for event in events if event.get("name") in (BEGIN, END)}
    if len(marks) < 2:
        raise ValueError(f"The trace holds {len(marks)} of the marks {BEGIN} and {END}; both are needed.")
    begin, end = marks[BEGIN], marks[END]
    inside = [
        event
        for event in events
        if event.get("ph") == "X"
        and (event["pid"], event["tid"]) == (begin["pid"], begin["tid"])
        and begin["ts"] <= event["ts"] <= end["ts"]
    ]
    return sorted(inside, key=lambda event: (event["ts"], -event["dur"]))


def figures(events: list[Event], moves: int) -> dict[str, float]:
    """Return what one of `moves` moves costs the thread that the events are of, and how often it laid out."""
    own = dict.fromkeys(STAGES, 0.0)
    counts = dict.fromkeys(("Layout", "UpdateLayoutTree", "Commit"), 0)
    forced = dict.fromkeys(("Layout", "UpdateLayoutTree"), 0)
    total = wall = 0.0
    for event, around in _nested(events):
        name, cpu = event["name"], event.get("tdur", 0)
        own[_STAGE.get(name, OTHER)] += cpu
        if around:
            own[_STAGE.get(around[-1]["name"], OTHER)] -= cpu
        else:
            total, wall = total + cpu, wall + event["dur"]
        if name in counts:
            counts[name] += 1
        if name in forced and any(each["name"] in _CALLS for each in around):
            forced[name] += 1
    return {
        "main_thread_ms_per_move": total / 1000 / moves,
        "main_thread_wall_ms_per_move": wall / 1000 / moves,
        **{f"{stage}_ms_per_move": own[stage] / 1000 / moves for stage in STAGES},
        "layouts_per_move": counts["Layout"] / moves,
        "style_recalcs_per_move": counts["UpdateLayoutTree"] / moves,
        "frames_per_move": counts["Commit"] / moves,
        "forced_layouts": forced["Layout"],
        "forced_style_recalcs": forced["UpdateLayoutTree"],
    }


def seconds(events: list[Event]) -> float:
    """Return the time from the first event's start to the last one's."""
    return float(events[-1]["ts"] - events[0]["ts"]) / 1e6 if events else 0.0


def _nested(events: list[Event]) -> Iterator[tuple[Event, list[Event]]]:
    """Yield each event with those that it runs inside, the outermost first."""
    around: list[Event] = []
    for event in events:
        while around and around[-1]["ts"] + around[-1]["dur"] <= event["ts"]:
            around.pop()
        yield event, around
        around.append(event)
