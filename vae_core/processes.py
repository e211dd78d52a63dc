"""Processes of this program that work in the background and outlive whoever started them."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CODE = Path(__file__).resolve().parents[1]  # the folder that holds vae_core

# Those that may still run: who started a process knows for sure whether it does.
children: list["subprocess.Popen[bytes]"] = []


def spawn(command: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process that a closed terminal, a stopped server or a left page does not end.

    It gives way to everybody else, and what it prints is added to `log`.

    Raises:
        OSError: the log cannot be written, or no process can be started.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with log.open("a", encoding="utf-8") as output:
        child = subprocess.Popen(
            command,
            cwd=CODE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    give_way(child.pid)
    children[:] = [each for each in children if each.poll() is None] + [child]
    # The system lists a process that has ended until it was waited for.
    threading.Thread(target=child.wait, name=f"waits for {child.pid}", daemon=True).start()
    return child


def give_way(pid: int) -> None:
    """Let a process compute in the time that others leave: whoever drags a slider comes first.

    On a machine that always has other work to do it would hardly get on: VAE_PRIORITY=normal is for those.
    """
    if os.environ.get("VAE_PRIORITY", "idle") == "normal":
        return
    with suppress(OSError):  # it has ended already, or may not be changed
        if sys.platform == "linux":
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        elif sys.platform == "darwin":
            os.setpriority(os.PRIO_PROCESS, pid, 19)
