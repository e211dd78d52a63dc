"""The routes of walks: paths line by line, files whole, and whom and what they refuse."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from tests.vae_explorer.live.conftest import TestClient
from vae_core.config import PathConfig
from vae_core.errors import Stopped
from vae_core.latent import paths
from vae_core.models.rendering import render
from vae_explorer import library
from vae_explorer.live import known, models, told
from vae_explorer.walk import answers, routes

REPOSITORY = library.Path(library.__file__).parents[1]
A, B = [-1.0, 0.5], [1.5, -0.25]


@pytest.fixture(scope="module")
def opened():
    return library.open_file("digits-vae-2d", REPOSITORY / "checkpoints" / "digits-vae-2d.safetensors")


@pytest.fixture(autouse=True)
def shown(opened):
    models.publish(opened)
    yield opened
    known.forget()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def ask(client, shown, **settings):
    """The lines of the answer."""
    asked = {"model": shown.id, "ends": [A, B], "method": "linear", "count": 20} | settings
    answer = client.post("/walks/path", json=asked)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def refusal(client, shown, **settings):
    (line,) = ask(client, shown, **settings)
    assert list(line) == ["error"]
    assert line["error"].endswith(".")
    return line["error"]


# --- paths ------------------------------------------------------------------------------------------------------


def test_a_line_is_the_cores_line_and_its_ends_are_exact(client, shown):
    *before, last = ask(client, shown)
    assert all(set(line) == {"done"} for line in before)
    np.testing.assert_array_equal(
        np.array(last["codes"], np.float32), paths.linear(np.float32(A), np.float32(B), 20)
    )
    np.testing.assert_allclose(last["t"], np.linspace(0, 1, 20))
    assert last["seconds"] > 0


def test_what_is_said_of_a_path_is_true_of_its_pictures(client, shown):
    last = ask(client, shown, count=30)[-1]
    codes = np.array(last["codes"], np.float32)
    pictures = render(shown.checkpoint.model, codes).reshape(30, -1) / 255.0
    changes = np.sqrt(np.square(np.diff(pictures, axis=0)).mean(1))
    np.testing.assert_allclose(last["steps"], changes, atol=3e-3)  # pictures are rounded to 8 bits
    assert last["worst"] == int(np.argmax(last["steps"]))
    assert last["length"] == pytest.approx(np.sqrt(64) * sum(last["steps"]), rel=1e-4)
    mean = shown.checkpoint.reference.mean.numpy()
    away = np.linalg.norm(codes[:, None] - mean[None], axis=-1)
    np.testing.assert_allclose(last["nearest"], away.min(1), rtol=1e-4)
    assert last["nearestPoint"] == away.argmin(1).tolist()


def test_a_geodesic_costs_no_more_than_the_straight_line(client, shown):
    straight, geodesic = (ask(client, shown, method=method)[-1] for method in ("linear", "geodesic"))
    assert geodesic["energy"] <= straight["energy"] * (1 + 1e-6)
    assert geodesic["codes"][0] == straight["codes"][0]
    assert geodesic["codes"][-1] == straight["codes"][-1]


def test_overshoot_goes_past_both_ends(client, shown):
    last = ask(client, shown, overshoot=1.5, count=11)[-1]
    assert last["t"][0] == pytest.approx(-0.5)
    assert last["t"][-1] == pytest.approx(1.5)
    assert len(last["codes"]) == len(last["t"])


def test_equal_steps_are_equal(client, shown):
    steps = ask(client, shown, equal=True, count=24)[-1]["steps"]
    assert max(steps) / np.mean(steps) <= 1.1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "0" * 16}, "not open any more"),
        ({"model": ["x"]}, "not open any more"),
        ({"ends": [A]}, "from 2 to 64 codes of 2 numbers"),
        ({"ends": [[0.0], [1.0]]}, "from 2 to 64 codes of 2 numbers"),
        ({"ends": "nonsense"}, "from 2 to 64 codes of 2 numbers"),
        ({"ends": [[1e300, 0], [0, 1]]}, "float32 cannot hold"),
        ({"ends": [A, A]}, "same code"),
        ({"method": "teleport"}, "path"),
        ({"count": 100_000}, "frames"),
        ({"count": 500}, "at most 400"),
        ({"overshoot": 9}, "overshoot"),
        ({"closed": True, "overshoot": 1.5}, "closed"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(client, shown, settings, sentence):
    assert sentence in refusal(client, shown, **settings)


def test_leaving_stops_the_work(shown):
    asked = {"model": shown.id, "ends": [A, B], "method": "geodesic", "count": 64}
    with pytest.raises(Stopped):
        answers.path(asked, lambda done: None, lambda: True)


# --- files ------------------------------------------------------------------------------------------------------


def save(client, shown, suffix, **settings):
    frames = paths.linear(np.float32(A), np.float32(B), 6).tolist()
    asked = {"model": shown.id, "as": suffix, "frames": frames, "fps": 10} | settings
    return client.post("/walks/save", json=asked)


def lines(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def saved(client, shown, suffix, **settings):
    return base64.b64decode(lines(save(client, shown, suffix, **settings))[-1]["file"], validate=True)


def test_every_kind_of_file(client, shown):
    starts = {"png": b"\x89PNG", "gif": b"GIF89a", "npz": b"PK"}
    for suffix, start in starts.items():
        assert saved(client, shown, suffix).startswith(start)
    assert b"ftyp" in saved(client, shown, "mp4")[:16]
    assert Image.open(io.BytesIO(saved(client, shown, "gif"))).n_frames == 6
    kept = np.load(io.BytesIO(saved(client, shown, "npz")), allow_pickle=False)
    assert kept["codes"].shape == (6, 2)


@pytest.mark.parametrize("suffix", ["png", "gif", "mp4", "npz"])
def test_a_file_in_the_making_says_how_far_it_is(client, shown, suffix):
    *said, last = lines(save(client, shown, suffix))
    shares = [line["done"] for line in said]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == 1
    assert set(last) == {"file"}


def test_leaving_stops_a_file(shown):
    asked = {"model": shown.id, "as": "gif", "frames": [A, B], "fps": 10}
    with pytest.raises(Stopped):
        answers.save(asked, lambda done: None, lambda: True)


def test_a_sheet_has_the_columns_asked_for(client, shown):
    wide, tall = (Image.open(io.BytesIO(saved(client, shown, "png", columns=n))) for n in (6, 1))
    assert wide.width > wide.height
    assert tall.height > tall.width


@pytest.mark.parametrize("suffix", ["exe", None, ["gif"]])
def test_kinds_of_file_that_there_are_not_are_refused(client, shown, suffix):
    answer = save(client, shown, suffix)
    assert answer.status_code == 400
    assert "png, gif, mp4 or npz" in answer.text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"fps": "fast"}, "fps = 'fast'"), ({"frames": [[float("1e39"), 0]] * 2}, "float32")],
)
def test_files_that_cannot_be_made_are_one_sentence(client, shown, settings, sentence):
    said = lines(save(client, shown, "gif", **settings))
    assert sentence in said[-1]["error"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"null"])
def test_what_is_no_json_object_is_refused(client, body):
    assert client.post("/walks/path", content=body).status_code == 400


def test_other_sites_are_refused(client, shown):
    for path in ("path", "save"):
        answer = client.post(f"/walks/{path}", json={}, headers={"Origin": "http://elsewhere.example"})
        assert answer.status_code == 403


def test_a_body_without_end_is_refused(client):
    assert client.post("/walks/path", content=b"x" * (told.MOST_BODY + 1)).status_code == 400


def test_codes_reach_the_core_to_the_last_bit():
    code = np.random.default_rng(0).standard_normal(10).astype(np.float32)
    config = PathConfig(ends=(answers._text(code), answers._text(code + 1)))
    assert np.array_equal(np.array(config.ends[0].split(","), np.float32), code)
