"""Where Chromium is, and how to start it, for the browser tests and the benchmarks.

`python -m benchmarks.chromium` prints its path, or says in a sentence how to get one.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Works as root in a container, and keeps the browser from talking to anyone but the explorer.
LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ChromiumNotFound(RuntimeError):
    """No Chromium that starts is on this machine."""


@cache
def find_chromium() -> str:
    """Return the path of a Chromium that starts: $CHROMIUM, else the system's, else Playwright's own."""
    named = os.environ.get("CHROMIUM")
    if named:
        path = shutil.which(named)
        if path is None:
            raise ChromiumNotFound(
                f"CHROMIUM is {named!r}, which is not a program; correct it or unset it to search the system."
            )
        return path
    for name in SYSTEM_NAMES:
        path = shutil.which(name)
        if path and _starts(path):
            return path
    bundled = _playwright_chromium()
    if bundled:
        return bundled
    raise ChromiumNotFound(
        "No Chromium on this machine: install your system's chromium package, "
        "or run `python -m playwright install chromium`, or set CHROMIUM to the path of one."
    )


def _starts(path: str) -> bool:
    """Ubuntu's chromium package is a stub that only asks for a snap, so a name on PATH proves nothing."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwright_chromium() -> str | None:
    """Ask Playwright in a process of its own, because its API cannot be entered twice in one thread."""
    question = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True)
    path = answer.stdout.strip()
    return path if path and Path(path).is_file() else None


if __name__ == "__main__":
    try:
        print(find_chromium())
    except ChromiumNotFound as error:
        sys.exit(str(error))
