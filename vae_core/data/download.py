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
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from vae_core.data.torchvision_sets import FILES, INFOS, dataset_class, is_available, is_writable, raw_folder
from vae_core.errors import DataError, DataNotFound

POLL_S = 0.25
STALL_S = 60.0  # a server that sends nothing for so long is taken for gone
LEFTOVER_S = 24 * 3600.0  # a staging folder this old belongs to a program that was killed

_DISK_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)

Report = Callable[[str], None]


def fetch(name: str, on_progress: Report | None = None) -> None:
    """Download one of torchvision's sets unless it is here; `on_progress` gets short sentences meanwhile.

    Raises:
        DataNotFound: no network, or the server does not answer as it should.
        DataError: the files cannot be written.
    """
    report = on_progress or (lambda sentence: None)
    title = INFOS[name].title
    if is_available(name):
        report(f"{title} is already on this machine.")
        return
    staging = _staging_folder(name)
    outcome = _start(name, staging)
    report(f"Downloading {title}.")
    failure = _follow(name, staging, outcome, report)
    if failure is not None:
        raise _explained(name, failure) from failure
    report(f"{title} is ready.")


def _staging_folder(name: str) -> Path:
    """Make a new folder beside the files to come: on the same disk, so that moving them is one step."""
    raw = raw_folder(name)
    try:
        raw.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(raw)
        if not is_writable(raw):
            raise PermissionError(errno.EACCES, "it is read-only")
        return Path(tempfile.mkdtemp(dir=raw, prefix=".download-"))
    except OSError as error:
        raise _unwritable(name, error) from error


def _clear_leftovers(raw: Path) -> None:
    for folder in raw.glob(".download-*"):
        if time.time() - folder.stat().st_mtime > LEFTOVER_S:
            shutil.rmtree(folder, ignore_errors=True)


def _start(name: str, staging: Path) -> "Queue[Exception | None]":
    """Start the download; what is put in the returned queue at its end is what went wrong, or None."""
    outcome: Queue[Exception | None] = Queue()
    source = dataset_class(name)
    raw = raw_folder(name)

    def work() -> None:
        failure = None
        try:
            downloaded = source(root=staging, download=True)
            for file in FILES:
                os.replace(Path(downloaded.raw_folder, file), raw / file)
        except Exception as error:  # carried over to the thread that waits, and raised there
            failure = error
        shutil.rmtree(staging, ignore_errors=True)
        outcome.put(failure)

    # A daemon, because a server that hangs must not keep the program from ending.
    Thread(target=work, name=f"download-{name}", daemon=True).start()
    return outcome


def _follow(name: str, staging: Path, outcome: "Queue[Exception | None]", report: Report) -> Exception | None:
    """Report what arrives until the download ends; return what went wrong, if anything did."""
    seen, since = 0, time.monotonic()
    while True:
        try:
            return outcome.get(timeout=POLL_S)
        except Empty:
            sizes = _sizes(staging)
        if sum(sizes.values()) > seen:
            seen, since = sum(sizes.values()), time.monotonic()
            report(_sentence(name, sizes))
        elif time.monotonic() - since > STALL_S:
            return TimeoutError(f"nothing arrived for {STALL_S:.0f} seconds")


def _sizes(staging: Path) -> dict[str, int]:
    """Return how many bytes have arrived of each file."""
    try:
        return {path.name: path.stat().st_size for path in staging.glob("*/raw/*.gz")}
    except FileNotFoundError:  # the download ended while we looked
        return {}


def _sentence(name: str, sizes: dict[str, int]) -> str:
    """Say which file is under way: the last one, in torchvision's order, that has begun to arrive."""
    order = [f"{file}.gz" for file in FILES]
    current = max(sizes, key=order.index)
    which = f"{current} (file {order.index(current) + 1} of {len(order)})"
    return f"Downloading {INFOS[name].title}: {which}, {sum(sizes.values()) / 1e6:.1f} MB in all so far."


def _explained(name: str, error: Exception) -> Exception:
    """Turn what torchvision raised into our own error; what is neither disk nor network stays what it is."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return _unwritable(name, error)
    if isinstance(error, OSError | RuntimeError | HTTPException):
        return DataNotFound(
            f"{name} could not be downloaded, because there is no network or the server does not answer "
            f"as it should; try again later, or put its files in {raw_folder(name)} yourself."
        )
    return error


def _unwritable(name: str, error: OSError) -> DataError:
    return DataError(
        f"{name} cannot be saved in {raw_folder(name)} ({error.strerror or error}); "
        f"set VAE_DATA_DIR to a folder that you can write to and that has room."
    )
