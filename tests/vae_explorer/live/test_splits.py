"""Datasets in memory: read once for all that show them, and no more of them than fit."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from vae_core import data
from vae_core.config import DataConfig
from vae_explorer.live import splits

DIGITS = [DataConfig(name="digits", split_seed=seed) for seed in range(4)]


@pytest.fixture(autouse=True)
def forgotten():
    splits.forget()
    yield
    splits.forget()


@pytest.fixture
def read(monkeypatch):
    """The splits that are read, one after the other."""
    found, load = [], data.load

    def loaded(config, name):
        found.append((config.split_seed, name))
        return load(config, name)

    monkeypatch.setattr(data, "load", loaded)
    return found


def test_a_split_is_read_once_also_for_several_at_once(read):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: splits.split(DIGITS[0], "held-out"), range(8)))
    assert read == [(0, "held-out")]
    assert all(each is found[0] for each in found)


def test_the_one_used_longest_ago_goes_when_bytes_run_out(read, monkeypatch):
    size = splits.held(splits.split(DIGITS[0], "held-out"))
    monkeypatch.setattr(splits, "KEPT_BYTES", 2 * size)
    for config in (DIGITS[1], DIGITS[0], DIGITS[2], DIGITS[0], DIGITS[1]):
        splits.split(config, "held-out")
        assert sum(map(splits.held, splits._kept.values())) <= splits.KEPT_BYTES
    assert read == [(seed, "held-out") for seed in (0, 1, 2, 1)]


def test_one_that_is_larger_than_all_may_take_is_kept_while_it_is_shown(read, monkeypatch):
    monkeypatch.setattr(splits, "KEPT_BYTES", 1)
    for name in ("train", "train", "held-out", "held-out"):
        splits.split(DIGITS[0], name)
    assert read == [(0, "train"), (0, "held-out")]


def test_the_size_is_that_of_the_examples_and_what_is_known_of_them():
    held_out = data.load(DIGITS[0], "held-out")
    assert splits.held(held_out) == len(held_out) * (64 + 8 + 8)  # bytes, an index and a label
