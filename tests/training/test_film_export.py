"""The film as a file: every snapshot is in it, players can show it, and nothing is left of one that was given up."""

import itertools
import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from tests.training import filming
from vae_core.errors import TrainingError
from vae_core.training import film_export
from vae_core.training.film import Frame


@pytest.fixture
def run(tmp_path):
    return filming.make(tmp_path / "runs", epochs=4)


def test_there_is_a_picture_per_snapshot_and_the_first_is_before_training(run):
    assert film_export.epochs(run) == [0, 1, 2, 3, 4]
    pictures = list(film_export.frames(run))
    assert len(pictures) == 5
    assert {picture.shape for picture in pictures} == {(540, 960, 3)}
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(pictures))


def test_reconstructions_and_draws_are_shown_as_they_are(run):
    assert not shows(list(film_export.frames(run))[-1], 219)
    grey = torch.full((16, 8, 8, 1), 219, dtype=torch.uint8)
    frame = Frame.from_file(run.film(4))
    run.write("film/0004.safetensors", Frame(grey, grey.clone(), frame.points, frame.explained).to_bytes())
    assert shows(list(film_export.frames(run))[-1], 219)


def shows(picture, grey):
    """Whether an area of 40 x 40 pixels in the right half is of that grey."""
    area = picture[:, 480:].reshape(-1, 3)
    return bool((area == grey).all(1).sum() > 1600)


def test_all_codes_stay_inside_the_square_at_every_epoch(run):
    clouds = [Frame.from_file(run.film(epoch)).points.numpy() for epoch in range(5)]
    view = film_export._view(iter(clouds), latent_dim=2)
    places = np.concatenate([view.on_screen(cloud, 100) for cloud in clouds])
    assert places.min() > 0
    assert places.max() < 100
    assert view.span_x == view.span_y


def test_higher_codes_are_higher_on_the_picture_and_the_deviation_begins_at_zero():
    cloud = np.array([[0.0, 0.2], [1.0, 0.6]])
    view = film_export._view(iter([cloud]), latent_dim=1)
    low, high = view.on_screen(cloud, 100)
    assert low[0] < high[0]
    assert low[1] > high[1]
    assert view.bottom <= 0
    assert view.bottom + view.span_y >= 1


@pytest.mark.parametrize("kind", ["autoencoder", "pca"])
def test_models_without_a_prior_and_examples_without_classes_have_a_film(tmp_path, kind):
    run = filming.make(tmp_path, epochs=1, kind=kind, latent_dim=5, labels=0, title="长い名前 " * 12)
    assert len(list(film_export.frames(run))) == 2


def test_sixty_classes_one_dimension_and_wide_colour_pictures_have_a_film(tmp_path):
    run = filming.make(tmp_path, epochs=1, latent_dim=1, labels=60)
    wide = torch.zeros(16, 96, 160, 3, dtype=torch.uint8)
    frame = Frame.from_file(run.film(1))
    run.write("film/0001.safetensors", Frame(wide, wide.clone(), frame.points, frame.explained).to_bytes())
    assert len(list(film_export.frames(run))) == 2


def test_a_run_without_a_snapshot_says_so(tmp_path):
    run = filming.making.make(tmp_path, "Fresh")
    for write in (film_export.write_gif, film_export.write_mp4):
        with pytest.raises(TrainingError, match="Fresh has no snapshot yet"):
            write(tmp_path / "film", run)
    assert files(tmp_path) == []


def test_the_gif_holds_every_snapshot_and_the_last_one_for_two_seconds(run, tmp_path):
    path, heard = tmp_path / "film.gif", []
    assert film_export.write_gif(path, run, on_progress=lambda done, total: heard.append((done, total)))
    with Image.open(path) as gif:
        assert (gif.format, gif.size, gif.n_frames) == ("GIF", (960, 540), 5)
        assert gif.info["loop"] == 0
        durations = []
        for number in range(5):
            gif.seek(number)
            durations.append(gif.info["duration"])
        last = np.asarray(gif.convert("RGB"), dtype=int)
    assert durations == [100, 100, 100, 100, 2000]
    truth = np.asarray(list(film_export.frames(run))[-1], dtype=int)
    assert np.abs(last - truth).mean() < 3
    assert heard == [(done, 5) for done in range(1, 6)]
    assert files(tmp_path) == ["film.gif"]


def test_the_mp4_is_what_browsers_play(run, tmp_path):
    path = tmp_path / "film.mp4"
    assert film_export.write_mp4(path, run)
    said, decoded = decode(path)
    assert re.search(r"Video: h264 .*yuv420p.* 960x540.* 10 fps", said), said
    assert len(decoded) == 4 + 20  # two seconds of the last
    truth = list(film_export.frames(run))
    for shown, meant in ((decoded[0], truth[0]), (decoded[-1], truth[-1])):
        assert np.abs(shown.astype(int) - meant).mean() < 6
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # so that playing starts before all of it is there
    assert files(tmp_path) == ["film.mp4"]


def decode(path):
    """What ffmpeg says about a video, and its pictures."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    answer = subprocess.run(command, capture_output=True, check=True)
    return answer.stderr.decode(), np.frombuffer(answer.stdout, np.uint8).reshape(-1, 540, 960, 3)


@pytest.mark.parametrize("write", [film_export.write_gif, film_export.write_mp4])
def test_a_cancelled_film_leaves_nothing_and_the_old_one_in_place(run, tmp_path, write):
    path, asked = tmp_path / "film", []
    path.write_bytes(b"old")

    def should_cancel():
        asked.append(True)
        return len(asked) > 2

    assert write(path, run, should_cancel) is False
    assert len(asked) == 3
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["film"]


@pytest.mark.parametrize("write", [film_export.write_gif, film_export.write_mp4])
def test_a_film_that_cannot_be_read_or_written_leaves_nothing(run, tmp_path, write):
    with pytest.raises(TrainingError, match="could not be written"):
        write(tmp_path / "nowhere" / "film", run)
    run.write("film/0003.safetensors", b"broken")
    with pytest.raises(TrainingError, match=r"0003\.safetensors .* cannot be read"):
        write(tmp_path / "film", run)
    assert files(tmp_path) == []


def test_class_names_come_from_the_data_or_from_a_checkpoint(run):
    assert film_export.class_names(run) == tuple("0123456789")


def files(folder):
    """The names of all files in a folder, hidden ones too; the runs are in a folder of their own."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())
