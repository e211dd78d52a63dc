"""The walk command as people use it: what it writes, what it prints, and with which exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.patience import PATIENCE_S
from tests.walks.conftest import DIGITS
from tests.walks.making import listing, read_gif, read_mp4
from vae_core.__main__ import main
from vae_core.latent import planes
from vae_core.models.rendering import render
from vae_core.walks import place

ROOT = Path(__file__).parents[2]
CKPT = str(DIGITS)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def walk(capsys, *options, checkpoint=CKPT):
    """Run a walk that works; return its report."""
    capsys.readouterr()
    assert main(["walk", checkpoint, *options, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def complaint(capsys, *options, status=2, checkpoint=CKPT):
    """Run a walk that cannot be; return its only line."""
    capsys.readouterr()
    try:
        found = main(["walk", checkpoint, *options, "--json"])
    except SystemExit as stop:
        found = stop.code
    out, err = capsys.readouterr()
    assert found == status, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


# --- grids ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", ["linear", "quantile"])
def test_a_grid_picture_holds_the_tile_of_every_code_where_it_belongs(capsys, folder, digits, spacing):
    said = walk(capsys, "--grid", "5", "--spacing", spacing, "--scale", "2", "--out", "grid.png")
    assert said == {"walk": "grid.png", "tiles": 25}
    plane = planes.of_dimensions(np.zeros(2, np.float32), 0, 1)
    codes = planes.grid(plane, 5, spacing=spacing)
    with Image.open(folder / "grid.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (80, 80)
    for row in range(5):
        for column in range(5):
            tile = render(digits.model, codes[row, column][None])[0, ..., 0]
            found = sheet[place(row, column, 16, 16)][::2, ::2].astype(int)
            assert np.abs(found - tile).max() <= 1  # rounding, as other codes are decoded along with it
    assert listing(folder) == ["grid.png"]


def test_a_grid_of_principal_directions_and_one_through_three_codes(capsys, folder, digits):
    walk(capsys, "--grid", "4", "--principal", "--out", "principal.npz")
    walk(capsys, "--grid", "4", "--through", "class:3", "-1,0.5", "7", "--out", "through.npz")
    walk(capsys, "--grid", "4", "--first", "1", "--second", "0", "--extent", "2", "--out", "turned.npz")
    for name in ("principal", "through", "turned"):
        with np.load(f"{name}.npz", allow_pickle=False) as found:
            assert found["codes"].shape == (4, 4, 2)
            assert found["frames"].shape == (4, 4, 8, 8, 1)
            turned = found["codes"]
            assert np.array_equal(found["frames"][1, 2], render(digits.model, found["codes"][1, 2][None])[0])
    assert turned[0, 0].tolist() == [2, -2]  # the top left: dimension 0 goes up, 1 goes right
    assert turned[-1, -1].tolist() == [-2, 2]


def test_the_three_codes_of_a_plane_are_on_its_grid(capsys, digits):
    three = [digits.reference.mean[item].numpy() for item in (0, 1, 2)]
    walk(capsys, "--grid", "2", "--through", "0", "1", "2", "--out", "corners.npz")
    plane = planes.through(*three)
    with np.load("corners.npz") as found:
        low, high = plane.places(found["codes"][1, 0][None])[0], plane.places(found["codes"][0, 1][None])[0]
    inside = plane.places(np.stack(three))
    assert (inside >= low - 1e-4).all()
    assert (inside <= high + 1e-4).all()


def test_a_grid_of_any_shape_stands_around_its_centre(capsys, folder):
    options = (
        "--columns",
        "5",
        "--rows",
        "3",
        "--centre",
        "-0.5,1.25",
        "--step",
        "0.25",
        "--out",
        "part.npz",
    )
    assert walk(capsys, *options)["tiles"] == 15
    with np.load("part.npz") as found:
        codes = found["codes"]
    assert codes.shape == (3, 5, 2)
    np.testing.assert_array_equal(codes[..., 0], np.tile([-1, -0.75, -0.5, -0.25, 0], (3, 1)))
    np.testing.assert_array_equal(codes[..., 1], np.tile([[1.5], [1.25], [1]], (1, 5)))


def test_a_part_of_the_quantiles_is_a_part_of_the_grid_of_all(capsys, folder):
    walk(capsys, "--grid", "8", "--spacing", "quantile", "--out", "all.npz")
    part = ("--columns", "4", "--rows", "2", "--centre", "0.25,0.875", "--step", "0.125")
    walk(capsys, *part, "--spacing", "quantile", "--out", "part.npz")
    with np.load("all.npz") as whole, np.load("part.npz") as found:
        np.testing.assert_allclose(found["codes"], whole["codes"][:2, :4], rtol=1e-6)


def test_the_longer_side_of_a_shape_reaches_as_far_as_extent(capsys, folder):
    walk(capsys, "--columns", "7", "--rows", "4", "--extent", "3", "--out", "wide.npz")
    with np.load("wide.npz") as found:
        np.testing.assert_allclose(found["codes"][0, :, 0], np.linspace(-3, 3, 7), atol=1e-6)
        np.testing.assert_allclose(found["codes"][:, 0, 1], [1.5, 0.5, -0.5, -1.5], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--columns", "0"), "columns = 0"),
        (("--rows", "201"), "rows = 201"),
        (("--grid", "5", "--step", "-1"), "step = -1"),
        (("--grid", "5", "--centre", "1"), "'1' is not a pair of numbers such as -0.5,1.25"),
        (("--grid", "5", "--centre", "nan,0"), "centre"),
        (("--columns", "5", "--from", "1", "--to", "2"), "walk draws one thing"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_in_one_sentence(capsys, options, sentence):
    assert sentence in complaint(capsys, *options)


def test_quantiles_outside_of_the_prior_are_refused(capsys):
    options = (
        "--columns",
        "5",
        "--rows",
        "2",
        "--spacing",
        "quantile",
        "--centre",
        "0.9,0.5",
        "--step",
        "0.1",
    )
    assert "must stay between 0 and 1; choose fewer tiles" in complaint(capsys, *options, status=1)


def test_a_file_without_a_name_is_named_after_the_checkpoint(capsys, folder):
    assert walk(capsys, "--grid", "2")["walk"] == "digits-vae-2d-grid.png"
    assert listing(folder) == ["digits-vae-2d-grid.png"]


# --- paths ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["linear", "slerp", "geodesic", "data"])
def test_a_path_keeps_its_ends_and_its_number_of_pictures(capsys, folder, digits, method):
    options = ("--from", "3", "--to", "class:8", "--path", method, "--frames", "16")
    said = walk(capsys, *options, "--out", "walk.npz")
    with np.load("walk.npz", allow_pickle=False) as found:
        codes, frames = found["codes"], found["frames"]
    assert codes.shape == (16, 2)
    assert np.array_equal(codes[0], digits.reference.mean[3].numpy())
    assert np.allclose(codes[-1], digits.reference.mean[digits.reference.labels == 8].mean(0), atol=1e-5)
    assert np.array_equal(frames, render(digits.model, codes))
    assert said["codes"] == 16
    assert said["image_length"] > 0
    assert 0 <= said["worst_step"] < 15
    assert said["step_ratio"] >= 1
    assert listing(folder) == ["walk.npz"]


def test_one_path_is_the_same_in_every_kind_of_file(capsys, folder):
    options = ("--from", "0.5,-1", "--to", "-1.5,1", "--frames", "20", "--fps", "10", "--scale", "8")
    for suffix in ("npz", "png", "gif", "mp4"):
        walk(capsys, *options, "--out", f"walk.{suffix}")
    with np.load("walk.npz") as found:
        frames = found["frames"]
    durations, gif = read_gif("walk.gif")
    assert durations == [100] * 20
    assert np.array_equal(gif[:, ::8, ::8, :1], frames)
    said, mp4 = read_mp4("walk.mp4")
    assert "yuv420p" in said
    assert mp4.shape == (20, 64, 64, 3)
    assert np.abs(mp4[:, 4::8, 4::8, :1].astype(int) - frames).mean() < 8
    with Image.open("walk.png") as image:
        sheet = np.asarray(image)
    across = (sheet.shape[1] + 2) // 66
    for number, frame in enumerate(frames):
        assert np.array_equal(sheet[place(*divmod(number, across), 64, 64, 2)][::8, ::8], frame[..., 0])
    assert listing(folder) == ["walk.gif", "walk.mp4", "walk.npz", "walk.png"]


def test_a_path_goes_through_codes_in_between_and_back_to_its_start(capsys, digits):
    options = ("--from", "0,0", "--via", "1,0", "1,1", "--to", "0,1", "--frames", "41", "--closed")
    walk(capsys, *options, "--out", "walk.npz")
    with np.load("walk.npz") as found:
        codes = found["codes"]
    assert len(codes) == 41
    for corner in ((0, 0), (1, 0), (1, 1), (0, 1)):
        assert np.abs(codes - np.array(corner, np.float32)).sum(1).min() < 1e-6
    assert np.abs(codes[-1] - codes[0]).sum() < 0.2


def test_equal_steps_change_the_picture_equally(capsys):
    options = ("--from", "0", "--to", "5", "--frames", "20", "--out", "walk.npz")
    plain, equal = walk(capsys, *options), walk(capsys, *options, "--equal-steps")
    assert equal["step_ratio"] <= 1.1 < plain["step_ratio"]


def test_ping_pong_runs_back(capsys):
    walk(capsys, "--from", "0", "--to", "5", "--frames", "5", "--ping-pong", "--out", "walk.gif")
    _, found = read_gif("walk.gif")
    assert len(found) == 8
    assert np.array_equal(found[5:], found[3:0:-1])


# --- when it does not work out ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "give --grid N, or --from CODE and --to CODE"),
        (("--grid", "5", "--from", "1", "--to", "2"), "walk draws one thing"),
        (("--from", "1"), "give both --from CODE and --to CODE"),
        (("--grid", "5", "--frames", "9"), "--frames goes with --from and --to; leave it out"),
        (("--grid", "5", "--ping-pong"), "--ping-pong goes with --from and --to"),
        (("--from", "1", "--to", "2", "--extent", "9"), "--extent goes with --grid"),
        (("--grid", "5", "--principal", "--through", "1", "2", "3"), "name two planes"),
        (("--grid", "1"), "grid = 1 is not allowed"),
        (("--grid", "41"), "grid = 41 is not allowed"),
        (("--grid", "many"), "many"),
        (("--grid", "5", "--extent", "nan"), "extent"),
        (("--grid", "5", "--extent", "0"), "extent"),
        (("--grid", "5", "--spacing", "cubic"), "spacing"),
        (("--grid", "5", "--base", "0.5"), "base 0.5 has 1 number"),
        (("--grid", "5", "--base", "1,2,3"), "has 3 numbers"),
        (("--grid", "5", "--through", "1", "2", "400"), "through 400: there is no such item"),
        (("--from", "360", "--to", "1"), "there is no such item; choose one from 0 to 359"),
        (("--from", "0", "--to", "class:cat"), "to class:cat: there is no such class"),
        (("--from", "0", "--to", "1,2,3"), "has 3 numbers"),
        (("--from", "nan,0", "--to", "1,2"), "NaN or infinity"),
        (("--from", "0", "--to", "1", "--via", "x"), "via x is no item"),
        (("--from", "0", "--to", "1", "--frames", "1"), "frames = 1 is not allowed"),
        (("--from", "0", "--to", "1", "--path", "winding"), "path = 'winding'"),
        (("--from", "0", "--to", "1", "--out", "walk.avi"), "ends in .avi; a path is written as"),
        (("--from", "0", "--to", "1", "--out", "walk"), "has no ending"),
        (("--grid", "5", "--out", "grid.mp4"), "a grid is written as .png or .npz"),
        (("--grid", "5", "--out", "nowhere/grid.png"), "there is no folder nowhere"),
        (("--from", "0", "--to", "1", "--fps", "60", "--out", "walk.gif"), "fps = 60: a GIF shows 1 to 50"),
        (("--from", "0", "--to", "1", "--fps", "0"), "fps"),
        (("--grid", "40", "--scale", "64"), "pixels"),
    ],
)
def test_arguments_that_cannot_be_are_one_sentence(capsys, folder, options, sentence):
    assert sentence in complaint(capsys, *options)
    assert listing(folder) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--from", "3", "--to", "3"), "same code"),
        (("--from", "1,2", "--to", "1,2.0", "--path", "geodesic"), "same code"),
        (("--grid", "5", "--first", "2"), "dimension 2"),
        (("--grid", "5", "--first", "1"), "both dimension 1"),
        (("--grid", "5", "--through", "0,0", "1,1", "2,2"), "one line"),
    ],
)
def test_walks_that_lead_nowhere_are_one_sentence(capsys, folder, options, sentence):
    assert sentence in complaint(capsys, *options, status=1)
    assert listing(folder) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "3", "--to", "8"),
        ("--from", "class:3", "--to", "0,0"),
        ("--from", "0,0", "--to", "1,1", "--path", "data"),
        ("--grid", "5", "--principal"),
    ],
)
def test_a_model_without_encoded_data_says_so(capsys, folder, bare_path, options):
    said = complaint(capsys, *options, status=1, checkpoint=str(bare_path))
    assert "encoded data, which this checkpoint has not" in said
    assert listing(folder) == []


def test_a_model_without_encoded_data_walks_between_codes(capsys, bare_path):
    assert walk(capsys, "--from", "0,0", "--to", "-1,1", "--out", "a.gif", checkpoint=str(bare_path))
    assert walk(capsys, "--grid", "3", "--out", "a.png", checkpoint=str(bare_path))


def test_no_checkpoint_is_one_sentence(capsys, folder):
    assert "could not be read" in complaint(capsys, "--grid", "3", status=1, checkpoint="nowhere.safetensors")
    assert listing(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_walk_that_is_stopped_leaves_nothing(folder, number):
    command = [sys.executable, "-m", "vae_core", "walk", CKPT, "--from", "0", "--to", "1", "--frames", "9000"]
    running = subprocess.Popen(
        [*command, "--out", "walk.mp4"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + PATIENCE_S
    while not listing(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [name for name in listing(folder) if name.startswith(".walk.mp4.")]
    running.send_signal(number)
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130
    assert "walk.mp4 was stopped after" in err
    assert listing(folder) == []
