"""What the grid's benchmark makes of what the grid says."""

import pytest

from benchmarks.grid import STAGES, stages

DETAILS = [
    dict(zip(STAGES, times, strict=True))
    for times in ((100, 101, 111, 112, 120, 123), (0, 1, 9, 10, 11, 12), (50, 52, 60, 61, 70, 72))
]


def test_the_stages_of_a_redraw_come_to_the_whole() -> None:
    for detail in DETAILS:
        assert sum(stages([detail]).values()) == pytest.approx(detail["at"] - detail["last"])


def test_each_stage_is_the_median_over_the_redraws() -> None:
    assert stages(DETAILS) == {
        "redraw_ask_ms": 1,
        "redraw_answers_ms": 8,
        "redraw_keep_ms": 1,
        "redraw_frame_ms": 8,
        "redraw_paint_ms": 2,
    }
