"""Files that people opened on the page, kept in memory for the browser that sent them.

A reload starts a new session of Streamlit, which knows nothing of the one before. What is the same is the browser: each
is handed a random token in a cookie (`vae_explorer.live.browser`), and its files are kept under that token. So they are there after a reload and in another tab, nobody else gets them by their name, and nothing is written to the disk.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from vae_explorer.library import OpenModel

MOST_FILES = 8  # of one browser
MOST_BYTES = 512 * 2**20  # of all; what was used longest ago goes first
FORGET_S = 4 * 3600.0  # of disuse


@dataclass
class _File:
    opened: OpenModel
    size: int  # bytes
    used: float = field(default_factory=lambda: time.monotonic())


class Uploads:
    """Opened files by the token of their browser and their name. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, str], _File] = OrderedDict()  # the one used longest ago first
        self._lock = threading.Lock()

    def keep(self, token: str, opened: OpenModel, size: int) -> None:
        """Keep a file of `size` bytes under its name, in the place of one of that name."""
        with self._lock:
            self._files[token, opened.name] = _File(opened, size)
            self._files.move_to_end((token, opened.name))
            own = [key for key in self._files if key[0] == token]
            for key in own[:-MOST_FILES]:
                del self._files[key]
            self._forget()

    def of(self, token: str) -> dict[str, OpenModel]:
        """Return a browser's files by name, the one opened first first; they are in use from now on."""
        with self._lock:
            self._forget()
            own = [key for key in self._files if key[0] == token]
            for key in own:
                self._files[key].used = time.monotonic()
                self._files.move_to_end(key)
            return {name: self._files[token, name].opened for _, name in own}

    def _forget(self) -> None:
        oldest = time.monotonic() - FORGET_S
        while self._files and (
            next(iter(self._files.values())).used < oldest
            or (len(self._files) > 1 and sum(file.size for file in self._files.values()) > MOST_BYTES)
        ):
            self._files.popitem(last=False)


shared = Uploads()
