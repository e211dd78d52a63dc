"""Start a Streamlit script on a free port, know when it listens and how much memory it holds, and stop it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "app.py"
STOCK = ROOT / "benchmarks" / "stock_page.py"
STOCK_MAP = ROOT / "benchmarks" / "stock_map_page.py"

PATIENCE_S = 60
POLL_S = 0.005


class ServerFailed(RuntimeError):
    """The server ended, or never listened."""


@dataclass(frozen=True)
class Server:
    """A running server. Times are of the wall clock, which the browser shares."""

    url: str
    pid: int
    spawned: float  # time.time() right before the process was started
    listening: float  # time.time() when it first accepted a connection

    def memory(self) -> int:
        """Return the resident bytes of the server and of every process it started."""
        return resident(self.pid)


@contextmanager
def running(script: Path, *arguments: str) -> Iterator[Server]:
    """Run `streamlit run SCRIPT` as people do, without opening a browser, until the block ends.

    It runs in the script's own folder, so that the explorer has its own settings and a stock page Streamlit's.
    """
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
    command += ["--server.port", str(port), "--", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as log:
        spawned = time.time()
        process = subprocess.Popen(
            command, cwd=script.parent, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(process, port, log)
            yield Server(f"http://localhost:{port}", process.pid, spawned, time.time())
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: IO[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(POLL_S)
    log.seek(0)
    raise ServerFailed(f"The server did not listen on port {port}; it said:\n{log.read()[-2000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process and what it started; it has a session of its own, so nobody else is hit."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port


def resident(pid: int) -> int:
    """Return the resident bytes of a process and of every process it started."""
    processes = list(_processes())
    family, grown = {pid}, True
    while grown:
        children = {child for child, parent, _ in processes if parent in family} - family
        family |= children
        grown = bool(children)
    return sum(resident for each, _, resident in processes if each in family)


def _processes() -> Iterator[tuple[int, int, int]]:
    """Process id, parent's id and resident bytes of every process (`ps` is part of POSIX)."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pid, parent, kilobytes = map(int, line.split())
        yield pid, parent, kilobytes * 1024
