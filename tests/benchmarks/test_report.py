"""The object that a benchmark prints, and the figures in it."""

import json

import pytest

from benchmarks import report
from benchmarks.report import percentile, spread


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (95, 95), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 50)


def test_spread_names_its_unit() -> None:
    assert spread([3.0, 1.0, 2.0], "s", "frame_") == {
        "frame_p50_s": 2.0,
        "frame_p95_s": 3.0,
        "frame_max_s": 3.0,
    }
    assert spread([]) == {}


def test_the_report_is_one_json_object_of_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "_chromium", lambda: "Chromium 1.0")
    report.show("drag", {"stock flood": {"p50_ms": 12.34567, "moves_sent": 360}}, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"benchmark", "machine", "results"}
    assert {"cpu", "cores", "python", "torch", "streamlit", "chromium"} <= set(found["machine"])
    assert found["results"] == {"stock flood": {"p50_ms": 12.35, "moves_sent": 360}}


def test_people_get_a_line_per_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "_chromium", lambda: "none")
    report.show("startup", {"stock": {"rss_bytes": 1234567}}, as_json=False)
    assert "rss_bytes" in (printed := capsys.readouterr().out)
    assert "1,234,567" in printed
