"""A file that is not whole is never taken for one, however it was cut."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from vae_core.data import idx
from vae_core.errors import DataError

CONTENT = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (5, 2, 3)) + bytes(range(30))


@pytest.fixture(params=["plain", "packed.gz"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(gzip.compress(CONTENT) if path.suffix == ".gz" else CONTENT)
    return path


def test_a_whole_file_is_whole_and_tells_its_shape(whole):
    assert idx.is_whole(whole)
    assert idx.shape(whole) == (5, 2, 3)


def test_no_beginning_of_a_file_is_whole(whole):
    content = whole.read_bytes()
    for length in range(len(content)):
        whole.write_bytes(content[:length])
        assert not idx.is_whole(whole), f"the first {length} of {len(content)} bytes"


def test_a_plain_file_is_read_in_its_shape(tmp_path):
    (tmp_path / "plain").write_bytes(CONTENT)
    np.testing.assert_array_equal(idx.read(tmp_path / "plain").numpy(), np.arange(30).reshape(5, 2, 3))


@pytest.mark.parametrize("length", [7, 15, len(CONTENT) - 1])
def test_reading_what_is_not_whole_is_one_sentence(tmp_path, length):
    (tmp_path / "plain").write_bytes(CONTENT[:length])
    with pytest.raises(DataError, match="plain is no whole file"):
        idx.read(tmp_path / "plain")


@pytest.mark.parametrize("name", ["missing", "missing.gz"])
def test_a_missing_file_is_not_whole(tmp_path, name):
    assert not idx.is_whole(tmp_path / name)
    assert idx.shape(tmp_path / name) is None


@pytest.mark.parametrize("name", ["page", "page.gz"])
def test_another_kind_of_file_is_not_whole(tmp_path, name):
    (tmp_path / name).write_text("<html>please sign in to this network</html>")
    assert not idx.is_whole(tmp_path / name)


def test_longer_than_the_header_says_is_not_whole(tmp_path):
    (tmp_path / "plain").write_bytes(CONTENT + b"x")
    assert not idx.is_whole(tmp_path / "plain")


def test_unpacking_leaves_the_whole_file_and_nothing_else(tmp_path):
    packed = tmp_path / "file.gz"
    packed.write_bytes(gzip.compress(CONTENT))
    idx.unpack(packed)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {"file", "file.gz"}


def test_unpacking_that_fails_leaves_nothing(tmp_path):
    packed = tmp_path / "file.gz"
    packed.write_bytes(gzip.compress(CONTENT)[:-9])
    with pytest.raises(EOFError):
        idx.unpack(packed)
    assert {path.name for path in tmp_path.iterdir()} == {"file.gz"}
