"""Getting a dataset through torchvision, with progress; half a download is never mistaken for data.

torchvision downloads in a thread, into a folder of its own beside the destination; whole files are moved to
their place at the end. Whoever asked follows it by looking at how the folder grows. A page that is left does
not stop it: it goes on, and the data is there the next time.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from vae_core.data.places import is_writable
from vae_core.errors import DataError, DataNotFound

POLL_S = 0.25
STALL_S = 60.0  # a server that sends nothing for so long is taken for gone
LEFTOVER_S = 24 * 3600.0  # a staging folder this old belongs to a program that was killed

_DISK_ERRORS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR),
)

Report = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How to get one dataset.

    Args:
        name, title: the name that `DataConfig` takes, and the one that people read.
        folder: where its files belong.
        is_here: whether they are there.
        get: downloads into an empty folder, checks what arrived, and returns the folder that holds the files.
        files: files and folders that belong into `folder`.
        arrivals: names of the files that are downloaded, in their order.
    """

    name: str
    title: str
    folder: Path
    is_here: Callable[[], bool]
    get: Callable[[Path], Path]
    files: tuple[str, ...]
    arrivals: tuple[str, ...]


def fetch(recipe: Recipe, on_progress: Report | None = None) -> None:
    """Download a dataset unless it is here; `on_progress` gets short sentences meanwhile.

    Raises:
        DataNotFound: no network, or the server does not answer as it should.
        DataError: the files cannot be written.
    """
    report = on_progress or (lambda sentence: None)
    if recipe.is_here():
        report(f"{recipe.title} is already on this machine.")
        return
    staging = _staging_folder(recipe)
    outcome = _start(recipe, staging)
    report(f"Downloading {recipe.title}.")
    failure = _follow(recipe, staging, outcome, report)
    if failure is not None:
        raise _explained(recipe, failure) from failure
    report(f"{recipe.title} is ready.")


def _staging_folder(recipe: Recipe) -> Path:
    """Make a new folder beside the files to come: on the same disk, so that moving them is one step."""
    folder = recipe.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(folder)
        if not is_writable(folder):
            raise PermissionError(errno.EACCES, "it is read-only")
        return Path(tempfile.mkdtemp(dir=folder, prefix=".download-"))
    except OSError as error:
        raise _unwritable(recipe, error) from error


def _clear_leftovers(parent: Path) -> None:
    for folder in parent.glob(".download-*"):
        if time.time() - folder.stat().st_mtime > LEFTOVER_S:
            shutil.rmtree(folder, ignore_errors=True)


def _start(recipe: Recipe, staging: Path) -> "Queue[Exception | None]":
    """Start the download; what is put in the returned queue at its end is what went wrong, or None."""
    outcome: Queue[Exception | None] = Queue()

    def work() -> None:
        failure = None
        try:
            arrived = recipe.get(staging)
            for file in recipe.files:
                os.replace(arrived / file, recipe.folder / file)
        except Exception as error:  # carried over to the thread that waits, and raised there
            failure = error
        shutil.rmtree(staging, ignore_errors=True)
        outcome.put(failure)

    # A daemon, because a server that hangs must not keep the program from ending.
    Thread(target=work, name=f"download-{recipe.name}", daemon=True).start()
    return outcome


def _follow(
    recipe: Recipe, staging: Path, outcome: "Queue[Exception | None]", report: Report
) -> Exception | None:
    """Report what arrives until the download ends; return what went wrong, if anything did."""
    seen, arrived, since = (0, 0), (0, 0), time.monotonic()
    while True:
        try:
            return outcome.get(timeout=POLL_S)
        except Empty:
            sizes = _sizes(staging)
        before, arrived = arrived, _amount(_arrivals(recipe, sizes))
        if _amount(sizes) > seen:
            seen, since = _amount(sizes), time.monotonic()
            report(_sentence(recipe, sizes) if arrived > before else f"Unpacking {recipe.title}.")
        elif time.monotonic() - since > STALL_S:
            return TimeoutError(f"nothing arrived for {STALL_S:.0f} seconds")


def _sizes(staging: Path) -> dict[Path, int]:
    """Return how many bytes there are of each file: of what arrives, and of what is unpacked of it."""
    sizes = {}
    for folder, _, files in os.walk(staging):  # the download may end, and the folder go, while we look
        for file in files:
            with suppress(FileNotFoundError):
                sizes[Path(folder, file)] = Path(folder, file).stat().st_size
    return sizes


def _amount(sizes: dict[Path, int]) -> tuple[int, int]:
    """Return how many files there are and how many bytes; a file that has only begun counts as well."""
    return len(sizes), sum(sizes.values())


def _arrivals(recipe: Recipe, sizes: dict[Path, int]) -> dict[Path, int]:
    return {path: size for path, size in sizes.items() if path.name in recipe.arrivals}


def _sentence(recipe: Recipe, sizes: dict[Path, int]) -> str:
    """Say which file is under way: the last one, in the order of the recipe, that has begun to arrive."""
    arrived, order = _arrivals(recipe, sizes), recipe.arrivals
    current = max((path.name for path in arrived), key=order.index)
    which = f"{current} (file {order.index(current) + 1} of {len(order)})"
    return f"Downloading {recipe.title}: {which}, {sum(arrived.values()) / 1e6:.1f} MB in all so far."


def _explained(recipe: Recipe, error: Exception) -> Exception:
    """Turn what torchvision raised into our own error; what is neither disk nor network stays what it is."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return _unwritable(recipe, error)
    if isinstance(error, OSError | RuntimeError | HTTPException):
        return DataNotFound(
            f"{recipe.name} could not be downloaded, because there is no network or the server does not answer "
            f"as it should; try again later, or put its files in {recipe.folder} yourself."
        )
    return error


def _unwritable(recipe: Recipe, error: OSError) -> DataError:
    return DataError(
        f"{recipe.name} cannot be saved in {recipe.folder} ({error.strerror or error}); "
        f"set VAE_DATA_DIR to a folder that you can write to and that has room."
    )
