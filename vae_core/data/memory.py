"""How much memory there is, and whether examples go into it or stay on disk."""

import os
from pathlib import Path
from typing import Literal

from vae_core.errors import ConfigError

Storage = Literal["memory", "stream"]

SHARE = 0.5  # of the free memory that examples may take; the rest is for the model and everything else
_UNKNOWN = 4 * 1024**3  # bytes assumed free where the system does not say


def available() -> int:
    """Return the bytes of memory that are free for this process.

    The environment variable VAE_MEMORY_BYTES overrides what the system says; a container's limit counts too.

    Raises:
        ConfigError: VAE_MEMORY_BYTES is not a whole number of bytes.
    """
    chosen = os.environ.get("VAE_MEMORY_BYTES")
    if not chosen:
        return min(_of_machine(), _of_container())
    if not chosen.isdecimal():
        raise ConfigError(
            f"VAE_MEMORY_BYTES = {chosen!r} is not a whole number of bytes, such as 8000000000."
        )
    return int(chosen)


def budget() -> int:
    """Return the bytes that examples may take: half of what is free."""
    return int(available() * SHARE)


def readable(size: int) -> str:
    """Return a number of bytes for people, for example 2.5 GB."""
    if size < 1000:
        return f"{size} bytes"
    units = ("kB", "MB", "GB", "TB")
    step = min((len(str(size)) - 1) // 3, len(units))
    number = size / 1000**step
    return f"{number:.{0 if number >= 100 else 1}f} {units[step - 1]}"


def _of_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _UNKNOWN


def _of_container() -> int:
    """Return what a control group (version 2) leaves to its processes; as good as no limit if there is none."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = int((group / "memory.max").read_text()), int((group / "memory.current").read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Files that were read lately count as used, but give way when memory is needed.
        return max(limit - used + int(counts.get("inactive_file", 0)), 0)
    except (OSError, ValueError):  # no such group, or its limit is the word max
        return 2**62
