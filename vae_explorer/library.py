"""The models a person can choose from, opened once and shown many times: bundled ones, and what runs have trained.

A run's model is named `run/ID`; its file is that of the newest epoch, and of the best one once the run is finished.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint, Description
from vae_core.errors import CheckpointError
from vae_core.latent.codes import Dimension, bare_dimensions, by_information, dimensions
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Run

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"
FIRST = "mnist-vae-2d"  # what the home page opens on
OF_RUN = "run/"


@dataclass(frozen=True)
class OpenModel:
    """A loaded checkpoint under its name, its dimensions sorted by information."""

    name: str
    checkpoint: Checkpoint
    dimensions: tuple[Dimension, ...]
    local: bool = (
        False  # a file of this machine, which may name other files of it; not one that somebody sent
    )

    @property
    def id(self) -> str:
        return self.checkpoint.id


def bundled() -> dict[str, Path]:
    """Return the files in `checkpoints/` by name, the first to open first."""
    paths = {path.stem: path for path in checkpoint.find(FOLDER)}
    return dict(sorted(paths.items(), key=lambda item: (item[0] != FIRST, item[0])))


def of_runs() -> dict[str, Path]:
    """Return the file of every run that has trained, the newest run first."""
    found = {OF_RUN + run.id: _shown(run.folder, _changed(run.folder)) for run in runs.find(jobs.root())}
    return {name: path for name, path in found.items() if path is not None}


def models() -> dict[str, Path]:
    """Return the files of all models by name."""
    return bundled() | of_runs()


def title(name: str) -> str:
    """What people read of a model's name."""
    run = run_of(name)
    return name if run is None else run.title()


def run_of(name: str) -> Run | None:
    """Return the run that a model's name stands for, if it does."""
    return Run(jobs.root() / name.removeprefix(OF_RUN)) if name.startswith(OF_RUN) else None


def described(path: Path) -> Description | None:
    """Read what a file says of its model, once for as long as it does not change; None if it cannot be read."""
    try:
        stat = path.stat()
        return _describe(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, CheckpointError):
        return None  # whoever opens it hears what is wrong


def open_file(name: str, path: Path) -> OpenModel:
    """Load a checkpoint file, or return it from memory if the file has not changed since."""
    try:
        stat = path.stat()
    except OSError:
        return opened(name, checkpoint.load(path), local=True)  # says what is wrong
    return _load(name, path, stat.st_mtime_ns, stat.st_size)


def opened(name: str, loaded: Checkpoint, *, local: bool = False) -> OpenModel:
    """Add to a checkpoint what every page shows of it."""
    if loaded.reference is None:
        known = bare_dimensions(loaded.description.model.latent_dim)
    else:
        known = dimensions(loaded.reference)
    return OpenModel(name, loaded, tuple(by_information(known)), local)


def by_id(model_id: str) -> OpenModel | None:
    """Find a model of this machine by its id, for a page that was open before the server started again.

    Each file is read once for as long as it does not change; only the one that was asked for is opened.
    """
    for name, path in models().items():
        try:
            stat = path.stat()
            if _id(path, stat.st_mtime_ns, stat.st_size) == model_id:
                return open_file(name, path)
        except (OSError, CheckpointError):
            continue
    return None


def data_here(opened: OpenModel) -> bool:
    """Say whether the data of a model are on this machine.

    A path in a checkpoint is followed only if the file is this machine's own: one that somebody sent must not make
    the server read what it names.
    """
    config = opened.checkpoint.description.data
    if config.path is not None:
        return opened.local and data.is_available(config)
    return config.name in data.known() and data.is_available(config.name)


@lru_cache(maxsize=256)
def _describe(path: Path, modified: int, size: int) -> Description:
    return checkpoint.describe(path)


@lru_cache(maxsize=1024)
def _id(path: Path, modified: int, size: int) -> str:
    return checkpoint.content_id(path.read_bytes())


@lru_cache(maxsize=16)
def _load(name: str, path: Path, modified: int, size: int) -> OpenModel:
    return opened(name, checkpoint.load(path), local=True)


@lru_cache(maxsize=256)
def _shown(folder: Path, changed: int) -> Path | None:
    """Which of a run's files people see; looked up again when something in the folder has changed."""
    run = Run(folder)
    best = run.best_epoch() if run.status().state == "finished" else None
    return run.latest() if best is None else run.checkpoint(best)


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
