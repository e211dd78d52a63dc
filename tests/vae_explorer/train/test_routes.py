"""The routes of the runs: what they tell, whom they refuse, and that a film nobody waits for is given up."""

import asyncio
import math
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from safetensors.torch import load
from starlette.applications import Starlette

from tests.patience import PATIENCE_S
from tests.training import filming
from tests.vae_explorer.live.conftest import TestClient
from vae_core.training import jobs
from vae_core.training.film import Frame
from vae_explorer.train import answers, routes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    return jobs.root()


@pytest.fixture
def run(folder):
    return filming.make(folder, epochs=4, title="My run", message="Finished after 4 epochs.")


@pytest.fixture
def app():
    return Starlette(routes=[routes.route()])


@pytest.fixture
def client(app):
    with TestClient(app) as client:
        yield client


def test_a_run_is_told_as_it_stands(client, run):
    answer = client.get(f"/runs/{run.id}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    facts = answer.json()
    assert facts["id"] == run.id
    assert facts["title"] == "My run"
    assert (facts["state"], facts["busy"], facts["message"]) == (
        "finished",
        False,
        "Finished after 4 epochs.",
    )
    assert (facts["epoch"], facts["epochs"]) == (4, 6)
    assert facts["snapshots"] == [0, 1, 2, 3, 4]
    assert facts["best_epoch"] == run.best_epoch() == 4
    assert facts["classNames"] == list("0123456789")
    assert (facts["kind"], facts["latentDim"], facts["pictureShape"]) == ("vae", 2, [8, 8, 1])
    assert facts["log"] == []


def test_a_row_holds_one_snapshots_figures(client, run):
    rows = client.get(f"/runs/{run.id}").json()["metrics"]
    third = run.metrics()[2]
    assert rows[2] == [
        3,
        third.train_reconstruction,
        third.train_kl,
        third.held_out_reconstruction,
        third.held_out_kl,
        list(third.kl_per_dimension),
    ]


@pytest.mark.parametrize(("after", "expected"), [(0, [1, 2, 3, 4]), (3, [4]), (4, []), (999, [])])
def test_only_newer_rows_are_told_when_asked_so(client, run, after, expected):
    rows = client.get(f"/runs/{run.id}", params={"after": after}).json()["metrics"]
    assert [row[0] for row in rows] == expected


@pytest.mark.parametrize("after", ["x", "-2", "1.5", "", "٣", "9" * 5000])
def test_a_senseless_epoch_is_refused_in_a_sentence(client, run, after):
    answer = client.get(f"/runs/{run.id}", params={"after": after})
    assert answer.status_code == 400
    assert answer.text.startswith("after = ")


def test_figures_that_are_not_finite_are_left_out(client, run):
    spoiled = [filming.row(1), filming.row(2)]
    spoiled[1] = spoiled[1].__class__(
        **(vars(spoiled[1]) | {"held_out_reconstruction": math.inf, "train_kl": math.nan})
    )
    run.write_metrics(spoiled)
    row = client.get(f"/runs/{run.id}").json()["metrics"][1]
    assert row[2] is None
    assert row[3] is None


def test_a_run_that_waits_has_its_epochs_from_its_settings(client, folder):
    run = filming.making.make(folder)
    facts = client.get(f"/runs/{run.id}").json()
    assert (facts["state"], facts["epochs"], facts["snapshots"], facts["best_epoch"]) == ("new", 6, [], None)


def test_a_run_that_ended_badly_tells_its_last_words(client, folder):
    run = filming.make(folder, state="training")  # and no process holds its lock
    for number in range(30):
        run.log(f"line {number}")
    facts = client.get(f"/runs/{run.id}").json()
    assert (facts["state"], facts["busy"]) == ("interrupted", False)
    assert len(facts["log"]) == answers.LOG_LINES
    assert facts["log"][-1].endswith("line 29")


def test_the_same_id_made_anew_is_another_run(client, folder, run):
    before = client.get(f"/runs/{run.id}").json()["made"]
    run.write("config.json", (run.folder / "config.json").read_bytes())
    assert client.get(f"/runs/{run.id}").json()["made"] != before


def test_the_film_is_handed_out_byte_for_byte(client, run):
    answer = client.get(f"/runs/{run.id}/film/3")
    assert answer.content == run.film(3).read_bytes()
    assert answer.headers["content-encoding"] == "identity"
    assert load(answer.content)["reconstructions"].equal(Frame.from_file(run.film(3)).reconstructions)
    items = client.get(f"/runs/{run.id}/film/items").content
    assert items == (run.folder / "film" / "items.safetensors").read_bytes()


@pytest.mark.parametrize(("kind", "start"), [("gif", b"GIF89a"), ("mp4", b"ftyp")])
def test_the_film_can_be_saved(client, run, kind, start):
    answer = client.get(f"/runs/{run.id}/film.{kind}")
    assert answer.status_code == 200
    assert start in answer.content[:12]
    assert answer.headers["content-disposition"] == f'attachment; filename="{run.id}.{kind}"'


def test_what_is_not_there_is_a_sentence(client, folder, run):
    fresh = filming.making.make(folder, "Fresh")
    for path in ("nobody", f"{run.id}/film/77", f"{fresh.id}/film/items", f"{fresh.id}/film.gif"):
        answer = client.get(f"/runs/{path}")
        assert answer.status_code == 404
        assert answer.text.endswith(".")
        assert "\n" not in answer.text


@pytest.mark.parametrize("path", ["../secret", "%2e%2e", "..%2fsecret", ".hidden", "UPPER", "a" * 200])
def test_no_id_leads_out_of_the_folder(client, folder, run, path):
    secret = folder.parent / "secret"
    secret.mkdir()
    (secret / "config.json").write_bytes((run.folder / "config.json").read_bytes())
    assert client.get(f"/runs/{path}").status_code in (400, 404)


@pytest.mark.parametrize(
    "frame", ["-1", "1.5", "config", "0001.safetensors", "٣", "9" * 5000, "%2e%2e%2fconfig"]
)
def test_no_frame_leads_out_of_the_film(client, run, frame):
    assert client.get(f"/runs/{run.id}/film/{frame}").status_code in (400, 404)


def test_a_link_out_of_the_folder_is_not_followed(client, folder, run):
    secret = folder.parent / "secret.txt"
    secret.write_text("secret")
    run.film(9).symlink_to(secret)
    assert client.get(f"/runs/{run.id}/film/9").status_code == 404


@pytest.mark.parametrize("path", ["", "/film/items", "/film/1", "/film.gif"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(client, run, path, headers):
    assert client.get(f"/runs/{run.id}{path}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_our_own_pages_and_programs_are_answered(client, run, headers):
    assert client.get(f"/runs/{run.id}", headers=headers).status_code == 200


def test_a_server_that_starts_does_not_wait_for_torch():
    code = "import sys, vae_explorer.train.routes; sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_runs_are_only_read(client, run):
    assert client.post(f"/runs/{run.id}").status_code == 405
    assert client.delete(f"/runs/{run.id}").status_code == 405


def test_a_film_is_given_up_when_its_reader_leaves(app, run, monkeypatch, tmp_path):
    places, given_up = [], threading.Event()

    def slow(path, run, should_cancel):
        places.append(path.parent)
        deadline = time.monotonic() + PATIENCE_S
        while not should_cancel() and time.monotonic() < deadline:
            time.sleep(0.005)
        given_up.set()
        return not should_cancel()

    monkeypatch.setitem(answers._WRITERS, "gif", slow)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asyncio.run(leave(app, f"/runs/{run.id}/film.gif"))
    assert given_up.is_set()
    assert places
    assert not places[0].exists()


async def leave(app, path):
    """Ask for something as a browser does that closes the connection soon after."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message):
        assert message["type"].startswith("http.response")

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }
    await asyncio.wait_for(app(scope, receive, send), PATIENCE_S)
