"""A training run as a folder on disk, which is the only channel between who trains and who watches.

    config.json               the `Experiment`
    title.txt                 what people call the run; the folder's name is its id and never changes
    status.json               `Status`: what the process is doing, rewritten about twice a second
    metrics.csv               one row per snapshot (`Metrics`)
    epoch-0001.safetensors    a checkpoint per snapshot; the best and the last one are complete
    stopped.safetensors       the weights of a run that was stopped in the middle of an epoch
    resume.safetensors        optimizer, generator, position: all that training needs to go on
    film/0001.safetensors     what a snapshot looks like (`vae_core.training.film`)
    log.txt                   what a person would have read in the terminal
    alive.lock                held by the process for as long as it lives
    stop                      its presence asks the process to stop

Each file is replaced as a whole (temporary file, rename), so a reader sees the old one or the new one.
"""

import csv
import errno
import io
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from vae_core.checkpoint import SUFFIX, write_atomically
from vae_core.config import Config, Experiment
from vae_core.errors import ConfigError, TrainingError

State = Literal[
    "new",  # made, never started
    "starting",  # a process was asked for
    "queued",  # waits for another run to end
    "preparing",  # loads data, tries what is fastest
    "training",
    "finishing",  # writes the complete checkpoints
    "stopping",  # busy with any of these, and asked to stop
    "finished",
    "stopped",  # on request, can be resumed
    "failed",  # with a reason, can be resumed once that is gone
    "interrupted",  # its process died
]
BUSY: tuple[State, ...] = ("starting", "queued", "preparing", "training", "finishing", "stopping")
MAX_TITLE = 80  # characters
STARTING_S = 60.0  # a process that has not taken the lock so long after its start never will

RESUME, STOPPED = f"resume{SUFFIX}", f"stopped{SUFFIX}"

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_SNAPSHOT = re.compile(r"epoch-(\d{4,6})\.safetensors")


class Status(Config):
    """What a run is doing."""

    state: State = "new"
    message: str = ""  # one sentence: what is under way, or why it ended
    epoch: int = 0  # finished epochs
    epochs: int = 0
    examples: int = 0  # seen in all epochs
    examples_in_all: int = 0
    images_per_s: float = 0.0
    remaining_s: float | None = None
    chosen: str = ""  # how it computes, for example "cpu, float32, compiled", and why
    updated: float = Field(default_factory=time.time)  # seconds since 1970

    @property
    def busy(self) -> bool:
        return self.state in BUSY


@dataclass(frozen=True)
class Metrics:
    """One snapshot's figures, in nats per example; training figures are means over the epoch that just ended."""

    epoch: int
    seconds: float  # of training since the run began, pauses and snapshots left out
    images_per_s: float
    learning_rate: float
    beta: float
    loss: float
    train_reconstruction: float
    train_kl: float
    held_out_reconstruction: float
    held_out_kl: float
    held_out_squared_error: float
    kl_per_dimension: tuple[float, ...]  # held-out; empty for models without a posterior

    @property
    def train_elbo(self) -> float:
        return self.train_reconstruction - self.train_kl

    @property
    def held_out_elbo(self) -> float:
        """The held-out ELBO; for a model without a posterior, its held-out reconstruction term."""
        return self.held_out_reconstruction - self.held_out_kl


class Run:
    """One run's folder: where its files are, and what they say."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @property
    def id(self) -> str:
        return self.folder.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.folder == self.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    # --- what it is ---------------------------------------------------------------------------------------

    def experiment(self) -> Experiment:
        """Read what the run trains.

        Raises:
            TrainingError: there is no such file.
            ConfigError: it does not hold an experiment.
        """
        return Experiment.from_json(_read(self.folder / "config.json", "is not a run's folder"))

    def title(self) -> str:
        """What people call this run."""
        try:
            return (self.folder / "title.txt").read_text(encoding="utf-8").strip() or self.id
        except OSError:
            return self.id

    def rename(self, title: str) -> None:
        """Give the run another title; its folder keeps its name, so a running process is not disturbed.

        Raises:
            ConfigError: the title is not 1 to 80 printable characters.
        """
        self.write("title.txt", _checked_title(title))

    # --- how it is doing ----------------------------------------------------------------------------------

    def status(self) -> Status:
        """What the run is doing; *interrupted* if it says it is busy and its process is gone.

        *Stopping* as soon as somebody wants it to stop: whoever watches need not wait for the process to notice.
        """
        try:
            said = Status.from_json((self.folder / "status.json").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ConfigError):
            said = Status()
        if not said.busy:
            return said
        if self.is_alive() or (said.state == "starting" and time.time() - said.updated < STARTING_S):
            return _stopping(said) if self.stop_requested() else said
        last = self.log_tail(1)
        message = "The process ended without a word." if not last else f"The process died after: {last[0]}"
        return said.model_copy(update={"state": "interrupted", "message": message, "remaining_s": None})

    def say(self, status: Status) -> None:
        """Write status.json."""
        self.write("status.json", status.to_json().encode(), durable=False)

    def is_alive(self) -> bool:
        """Whether a process holds this run's lock; the system lets go of it however the process ends."""
        lock = FileLock(self.folder / "alive.lock")
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # a folder that is gone or cannot be written
            return False

    def hold(self) -> FileLock:
        """Take the run's lock for this process.

        Raises:
            TrainingError: another process trains this run.
        """
        lock = FileLock(self.folder / "alive.lock")
        try:
            lock.acquire(timeout=1)  # longer than a look at is_alive takes
        except Timeout:
            raise TrainingError(
                f"{self.folder} is trained by another process; stop that one first or choose another folder."
            ) from None
        except OSError as error:
            raise TrainingError(
                f"{self.folder} cannot be written ({error.strerror}); choose a folder that exists and has room."
            ) from None
        return lock

    def request_stop(self) -> None:
        """Ask the process to stop: within its step, of which a checkpoint stays, or in the middle of all else."""
        (self.folder / "stop").touch()

    def stop_requested(self) -> bool:
        return (self.folder / "stop").exists()

    def forget_stop(self) -> None:
        (self.folder / "stop").unlink(missing_ok=True)

    # --- what it has done ---------------------------------------------------------------------------------

    def metrics(self) -> list[Metrics]:
        """The figures of every snapshot, oldest first; empty before the first one."""
        try:
            text = (self.folder / "metrics.csv").read_text(encoding="utf-8")
        except OSError:
            return []
        return [_metrics(row) for row in csv.DictReader(io.StringIO(text))]

    def write_metrics(self, rows: Iterable[Metrics]) -> None:
        """Replace metrics.csv."""
        table = [_row(each) for each in rows]
        text = io.StringIO()
        if table:
            writer = csv.DictWriter(text, table[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
        self.write("metrics.csv", text.getvalue().encode(), durable=False)

    def snapshots(self) -> list[int]:
        """The epochs that have a checkpoint, in order."""
        names = map(_SNAPSHOT.fullmatch, _names(self.folder))
        return sorted(int(match[1]) for match in names if match)

    def checkpoint(self, epoch: int) -> Path:
        """Where the checkpoint of an epoch is, whether or not it exists."""
        return self.folder / f"epoch-{epoch:04d}{SUFFIX}"

    def film(self, epoch: int) -> Path:
        """Where the picture of a snapshot is (`vae_core.training.film`); epoch 0 is before training."""
        return self.folder / "film" / f"{epoch:04d}{SUFFIX}"

    def best_epoch(self) -> int | None:
        """The snapshot with the highest held-out ELBO, the earliest of equals; None before the first."""
        return best_epoch(self.metrics())

    def latest(self) -> Path | None:
        """The newest weights: those of the last snapshot, or of a stop after it."""
        if (stopped := self.folder / STOPPED).exists():
            return stopped
        epochs = self.snapshots()
        return self.checkpoint(epochs[-1]) if epochs else None

    def resume_state(self) -> dict[str, Tensor] | None:
        """Read what training needs to go on; None if there is nothing yet.

        Raises:
            TrainingError: the file cannot be read.
        """
        path = self.folder / RESUME
        try:
            return load_tensors(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError) as error:
            raise TrainingError(f"{path} cannot be read ({error}); delete it to begin again.") from None

    def clear_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote left behind."""
        for path in self.folder.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    def forget_after(self, epoch: int) -> None:
        """Remove snapshots newer than the position to go on from; they will be made again, the same."""
        for newer in [each for each in self.snapshots() if each > epoch]:
            self.checkpoint(newer).unlink(missing_ok=True)
            self.film(newer).unlink(missing_ok=True)

    def log(self, line: str) -> None:
        """Add a line to log.txt, with the time; a log that cannot be written stops nothing."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError), (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {line}\n")

    def log_tail(self, lines: int = 10) -> list[str]:
        """The last lines of log.txt."""
        try:
            with (self.folder / "log.txt").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 400 * lines))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return text.splitlines()[-lines:]

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Replace one file of the folder in one step.

        Raises:
            TrainingError: the disk is full, or the folder is gone or cannot be written.
        """
        path = self.folder / name
        try:
            if path.parent != self.folder:  # a run's folder that somebody removed does not come back
                path.parent.mkdir(exist_ok=True)
            write_atomically(path, content, durable=durable)
        except OSError as error:
            raise TrainingError(
                f"{path} could not be written ({error.strerror}); make room or choose another folder, then resume."
            ) from None


def create(root: str | os.PathLike[str], experiment: Experiment, title: str = "") -> Run:
    """Make a new run's folder in `root` (made if missing), named after its data and model; its id where it has no title.

    Nobody sees the folder before it is whole, and nothing of it is left where it cannot be.

    Raises:
        ConfigError: the title is not one a run may have.
        TrainingError: the folder cannot be made.
    """
    root = Path(root)
    model, files = experiment.model, _first_files(experiment, title)
    slug = re.sub(r"[^a-z0-9]+", "-", experiment.data.name.lower()).strip("-")[:40] or "run"
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Run(_new_folder(root, f"{slug}-{model.kind}-{model.latent_dim}d", files))
    except OSError as error:
        raise TrainingError(
            f"No run can be made in {root} ({error.strerror}); make room there or choose a folder that can be written."
        ) from None


def prepare(folder: str | os.PathLike[str], experiment: Experiment, title: str = "") -> Run:
    """Write down in a folder (made if missing) what its run will train.

    Raises:
        ConfigError: the title is not one a run may have.
        TrainingError: the folder holds a run already, or cannot be written.
    """
    folder = Path(folder)
    if (folder / "config.json").exists():
        raise TrainingError(f"{folder} holds a run already; resume that one or choose another folder.")
    files, was_there = _first_files(experiment, title), folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fill(folder, files)
    except OSError as error:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
        raise TrainingError(
            f"{folder} could not be made ({error.strerror}); make room or choose a folder that can be written."
        ) from None
    return Run(folder)


def find(root: str | os.PathLike[str]) -> list[Run]:
    """List the runs in a folder, newest first."""
    root = Path(root)
    found = [Run(root / name) for name in _names(root) if _ID.fullmatch(name)]
    runs = [run for run in found if (run.folder / "config.json").is_file()]
    return sorted(runs, key=lambda run: ((run.folder / "config.json").stat().st_mtime, run.id), reverse=True)


def open_run(root: str | os.PathLike[str], run_id: str) -> Run:
    """Return the run with that id.

    Raises:
        TrainingError: there is none, or the id is not one a folder may have.
    """
    run = Run(Path(root) / run_id)
    if not _ID.fullmatch(run_id) or not (run.folder / "config.json").is_file():
        raise TrainingError(f"There is no run named {run_id[:80]!r} here; choose one from the list.")
    return run


def delete(run: Run) -> None:
    """Remove a run's folder and all that is in it.

    Raises:
        TrainingError: its process is alive.
    """
    if run.is_alive():
        raise TrainingError(f"{run.title()} is still running; stop it before you delete it.")
    shutil.rmtree(run.folder, ignore_errors=True)


def promote(run: Run, folder: str | os.PathLike[str], name: str, epoch: int | None = None) -> Path:
    """Copy a run's best epoch (or the one given) into a folder of checkpoints, under a new name.

    Raises:
        TrainingError: there is no such epoch, the name is taken or not allowed, or it cannot be written.
    """
    epoch = run.best_epoch() if epoch is None else epoch
    if epoch is None or not run.checkpoint(epoch).is_file():
        raise TrainingError(
            f"{run.title()} has no checkpoint of epoch {epoch} to promote; let it train first."
        )
    if not _ID.fullmatch(name):
        raise TrainingError(
            f"name = {name[:90]!r} is not allowed: use up to 80 lowercase letters, digits, dots, dashes and underscores."
        )
    folder = Path(folder)
    target = folder / f"{name}{SUFFIX}"
    if target.exists():
        raise TrainingError(f"{target.name} exists already in {folder.name}/; choose another name.")
    try:
        write_atomically(target, run.checkpoint(epoch).read_bytes())
    except OSError as error:
        raise TrainingError(f"{target} could not be written ({error.strerror}); make room there.") from None
    return target


def best_epoch(metrics: Iterable[Metrics]) -> int | None:
    """The epoch with the highest held-out ELBO, the earliest of equals."""
    best = max(metrics, key=lambda each: each.held_out_elbo, default=None)
    return None if best is None else best.epoch


def _stopping(said: Status) -> Status:
    ends = "the step under way and writing a checkpoint" if said.state == "training" else "what is under way"
    return said.model_copy(update={"state": "stopping", "message": f"Ending {ends}.", "remaining_s": None})


def _checked_title(title: str) -> bytes:
    cleaned = " ".join(title.split())
    if not cleaned or len(cleaned) > MAX_TITLE or not cleaned.isprintable():
        raise ConfigError(
            f"title = {title[:90]!r} is not allowed: use 1 to {MAX_TITLE} printable characters."
        )
    return cleaned.encode()


def _first_files(experiment: Experiment, title: str) -> dict[str, bytes]:
    """What a new run's folder holds; the file that makes it a run comes last."""
    named = {"title.txt": _checked_title(title)} if title.strip() else {}
    return named | {"config.json": experiment.to_json().encode()}


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files, or none."""
    try:
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError:
        for name in files:
            (folder / name).unlink(missing_ok=True)
        raise


def _new_folder(root: Path, stem: str, files: dict[str, bytes]) -> Path:
    """Fill a hidden folder and give it the first name that is free, or that only an empty folder has."""
    hidden = root / f".{stem}.{uuid.uuid4().hex}.new"
    try:
        hidden.mkdir()
        _fill(hidden, files)
        return _numbered(hidden, root / stem)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def _numbered(folder: Path, stem: Path) -> Path:
    number = 1
    while True:
        try:
            return folder.rename(f"{stem}-{number}")
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
        number += 1


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: Path, otherwise: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise TrainingError(
            f"{path.parent} {otherwise} ({path.name} cannot be read); check the path."
        ) from None


def _row(metrics: Metrics) -> dict[str, float | int]:
    values = asdict(metrics)
    per_dimension = values.pop("kl_per_dimension")
    return values | {f"kl_{index + 1}": value for index, value in enumerate(per_dimension)}


def _metrics(row: dict[str, str]) -> Metrics:
    numbers = {name: float(value) for name, value in row.items()}
    names = [name for name in numbers if re.fullmatch(r"kl_\d+", name)]
    per_dimension = tuple(numbers.pop(name) for name in names)
    return Metrics(**(numbers | {"epoch": int(numbers["epoch"]), "kl_per_dimension": per_dimension}))  # type: ignore[arg-type]
