"""Where downloaded datasets are kept on this machine."""

import os
from pathlib import Path

import platformdirs


def root() -> Path:
    """Return the folder that holds the datasets, whether or not it exists."""
    chosen = os.environ.get("VAE_DATA_DIR")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("latent-space-explorer"))


def is_writable(folder: Path) -> bool:
    """Whether we may write here; root may write anywhere, so the folder's own mode is asked as well."""
    return os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222 != 0


def how_to_get(name: str, holds: str) -> str:
    """Return the second half of a sentence that says that a dataset is not here."""
    return (
        f"get it once with a network, from the Explore page or with python -c "
        f"\"from vae_core import data; data.fetch('{name}')\", "
        f"or set VAE_DATA_DIR to the folder that holds {holds}."
    )
