"""How a map that is being made is doing: `.<name>.work/` beside the folder that will hold it.

status.json   `Status`, rewritten a few times a second
alive.lock    held by the process for as long as it lives
pid           its number
stop          its presence asks the process to stop
log.txt       what a person would have read in the terminal
"""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field

from vae_core import processes
from vae_core.config import Config
from vae_core.errors import ConfigError
from vae_core.maps.store import is_complete

State = Literal[
    "new",  # never asked for
    "waiting",  # for its process to begin, or for another map to end
    "encoding",
    "fitting",
    "measuring",  # how faithful it is
    "finished",
    "failed",  # with a reason
    "stopped",  # on request
]
BUSY: tuple[State, ...] = ("waiting", "encoding", "fitting", "measuring")
STARTING_S = 60.0  # a process that has not taken the lock so long after its start never will


class Status(Config):
    """What the process of a map is doing."""

    state: State = "new"
    message: str = ""  # one sentence
    done: float | None = Field(None, ge=0, le=1)  # share of this state that is done; None: nobody knows
    updated: float = Field(default_factory=time.time)  # seconds since 1970
    step: int = Field(0, ge=0)  # which of `steps` this is, from 1; 0: it waits
    steps: int = Field(0, ge=0)
    began: float = 0.0  # seconds since 1970, without the time that it waited for others
    step_s: float | None = Field(
        None, ge=0
    )  # seconds that this step still took when this was said; None: nobody knows
    later_s: float | None = Field(None, ge=0)  # of all steps after it
    measured: bool = False  # step_s is from the step's own pace, not from an earlier map
    basis: str = ""  # the earlier map, in words

    @property
    def busy(self) -> bool:
        return self.state in BUSY


def status(folder: str | os.PathLike[str]) -> Status:
    """How the map that belongs into this folder is doing; *failed* if its process died without a word."""
    folder = Path(folder)
    if is_complete(folder):
        return Status(state="finished", message="Finished.", done=1.0)
    work = work_of(folder)
    said = read(work)
    if not said.busy or is_alive(work):
        return said
    if is_complete(folder):  # meanwhile
        return status(folder)
    if (work / "stop").exists():
        return said.model_copy(update={"state": "stopped", "message": "Stopped.", "done": None})
    if said.state == "waiting" and _may_begin(work, said):
        return said
    again = read(work)  # it may have ended properly between the two looks
    return _died(work, again) if again.busy else again


def work_of(folder: Path) -> Path:
    """The folder in which the process that makes a map says what it does."""
    return folder.with_name(f".{folder.name}.work")


def read(work: Path) -> Status:
    """Read what was said last; nothing was said if it cannot be read."""
    try:
        return Status.from_json((work / "status.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError):
        return Status()


def is_alive(work: Path) -> bool:
    """Whether a process holds the lock; the system lets go of it however the process ends."""
    if not (work / "alive.lock").exists():
        return False
    try:
        with FileLock(work / "alive.lock").acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def pid(work: Path) -> int | None:
    """The number of the process that was started last."""
    try:
        return int((work / "pid").read_text())
    except (OSError, ValueError):
        return None


def is_running(work: Path, number: int) -> bool:
    """Whether the process of this number is still the one that was started, before it takes the lock or after."""
    child = _child(number)
    return is_alive(work) if child is None else child.poll() is None


def _child(number: int | None) -> "subprocess.Popen[bytes] | None":
    return next((child for child in list(processes.children) if child.pid == number), None)


def _may_begin(work: Path, said: Status) -> bool:
    """Whether the process may yet take the lock: a child of this one as long as it runs, others for a while."""
    child = _child(pid(work))
    return time.time() - said.updated < STARTING_S if child is None else child.poll() is None


def _died(work: Path, said: Status) -> Status:
    lines: list[str] = []
    with suppress(OSError), (work / "log.txt").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
        lines = file.read().decode("utf-8", "replace").split()
    last = " ".join(lines)[-200:]
    message = (
        f"The process died after: {last}" if last else "The process died without a word; start it again."
    )
    return said.model_copy(update={"state": "failed", "message": message, "done": None})
