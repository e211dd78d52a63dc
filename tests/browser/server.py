"""The explorer as people start it: `streamlit run app.py`, on a free port, in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A server that can be stopped and started again on the same port."""

    def __init__(self, log: Path, script: str = "app.py", options: Sequence[str] = ()) -> None:
        self.log = log
        self.options = options
        self.script = script
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}/"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", self.script]
        options = ["--server.headless", "true", "--server.port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=log, stderr=log)
        self._wait_until_it_listens()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        """Everything the server has printed."""
        return self.log.read_text(errors="replace")

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("localhost", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, self.said()
                assert time.monotonic() < deadline, f"The server does not listen.\n{self.said()}"
                time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
