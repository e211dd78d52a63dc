"""What the trace benchmark reads out of a trace."""

import json
from typing import Any

import pytest

from benchmarks import trace


def _event(name: str, start: int, length: int, cpu: int | None = None, thread: int = 1) -> dict[str, Any]:
    """Something that a thread did, in microseconds."""
    spent = {"dur": length, "tdur": length if cpu is None else cpu}
    return {"name": name, "ph": "X", "ts": start, "pid": 7, "tid": thread, **spent}


def _content(*events: dict[str, Any], marks: tuple[str, ...] = (trace.BEGIN, trace.END)) -> bytes:
    """A trace of thread 1 of process 7, marked at 100 and at 900."""
    instants = [
        {"name": mark, "ph": "I", "ts": at, "pid": 7, "tid": 1}
        for mark, at in zip(marks, (100, 900), strict=False)
    ]
    return json.dumps({"traceEvents": [*events, *instants]}).encode()


def test_only_what_the_marked_thread_did_between_the_marks_counts() -> None:
    inside = _event("RunTask", 200, 10)
    events = trace.main_thread(
        _content(_event("RunTask", 50, 10), _event("RunTask", 950, 10), _event("RunTask", 200, 10, thread=2), inside)
    )  # fmt: skip
    assert events == [inside]


def test_a_trace_without_both_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of the marks"):
        trace.main_thread(_content(marks=(trace.BEGIN,)))


def test_stages_add_up_to_the_cpu_time_of_the_tasks() -> None:
    events = trace.main_thread(
        _content(
            _event("RunTask", 200, 200, cpu=100),
            _event("FunctionCall", 210, 60, cpu=60),
            _event("Layout", 220, 20, cpu=20),
            _event("Commit", 300, 50, cpu=5),
            _event("RunTask", 500, 40, cpu=40),
            _event("Layout", 510, 20, cpu=20),
        )
    )
    found = trace.figures(events, moves=2)
    assert found["main_thread_ms_per_move"] == pytest.approx(0.07)
    assert found["main_thread_wall_ms_per_move"] == pytest.approx(0.12)
    assert found["script_ms_per_move"] == pytest.approx(0.02)
    assert found["layout_ms_per_move"] == pytest.approx(0.02)
    assert found["composite_ms_per_move"] == pytest.approx(0.0025)
    assert sum(found[f"{stage}_ms_per_move"] for stage in trace.STAGES) == pytest.approx(0.07)


def test_a_layout_inside_a_script_is_forced_and_one_of_the_frame_is_not() -> None:
    events = trace.main_thread(
        _content(
            _event("RunTask", 200, 100),
            _event("EventDispatch", 205, 60),
            _event("FunctionCall", 210, 50),
            _event("UpdateLayoutTree", 215, 5),
            _event("Layout", 220, 20),
            _event("Layout", 280, 10),
        )
    )
    found = trace.figures(events, moves=1)
    assert (found["layouts_per_move"], found["forced_layouts"]) == (2, 1)
    assert (found["style_recalcs_per_move"], found["forced_style_recalcs"]) == (1, 1)
    assert trace.seconds(events) == pytest.approx(8e-5)
