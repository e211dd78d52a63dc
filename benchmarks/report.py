"""What every benchmark prints: one JSON object with the machine and its figures, or a table for people.

`{"benchmark": NAME, "machine": {...}, "results": {CASE: {FIGURE: number}}}`. A figure's name ends in its unit.
"""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.chromium import ChromiumNotFound, find_chromium

Results = dict[str, dict[str, float]]

LIBRARIES = ("torch", "streamlit", "numpy")


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("A percentile needs at least one value.")
    return ranked[max(math.ceil(percent / 100 * len(ranked)) - 1, 0)]


def spread(values: Sequence[float], unit: str = "ms", prefix: str = "") -> dict[str, float]:
    """Return the median, the 95th percentile and the largest value; nothing where nothing was measured."""
    if not values:
        return {}
    figures = {"p50": percentile(values, 50), "p95": percentile(values, 95), "max": max(values)}
    return {f"{prefix}{name}_{unit}": value for name, value in figures.items()}


def machine() -> dict[str, Any]:
    """Describe the machine and the versions that the figures depend on."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
    }
    facts |= {name: version(name) for name in LIBRARIES}
    return facts | {"chromium": _chromium()}


def report(benchmark: str, results: Results) -> dict[str, Any]:
    """Return the one object that a benchmark prints."""
    return {"benchmark": benchmark, "machine": machine(), "results": _rounded(results)}


def show(benchmark: str, results: Results, *, as_json: bool) -> None:
    """Print the figures: one JSON object, or a line per figure."""
    found = report(benchmark, results)
    if as_json:
        print(json.dumps(found))
        return
    print(benchmark, "on", ", ".join(f"{name} {value}" for name, value in found["machine"].items()))
    for case, figures in found["results"].items():
        print(f"\n{case}")
        for name, value in figures.items():
            print(f"  {name:26} {value:>14,.10g}")


def _rounded(results: Results) -> Results:
    """Four significant digits are more than any of these figures repeats to."""
    return {
        case: {
            name: value if isinstance(value, int) else float(f"{value:.4g}")
            for name, value in figures.items()
        }
        for case, figures in results.items()
    }


def _cpu() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _chromium() -> str:
    try:
        answer = subprocess.run([find_chromium(), "--version"], capture_output=True, text=True, timeout=30)
    except (ChromiumNotFound, OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() or "unknown"
