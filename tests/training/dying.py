"""Processes that train a run and are killed on the way; a module of its own, so that they can import it.

They come from a fork server that has imported torch already, so that each costs milliseconds.
"""

import multiprocessing
import os
import signal
import tempfile
from pathlib import Path

import sklearn.datasets  # noqa: F401  takes a second, which each process would spend anew

from vae_core import checkpoint
from vae_core.training import run as runs
from vae_core.training.conduct import conduct
from vae_core.training.run import Run

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.training.dying"])


def train(folder: Path) -> None:
    """Train a run to its end."""
    conduct(Run(folder))


def train_and_die_writing(folder: Path, nth: int, moment: str) -> None:
    """Train a run and be killed at its nth write: with half of the file written, before or after the rename."""
    left = nth
    replace = os.replace

    def write_half(path: Path, content: bytes, *, durable: bool = True) -> None:
        nonlocal left
        left -= 1
        if left == 0 and moment == "half":
            descriptor, _ = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
            os.write(descriptor, content[: len(content) // 2])
            _die()
        whole(path, content, durable=durable)

    def rename(source: str, target: Path) -> None:
        if left == 0 and moment == "before":
            _die()
        replace(source, target)
        if left == 0 and moment == "after":
            _die()

    whole = checkpoint.write_atomically
    checkpoint.write_atomically = runs.write_atomically = write_half
    os.replace = rename
    train(folder)


def process(target, *arguments) -> multiprocessing.Process:
    """Return a process, not yet started."""
    return SERVER.Process(target=target, args=arguments)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
