"""Processes in the background: whoever started them does not keep what is left of them."""

import os
import sys
import time

import pytest

from vae_core import processes

PATIENCE_S = 30.0


def is_in_the_table(pid: int) -> bool:
    """Whether the system still lists a process; one that has ended and was never waited for is listed as well."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="there a process that ended leaves nothing")
def test_a_process_that_has_ended_is_gone_though_nobody_asks_after_it(tmp_path):
    child = processes.spawn([sys.executable, "-c", ""], tmp_path / "log.txt")
    deadline = time.monotonic() + PATIENCE_S
    while is_in_the_table(child.pid):
        assert time.monotonic() < deadline, "it is a zombie"
        time.sleep(0.01)
    assert child.poll() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there a process that ended leaves nothing")
def test_a_process_that_runs_is_not_taken_for_one_that_has_ended(tmp_path):
    child = processes.spawn([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log.txt")
    assert child.poll() is None
    assert is_in_the_table(child.pid)
    child.kill()
    assert child.wait(PATIENCE_S) != 0
