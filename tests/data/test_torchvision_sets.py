"""MNIST and its relatives, read from small files in the official layout; nothing here reaches a network."""

import shutil
import subprocess
import sys

import pytest
import torch

from tests.patience import PATIENCE_S
from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import torchvision_sets
from vae_core.errors import ConfigError, DataError, DataNotFound

NAMES = tuple(torchvision_sets.INFOS)
FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


@pytest.mark.parametrize("name", NAMES)
def test_descriptions_agree_with_torchvision(name):
    source = torchvision_sets.dataset_class(name)
    classes = [each.split(" - ")[0] for each in source.classes]
    assert list(data.info(name).class_names) == classes
    assert {f"{file}.gz" for file in torchvision_sets.FILES} == {file for file, _ in source.resources}
    assert source.__name__ == FOLDERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_each_split_is_its_official_part(plain, name):
    plain(name)
    assert data.is_available(name)
    train, held_out = (data.load(DataConfig(name=name), split) for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (50, 20)
    assert sorted(train.indices.tolist()) == list(range(50))
    assert sorted(held_out.indices.tolist()) == list(range(20))
    for split, first in ((train, 0), (held_out, 100)):
        assert split.name == name
        assert split.examples.shape[1:] == (1, 28, 28)
        assert torch.equal(split.examples[:, 0, 3, 5].long(), split.indices + first)
        assert torch.equal(split.labels, split.indices % 10)
        assert split.factors is None


def test_what_is_here_is_read_without_importing_torchvision(plain):
    # It would add some 80 MB to a server that shows MNIST.
    plain("mnist")
    code = (
        "import sys; from vae_core import data; from vae_core.config import DataConfig; "
        "print(len(data.load(DataConfig(name='mnist'), 'held-out'))); sys.exit('torchvision' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (ran.returncode, ran.stdout.strip()) == (0, "20"), ran.stderr


def test_subsets_are_seeded_and_the_beginning_of_larger_ones(plain):
    plain("mnist")
    few = data.load(DataConfig(name="mnist", train_size=20), "train")
    assert len(few) == 20
    assert torch.equal(few.indices, data.load(DataConfig(name="mnist"), "train").indices[:20])
    other = data.load(DataConfig(name="mnist", train_size=20, split_seed=1), "train")
    assert set(few.indices.tolist()) != set(other.indices.tolist())


@pytest.mark.parametrize(("field", "limit"), [("train_size", 50), ("held_out_size", 20)])
def test_sizes_beyond_the_official_part_are_refused(plain, field, limit):
    plain("mnist")
    with pytest.raises(ConfigError, match=rf"{field} = {limit + 1} is more than mnist has; .*{limit}\b"):
        data.load(DataConfig(name="mnist", **{field: limit + 1}), "train")


@pytest.mark.parametrize("name", NAMES)
def test_packed_files_are_available_and_unpacked_by_the_first_load(packed, name):
    raw = packed(name)
    assert data.is_available(name)
    assert not (raw / torchvision_sets.FILES[0]).exists()
    assert len(data.load(DataConfig(name=name), "held-out")) == 20
    assert {path.name for path in raw.iterdir() if path.suffix != ".gz"} == set(torchvision_sets.FILES)


def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(data_dir):
    assert not data.is_available("fashion-mnist")
    with pytest.raises(DataNotFound) as caught:
        data.load(DataConfig(name="fashion-mnist"), "train")
    for words in (
        str(data_dir / "FashionMNIST" / "raw"),
        "train-images-idx3-ubyte",
        "VAE_DATA_DIR",
        "data.fetch('fashion-mnist')",
    ):
        assert words in str(caught.value)
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize("file", torchvision_sets.FILES)
def test_a_file_cut_short_is_not_available(plain, file):
    path = plain("mnist") / file
    path.write_bytes(path.read_bytes()[:-1])
    assert not data.is_available("mnist")
    with pytest.raises(DataNotFound, match=f"no complete {file}"):
        data.load(DataConfig(name="mnist"), "train")


def test_a_packed_file_makes_up_for_a_plain_one_cut_short(packed):
    raw = packed("mnist")
    data.load(DataConfig(name="mnist"), "train")
    plain_file = raw / torchvision_sets.FILES[0]
    plain_file.write_bytes(plain_file.read_bytes()[:100])
    assert data.is_available("mnist")
    assert len(data.load(DataConfig(name="mnist"), "train")) == 50


@pytest.mark.parametrize("file", [f"{each}.gz" for each in torchvision_sets.FILES])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_corrupt_packed_file_is_named(packed, file, damage):
    path = packed("mnist") / file
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-5:]
        path.write_bytes(content)
        assert not data.is_available("mnist")
    else:
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path} is broken .* delete it") as caught:
        data.load(DataConfig(name="mnist"), "train")
    assert not isinstance(caught.value, DataNotFound)


def test_packed_files_in_a_read_only_folder_are_explained_and_left_alone(packed):
    raw = packed("mnist")
    before = sorted(raw.iterdir())
    raw.chmod(0o555)
    try:
        with pytest.raises(DataError, match=r"still packed and its folder .* is read-only; copy MNIST to"):
            data.load(DataConfig(name="mnist"), "train")
        assert sorted(raw.iterdir()) == before
    finally:
        raw.chmod(0o755)


def test_a_full_disk_is_explained(packed, monkeypatch):
    packed("mnist")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"cannot be unpacked in .*No space left on device.*make room"):
        data.load(DataConfig(name="mnist"), "train")


def test_plain_files_in_a_read_only_folder_load(plain):
    raw = plain("mnist")
    raw.chmod(0o555)
    try:
        assert len(data.load(DataConfig(name="mnist"), "train")) == 50
    finally:
        raw.chmod(0o755)


def test_files_that_do_not_fit_together_are_refused(plain):
    raw = plain("mnist")
    train_labels, test_labels = raw / torchvision_sets.FILES[1], raw / torchvision_sets.FILES[3]
    train_labels.write_bytes(test_labels.read_bytes())
    with pytest.raises(DataError, match="do not hold as many labels as images"):
        data.load(DataConfig(name="mnist"), "train")


def test_a_label_without_a_class_is_refused(plain):
    labels = plain("mnist") / torchvision_sets.FILES[1]
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0b")
    with pytest.raises(DataError, match=r"a label in .* is 11, but labels are below 10"):
        data.load(DataConfig(name="mnist"), "train")


def test_the_data_is_looked_for_in_the_users_cache_unless_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("VAE_DATA_DIR", "")
    assert torchvision_sets.root().name == "latent-space-explorer"
    monkeypatch.setenv("VAE_DATA_DIR", "~/some-data")
    assert torchvision_sets.root().is_absolute()
    assert torchvision_sets.root().name == "some-data"
