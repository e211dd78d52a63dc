"""NumPy files: what their values and shapes are taken to mean, and what is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import arrays
from vae_core.errors import ConfigError, DataError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(place: Path, array: np.ndarray) -> DataConfig:
    np.save(place / "own.npy", array)
    return DataConfig(name="own", path=str(place / "own.npy"))


def savez(place: Path, **members: np.ndarray) -> DataConfig:
    np.savez_compressed(place / "own.npz", **members)
    return DataConfig(name="own", path=str(place / "own.npz"))


def all_images(config: DataConfig) -> torch.Tensor:
    """The images of both splits in the order of the source."""
    parts = [data.load(config, split) for split in ("train", "held-out")]
    order = torch.cat([part.indices for part in parts]).argsort()
    return torch.cat([part.examples for part in parts])[order]


@pytest.mark.parametrize(
    ("shape", "to_channels_first"),
    [
        ((20, 9, 13), None),
        ((20, 9, 13, 1), None),
        ((20, 9, 13, 3), (0, 3, 1, 2)),
        ((20, 1, 9, 13), None),
        ((20, 3, 9, 13), (0, 1, 2, 3)),
    ],
)
def test_bytes_arrive_as_they_are_whichever_way_the_channels_lie(tmp_path, shape, to_channels_first):
    pixels = noise(*shape)
    config = saved(tmp_path, pixels)
    expected = pixels.transpose(to_channels_first) if to_channels_first else pixels.reshape(20, 1, 9, 13)
    assert torch.equal(all_images(config), torch.from_numpy(np.ascontiguousarray(expected)))
    assert data.info(config).data_shape == expected.shape[1:]


def test_fortran_order_and_other_endianness_change_nothing(tmp_path):
    values = (noise(20, 8, 9) / 255).astype(np.float32)
    plain = all_images(saved(tmp_path, values))
    assert torch.equal(all_images(saved(tmp_path, np.asfortranarray(values))), plain)
    assert torch.equal(all_images(saved(tmp_path, values.astype(">f8"))), plain)


@pytest.mark.parametrize(
    ("low", "high", "kind", "reading"),
    [
        (0, 1, np.float32, "[0, 1]"),
        (0, 1, np.uint8, "[0, 1]"),
        (0, 1, np.bool_, "[0, 1]"),
        (-1, 1, np.float64, "[-1, 1]"),
        (0, 255, np.float32, "[0, 255]"),
        (0, 255, np.int64, "[0, 255]"),
        (0, 16, np.float16, "[0, 16]"),
        (-3, 5, np.float32, "[-3, 5]"),
        (0, 1000, np.uint16, "[0, 1000]"),
    ],
)
def test_the_range_is_found_used_and_shown(tmp_path, low, high, kind, reading):
    values = np.full((10, 8, 8), (low + high) / 2).astype(kind)
    values[:, 0], values[:, 1] = low, high
    config = saved(tmp_path, values)
    images = all_images(config)
    assert images[:, 0, 0].eq(0).all()
    assert images[:, 0, 1].eq(255).all()
    if values[0, 2, 0] not in (low, high):  # a value in the middle, if this kind of number has one
        assert (images[:, 0, 2].float() - 127.5).abs().max() <= 0.5 + 255 * 0.5 / (high - low) * (
            kind != np.float64
        )
    source = data.info(config).source
    assert f"{np.dtype(kind)} array 10x8x8" in source
    assert f"read as {reading}" in source
    assert any(reading in note for note in data.preview(config).notes)


def test_the_source_reads_as_a_sentence(tmp_path):
    values = (noise(50, 28, 28) / 255).astype(np.float32)
    values[0, 0, :2] = 0, 1
    info = data.info(saved(tmp_path, values))
    assert info.source == "float32 array 50x28x28, values 0.0 to 1.0 read as [0, 1]"


def test_large_images_are_resized_and_small_ones_keep_their_size(tmp_path):
    assert data.info(saved(tmp_path, noise(4, 100, 70))).data_shape == (1, 64, 64)
    assert data.info(saved(tmp_path, noise(4, 5, 5))).data_shape == (1, 8, 8)
    assert data.info(saved(tmp_path, noise(4, 30, 64))).data_shape == (1, 30, 64)
    config = saved(tmp_path, noise(4, 3, 128, 128)).model_copy(update={"side": 16, "colour": "grey"})
    blocks = noise(4, 3, 128, 128)[:, :].reshape(4, 3, 16, 8, 16, 8).mean(axis=(3, 5))
    grey = np.einsum("nchw,c->nhw", blocks, [0.299, 0.587, 0.114])  # ITU-R 601
    assert np.abs(all_images(config)[:, 0].numpy() - grey).max() < 2


def test_an_npz_may_hold_labels(tmp_path):
    images, labels = noise(20, 8, 8), np.arange(20) % 3 * 10
    config = savez(tmp_path, labels=labels, images=images)
    split = data.load(config, "train")
    assert data.info(config).class_names == ("0", "10", "20")
    assert split.labels.tolist() == (split.indices % 3).tolist()
    assert torch.equal(all_images(config)[:, 0], torch.from_numpy(images))
    notes = " ".join(data.preview(config).notes)
    assert "Labels are taken from labels" in notes
    assert "0 7, 10 7, 20 6" in notes


@pytest.mark.parametrize(
    ("members", "labelled"),
    [
        ({"arr_0": noise(20, 8, 8), "arr_1": np.arange(20) % 2}, True),
        ({"faces": noise(20, 8, 8), "who": np.arange(20)[:, None] % 2, "mean": noise(8, 8)}, True),
        ({"x_train": noise(20, 8, 8), "y_train": np.arange(20) % 2, "x_test": noise(30, 8, 8)}, True),
        ({"x": noise(20, 8, 8), "age": np.arange(20.0)}, False),
        ({"imgs": noise(20, 8, 8), "metadata": np.array([{"author": "me"}], dtype=object)}, False),
        ({"x": noise(20, 8, 8), "a": np.arange(20), "b": np.arange(20)}, False),  # which of the two?
    ],
)
def test_images_and_labels_are_found_under_many_names(tmp_path, members, labelled):
    config = savez(tmp_path, **members)
    assert len(all_images(config)) == 20
    assert (data.load(config, "held-out").labels is not None) == labelled


def test_too_many_different_labels_are_no_classes(tmp_path):
    config = savez(tmp_path, x=noise(1001, 8, 8), y=np.arange(1001))
    assert data.load(config, "train").labels is None
    assert any("not taken for labels" in note for note in data.preview(config).notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    values = np.zeros((20, 8, 8), np.float32)
    values[1], values[19, 7, 7] = 1, value
    with pytest.raises(DataError, match=r"own\.npy holds NaN or infinity"):
        data.load(saved(tmp_path, values), "train")
    with pytest.raises(DataError, match=r"own\.npz holds NaN or infinity"):
        data.load(savez(tmp_path, x=values), "train")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((20, 8, 8), 3.5), r"holds the value 3\.5 everywhere"),
        (np.full((20, 8, 8), 7, np.uint8), "holds the value 7 everywhere"),
        (noise(1, 8, 8), "holds 1 example"),
        (noise(0, 8, 8), "holds 0 examples"),
        (noise(20, 8), r"has the shape \(20, 8\); images take"),
        (noise(20, 8, 8, 4), r"has the shape \(20, 8, 8, 4\)"),
        (noise(20, 0, 8), "has the shape"),
        (np.zeros((20, 8, 8), np.complex64), "holds complex64"),
        (np.array([["a"] * 8] * 8 * 3).reshape(3, 8, 8), "holds <U1"),
    ],
)
def test_what_is_no_set_of_images_is_refused(tmp_path, array, words):
    with pytest.raises(DataError, match=words):
        data.load(saved(tmp_path, array), "train")
    with pytest.raises(DataError, match="holds no array of images" if array.ndim == 2 else words):
        data.load(savez(tmp_path, x=array), "train")


def test_images_of_mixed_sizes_are_refused_and_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    mixed = np.empty(2, dtype=object)
    mixed[:] = noise(8, 8), Trap()
    np.save(tmp_path / "own.npy", mixed, allow_pickle=True)
    np.savez(tmp_path / "own.npz", x=mixed)
    for name in ("own.npy", "own.npz"):
        with pytest.raises(DataError, match=rf"{name}.* holds Python objects .*same size"):
            data.load(DataConfig(name="own", path=str(tmp_path / name)), "train")
    assert not (tmp_path / "executed").exists()


def test_labels_of_another_length_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"own\.npz: y holds 19 labels for 20 images"):
        data.info(savez(tmp_path, x=noise(20, 8, 8), y=np.arange(19)))


@pytest.mark.parametrize("cut", [1, 700, 1300])
def test_a_file_cut_short_is_named(tmp_path, cut):
    config = saved(tmp_path, noise(20, 8, 8))
    path = Path(config.path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"own\.npy"):
        data.info(config)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_broken_npz_is_named(tmp_path, damage):
    config = savez(tmp_path, x=noise(20, 8, 8))
    path = Path(config.path)
    content = bytearray(path.read_bytes())
    content[600] ^= 0xFF
    path.write_bytes({"cut": content[:-30], "flipped": content, "text": b"hello"}[damage])
    with pytest.raises(DataError, match=r"own\.npz"):
        data.info(config)


def test_an_npz_that_declares_more_than_it_holds_or_than_there_is_memory_is_refused(tmp_path, monkeypatch):
    header = (
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 64, 64), }"
    )
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        archive.writestr("x.npy", header.ljust(127) + b"\n" + bytes(100))
    config = DataConfig(name="own", path=str(tmp_path / "own.npz"))
    with pytest.raises(DataError, match="declares 4,096,000,000,000 bytes of data but holds 100"):
        data.info(config)
    monkeypatch.setenv("VAE_MEMORY_BYTES", "2000")
    with pytest.raises(
        DataError, match=r"x takes 1\.3 kB, more than half of the free memory; save it as a \.npy"
    ):
        data.info(savez(tmp_path, x=noise(20, 8, 8)))


def test_a_preview_of_a_large_array_looks_at_a_sample_and_says_so(tmp_path, monkeypatch):
    values = np.tile(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), (2000, 1, 1))
    values[1001] = np.nan  # not in the sample
    config = saved(tmp_path, values)
    monkeypatch.setattr(arrays, "QUICK_BYTES", 1000)
    assert any("in a sample of 256" in note for note in data.preview(config).notes)
    with pytest.raises(DataError, match="NaN"):
        data.load(config, "train")


def test_all_values_count_however_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 100)
    values = np.zeros((30, 8, 8), np.uint8)
    values[:29, 0], values[29, 1] = 1, 200
    assert all_images(saved(tmp_path, values))[29, 0, 1, 0] == 200  # not read as [0, 1] by its beginning


def test_a_file_that_was_replaced_is_noticed(tmp_path):
    config = saved(tmp_path, noise(40, 8, 8)).model_copy(update={"storage": "stream"})
    train = data.load(config, "train").examples
    saved(tmp_path, noise(40, 9, 8))
    with pytest.raises(DataError, match=r"own\.npy was replaced"):
        train.read(torch.arange(2))


def test_a_window_is_for_series(tmp_path):
    config = saved(tmp_path, noise(40, 8, 8)).model_copy(update={"window": 16})
    with pytest.raises(ConfigError, match=r"window = 16 is for a \.csv time series"):
        data.info(config)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(0, 2**32 - 1))
def test_reading_keeps_the_order_of_values(low, span, seed):
    values = np.random.default_rng(seed).uniform(low, low + span, (4, 8, 8))
    black, white, _ = arrays.grey_range(values.dtype, arrays.Values(float(values.min()), float(values.max())))
    header = arrays.Header(values.shape, values.dtype, 0)
    form = arrays.Form(1, 8, 8)
    pixels = (
        arrays.Arrays(values, header, black, white, form).read(torch.arange(4)).flatten().numpy().astype(int)
    )
    assert (np.diff(pixels[np.argsort(values, axis=None)]) >= 0).all()
    assert black <= values.min()
    assert values.max() <= white
