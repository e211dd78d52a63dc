"""Streamed and resident examples are the same, in any order, whoever reads them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import memory, own
from vae_core.data.streaming import InMemory, Streamed
from vae_core.errors import ConfigError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 10, 12, 3), dtype=np.uint8)


def folder(place: Path) -> Path:
    (place / "own").mkdir()
    for k, image in enumerate(PIXELS):
        Image.fromarray(image).save(place / "own" / f"{k:02}.png")
    return place / "own"


def archive(place: Path) -> Path:
    import shutil

    return Path(shutil.make_archive(str(folder(place)), "zip", place / "own"))


def mapped(place: Path) -> Path:
    np.save(place / "own.npy", PIXELS)
    return place / "own.npy"


def floats(place: Path) -> Path:
    np.save(place / "own.npy", (PIXELS / 127.5 - 1).astype(np.float32))
    return place / "own.npy"


@pytest.mark.filterwarnings(
    "ignore:This DataLoader will create 2 worker"
)  # torch's advice to machines with one core
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("make", [folder, archive, mapped, floats])
def test_batches_are_the_same_bytes_in_the_same_order(tmp_path, make, workers):
    path = str(make(tmp_path))
    resident, streamed = (
        data.load(DataConfig(name="own", path=path, storage=storage, side=9), "train")
        for storage in ("memory", "stream")
    )
    assert isinstance(resident.examples, torch.Tensor)
    assert isinstance(streamed.examples, data.Streamed)
    assert torch.equal(resident.indices, streamed.indices)
    assert (streamed.examples.shape, streamed.examples.dtype) == ((36, 3, 9, 9), torch.uint8)
    order = torch.randperm(36, generator=torch.Generator().manual_seed(3))
    expected = list(data.batches(resident.examples, order, 10, workers))
    before = torch.get_rng_state()
    found = list(data.batches(streamed.examples, order, 10, workers))
    assert torch.equal(before, torch.get_rng_state())
    assert [len(batch) for batch in found] == [10, 10, 10, 6]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    held_out = data.load(DataConfig(name="own", path=path, storage="stream", side=9), "held-out")
    assert isinstance(held_out.examples, torch.Tensor)


@given(st.lists(st.integers(0, 19), max_size=50), st.integers(1, 60))
def test_any_order_and_size_give_what_indexing_gives(order, size):
    source = torch.arange(40, dtype=torch.float32).view(40, 1, 1)
    indices = torch.arange(0, 40, 2)
    positions = torch.tensor(order, dtype=torch.int64)
    for examples in (source[indices], Streamed(InMemory(source), indices)):
        parts = list(data.batches(examples, positions, size))
        assert all(len(part) == size for part in parts[:-1])
        assert [int(each) for part in parts for each in part.flatten()] == [2 * k for k in order]
        assert examples[-2:].flatten().tolist() == [36, 38]
        assert examples[3].tolist() == [[6]]
        assert torch.equal(examples[positions], source[2 * positions])


@pytest.mark.parametrize(("size", "workers"), [(0, 0), (1, -1)])
def test_sizes_out_of_range_are_refused(size, workers):
    with pytest.raises(ConfigError, match=f"batch_size = {size} and workers = {workers}"):
        data.batches(torch.zeros(3, 1), torch.arange(3), size, workers)


def test_storage_is_chosen_by_the_memory_there_is_and_said(tmp_path, monkeypatch):
    settings = DataConfig(name="own", path=str(folder(tmp_path)))
    takes = 40 * 3 * 10 * 10
    for free, storage in ((2 * takes, "memory"), (2 * takes - 2, "stream")):
        monkeypatch.setenv("VAE_MEMORY_BYTES", str(free))
        preview = data.preview(settings)
        assert (preview.storage, preview.memory_bytes) == (storage, takes)
        assert ("Kept in memory" if storage == "memory" else "Read when needed") in preview.notes[-1]
        assert isinstance(data.load(settings, "train").examples, Streamed) == (storage == "stream")
    few = settings.model_copy(update={"train_size": 10})
    assert isinstance(data.load(few, "train").examples, torch.Tensor)
    forced = settings.model_copy(update={"storage": "memory"})
    assert isinstance(data.load(forced, "train").examples, torch.Tensor)


def test_at_most_ten_thousand_are_held_out_unless_more_are_asked_for(tmp_path, monkeypatch):
    assert own.HELD_OUT_LIMIT == 10_000
    monkeypatch.setattr(own, "HELD_OUT_LIMIT", 3)
    settings = DataConfig(name="own", path=str(mapped(tmp_path)))
    assert len(data.load(settings, "held-out")) == 3
    assert len(data.load(settings.model_copy(update={"held_out_size": 4}), "held-out")) == 4
    assert len(data.load(settings, "train")) == 36


def test_memory_is_what_the_environment_says_or_the_system(monkeypatch):
    monkeypatch.setenv("VAE_MEMORY_BYTES", "1000")
    assert (memory.available(), memory.budget()) == (1000, 500)
    monkeypatch.setenv("VAE_MEMORY_BYTES", "a lot")
    with pytest.raises(ConfigError, match="VAE_MEMORY_BYTES = 'a lot'"):
        memory.available()
    monkeypatch.delenv("VAE_MEMORY_BYTES")
    assert 10**7 < memory.available() < 10**14


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (12, "12 bytes"),
        (1234, "1.2 kB"),
        (999_000, "999 kB"),
        (2_500_000_000, "2.5 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes_are_readable(size, words):
    assert memory.readable(size) == words
