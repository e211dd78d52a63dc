"""Exported walks hold every picture where and as it was promised, and nothing half-written is left behind."""

import errno
import io

import numpy as np
import pytest
from PIL import Image

from tests.walks.making import drifting, listing, read_gif, read_mp4
from vae_core import movies
from vae_core.errors import ConfigError, ExportError, Stopped
from vae_core.walks import files
from vae_core.walks.frames import enlarged, place, rows, there_and_back


def as_rgb(frames, scale):
    return np.broadcast_to(enlarged(frames, scale), (*enlarged(frames, scale).shape[:-1], 3)).astype(int)


# --- what is in the files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_tile_of_a_sheet_is_where_place_says_and_as_it_was(tmp_path, gap, channels):
    tiles = drifting(12, 6, 9, channels).reshape(3, 4, 6, 9, channels)
    files.write_contact_sheet(tmp_path / "sheet.png", tiles, scale=2, gap=gap)
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"
        assert image.size == (4 * 18 + 3 * gap, 3 * 12 + 2 * gap)
        sheet = np.asarray(image).reshape(image.height, image.width, channels)
    for row in range(3):
        for column in range(4):
            found = sheet[place(row, column, 12, 18, gap)]
            assert np.array_equal(found[::2, ::2], tiles[row, column])
            assert np.array_equal(found[1::2, 1::2], tiles[row, column])
    if gap:
        assert set(np.unique(sheet[12 : 12 + gap])) == {files.GROUND}


def test_row_0_of_a_sheet_is_at_the_top_and_column_0_at_the_left(tmp_path):
    tiles = np.zeros((2, 2, 4, 4, 1), np.uint8)
    tiles[0, 1] = 255
    files.write_contact_sheet(tmp_path / "sheet.png", tiles, scale=1)
    with Image.open(tmp_path / "sheet.png") as image:
        assert [image.getpixel(at) for at in ((0, 0), (7, 0), (0, 7), (7, 7))] == [0, 255, 0, 0]


@pytest.mark.parametrize("fps", [1, 7, 10, 24, 30, 50])
def test_a_gif_of_grey_pictures_holds_each_of_them_exactly_and_lasts_as_long_as_promised(tmp_path, fps):
    frames = drifting(12)
    files.write_gif(tmp_path / "walk.gif", frames, fps, scale=3)
    durations, found = read_gif(tmp_path / "walk.gif")
    assert np.array_equal(found, as_rgb(frames, 3))
    assert min(durations) >= 20
    assert abs(sum(durations) - 1000 * 12 / fps) <= 5
    with Image.open(tmp_path / "walk.gif") as gif:
        assert gif.info["loop"] == 0


def test_pictures_that_repeat_the_one_before_are_frames_of_their_own(tmp_path):
    frames = np.repeat(drifting(3), 4, axis=0)
    files.write_gif(tmp_path / "walk.gif", frames, 10)
    files.write_mp4(tmp_path / "walk.mp4", frames, 10)
    durations, found = read_gif(tmp_path / "walk.gif")
    assert durations == [100] * 12
    assert np.array_equal(found, as_rgb(frames, 64))
    assert len(read_mp4(tmp_path / "walk.mp4")[1]) == 12


def test_a_gif_of_few_colours_is_exact_and_one_of_many_is_close(tmp_path):
    few = np.random.default_rng(0).integers(0, 2, (5, 8, 8, 3), np.uint8) * 200
    files.write_gif(tmp_path / "few.gif", few, 10, scale=1)
    assert np.array_equal(read_gif(tmp_path / "few.gif")[1], few)
    many = drifting(20, 24, 24, 3)
    files.write_gif(tmp_path / "many.gif", many, 10, scale=1)
    found = read_gif(tmp_path / "many.gif")[1]
    assert len(found) == 20
    assert np.abs(found.astype(int) - many).mean() < 8


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (16, 24, 3)])
def test_an_mp4_is_what_browsers_play_and_decodes_to_the_same_pictures(tmp_path, height, width, channels):
    frames = drifting(30, height, width, channels)
    files.write_mp4(tmp_path / "walk.mp4", frames, 25, scale=8)
    said, found = read_mp4(tmp_path / "walk.mp4")
    assert "Video: h264" in said
    assert "yuv420p" in said
    assert "25 fps" in said
    assert found.shape == (30, 8 * height, 8 * width, 3)
    off = np.abs(found.astype(int) - as_rgb(frames, 8)).reshape(30, -1).mean(1)
    assert off.max() < 6  # levels of 255, in every picture
    between = np.abs(np.diff(as_rgb(frames, 8), axis=0)).mean()
    assert off.max() < 3 * between or channels == 3  # far less than the walk itself changes
    content = (tmp_path / "walk.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # playing starts before all of it is there


def test_every_picture_of_an_mp4_is_at_its_own_place(tmp_path):
    frames = drifting(24, 16, 16)
    files.write_mp4(tmp_path / "walk.mp4", frames, 30, scale=8)
    found = read_mp4(tmp_path / "walk.mp4")[1][:, 4::8, 4::8, 0].astype(float)
    distance = np.abs(found[:, None] - frames[None, ..., 0]).mean((2, 3))
    assert distance.argmin(1).tolist() == list(range(24))


def test_odd_sides_get_one_more_pixel_in_an_mp4_and_none_in_a_gif(tmp_path):
    frames = drifting(4, 9, 11)
    files.write_mp4(tmp_path / "walk.mp4", frames, 10, scale=5)
    files.write_gif(tmp_path / "walk.gif", frames, 10, scale=5)
    video = read_mp4(tmp_path / "walk.mp4")[1].astype(int)
    assert video.shape[1:3] == (46, 56)
    assert np.abs(video[:, :45, :55] - as_rgb(frames, 5)).mean() < 6
    assert read_gif(tmp_path / "walk.gif")[1].shape[1:3] == (45, 55)


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_single_picture_is_a_movie_too(tmp_path, suffix):
    path = tmp_path / f"walk.{suffix}"
    write = files.write_gif if suffix == "gif" else files.write_mp4
    write(path, drifting(1), 30)
    assert len((read_gif if suffix == "gif" else read_mp4)(path)[1]) == 1


@pytest.mark.parametrize("grid", [(150,), (5, 7)])
def test_an_npz_holds_codes_and_pictures_and_opens_without_pickle(tmp_path, grid):
    count = int(np.prod(grid))
    codes = np.random.default_rng(0).normal(size=(*grid, 3)).astype(np.float32)
    frames = drifting(count).reshape(*grid, 8, 8, 1)
    files.write_npz(tmp_path / "walk.npz", codes, frames)
    with np.load(tmp_path / "walk.npz", allow_pickle=False) as found:
        assert set(found.files) == {"codes", "frames"}
        assert found["codes"].dtype == np.float32
        assert found["frames"].dtype == np.uint8
        assert np.array_equal(found["codes"], codes)
        assert np.array_equal(found["frames"], frames)
    assert listing(tmp_path) == ["walk.npz"]


def test_the_pictures_of_a_path_are_arranged_as_text_is_read():
    assert rows(drifting(7)).shape[:2] == (1, 7)
    sheet = rows(drifting(10), columns=4)
    assert sheet.shape[:2] == (3, 4)
    assert np.array_equal(sheet.reshape(12, 8, 8, 1)[:10], drifting(10))
    assert not sheet[2, 2:].any()
    down, across = rows(drifting(120)).shape[:2]
    assert down * across >= 120
    assert down < across
    assert rows(drifting(3), columns=9).shape[:2] == (1, 3)


def test_there_and_back_shows_neither_end_twice():
    assert there_and_back(4) == [0, 1, 2, 3, 2, 1]
    assert there_and_back(2) == [0, 1]


# --- when it does not work out ----------------------------------------------------------------------------------

WRITERS = {
    "png": lambda path, **how: files.write_contact_sheet(path, drifting(12).reshape(4, 3, 8, 8, 1), **how),
    "gif": lambda path, **how: files.write_gif(path, drifting(12), **how),
    "mp4": lambda path, **how: files.write_mp4(path, drifting(12), **how),
    "npz": lambda path, **how: files.write_npz(path, np.zeros((200, 2), np.float32), drifting(200), **how),
}
every_writer = pytest.mark.parametrize("suffix", sorted(WRITERS))


@every_writer
@pytest.mark.parametrize("there", [False, True])
def test_stopping_half_way_leaves_what_was_there_before(tmp_path, suffix, there):
    path, asked = tmp_path / f"walk.{suffix}", []
    if there:
        path.write_bytes(b"old")

    def should_stop():
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(Stopped, match=rf"walk\.{suffix} was stopped after \d+ of \d+"):
        WRITERS[suffix](path, should_stop=should_stop)
    assert len(asked) == 3
    assert listing(tmp_path) == ([path.name] if there else [])
    assert not there or path.read_bytes() == b"old"


@every_writer
def test_an_interrupt_or_a_fault_half_way_leaves_nothing(tmp_path, suffix):
    for fault in (KeyboardInterrupt, ZeroDivisionError):

        def fail(done, total, fault=fault):
            raise fault

        with pytest.raises(fault):
            WRITERS[suffix](tmp_path / f"walk.{suffix}", on_progress=fail)
        assert listing(tmp_path) == []


@every_writer
def test_progress_reaches_the_whole(tmp_path, suffix):
    heard = []
    WRITERS[suffix](tmp_path / f"walk.{suffix}", on_progress=lambda done, total: heard.append((done, total)))
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1]
    assert (tmp_path / f"walk.{suffix}").stat().st_mode & 0o777 == 0o644


@every_writer
def test_a_folder_that_is_not_there_is_named(tmp_path, suffix):
    with pytest.raises(ExportError, match=r"nowhere.walk\.\w+ could not be written"):
        WRITERS[suffix](tmp_path / "nowhere" / f"walk.{suffix}")


@every_writer
def test_a_full_disk_leaves_nothing(tmp_path, suffix, monkeypatch):
    """The last step fails, when all of the file has been written."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(movies.os, "fsync", full)
    with pytest.raises(ExportError, match="No space left on device"):
        WRITERS[suffix](tmp_path / f"walk.{suffix}")
    assert listing(tmp_path) == []


def test_an_mp4_that_ffmpeg_could_not_finish_is_not_kept(tmp_path, monkeypatch):
    encode = movies._encode

    def cut_off(path, *rest):
        encode(path, *rest)
        path.write_bytes(path.read_bytes()[:1500])

    monkeypatch.setattr(movies, "_encode", cut_off)
    with pytest.raises(ExportError, match=r"of 12 pictures were stored"):
        files.write_mp4(tmp_path / "walk.mp4", drifting(12))
    assert listing(tmp_path) == []


def test_without_ffmpeg_a_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))
    with pytest.raises(ExportError, match=r"ffmpeg is not here \(.*\); .* save it as GIF\."):
        files.write_mp4(tmp_path / "walk.mp4", drifting(2))
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: files.write_gif(path, drifting(2), fps=51), "fps = 51: a GIF shows 1 to 50"),
        (lambda path: files.write_gif(path, drifting(2), fps=0), "fps = 0"),
        (lambda path: files.write_mp4(path, drifting(2), fps=121), "fps = 121: an MP4 shows 1 to 120"),
        (lambda path: files.write_gif(path, drifting(2), scale=0), "scale = 0 is out of range"),
        (lambda path: files.write_mp4(path, drifting(2), scale=65), "scale = 65 is out of range"),
        (lambda path: files.write_mp4(path, drifting(2, 96, 160), scale=64), "10240 x 6144 pixels"),
        (
            lambda path: files.write_contact_sheet(path, np.zeros((40, 40, 64, 64, 1), np.uint8), scale=8),
            "20480 x 20480 pixels, and at most 16384",
        ),
    ],
)
def test_figures_out_of_range_are_refused_in_one_sentence(tmp_path, write, sentence):
    with pytest.raises(ConfigError, match=sentence) as refused:
        write(tmp_path / "walk")
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == []


def test_the_gif_is_read_by_pillow_without_a_word(tmp_path, recwarn):
    """Frames that change little are stored as the part that changed."""
    frames = np.zeros((50, 64, 64, 1), np.uint8)
    frames[np.arange(50), 10, np.arange(50)] = 255
    files.write_gif(tmp_path / "walk.gif", frames, 20, scale=4)
    assert np.array_equal(read_gif(tmp_path / "walk.gif")[1], as_rgb(frames, 4))
    assert (tmp_path / "walk.gif").stat().st_size < 20_000
    assert io.BytesIO((tmp_path / "walk.gif").read_bytes()).read(6) == b"GIF89a"
    assert not recwarn.list
