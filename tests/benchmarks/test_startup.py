"""How the runs of the startup benchmark are summarised."""

from benchmarks.startup import figures


def test_times_are_medians_and_memory_is_the_largest() -> None:
    runs = [
        {"listen_s": 0.1 * i, "first_paint_s": float(i), "rss_bytes": 1000 + i, "page_s": 0.5}
        for i in (3, 1, 2)
    ]
    assert figures(runs) == {
        "listen_s": 0.2, "page_s": 0.5, "first_paint_s": 2.0, "first_paint_max_s": 3.0, "rss_bytes": 1003, "runs": 3
    }  # fmt: skip
