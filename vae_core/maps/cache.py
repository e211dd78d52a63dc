"""Where maps are kept, and how the oldest make room."""

import os
import shutil
from pathlib import Path

import platformdirs
from filelock import FileLock

from vae_core.checkpoint import Checkpoint
from vae_core.config import MapConfig
from vae_core.errors import MapError
from vae_core.maps import asked, store
from vae_core.maps.workplace import is_alive, status, work_of

MAX_BYTES = 4 * 2**30  # of maps that are kept


def root() -> Path:
    """The folder that holds all maps, whether or not it exists: in VAE_CACHE_DIR, or in the user's cache."""
    chosen = os.environ.get("VAE_CACHE_DIR")
    cache = (
        Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("latent-space-explorer"))
    )
    return cache / "maps"


def folder(checkpoint: Checkpoint, config: MapConfig) -> Path:
    """Where the map of a saved model is kept, whether or not it exists.

    Raises:
        CheckpointError: the model was never saved.
    """
    return root() / asked.key(checkpoint.id, config, checkpoint.description.data)


def forget(folder: str | os.PathLike[str]) -> None:
    """Remove a map, or what is left of one that failed or was stopped, so that it can be made again.

    Raises:
        MapError: it is under way, or cannot be removed.
    """
    folder = Path(folder)
    if status(folder).busy:
        raise MapError(f"The map in {folder} is under way; stop it before you remove it.")
    store.remove(folder)
    shutil.rmtree(work_of(folder), ignore_errors=True)


def clean(max_bytes: int = MAX_BYTES, keep: str | os.PathLike[str] | None = None) -> int:
    """Remove the maps used longest ago until the rest take at most `max_bytes`; return the bytes that went.

    The map in `keep` stays, however large it is. What killed processes left behind goes as well. Maps that are under way are not touched.
    """
    home = root()
    if not home.is_dir():
        return 0
    with FileLock(home / ".clean.lock"):
        _sweep(home)
        maps = [each for each in home.iterdir() if store.is_complete(each)]
        sizes = {each: _size(each) for each in maps}
        kept, gone = sum(sizes.values()), 0
        for each in sorted(maps, key=lambda each: (each / store.INFO).stat().st_mtime_ns):
            if kept - gone <= max_bytes:
                break
            if keep is not None and each == Path(keep):
                continue
            store.remove(each)
            gone += sizes[each]
    return gone


def _sweep(home: Path) -> None:
    for leftover in home.glob(".*.new"):
        name = leftover.name[1:].split(".")[0]
        if not is_alive(work_of(home / name)):
            shutil.rmtree(leftover, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
