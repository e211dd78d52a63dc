"""Make a map in a process of its own: start it, stop it, and what it does itself.

One map is made at a time, by the lowest priority; whoever comes later waits. Nothing but a finished folder counts, so
a process may be killed at any instant.
"""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vae_core import checkpoint, processes
from vae_core.checkpoint import Checkpoint, write_atomically
from vae_core.config import MapConfig
from vae_core.errors import CheckpointError, ConfigError, ExplorerError, MapError, Stopped
from vae_core.maps import asked, cache, pace, workplace
from vae_core.maps.store import is_complete, open_map
from vae_core.maps.work import compute
from vae_core.maps.workplace import State, Status, status, work_of

POLL_S = 0.2
SAY_EVERY_S = 0.2
ENDING_S = 5.0  # a process that was told to stop is gone by then
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)  # deep in a library it would hear of nothing else

Say = Callable[[Status], None]


def start(path: str | os.PathLike[str], config: MapConfig) -> Path:
    """Start the process that makes a map, unless it is finished or under way; return the map's folder.

    Args:
        path: a checkpoint file.
        config: which points, and how they are laid out.

    Raises:
        CheckpointError: there is no checkpoint at `path`.
        MapError: the cache cannot be written, or no process can be started.
    """
    path = Path(path)
    description = checkpoint.describe(path)
    folder = cache.root() / asked.key(_id(path), config, description.data)
    try:
        cache.root().mkdir(parents=True, exist_ok=True)
        with FileLock(cache.root() / ".start.lock", timeout=10):
            if status(folder).state != "finished" and not _under_way(folder):
                _spawn(path, config, folder)
    except (OSError, Timeout) as error:
        raise MapError(
            f"No map can be made in {cache.root()} ({_reason(error)}); set VAE_CACHE_DIR to a folder that can be written."
        ) from None
    return folder


def stop(folder: str | os.PathLike[str]) -> None:
    """Stop making a map, at once: what it had so far is of no use to anybody."""
    folder = Path(folder)
    if not status(folder).busy:
        return
    work = work_of(folder)
    with suppress(OSError):
        (work / "stop").touch()
        number = workplace.pid(work)
        if number is not None and number != os.getpid() and workplace.is_running(work, number):
            os.kill(number, _AT_ONCE)


def conduct(
    path: str | os.PathLike[str],
    config: MapConfig,
    folder: str | os.PathLike[str] | None = None,
    on_status: Say = lambda status: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Make a map in this process, and say in `.<name>.work/` what is going on; return the map's folder.

    Args:
        path: a checkpoint file.
        config: which points, and how they are laid out.
        folder: where to; in the cache if not given.
        on_status: hears what is said.
        should_stop: asked now and then.

    Raises:
        Stopped: on request; nothing is written.
        ExplorerError: the reason why there is no map, which the work folder says as well.
    """
    loaded = checkpoint.load(path)
    expected = cache.folder(loaded, config)
    folder = expected if folder is None else Path(folder).absolute()
    _check_place(folder, loaded, config)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work_of(folder).mkdir(exist_ok=True)
        lock = FileLock(work_of(folder) / "alive.lock")
        lock.acquire(timeout=1)  # longer than a look at is_alive takes
    except Timeout:
        raise MapError(f"{folder} is made by another process already; wait for it.") from None
    except OSError as error:
        raise MapError(
            f"{folder} could not be written ({_reason(error)}); choose a folder that exists and has room."
        ) from None
    kept = (
        folder.parent == expected.parent
    )  # in the cache, where somebody may want to know why there is no map
    with lock:
        try:
            if not is_complete(folder):
                _Conductor(loaded, config, folder, on_status, should_stop).run(expected)
        finally:
            if not kept or is_complete(folder):
                shutil.rmtree(work_of(folder), ignore_errors=True)
    if kept:
        with suppress(OSError, MapError):  # the map is there; room is made next time
            cache.clean(keep=folder)
    return folder


class _Conductor:
    """The process that makes a map and holds its lock."""

    def __init__(
        self,
        loaded: Checkpoint,
        config: MapConfig,
        folder: Path,
        on_status: Say,
        should_stop: Callable[[], bool],
    ) -> None:
        self.loaded, self.config, self.folder = loaded, config, folder
        self._on_status, self._outer_stop = on_status, should_stop
        self._said, self._what = 0.0, ("", "")
        self._pace: pace.Pace | None = None

    def run(self, expected: Path) -> None:
        try:
            write_atomically(work_of(self.folder) / "pid", str(os.getpid()).encode(), durable=False)
            self._clear_leftovers()
            self._make(expected)
        except (Stopped, KeyboardInterrupt):
            self._end("stopped", "Stopped.")
            raise
        except ExplorerError as error:
            self._end("failed", str(error))
            raise
        except MemoryError:
            sentence = "Out of memory: choose fewer points, or close other programs, and start it again."
            self._end("failed", sentence)
            raise MapError(sentence) from None
        except Exception as error:
            traceback.print_exception(error)  # to the log, where this process was started by another
            fault = str(error).split("\n")[0][:200]
            self._end("failed", f"A fault in this program ended the map ({type(error).__name__}: {fault}).")
            raise

    def _make(self, expected: Path) -> None:
        if self.folder.parent != expected.parent:  # somebody waits for it in a terminal
            compute(self.loaded, self.config, self.folder, self.progress, self.should_stop)
            return
        if self.folder != expected:
            raise CheckpointError("The checkpoint or its data changed meanwhile; open the map again.")
        place = FileLock(self.folder.parent / ".at-work.lock")
        asked_for = workplace.read(work_of(self.folder))  # what whoever started this process wrote
        starting_s = max(time.time() - asked_for.updated, 0.0) if asked_for.state == "waiting" else 0.0
        while True:
            if self.should_stop():
                raise Stopped("The map was stopped before its turn came.")
            with suppress(Timeout), place.acquire(timeout=0):
                self._compute_watched(starting_s)
                return
            self._say(Status(state="waiting", message="Waiting for another map to be finished."))
            time.sleep(POLL_S)

    def _compute_watched(self, starting_s: float) -> None:
        """Make the map, and say how long that may take; keep how long it took."""
        home = self.folder.parent
        self._pace = pace.Pace(self.config, pace.recall(home, self.loaded, self.config), starting_s)
        self._began = time.time() - starting_s
        made = compute(self.loaded, self.config, self.folder, self.progress, self.should_stop)
        self._pace.end()
        pace.remember(home, self.loaded, self.config, len(made), self._pace)

    def should_stop(self) -> bool:
        return self._outer_stop() or (work_of(self.folder) / "stop").exists()

    def progress(self, state: State, message: str, done: float | None) -> None:
        """Say what is under way, a few times a second."""
        if self._pace is not None:
            self._pace.hear(pace.step_of(state, message), done)
        now = time.monotonic()
        if (state, message) == self._what and now - self._said < SAY_EVERY_S:
            return
        self._said, self._what = now, (state, message)
        share = None if done is None else min(max(done, 0.0), 1.0)
        self._say(Status(state=state, message=message, done=share, **self._outlook()))

    def _outlook(self) -> dict[str, Any]:
        """Which step this is, and how long it may take; nothing in a terminal, where a line is all there is."""
        if self._pace is None:
            return {}
        step_s, later_s, measured = self._pace.left()
        return {
            "step": self._pace.number,
            "steps": len(self._pace.steps),
            "began": self._began,
            "step_s": step_s,
            "later_s": later_s,
            "measured": measured,
            "basis": self._pace.past.words,
        }

    def _say(self, said: Status) -> None:
        self._on_status(said)
        write_atomically(work_of(self.folder) / "status.json", said.to_json().encode(), durable=False)

    def _end(self, state: State, message: str) -> None:
        """Say how it ended; where even that cannot be written, the exit status says it."""
        with suppress(OSError):
            self._say(Status(state=state, message=message))

    def _clear_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote left behind."""
        for leftover in self.folder.parent.glob(f".{self.folder.name}.*.new"):
            shutil.rmtree(leftover, ignore_errors=True)


def _check_place(folder: Path, loaded: Checkpoint, config: MapConfig) -> None:
    """Whatever else is in the way stays as it is."""
    if is_complete(folder):
        found = open_map(folder).info
        if (found.checkpoint, found.config) != (loaded.id, asked.plain(config)):
            raise ConfigError(f"{folder} holds another map; choose another folder, or remove it.")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already and is no map; choose another folder.")


def _under_way(folder: Path) -> bool:
    work, deadline = work_of(folder), time.monotonic() + ENDING_S
    while (work / "stop").exists() and workplace.is_alive(work) and time.monotonic() < deadline:
        time.sleep(0.02)
    return status(folder).busy


def _spawn(path: Path, config: MapConfig, folder: Path) -> None:
    work = work_of(folder)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    said = Status(state="waiting", message="Starting.")
    write_atomically(work / "status.json", said.to_json().encode(), durable=False)
    command = [sys.executable, "-m", "vae_core", "map", str(path.resolve()), "--out", str(folder.absolute())]
    child = processes.spawn([*command, *asked.arguments(config)], work / "log.txt")
    write_atomically(work / "pid", str(child.pid).encode(), durable=False)


def _id(path: Path) -> str:
    try:
        return checkpoint.content_id(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); choose another file.") from None


def _reason(error: OSError) -> str:
    return error.strerror or "another process holds it"
