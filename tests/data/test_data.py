"""The public face of the data package: names, splits, and what is said when something is asked that is not there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data.dataset import choose, shuffled
from vae_core.errors import ConfigError

NAMES = (
    *("digits", "sprites", "mnist", "fashion-mnist", "kmnist"),
    *("emnist-letters", "cifar10", "svhn", "celeba"),
)
INK = ("digits", "mnist", "kmnist", "emnist-letters")
SMALL = {"train_size": 300, "held_out_size": 200}


def test_every_known_dataset_describes_itself():
    assert data.known() == NAMES
    for name in NAMES:
        info = data.info(name)
        assert info.name == name
        assert info.framing == ("ink" if name in INK else "plain")
        assert info.embedded == (name in ("digits", "sprites"))
        assert info.title
        assert info.source


@pytest.mark.parametrize("call", [data.info, data.is_available, data.fetch])
def test_an_unknown_name_is_refused_with_the_known_ones(call):
    with pytest.raises(ConfigError, match=r"'nist' is not a known dataset.*digits, sprites, mnist"):
        call("nist")


def test_embedded_datasets_are_available_and_need_no_download():
    said = []
    for name in ("digits", "sprites"):
        assert data.is_available(name)
        data.fetch(name, said.append)
        data.fetch(name)
    assert said == ["Digits (8x8) needs no download.", "Sprites (64x64) needs no download."]


@pytest.mark.parametrize("name", ["digits", "sprites"])
def test_a_split_fits_its_description(name):
    info, held_out = data.info(name), data.load(DataConfig(name=name, **SMALL), "held-out")
    assert len(held_out) == 200
    assert held_out.name == name
    assert held_out.examples.shape == (200, *info.data_shape)
    assert held_out.examples.dtype == torch.uint8
    assert set(held_out.labels.tolist()) == set(range(len(info.class_names)))
    assert (held_out.factors is None) == (info.factor_names == ())


@pytest.mark.parametrize("name", ["digits", "sprites"])
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_splits_are_disjoint_and_without_repeats(name, seed):
    config = DataConfig(name=name, split_seed=seed, **SMALL)
    train, held_out = (data.load(config, split).indices.tolist() for split in ("train", "held-out"))
    assert len({*train, *held_out}) == 300 + 200


@pytest.mark.parametrize("name", ["digits", "sprites"])
def test_the_same_seed_gives_the_same_split_and_another_seed_another(name):
    first, same = (data.load(DataConfig(name=name, **SMALL), "train") for _ in range(2))
    assert torch.equal(first.indices, same.indices)
    assert torch.equal(first.examples, same.examples)
    other = data.load(DataConfig(name=name, split_seed=1, **SMALL), "train")
    assert set(first.indices.tolist()) != set(other.indices.tolist())


def test_a_smaller_split_is_the_beginning_of_a_larger_one_and_leaves_the_other_alone():
    small = DataConfig(name="digits", train_size=10)
    assert torch.equal(
        data.load(small, "train").indices, data.load(DataConfig(name="digits"), "train").indices[:10]
    )
    assert torch.equal(
        data.load(small, "held-out").indices, data.load(DataConfig(name="digits"), "held-out").indices
    )


def test_loading_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    data.load(DataConfig(name="sprites", **SMALL), "train")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "field", "limit"),
    [
        ("digits", "train_size", 1437),
        ("digits", "held_out_size", 360),
        ("sprites", "train_size", 663_552),
        ("sprites", "held_out_size", 73_728),
    ],
)
@pytest.mark.parametrize("split", ["train", "held-out"])
def test_sizes_beyond_the_data_are_refused_whichever_split_is_loaded(name, field, limit, split):
    with pytest.raises(ConfigError, match=rf"{field} = {limit + 1} is more than {name} has; .* {limit}\b"):
        data.load(DataConfig(name=name, **{field: limit + 1}), split)


@settings(max_examples=50)
@given(st.integers(1, 500), st.integers(0, 2**32 - 1))
def test_a_shuffle_holds_every_index_once(total, seed):
    assert sorted(shuffled(total, seed).tolist()) == list(range(total))


def test_defaults_hold_where_the_config_says_nothing():
    pools = {"train": torch.arange(10), "held-out": torch.arange(20, 25)}
    defaults = {"train": 4, "held-out": 2}
    assert choose(DataConfig(), "train", pools, defaults).tolist() == [0, 1, 2, 3]
    assert choose(DataConfig(train_size=6), "train", pools, defaults).tolist() == [0, 1, 2, 3, 4, 5]
    assert choose(DataConfig(train_size=6), "held-out", pools, defaults).tolist() == [20, 21]
    assert choose(DataConfig(), "held-out", pools).tolist() == [20, 21, 22, 23, 24]
