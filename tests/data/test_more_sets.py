"""EMNIST, CIFAR-10, SVHN and CelebA, read from small files in torchvision's layout; nothing reaches a network."""

import gzip
import hashlib
import os
import pickle
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import celeba, cifar10, emnist, svhn
from vae_core.errors import ConfigError, DataError, DataNotFound
from vae_core.torchvision_ops import import_torchvision

NAMES = ("emnist-letters", "cifar10", "svhn", "celeba")
SIZES = {"train": 30, "test": 12}


def datasets():
    return import_torchvision().datasets


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def pixels(part: str, *shape: int) -> np.ndarray:
    size = SIZES.get(part, 6)
    return np.random.default_rng(len(part)).integers(0, 256, (size, *shape), dtype=np.uint8)


# EMNIST


def idx_file(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def emnist_files() -> dict[str, bytes]:
    files = {}
    for part, size in SIZES.items():
        files[f"emnist-letters-{part}-images-idx3-ubyte"] = idx_file(pixels(part, 28, 28).transpose(0, 2, 1))
        files[f"emnist-letters-{part}-labels-idx1-ubyte"] = idx_file(np.arange(size) % 26 + 1)
    return files


def write_emnist(root: Path, monkeypatch) -> Path:
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in emnist_files().items():
        (raw / name).write_bytes(content)
    return raw / emnist.FILES[0]


# CIFAR-10


def string(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def cifar_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 and NumPy 1 wrote, opcode by opcode, as the official files were made."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + string(b"b") + b"tR"
        b"(K\x01(" + whole(len(images)) + whole(3072) + b"t"
        b"cnumpy\ndtype\n("
        + string(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + string(b"|")
        + b"NNN"
        + whole(-1) * 2
        + b"K\x00tb"
        b"\x89" + string(images.tobytes()) + b"tb"
    )
    listed = b"](" + b"".join(map(whole, labels)) + b"e"
    return (
        b"\x80\x02}(" + string(b"data") + array + string(b"labels") + listed
        + string(b"batch_label") + string(b"batch 1") + b"u."
    )  # fmt: skip


def expect_sums(source, folder: Path, monkeypatch) -> None:
    for field in ("train_list", "test_list"):
        listed = [[name, md5(folder / name)] for name, _ in getattr(source, field)]
        monkeypatch.setattr(source, field, listed)


def write_cifar10(root: Path, monkeypatch) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    train = pixels("train", 3, 32, 32).reshape(5, 6, 3072)
    for k in range(5):
        (folder / f"data_batch_{k + 1}").write_bytes(
            cifar_batch(train[k], [(6 * k + i) % 10 for i in range(6)])
        )
    (folder / "test_batch").write_bytes(cifar_batch(pixels("test", 3072), [i % 10 for i in range(12)]))
    expect_sums(datasets().CIFAR10, folder, monkeypatch)
    return folder / "data_batch_2"


# SVHN


def write_svhn(root: Path, monkeypatch, folder: str = "SVHN") -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    listed = {}
    for part, size in SIZES.items():
        path = root / folder / f"{part}_32x32.mat"
        labels = np.where(np.arange(size) % 10 == 0, 10, np.arange(size) % 10)[:, None].astype(np.uint8)
        savemat(path, {"X": pixels(part, 3, 32, 32).transpose(2, 3, 1, 0), "y": labels}, do_compression=True)
        listed[part] = ["http://127.0.0.1:1/", path.name, md5(path)]
    monkeypatch.setattr(datasets().SVHN, "split_list", listed)
    return root / folder / "train_32x32.mat"


# CelebA: each image is of one colour in its middle and of another around it

FACES = 60


def celeba_part(index: int) -> int:
    return [0, 0, 0, 1, 2][index % 5]


def write_celeba(root: Path, monkeypatch) -> Path:
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{k + 1:06}.jpg" for k in range(FACES)]
    for k, name in enumerate(names):
        face = np.full((218, 178, 3), 255, np.uint8)
        face[35:183, 15:163] = (4 * k, 100, 50)
        Image.fromarray(face).save(folder / "img_align_celeba" / name, quality=100, subsampling=0)
    ones = [[1 if (k >> (j % 6)) & 1 else -1 for j in range(40)] for k in range(FACES)]
    lists = {
        "list_eval_partition.txt": [f"{name} {celeba_part(k)}" for k, name in enumerate(names)],
        "identity_CelebA.txt": [f"{name} {k}" for k, name in enumerate(names)],
        "list_bbox_celeba.txt": [str(FACES), "image_id x_1 y_1 width height"]
        + [f"{name}    95  71 226 313" for name in names],
        "list_landmarks_align_celeba.txt": [str(FACES), " ".join(f"p{j}" for j in range(10))]
        + [f"{name} " + " ".join(["70"] * 10) for name in names],
        "list_attr_celeba.txt": [str(FACES), " ".join(celeba.ATTRIBUTES) + " "]
        + [f"{name} " + " ".join(map(str, row)) for name, row in zip(names, ones, strict=True)],
    }
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    listed = [
        (id_, md5(folder / name) if name in lists else sum_, name)
        for id_, sum_, name in datasets().CelebA.file_list
    ]
    monkeypatch.setattr(datasets().CelebA, "file_list", listed)
    return folder / "list_attr_celeba.txt"


WRITE = {"emnist-letters": write_emnist, "cifar10": write_cifar10, "svhn": write_svhn, "celeba": write_celeba}


@pytest.mark.parametrize(
    ("name", "shape"), [("emnist-letters", (1, 28, 28)), ("cifar10", (3, 32, 32)), ("svhn", (3, 32, 32))]
)
def test_each_split_is_its_official_part_pixel_for_pixel(data_dir, monkeypatch, name, shape):
    WRITE[name](data_dir, monkeypatch)
    assert data.is_available(name)
    assert data.info(name).data_shape == shape
    classes = len(data.info(name).class_names)
    for split, part in (("train", "train"), ("held-out", "test")):
        loaded = data.load(DataConfig(name=name), split)
        assert sorted(loaded.indices.tolist()) == list(range(SIZES[part]))
        expected = torch.from_numpy(pixels(part, *(shape if name != "emnist-letters" else (28, 28))))
        expected = expected.reshape(-1, *shape) if part == "train" or name != "cifar10" else expected
        assert torch.equal(loaded.examples, expected[loaded.indices])
        assert torch.equal(loaded.labels, loaded.indices % classes)
        assert loaded.name == name


def test_faces_are_cropped_and_keep_the_official_partition_and_their_attributes(data_dir, monkeypatch):
    write_celeba(data_dir, monkeypatch)
    assert data.is_available("celeba")
    for split, part in (("train", 0), ("held-out", 2)):
        loaded = data.load(DataConfig(name="celeba"), split)
        assert sorted(loaded.indices.tolist()) == [k for k in range(FACES) if celeba_part(k) == part]
        assert loaded.examples.shape[1:] == (3, 64, 64) == data.info("celeba").data_shape
        expected = torch.stack([4 * loaded.indices, *torch.tensor([[100], [50]]).expand(2, len(loaded))], 1)
        assert (loaded.examples.int() - expected[:, :, None, None]).abs().max() <= 4  # no white from outside
        bits = torch.stack([(loaded.indices >> (j % 6)) & 1 for j in range(40)], 1)
        assert torch.equal(loaded.factors, bits.float())
        assert loaded.labels is None


def test_faces_are_streamed_where_memory_is_short(data_dir, monkeypatch):
    write_celeba(data_dir, monkeypatch)
    resident = data.load(DataConfig(name="celeba"), "train").examples
    monkeypatch.setenv("VAE_MEMORY_BYTES", "100000")
    streamed = data.load(DataConfig(name="celeba"), "train").examples
    assert isinstance(streamed, data.Streamed)
    assert torch.equal(streamed[:], resident)
    assert isinstance(data.load(DataConfig(name="celeba"), "held-out").examples, torch.Tensor)


def test_descriptions_agree_with_torchvision():
    letters = datasets().EMNIST.classes_split_dict["letters"]
    assert emnist.INFO.class_names == tuple(letters[1:])
    assert [name for name, _ in datasets().CIFAR10.train_list] == list(cifar10.FILES["train"])
    assert datasets().CIFAR10.base_folder == cifar10.FOLDER
    assert tuple(datasets().SVHN.split_list[part][1] for part in ("train", "test")) == svhn.FILES
    assert len(celeba.INFO.factor_names) == 40
    assert celeba.PARTITION in {name for _, _, name in datasets().CelebA.file_list}


@pytest.mark.parametrize("name", NAMES)
def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(data_dir, name):
    assert not data.is_available(name)
    with pytest.raises(DataNotFound) as caught:
        data.load(DataConfig(name=name), "train")
    for words in (f"{name} is not on this machine: {data_dir}", "VAE_DATA_DIR", f"data.fetch('{name}')"):
        assert words in str(caught.value)
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["cifar10", "svhn", "celeba"])
def test_a_file_with_another_checksum_is_named(data_dir, monkeypatch, name):
    path = WRITE[name](data_dir, monkeypatch)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match=rf"{path} is broken \(its checksum is not the official one\)"):
        data.load(DataConfig(name=name), "held-out")


def test_letters_cut_short_are_not_available(data_dir, monkeypatch):
    path = write_emnist(data_dir, monkeypatch)
    path.write_bytes(path.read_bytes()[:-1])
    assert not data.is_available("emnist-letters")
    with pytest.raises(DataNotFound, match=f"no complete {path.name}"):
        data.load(DataConfig(name="emnist-letters"), "train")


@pytest.mark.parametrize("name", NAMES)
def test_sizes_beyond_the_official_part_are_refused(data_dir, monkeypatch, name):
    WRITE[name](data_dir, monkeypatch)
    with pytest.raises(ConfigError, match=rf"held_out_size = 13 is more than {name} has; use at most 12"):
        data.load(DataConfig(name=name, held_out_size=13), "train")


def test_numbers_are_also_found_where_torchvision_was_told_to_put_them(data_dir, monkeypatch):
    write_svhn(data_dir, monkeypatch, folder=".")
    assert len(data.load(DataConfig(name="svhn"), "train")) == 30


def test_a_batch_as_newer_programs_write_it_is_read_too(data_dir, monkeypatch):
    path = write_cifar10(data_dir, monkeypatch)
    images = np.arange(6 * 3072, dtype=np.int64).astype(np.uint8).reshape(6, 3072)
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps({"data": images, "labels": [0] * 6}, protocol))
        expect_sums(datasets().CIFAR10, path.parent, monkeypatch)
        train = data.load(DataConfig(name="cifar10"), "train")
        found = train.examples[train.indices.argsort()][6:12]
        assert torch.equal(found.reshape(6, 3072), torch.from_numpy(images))


class Trap:
    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("where", ["beside", "labels", "array"])
def test_a_batch_that_would_run_code_is_refused_even_if_its_checksum_fits(data_dir, monkeypatch, where):
    path = write_cifar10(data_dir, monkeypatch)
    trap = Trap(str(data_dir / "executed"))
    images = np.empty((6, 3072), object if where == "array" else np.uint8)
    images[...] = trap if where == "array" else 0
    batch = {
        "data": images,
        "labels": [trap] * 6 if where == "labels" else [0] * 6,
        "x": trap if where == "beside" else 0,
    }
    path.write_bytes(pickle.dumps(batch, 2))
    expect_sums(datasets().CIFAR10, path.parent, monkeypatch)
    with pytest.raises(DataError, match=rf"{path} does not hold images and labels alone \(it names posix"):
        data.load(DataConfig(name="cifar10"), "train")
    assert not (data_dir / "executed").exists()


def test_faces_in_another_order_of_attributes_are_refused(data_dir, monkeypatch):
    path = write_celeba(data_dir, monkeypatch)
    path.write_text(path.read_text().replace("Attractive Bags", "Bags Attractive", 1))
    listed = [(i, md5(path) if n == path.name else m, n) for i, m, n in datasets().CelebA.file_list]
    monkeypatch.setattr(datasets().CelebA, "file_list", listed)
    with pytest.raises(DataError, match="names other attributes"):
        data.load(DataConfig(name="celeba"), "train")


# Getting them, from a server on this machine


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which its files are served."""
    folder = tmp_path_factory.mktemp("server")
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield folder, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def test_getting_cifar10_unpacks_the_archive_and_unpickles_nothing(data_dir, server, monkeypatch):
    folder, address = server
    write_cifar10(folder, monkeypatch)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder / "cifar-10-batches-py", "cifar-10-batches-py")
    source = datasets().CIFAR10
    monkeypatch.setattr(source, "url", f"{address}/cifar-10-python.tar.gz")
    monkeypatch.setattr(source, "tgz_md5", md5(folder / "cifar-10-python.tar.gz"))
    monkeypatch.setattr(pickle, "load", None)
    said = []
    data.fetch("cifar10", said.append)
    assert said[-1] == "CIFAR-10 is ready."
    assert len(data.load(DataConfig(name="cifar10"), "train")) == 30
    assert [each.name for each in data_dir.iterdir()] == ["cifar-10-batches-py"]


def test_getting_letters_keeps_the_letters(data_dir, server, monkeypatch):
    folder, address = server
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for name, content in emnist_files().items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
            archive.writestr(f"gzip/{name.replace('letters', 'digits')}.gz", gzip.compress(content))
    monkeypatch.setattr(datasets().EMNIST, "url", f"{address}/gzip.zip")
    monkeypatch.setattr(datasets().EMNIST, "md5", md5(folder / "gzip.zip"))
    data.fetch("emnist-letters")
    assert data.is_available("emnist-letters")
    assert {each.name for each in (data_dir / "EMNIST" / "raw").iterdir()} == set(emnist.FILES)


def test_getting_numbers(data_dir, server, monkeypatch):
    folder, address = server
    write_svhn(folder, monkeypatch)
    for part, entry in datasets().SVHN.split_list.items():
        entry[0] = f"{address}/SVHN/{part}_32x32.mat"
    data.fetch("svhn")
    assert len(data.load(DataConfig(name="svhn"), "held-out")) == 12


def test_getting_faces_takes_a_package(data_dir, monkeypatch):
    monkeypatch.setattr(celeba, "find_spec", lambda name: None)
    with pytest.raises(DataNotFound, match="pip install gdown"):
        data.fetch("celeba")
    assert not data.is_available("celeba")
