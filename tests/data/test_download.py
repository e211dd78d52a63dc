"""Downloads, from a server of our own on this machine that has small files, or from one that is not there."""

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import download, torchvision_sets
from vae_core.errors import DataError, DataNotFound


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder quietly; a file named in `hangs` stops half-way until the server goes down."""

    hangs: frozenset[str] = frozenset()
    going_down = threading.Event()

    def copyfile(self, source, outputfile):
        if Path(self.path).name in self.hangs and self.command == "GET":
            outputfile.write(source.read(20))
            outputfile.flush()
            self.going_down.wait(PATIENCE_S)
        else:
            super().copyfile(source, outputfile)

    def log_message(self, *_):
        pass


@pytest.fixture
def served(packed, tmp_path_factory, monkeypatch) -> Iterator[Path]:
    """A folder that a server offers as the mirror of mnist: it holds the four files."""
    folder = packed("mnist", tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(Handler, "going_down", threading.Event())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    mirror = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(torchvision_sets.dataset_class("mnist"), "mirrors", [mirror])
    monkeypatch.setattr(download, "POLL_S", 0.02)
    yield folder
    Handler.going_down.set()
    wait_for_downloads()
    server.shutdown()
    server.server_close()


def wait_for_downloads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("download-"):
            thread.join(PATIENCE_S)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_download_ends_with_data_that_loads(served, data_dir, capsys):
    said = []
    data.fetch("mnist", said.append)
    assert data.is_available("mnist")
    assert len(data.load(DataConfig(name="mnist"), "train")) == 50
    assert left_in(data_dir / "MNIST" / "raw") == set(torchvision_sets.FILES)
    assert said[0] == "Downloading MNIST."
    assert said[-1] == "MNIST is ready."
    assert capsys.readouterr().out == ""


def test_what_is_here_is_not_downloaded_again(plain, capsys):
    plain("mnist")  # and the mirror is a closed port
    said = []
    data.fetch("mnist", said.append)
    assert said == ["MNIST is already on this machine."]


def test_without_a_network_it_says_so_in_a_sentence_and_leaves_nothing(data_dir):
    with pytest.raises(DataNotFound, match="kmnist could not be downloaded, because there is no network"):
        data.fetch("kmnist")
    assert not data.is_available("kmnist")
    assert left_in(data_dir) == {"KMNIST", "raw"}


def test_a_file_with_the_wrong_checksum_is_not_kept(served, data_dir):
    (served / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>please sign in to this network</html>")
    with pytest.raises(DataNotFound, match="mnist could not be downloaded"):
        data.fetch("mnist")
    assert not data.is_available("mnist")
    assert left_in(data_dir / "MNIST" / "raw") == set()


def test_progress_names_the_file_and_a_server_that_hangs_is_given_up(served, data_dir, monkeypatch):
    monkeypatch.setattr(Handler, "hangs", frozenset({"t10k-images-idx3-ubyte.gz"}))
    monkeypatch.setattr(download, "STALL_S", 0.3)
    said = []
    with pytest.raises(DataNotFound, match="the server does not answer as it should"):
        data.fetch("mnist", said.append)
    assert not data.is_available("mnist")
    assert said[-1].startswith("Downloading MNIST: t10k-images-idx3-ubyte.gz (file 3 of 4), 0.0 MB")


def test_a_download_goes_on_when_nobody_follows_it(served, data_dir):
    def leave(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.fetch("mnist", leave)
    wait_for_downloads()
    assert data.is_available("mnist")
    assert left_in(data_dir / "MNIST" / "raw") == set(torchvision_sets.FILES)


def test_what_a_killed_program_left_is_cleared_by_the_next_download(served, data_dir):
    raw = data_dir / "MNIST" / "raw"
    old, young = raw / ".download-old", raw / ".download-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    data.fetch("mnist")
    assert left_in(raw) == {*torchvision_sets.FILES, young.name}


def test_a_place_that_cannot_be_written_is_explained(data_dir):
    (data_dir / "MNIST").write_text("a file where a folder should be")
    with pytest.raises(DataError, match=r"mnist cannot be saved in .*set VAE_DATA_DIR to a folder"):
        data.fetch("mnist")


def test_a_read_only_place_is_explained(data_dir):
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    raw.chmod(0o555)
    with pytest.raises(DataError, match=r"mnist cannot be saved in .*it is read-only"):
        data.fetch("mnist")
    raw.chmod(0o755)


def test_a_full_disk_is_not_taken_for_a_missing_network(data_dir, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torchvision_sets.dataset_class("mnist"), "download", full)
    with pytest.raises(DataError, match=r"cannot be saved in .*No space left on device") as caught:
        data.fetch("mnist")
    assert not isinstance(caught.value, DataNotFound)


def test_a_bug_is_not_taken_for_a_missing_network(data_dir, monkeypatch):
    def bug(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(torchvision_sets.dataset_class("mnist"), "download", bug)
    with pytest.raises(KeyError, match="a bug"):
        data.fetch("mnist")
