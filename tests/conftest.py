"""What every test stands on: one thread, a data folder of its own, examples that repeat."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read when torch is first imported (here or in a process that a test starts): the last bits of a sum
# depend on the number of threads, and on a busy machine several threads wait for each other more than they work.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty folders for data, runs and maps, so that no test reads or writes the user's own."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAE_DATA_DIR", str(folder))
        patch.setenv("VAE_RUNS_DIR", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("VAE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("VAE_PRIORITY", "normal")  # tests share the machine with whatever else runs on it
        yield folder
