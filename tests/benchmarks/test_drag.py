"""What the drag benchmark makes of what the probe saw."""

from itertools import pairwise
from typing import Any

import pytest

from benchmarks.drag import HIGH, LOW, SWEEP, figures, sweep


def _record(answers: list[tuple[float, int, bool]], strips: int = 0) -> dict[str, Any]:
    """A press at 0 ms and moves every 10 ms; each answer is (time, input it reflects, pixels changed)."""
    inputs = [{"type": "pointermove" if i else "pointerdown", "at": 10.0 * i} for i in range(5)]
    paints = [{"at": at, "frame": at + 5, "input": i, "changed": changed} for at, i, changed in answers]
    return {"inputs": inputs, "paints": paints, "strips": [{"at": 50.0, "input": 4}] * strips}


def test_a_latency_runs_from_the_input_that_a_picture_reflects() -> None:
    found = figures(_record([(4, 0, True), (26, 2, True), (43, 4, True)], strips=6), sent=8)
    assert (found["p50_ms"], found["max_ms"]) == (4, 6)
    assert (found["frame_p50_ms"], found["strips_p50_ms"]) == (9, 10)
    assert (found["moves_sent"], found["moves_delivered"], found["moves_answered"]) == (8, 4, 2)
    assert found["strips_per_update"] == 2
    assert found["longest_gap_ms"] == 22
    assert found["updates_per_s"] == pytest.approx(1000 * 3 / 43)


def test_a_picture_that_did_not_change_is_no_update() -> None:
    found = figures(_record([(4, 0, True), (14, 1, False)]), sent=4)
    assert (found["paints"], found["updates"], found["changed_percent"]) == (2, 1, 50)


def test_a_page_that_never_answers_has_counts_only() -> None:
    assert figures(_record([]), sent=4) == {
        "paints": 0, "updates": 0, "moves_sent": 4, "moves_delivered": 4, "moves_answered": 0
    }  # fmt: skip


def test_clicks_have_no_pace() -> None:
    found = figures(_record([(4, 0, True)]), sent=0)
    assert "updates_per_s" not in found
    assert found["p50_ms"] == 4


def test_the_path_stays_on_the_slider_and_never_rests() -> None:
    places = list(sweep(5 * SWEEP))
    assert min(places) >= LOW - 1e-9
    assert max(places) == pytest.approx(HIGH)
    assert all(abs(b - a) == pytest.approx((HIGH - LOW) / SWEEP) for a, b in pairwise(places))
