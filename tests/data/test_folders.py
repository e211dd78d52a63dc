"""A person's own images: folders and .zip files, well made and badly made."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import folders, pictures
from vae_core.errors import DataError, DataNotFound


def png(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def sixteen(width: int = 12, height: int = 12, channels: tuple[int, ...] = (3,)) -> dict[str, bytes]:
    """Eight images in each of two folders."""
    return {
        f"{kind}/{k}.png": png(noise(k + 10 * (kind == "dog"), height, width, *channels))
        for kind in ("cat", "dog")
        for k in range(8)
    }


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (place / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "own" / name).write_bytes(content)
    return place / "own"


def as_zip(place: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "own.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place / "own.zip"


def config(path: Path, **settings) -> DataConfig:
    return DataConfig(name="own", path=str(path), **settings)


def everything(settings: DataConfig) -> dict[int, tuple[torch.Tensor, int | None]]:
    """All examples of both splits by their position in the source."""
    found = {}
    for split in ("train", "held-out"):
        part = data.load(settings, split)
        labels = [None] * len(part) if part.labels is None else part.labels.tolist()
        for index, example, label in zip(part.indices.tolist(), part.examples, labels, strict=True):
            assert index not in found
            found[index] = (example, label)
    return found


@pytest.mark.parametrize("make", [as_folder, as_zip])
def test_images_arrive_pixel_for_pixel_in_sorted_order_with_their_folders_as_classes(tmp_path, make):
    files = sixteen()
    settings = config(make(tmp_path, files))
    found = everything(settings)
    assert sorted(found) == list(range(16))
    for index, name in enumerate(sorted(files)):
        pixels = np.array(Image.open(io.BytesIO(files[name])))
        assert torch.equal(found[index][0], torch.from_numpy(pixels).permute(2, 0, 1))
        assert found[index][1] == (0 if name.startswith("cat") else 1)
    info = data.info(settings)
    assert info.class_names == ("cat", "dog")
    assert info.data_shape == (3, 12, 12)
    assert info.source == "16 PNG images in 2 folders, 12x12"
    assert info.name == "own"


def test_a_tenth_is_held_out_by_the_seed_whatever_the_sizes(tmp_path):
    path = as_folder(tmp_path, {f"{k:02}.png": png(noise(k, 8, 8)) for k in range(30)})
    held_out = data.load(config(path), "held-out").indices
    assert len(held_out) == 3
    assert torch.equal(data.load(config(path, train_size=5), "held-out").indices, held_out)
    train = data.load(config(path), "train").indices
    assert torch.equal(data.load(config(path, train_size=5), "train").indices, train[:5])
    assert not torch.equal(data.load(config(path, split_seed=1), "held-out").indices, held_out)


def test_a_folder_around_everything_is_no_class(tmp_path):
    path = as_zip(tmp_path, {f"holiday/{name}": content for name, content in sixteen().items()})
    assert data.info(config(path)).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    "names", [["a.png", "b.png"], ["one/a.png", "one/b.png"], ["a.png", "one/b.png", "two/c.png"]]
)
def test_without_a_folder_for_each_class_there_are_no_labels(tmp_path, names):
    path = as_folder(tmp_path, {name: png(noise(k, 8, 8)) for k, name in enumerate(names)})
    assert data.load(config(path), "train").labels is None
    assert data.info(config(path)).class_names == ()


def test_what_is_no_image_is_skipped_and_counted(tmp_path):
    extra = {".DS_Store": b"x", "notes.txt": b"x", "more.txt": b"x", "README": b"x", ".cache/a.png": b"x"}
    path = as_folder(tmp_path, sixteen() | extra)
    os.mkfifo(path / "pipe.png")  # opening it would wait forever
    (path / "again").symlink_to(path)
    preview = data.preview(config(path))
    assert preview.total == 16
    notes = " ".join(preview.notes)
    for words in (
        "2 .txt files",
        "1 nameless files",
        "1 hidden files",
        "1 linked folders",
        "1 neither files",
    ):
        assert words in notes


def test_preview_samples_all_examples_and_says_what_it_saw(tmp_path):
    settings = config(as_folder(tmp_path, sixteen(40, 30)), side=16)
    preview = data.preview(settings, count=10)
    loaded = everything(settings)
    known = {example.numpy().tobytes(): label for example, label in loaded.values()}
    assert len({example.numpy().tobytes() for example in preview.examples}) == 10
    assert [known[each.numpy().tobytes()] for each in preview.examples] == preview.labels.tolist()
    assert (preview.total, preview.train, preview.held_out) == (16, 15, 1)
    assert preview.memory_bytes == 16 * 3 * 16 * 16
    assert preview.storage == "memory"
    assert preview.info == data.info(settings)
    assert preview.info.source == "16 PNG images in 2 folders, 40x30 cropped to 16x16"
    assert any("cat 8, dog 8" in note for note in preview.notes)
    assert all(note.endswith(".") for note in preview.notes)
    assert len(data.preview(settings, count=100).examples) == 16


@pytest.mark.parametrize(("natural", "side"), [((300, 200), 64), ((40, 30), 30), ((4, 4), 8)])
def test_the_side_is_64_or_the_images_own_if_smaller(tmp_path, natural, side):
    path = as_folder(tmp_path, {f"{k}.png": png(noise(k, natural[1], natural[0])) for k in range(3)})
    assert data.info(config(path)).data_shape == (1, side, side)


def halves(width: int, height: int) -> np.ndarray:
    """Left black, right white, with a frame of grey at the far left and right."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, width // 2 :] = 255
    pixels[:, : width // 4] = pixels[:, -(width // 4) :] = 100
    return pixels


def test_resizing_crops_pads_or_stretches(tmp_path):
    path = as_folder(tmp_path, {f"{k}.png": png(halves(32, 16)) for k in range(3)})
    by = {how: everything(config(path, side=16, resize=how))[0][0][0] for how in ("crop", "pad", "stretch")}
    assert by["crop"][0].tolist() == [0] * 8 + [255] * 8
    assert by["stretch"][0].tolist() == [100] * 4 + [0] * 4 + [255] * 4 + [100] * 4
    assert not by["pad"][:4].any()
    assert not by["pad"][12:].any()
    assert torch.equal(by["pad"][4:12], by["stretch"][4:12])


def test_colour_is_found_or_chosen(tmp_path):
    grey, colour = noise(0, 9, 9), noise(1, 9, 9, 3)
    for name, images, shape in (
        ("grey", [grey, grey // 2], 1),
        ("colour", [colour, colour // 2], 3),
        ("mixed", [grey, colour], 3),
        ("grey stored in colour", [np.stack([grey] * 3, -1), np.stack([grey // 2] * 3, -1)], 1),
    ):
        (tmp_path / name).mkdir()
        path = as_folder(tmp_path / name, {f"{k}.png": png(each) for k, each in enumerate(images)})
        assert data.info(config(path)).data_shape == (shape, 9, 9), name
        assert data.load(config(path, colour="grey"), "train").examples.shape == (1, 1, 9, 9)
        assert data.load(config(path, colour="colour"), "train").examples.shape == (1, 3, 9, 9)


def test_modes_that_pillow_would_spoil(tmp_path):
    ramp = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    path = as_folder(
        tmp_path,
        {
            "a.png": png(ramp),
            "b.png": png(clear),
            "c.png": png(halves(16, 16), exif=turned.tobytes()),
            "d.png": png(halves(16, 16)),
        },
    )
    found = everything(config(path, side=8))
    assert torch.equal(found[0][0][0], torch.from_numpy((ramp // 256).astype(np.uint8)))
    assert found[1][0][0, :4].eq(0).all()  # opaque black
    assert found[1][0][0, 4:].eq(255).all()  # nothing there: white
    assert torch.equal(found[2][0], found[3][0].flip(1, 2))


def test_a_large_jpeg_is_decoded_small_and_right(tmp_path):
    smooth = np.add.outer(np.arange(600), np.arange(800)).astype(np.float64)
    pixels = (smooth / smooth.max() * 255).astype(np.uint8)
    path = as_folder(tmp_path, {f"{k}.jpg": png(pixels, "JPEG", quality=95) for k in range(2)})
    small = data.load(config(path, side=32, resize="stretch"), "train").examples[0, 0].float()
    expected = torch.from_numpy(pixels).float()[None, None]
    expected = torch.nn.functional.interpolate(expected, (32, 32), mode="area")[0, 0]
    assert (small - expected).abs().max() < 4


def broken_png() -> bytes:
    return png(noise(0, 40, 40))[:600]


def bomb_png(width: int, height: int) -> bytes:
    """A header that claims many pixels, and next to no data."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("make", [as_folder, as_zip])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello", "is not an image of a known kind"),
        (b"", "is not an image of a known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is not an image of a known kind"),
        (broken_png(), "cannot be read as an image"),
        (bomb_png(9000, 9000), "has 9000x9000 pixels"),
        (bomb_png(40_000, 40_000), "far too many pixels"),
    ],
)
def test_one_bad_image_is_named(tmp_path, make, content, words):
    path = make(tmp_path, sixteen() | {"cat/9-bad.png": content})
    with pytest.raises(DataError, match=rf"cat/9-bad\.png.*{words}"):
        everything(config(path))


def test_a_bad_image_that_no_header_gives_away_is_named_when_it_is_loaded_or_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LOOKED_AT", 1)
    monkeypatch.setattr(folders, "DECODED", 1)
    path = as_folder(tmp_path, sixteen() | {"cat/5.png": broken_png()})
    settings = config(path, storage="stream")
    train = data.load(settings, "train").examples
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"cat/5\.png cannot be read .*; remove it") as caught:
            list(data.batches(train, torch.arange(len(train)), 4, workers))
        assert "Traceback" not in str(caught.value)
    with pytest.raises(DataError, match=r"cat/5\.png"):
        data.load(config(path), "train")


def test_a_file_that_vanishes_is_named(tmp_path):
    path = as_folder(tmp_path, sixteen())
    train = data.load(config(path, storage="stream"), "train").examples
    (path / "dog/3.png").unlink()
    (path / "dog/4.png").unlink()
    with pytest.raises(DataNotFound, match=r"dog/[34]\.png is gone"):
        list(data.batches(train, torch.arange(len(train)), 4))


def test_a_path_that_vanishes_after_the_preview_is_named(tmp_path):
    path = as_zip(tmp_path, sixteen())
    assert data.is_available(config(path))
    data.preview(config(path))
    path.unlink()
    assert not data.is_available(config(path))
    with pytest.raises(DataNotFound, match=r"own\.zip' does not exist"):
        data.load(config(path), "train")


@pytest.mark.parametrize("make", [as_folder, as_zip])
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"notes.txt": b"x"}, "holds no images"),
        ({"a.png": png(noise(0, 8, 8))}, "holds 1 example; training takes at least 2"),
    ],
)
def test_too_few_images_are_refused(tmp_path, make, files, words):
    with pytest.raises(DataError, match=words):
        data.load(config(make(tmp_path, files)), "train")


def test_images_that_are_all_the_same_grey_are_refused(tmp_path):
    path = as_folder(tmp_path, {f"{k}.png": png(np.full((8, 8), 7, np.uint8)) for k in range(5)})
    with pytest.raises(DataError, match="the same single grey"):
        data.load(config(path), "train")


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "c:/a.png", "x\\..\\..\\a.png", "x/../../a.txt"])
def test_a_zip_that_points_outside_is_refused(tmp_path, name):
    path = as_zip(tmp_path, sixteen() | {name: png(noise(0, 8, 8))})
    with pytest.raises(DataError, match="points outside"):
        data.info(config(path))


def with_entry(path: Path, change: Callable[[zipfile.ZipInfo], None]) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("cat/odd.png")
        change(entry)
        archive.writestr(entry, b"/etc/passwd")
    return path


def test_a_zip_with_a_link_is_refused(tmp_path):
    def link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    path = with_entry(as_zip(tmp_path, sixteen()), link)
    with pytest.raises(DataError, match=r"cat/odd\.png is a link"):
        data.info(config(path))


def test_zip_limits_hold_for_what_is_declared(tmp_path, monkeypatch):
    path = as_zip(tmp_path, sixteen())
    for limit, value, words in (
        ("MAX_FILES", 15, "more than 15 files"),
        ("MAX_FILE_BYTES", 100, "at most 100 are read of one file"),
        ("MAX_ZIP_BYTES", 1000, "at most 1,000 are read"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(folders, limit, value)
            with pytest.raises(DataError, match=words):
                data.info(config(path))


def test_a_file_that_unpacks_to_more_than_it_declares_is_refused(tmp_path):
    path = tmp_path / "own.zip"
    files = sixteen() | {"cat/9.png": png(np.zeros((64, 64), np.uint8)) + bytes(10_000_000)}
    as_zip(tmp_path, files)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"cat/9.png") - 46  # its record in the central directory
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = struct.pack("<I", 500)  # the size it declares
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cat/9\.png cannot be unpacked"):
        data.load(config(path), "train")


def test_a_zip_whose_file_has_no_name_is_refused(tmp_path):
    path = as_zip(tmp_path, sixteen())
    with zipfile.ZipFile(path, "a") as archive, archive.open(zipfile.ZipInfo(""), "w") as file:
        file.write(b"somebody")
    with pytest.raises(DataError, match=r"own\.zip: a file in it has no name; make the \.zip again"):
        data.info(config(path))


@pytest.mark.parametrize("damage", ["cut", "not a zip", "flipped"])
def test_a_broken_zip_is_named(tmp_path, damage):
    path = as_zip(tmp_path, sixteen())
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[200] ^= 0xFF
    path.write_bytes({"cut": content[:-400], "not a zip": b"hello", "flipped": content}[damage])
    with pytest.raises(DataError, match=r"own\.zip.*make (it|the \.zip) again"):
        data.load(config(path), "train")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = as_zip(tmp_path, sixteen())
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        data.info(config(path))


def test_nothing_is_written(tmp_path, monkeypatch):
    path = as_zip(tmp_path, sixteen())
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*")}
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    data.preview(config(path))
    everything(config(path))
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*")} == before


def test_a_path_that_leads_nowhere_or_to_something_else_is_explained(tmp_path):
    with pytest.raises(DataNotFound, match="does not exist on this machine"):
        data.info(config(tmp_path / "nothing"))
    (tmp_path / "song.mp3").write_bytes(b"x")
    with pytest.raises(DataError, match=r"song\.mp3 is not of a known kind; use a folder or \.zip"):
        data.info(config(tmp_path / "song.mp3"))
    assert not data.is_available(config(tmp_path / "song.mp3"))


def test_a_path_that_cannot_be_read_is_explained(tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    os.mkfifo(tmp_path / "own.csv")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        data.info(config(tmp_path / "own.csv"))
    with pytest.raises(DataError, match="File name too long"):
        data.info(config(tmp_path / ("x" * 300)))
    path = as_zip(tmp_path, sixteen())
    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(DataError, match=rf"{tmp_path} cannot be listed \(Permission denied\)"):
        data.info(config(tmp_path))
    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    with pytest.raises(DataError, match=rf"{path} cannot be read \(Permission denied\); make it readable"):
        data.info(config(path))


def test_a_name_that_is_no_text_can_still_be_shown(tmp_path):
    root = as_folder(tmp_path, sixteen())
    os.rename(os.fsencode(root / "dog"), os.fsencode(root) + b"/d\xff")
    info = data.info(config(root))
    assert info.class_names[0] == "cat"
    info.class_names[1].encode()


def test_limits_are_below_what_pillow_only_warns_about():
    assert pictures.MAX_PIXELS < Image.MAX_IMAGE_PIXELS
