"""The checkpoint that comes with the program, and one of a model nobody encoded data with."""

from dataclasses import replace
from pathlib import Path

import pytest

from vae_core import checkpoint

DIGITS = Path(__file__).parents[2] / "checkpoints" / "digits-vae-2d.safetensors"


@pytest.fixture(scope="session")
def digits():
    return checkpoint.load(DIGITS)


@pytest.fixture(scope="session")
def bare(digits):
    return replace(digits, reference=None)


@pytest.fixture(scope="session")
def bare_path(bare, tmp_path_factory):
    path = tmp_path_factory.mktemp("bare") / "bare.safetensors"
    checkpoint.save(path, bare)
    return path
