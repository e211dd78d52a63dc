"""Start, stop, resume and queue runs: each is a process of its own that outlives whoever started it.

A process that finds other runs at work waits for its turn, first come, first served; so several can be
started at once, from the page or a terminal, and by default one trains at a time (VAE_RUNS_AT_ONCE).
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vae_core import processes
from vae_core.errors import ConfigError, TrainingError
from vae_core.training import run as runs
from vae_core.training.run import Run, Status

POLL_S = 0.2


def root() -> Path:
    """The folder that holds all runs: VAE_RUNS_DIR, or runs/ beside the program."""
    chosen = os.environ.get("VAE_RUNS_DIR")
    return Path(chosen).expanduser() if chosen else processes.CODE / "runs"


def start(run: Run) -> None:
    """Start the process that trains a run, or that resumes one that has trained before.

    Raises:
        TrainingError: it is at work already, or finished, or the process cannot be started.
    """
    status = run.status()
    if status.state == "stopping":
        raise TrainingError(f"{run.title()} is still stopping; wait until it has ended.")
    if status.busy:
        raise TrainingError(f"{run.title()} is {status.state} already; stop it first.")
    if status.state == "finished":
        raise TrainingError(f"{run.title()} is finished; make a new run to train longer.")
    run.forget_stop()
    verb = ["train", "--run"] if status.state == "new" else ["resume", "--started"]
    run.say(status.model_copy(update={"state": "starting", "message": "Starting.", "updated": time.time()}))
    _spawn([sys.executable, "-m", "vae_core", *verb, str(run.folder.resolve())], run)


def stop(run: Run) -> None:
    """Ask a run to stop; it ends its step, writes a checkpoint and says *stopped*. Returns at once."""
    status = run.status()
    if not status.busy:
        return
    run.request_stop()
    if status.state == "starting":
        _stop_before_it_begins(run, status)


def _stop_before_it_begins(run: Run, status: Status) -> None:
    """Say *stopped* for a process that is still on its way; when it comes it finds the request, and ends."""
    with suppress(TrainingError), run.hold():  # not to be had: it has come, and sees for itself
        update = {"state": "stopped", "message": "Stopped before it began.", "updated": time.time()}
        run.say(status.model_copy(update=update))


def wait_for_turn(run: Run, should_stop: Callable[[], bool]) -> FileLock | None:
    """Wait until this run may train; return the lock of its place, or None if it was asked to stop meanwhile."""
    joined = time.time()
    while not should_stop():
        queue = _queue(run, joined)
        if not queue and (place := _take_place(run.folder.parent)):
            return place
        ahead = f"{len(queue)} more before it" if queue else "the run at work has to end first"
        run.say(Status(state="queued", message=f"Waiting for its turn: {ahead}.", updated=joined))
        time.sleep(POLL_S)
    return None


def _queue(run: Run, joined: float) -> list[Run]:
    """The runs that wait and came before this one."""
    waiting = [(other, other.status()) for other in runs.find(run.folder.parent) if other != run]
    return [
        other
        for other, status in waiting
        if status.state == "queued" and (status.updated, other.id) < (joined, run.id)
    ]


def _take_place(folder: Path) -> FileLock | None:
    for place in range(_places()):
        lock = FileLock(folder / f".at-work-{place + 1}.lock")
        try:
            lock.acquire(timeout=0)
            return lock
        except Timeout:
            continue
    return None


def _places() -> int:
    text = os.environ.get("VAE_RUNS_AT_ONCE", "1")
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ConfigError(
            f"VAE_RUNS_AT_ONCE = {text[:40]!r} is not allowed: use a whole number from 1 to 64."
        )
    return int(text)


def _spawn(command: list[str], run: Run) -> None:
    try:
        processes.spawn(command, run.folder / "log.txt")
    except OSError as error:
        raise TrainingError(
            f"{run.title()} could not be started ({error.strerror}); see whether {run.folder} can be written."
        ) from None
