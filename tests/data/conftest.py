"""Small files in the official layout, so that loading is tested where no dataset is and without a network."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vae_core.data import torchvision_sets

SIZES = {"train": 50, "t10k": 20}


def idx_bytes(array: np.ndarray) -> bytes:
    """The IDX format, written from its description: magic number, sizes, bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def official_files() -> dict[str, np.ndarray]:
    """Pixels that tell which image they belong to: every pixel of train image i is i, of test image i, 100 + i."""
    files = {}
    for part, size in SIZES.items():
        value = np.arange(size) + (100 if part == "t10k" else 0)
        files[f"{part}-images-idx3-ubyte"] = np.broadcast_to(value[:, None, None], (size, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = np.arange(size) % 10
    return files


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for datasets, where a download would reach nothing but a closed port of this machine."""
    monkeypatch.setenv("VAE_DATA_DIR", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for name in torchvision_sets.INFOS:
        monkeypatch.setattr(torchvision_sets.dataset_class(name), "mirrors", ["http://127.0.0.1:1/"])
    return tmp_path


@pytest.fixture
def plain(data_dir: Path) -> Callable[[str], Path]:
    """Write the four files of a dataset unpacked; returns their folder."""

    def write(name: str) -> Path:
        raw = torchvision_sets.raw_folder(name)
        raw.mkdir(parents=True)
        for file, array in official_files().items():
            (raw / file).write_bytes(idx_bytes(array))
        return raw

    return write


@pytest.fixture
def packed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write the four files packed and let torchvision expect their checksums; returns their folder."""

    def write(name: str, folder: Path | None = None) -> Path:
        raw = folder or torchvision_sets.raw_folder(name)
        raw.mkdir(parents=True, exist_ok=True)
        resources = []
        for file, array in official_files().items():
            content = gzip.compress(idx_bytes(array))
            (raw / f"{file}.gz").write_bytes(content)
            resources.append((f"{file}.gz", hashlib.md5(content).hexdigest()))
        monkeypatch.setattr(torchvision_sets.dataset_class(name), "resources", resources)
        return raw

    return write
