"""What the map benchmark makes of what its probe saw."""

import math
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.map import MOVES, RATE, across, around, redraw_figures, summary


def _record(*redraws: tuple[float, float | None]) -> dict[str, Any]:
    """Recording begins at 100 ms; each redraw is (time, frame that showed it)."""
    return {"since": 100.0, "redraws": [{"at": at, "frame": frame} for at, frame in redraws]}


def test_redraws_are_counted_from_the_beginning_to_the_end_of_the_drive() -> None:
    found = redraw_figures(_record((110, 116), (130, 133), (180, 183)), until=600)
    assert found["redraws_per_s"] == pytest.approx(3 / 0.5)
    assert (found["redraw_p95_ms"], found["longest_redraw_gap_ms"]) == (50, 50)


def test_a_page_that_is_late_takes_as_long_as_it_takes() -> None:
    assert redraw_figures(_record((2100, 2116)), until=600)["redraws_per_s"] == pytest.approx(1 / 2)


def test_of_two_pictures_in_one_frame_one_is_shown() -> None:
    found = redraw_figures(_record((110, 133), (130, 133), (140, 150), (160, None)), until=1100)
    assert (found["redraws_per_s"], found["shown_per_s"]) == (4, 2)


def test_a_page_that_never_redraws_says_so() -> None:
    assert redraw_figures(_record(), until=600) == {"redraws_per_s": 0}


def test_runs_are_summarised_by_medians_and_the_largest_memory() -> None:
    runs = [{"page_s": float(i), "rss_bytes": 10.0 * i} for i in (3, 1, 2)]
    runs[0]["click_p50_ms"] = 7.0
    assert summary(runs) == {"page_s": 2, "rss_bytes": 30, "click_p50_ms": 7, "runs": 3}


def test_each_move_is_one_and_the_ways_stay_on_the_map() -> None:
    for way in (around, across):
        places = [way(i) for i in range(MOVES + 1)]
        assert min(math.dist(*pair) for pair in pairwise(places)) > 0.002
        assert all(0.2 < share < 0.8 for place in places for share in place)
    assert around(RATE) == pytest.approx(around(0))
