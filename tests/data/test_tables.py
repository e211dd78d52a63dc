"""Tables and time series: what is standardised by what, what overlaps with what, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data.series import pools
from vae_core.errors import ConfigError, DataError


def numbers(rows: int = 50, columns: int = 3) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(5, 3, (rows, columns)) * np.arange(1, columns + 1)
    return pd.DataFrame(values, columns=[f"c{k}" for k in range(columns)])


def saved(place: Path, frame: pd.DataFrame, suffix: str = ".csv", **settings) -> DataConfig:
    path = place / f"own{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return DataConfig(name="own", path=str(path), **settings)


def written(place: Path, text: str, **settings) -> DataConfig:
    (place / "own.csv").write_bytes(text.encode("latin-1"))
    return DataConfig(name="own", path=str(place / "own.csv"), **settings)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_are_standardised_by_the_training_rows_alone(tmp_path, suffix):
    frame = numbers()
    config = saved(tmp_path, frame, suffix)
    info, train, held_out = data.info(config), data.load(config, "train"), data.load(config, "held-out")
    assert (len(train), len(held_out)) == (45, 5)
    assert (info.data_shape, info.columns) == ((3,), ("c0", "c1", "c2"))
    assert train.examples.dtype == torch.float32
    torch.testing.assert_close(train.examples.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.examples.var(0, correction=0), torch.ones(3))
    for split in (train, held_out):
        back = split.examples.double() * torch.tensor(info.scale) + torch.tensor(info.centre)
        torch.testing.assert_close(
            back, torch.from_numpy(frame.to_numpy()[split.indices]), atol=1e-5, rtol=1e-5
        )
    assert "50 rows of 3 columns" in info.source


def test_standardising_does_not_depend_on_how_much_is_trained_on(tmp_path):
    config = saved(tmp_path, numbers())
    few = data.load(config.model_copy(update={"train_size": 7}), "train")
    assert torch.equal(few.examples, data.load(config, "train").examples[:7])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [
        ("label", ["rose", "tulip"], ("rose", "tulip")),
        ("Class", [3, 1], ("1", "3")),
        ("target", [True, False], ("False", "True")),
    ],
)
def test_a_column_of_classes_becomes_labels(tmp_path, suffix, name, values, classes):
    frame = numbers()
    frame.insert(1, name, [values[k % 2] for k in range(50)])
    config = saved(tmp_path, frame, suffix)
    info, split = data.info(config), data.load(config, "train")
    assert info.class_names == classes
    assert info.columns == ("c0", "c1", "c2")
    assert [classes[label] for label in split.labels] == [str(values[k % 2]) for k in split.indices]


def test_a_target_of_real_numbers_stays_a_column(tmp_path):
    config = saved(tmp_path, numbers().rename(columns={"c1": "target"}))
    assert data.info(config).columns == ("c0", "target", "c2")
    assert data.load(config, "train").labels is None


def test_what_spreadsheets_write_is_understood(tmp_path):
    plain = data.load(written(tmp_path, "a,b\n1.5,2\n3,4\n5,7\n"), "train").examples
    for text in ("a;b\n1,5;2\n3;4\n5;7\n", "a\tb\n1.5\t2\n3\t4\n5\t7\n", ",a,b\n0,1.5,2\n1,3,4\n2,5,7\n"):
        config = written(tmp_path, text)
        assert data.info(config).columns == ("a", "b")
        assert torch.equal(data.load(config, "train").examples, plain)
    config = written(tmp_path, "1.5,2\n3,4\n5,7\n")
    assert torch.equal(data.load(config, "train").examples, plain)
    assert any("no row of names" in note for note in data.preview(config).notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,city\n1,Rome\n2,Oslo\n", "column 'city' holds text, not numbers; leave it out, or call it label"),
        ("a,b\n1,x\n2,3\n", "column 'b' holds text"),
        ("a,day\n1,2020-01-01\n2,2020-01-02\n", "column 'day' holds dates"),
        ("a,b\n1,\n2,\n", "column 'b' holds nothing"),
        ("a,b\n1,2\n3\n", r"is not a table .*give every row the same columns"),
        ("a,b\n1,2\n3,4,5\n", r"is not a table .*give every row the same columns"),
        ("a,b\n1,2\n3,\n4,5\n", "column 'b' has no finite number in row 2"),
        ("a,b\n1,2\n3,nan\n4,5\n", "column 'b' has no finite number in row 2"),
        ("a,b\n1,2\n3,4\ninf,5\n", "column 'a' has no finite number in row 3"),
        ("a,b\n1,2\n1,2\n1,2\n", "every column holds one value only"),
        ("a,b\n1,2\n", "holds 1 example"),
        ("a,b\n", "holds no rows"),
        ("", "is not a table"),
        ("label\nx\ny\n", "has no column of numbers"),
        ("a,label\n1,x\n2,\xff\n3,z\n", "holds"),
        ("a\n1e308\n-1e308\n1e308\n-1e308\n", "too large or too different"),
    ],
)
def test_a_bad_table_is_named_and_explained(tmp_path, text, words):
    with pytest.raises(DataError, match=rf"own\.csv.*{words}") as caught:
        data.load(written(tmp_path, text), "train")
    assert "\n" not in str(caught.value)


def test_a_constant_column_is_kept_and_mentioned(tmp_path):
    frame = numbers()
    frame["c1"] = 0.1
    config = saved(tmp_path, frame)
    train = data.load(config, "train").examples
    assert train[:, 1].eq(0).all()
    assert any("not scaled: c1" in note for note in data.preview(config).notes)


@pytest.mark.parametrize("content", [b"hello", b"PAR1" + bytes(40) + b"PAR1", b""])
def test_a_broken_parquet_file_is_named(tmp_path, content):
    (tmp_path / "own.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"own\.parquet is not a whole \.parquet file"):
        data.info(DataConfig(name="own", path=str(tmp_path / "own.parquet")))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_beyond_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("VAE_MEMORY_BYTES", "1000")
    with pytest.raises(DataError, match="more than half of the free memory"):
        data.info(saved(tmp_path, numbers(), suffix))


def test_a_table_is_never_streamed(tmp_path):
    with pytest.raises(ConfigError, match="storage = 'stream' is not for"):
        data.load(saved(tmp_path, numbers(), storage="stream"), "train")


def test_preview_of_a_table(tmp_path):
    preview = data.preview(saved(tmp_path, numbers()), count=7)
    assert preview.examples.shape == (7, 3)
    assert (preview.total, preview.train, preview.held_out, preview.storage) == (50, 45, 5, "memory")
    assert preview.memory_bytes == 50 * 3 * 4


# Time series


def clock(rows: int = 400, channels: int = 2) -> pd.DataFrame:
    frame = numbers(rows, channels)
    frame.insert(0, "timestamp", pd.date_range("2024-01-01", periods=rows, freq="h"))
    return frame


def test_windows_are_stretches_of_the_series_in_its_own_units(tmp_path):
    frame = clock()
    config = saved(tmp_path, frame, window=16, stride=5)
    info, train = data.info(config), data.load(config, "train")
    assert (info.data_shape, info.columns) == ((2, 16), ("c0", "c1"))
    assert train.examples.shape[1:] == (2, 16)
    for example, index in zip(train.examples, train.indices.tolist(), strict=True):
        back = example.double() * torch.tensor(info.scale)[:, None] + torch.tensor(info.centre)[:, None]
        rows = frame[["c0", "c1"]].to_numpy()[5 * index : 5 * index + 16]
        torch.testing.assert_close(back, torch.from_numpy(rows.T.copy()), atol=1e-4, rtol=1e-4)


@given(st.integers(8, 40), st.integers(1, 60), st.integers(0, 600), st.integers(0, 10))
def test_no_held_out_row_is_ever_trained_on(window, stride, rows, seed):
    config = DataConfig(name="own", window=window, stride=stride, split_seed=seed)
    starts = range(0, rows - window + 1, stride)
    held_out = list(starts)[-max(1, len(starts) // 10) :]
    before = [k for k, start in enumerate(starts) if start + window <= held_out[0]]
    if not before:
        with pytest.raises(DataError, match=rf"has {rows} rows, too few for window = {window}"):
            pools(config, Path("own.csv"), rows)
        return
    split = pools(config, Path("own.csv"), rows)
    assert sorted(split["train"].tolist()) == before
    assert sorted(starts[k] for k in split["held-out"].tolist()) == held_out


@given(st.integers(8, 200), st.integers(1, 100))
def test_the_number_of_rows_that_it_asks_for_is_the_least_that_will_do(window, stride):
    config = DataConfig(name="own", window=window, stride=stride)
    with pytest.raises(DataError) as caught:
        pools(config, Path("own.csv"), window)
    rows = int(re.search(r"take ([\d,]+);", str(caught.value))[1].replace(",", ""))
    assert len(pools(config, Path("own.csv"), rows)["train"]) >= 1
    with pytest.raises(DataError, match="too few"):
        pools(config, Path("own.csv"), rows - 1)


def test_the_seed_orders_windows_and_channels_are_standardised_by_training_rows(tmp_path):
    frame = clock()
    frame.loc[380:, "c0"] = 1e6  # held out, so it must not be known
    config = saved(tmp_path, frame, window=16)
    first, other = (
        data.load(config.model_copy(update={"split_seed": seed}), "train").indices for seed in (0, 1)
    )
    assert sorted(first.tolist()) == sorted(other.tolist())
    assert not torch.equal(first, other)
    assert data.info(config).centre[0] < 100


def test_every_window_is_counted_or_said_to_be_left_out(tmp_path):
    preview = data.preview(saved(tmp_path, clock(), window=16, stride=4))
    assert preview.total == (400 - 16) // 4 + 1
    left_out = preview.total - preview.train - preview.held_out
    assert left_out == 3
    assert any("3 windows that reach into it are left out" in note for note in preview.notes)
    assert any("timestamp" in note for note in preview.notes)


@pytest.mark.parametrize(
    ("frame", "window", "words"),
    [
        (clock(20), 32, "has 20 rows, too few for window = 32"),
        (clock(40), 32, "has 40 rows, too few for window = 32"),
        (clock().iloc[::-1], 16, "'timestamp' runs backwards at row 2; sort"),
        (clock().assign(place="Rome"), 16, "column 'place' holds text"),
        (clock()[["timestamp"]], 16, "no column of numbers"),
        (clock().assign(c0=np.nan), 16, "column 'c0'"),
        (clock().assign(c0=1.0, c1=2.0), 16, "every column holds one value only"),
        (numbers(200, 65), 16, "65 channels, and at most 64"),
    ],
)
def test_a_bad_series_is_named_and_explained(tmp_path, frame, window, words):
    with pytest.raises(DataError, match=rf"own\.csv.*{words}"):
        data.load(saved(tmp_path, frame, window=window), "train")


def test_labels_and_numbered_times_are_no_channels(tmp_path):
    frame = clock().assign(timestamp=range(400), label=0, **{"Local Time": "01/02 noon"})
    info = data.info(saved(tmp_path, frame, window=16))
    assert info.columns == ("c0", "c1")


def test_a_series_streams_the_same_windows(tmp_path):
    config = saved(tmp_path, clock(), window=16, stride=1)
    resident, streamed = (
        data.load(config.model_copy(update={"storage": storage}), "train").examples
        for storage in ("memory", "stream")
    )
    assert streamed.shape == tuple(resident.shape)
    assert torch.equal(streamed.read(torch.arange(len(resident))), resident)
