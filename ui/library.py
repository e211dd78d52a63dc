"""The models a person can choose from, opened once and shown many times."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint
from vae_core.errors import CheckpointError
from vae_core.latent.codes import Dimension, bare_dimensions, by_information, dimensions

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"
FIRST = "mnist-vae-2d"  # what the home page opens on


@dataclass(frozen=True)
class OpenModel:
    """A loaded checkpoint under the name people see, its dimensions sorted by information."""

    name: str
    checkpoint: Checkpoint
    dimensions: tuple[Dimension, ...]

    @property
    def id(self) -> str:
        return self.checkpoint.id


def bundled() -> dict[str, Path]:
    """Return the files in `checkpoints/` by name, the first to open first."""
    paths = {path.stem: path for path in checkpoint.find(FOLDER)}
    return dict(sorted(paths.items(), key=lambda item: (item[0] != FIRST, item[0])))


def open_file(name: str, path: Path) -> OpenModel:
    """Load a checkpoint file, or return it from memory if the file has not changed since."""
    try:
        stat = path.stat()
    except OSError:
        return opened(name, checkpoint.load(path))  # says what is wrong
    return _load(name, path, stat.st_mtime_ns, stat.st_size)


def opened(name: str, loaded: Checkpoint) -> OpenModel:
    """Add to a checkpoint what every page shows of it."""
    if loaded.reference is None:
        known = bare_dimensions(loaded.description.model.latent_dim)
    else:
        known = dimensions(loaded.reference)
    return OpenModel(name, loaded, tuple(by_information(known)))


def by_id(model_id: str) -> OpenModel | None:
    """Find a bundled model by its id, for a page that was open before the server started again."""
    for name, path in bundled().items():
        try:
            candidate = open_file(name, path)
        except CheckpointError:
            continue
        if candidate.id == model_id:
            return candidate
    return None


def data_here(name: str) -> bool:
    """Say whether a model's dataset is one we know and its images are on this machine."""
    return name in data.known() and data.is_available(name)


@lru_cache(maxsize=16)
def _load(name: str, path: Path, modified: int, size: int) -> OpenModel:
    return opened(name, checkpoint.load(path))
