"""A checkpoints folder of the test's own in the place of the bundled one."""

import pytest

from tests.vae_explorer import making
from vae_explorer import library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with `digits` (2 dimensions) and `wide` (5), which the library takes for `checkpoints/`."""
    (tmp_path / "digits.safetensors").write_bytes(making.content())
    (tmp_path / "wide.safetensors").write_bytes(making.content(latent_dim=5, alive=3))
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    return tmp_path
