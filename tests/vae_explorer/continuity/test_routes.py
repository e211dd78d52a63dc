"""The routes of headline figures and worst places: what they tell is what the core says, and whom and what they refuse."""

import json

import numpy as np
import pytest
import torch
from starlette.applications import Starlette

from tests.vae_explorer import making
from tests.vae_explorer.live.conftest import TestClient
from vae_core.errors import Stopped
from vae_core.evaluation import headlines as core
from vae_core.evaluation import worst
from vae_core.evaluation.headlines import Headlines
from vae_core.latent.metric import pullback
from vae_core.models.inputs import model_input
from vae_explorer import library
from vae_explorer.continuity import answers, routes
from vae_explorer.live import known, models
from vae_explorer.live.models import examples

REPOSITORY = library.Path(library.__file__).parents[1]
FOUND = Headlines({"continuity": 0.9, "realism_against": "images"}, {"completeness": "There is none."})


@pytest.fixture(scope="module")
def opened():
    return library.open_file("digits-vae-2d", REPOSITORY / "checkpoints" / "digits-vae-2d.safetensors")


@pytest.fixture(autouse=True)
def shown(opened):
    models.publish(opened)
    yield opened
    known.forget()
    answers._kept.clear()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def ask(client, path, opened, **settings):
    answer = client.post(f"/continuity/{path}", json={"model": opened.id} | settings)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def decoded(opened, codes):
    with torch.inference_mode():
        return opened.checkpoint.model.decode(torch.tensor(codes)).mean.flatten(1)


# --- headline figures ---------------------------------------------------------------------------------------------


def test_headlines_are_the_cores_and_are_kept(client, shown, monkeypatch):
    asked = []

    def measured(checkpoint, images, seed, on_progress, should_stop):
        asked.append((checkpoint.id, images is not None, seed))
        on_progress(0.5)
        return FOUND

    monkeypatch.setattr(core, "headlines", measured)
    assert ask(client, "kept", shown) == [{"headlines": None, "worst": {}}]
    before, last = ask(client, "headlines", shown)
    assert before == {"done": 0.5}
    assert last.pop("seconds") >= 0
    assert last == {
        "continuity": 0.9,
        "realism_against": "images",
        "missing": {"completeness": "There is none."},
    }
    assert asked == [(shown.id, True, 0)]
    (kept,) = ask(client, "kept", shown)
    assert kept["headlines"].items() >= last.items()


def test_what_is_kept_of_the_models_seen_longest_ago_is_forgotten(client, shown, monkeypatch):
    monkeypatch.setattr(core, "headlines", lambda *arguments: FOUND)
    ask(client, "headlines", shown)
    for number in range(answers.MAX_KNOWN):
        answers._of(f"{number:016x}")
    assert ask(client, "kept", shown)[0]["headlines"] is None


# --- worst places -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lists(opened):
    """All four lists of the digits, as the routes tell them."""
    models.publish(opened)
    with TestClient(Starlette(routes=[routes.route()])) as client:
        found = {kind: ask(client, "worst", opened, kind=kind) for kind in worst.KINDS}
        (kept,) = ask(client, "kept", opened)
    for *before, last in found.values():
        assert before
        assert all(0 <= line["done"] <= 1 for line in before)
        assert last["places"]
    last = {kind: lines[-1] for kind, lines in found.items()}
    assert kept["worst"] == last
    return last


@pytest.mark.parametrize("kind", worst.KINDS)
def test_a_list_is_the_cores(kind, lists, shown):
    found = worst.find(kind, shown.checkpoint, examples(shown))
    for told, place in zip(lists[kind]["places"], found, strict=True):
        assert told["code"] == list(place.code)
        assert told["value"] == pytest.approx(place.value, rel=1e-5)
        assert (told["label"], told["index"]) == (place.label, place.index)
        radius = np.square(place.code).sum()  # the mass of a 2-D normal within a radius, in closed form
        assert told["percentile"] == pytest.approx(1 - np.exp(-radius / 2), abs=1e-6)


def test_a_cliff_is_seen_from_both_sides_along_its_steepest_direction(lists, shown):
    mean = shown.checkpoint.reference.mean.numpy()
    for place in lists["cliffs"]["places"]:
        before, after = np.float32(place["shown"])
        np.testing.assert_allclose((before + after) / 2, place["code"], atol=1e-6)
        step = after - before
        metric = pullback(
            lambda z: shown.checkpoint.model.decode(z).mean, torch.tensor([place["code"]])
        ).numpy()[0]
        way = step / np.linalg.norm(step)
        assert np.sqrt(way @ metric @ way) == pytest.approx(place["value"], rel=1e-3)
        assert np.linalg.norm(step) == pytest.approx(2 * 0.1 * (mean @ way).std(), rel=1e-3)


def test_a_drift_is_shown_beside_where_it_leads(lists, shown):
    model = shown.checkpoint.model
    for place in lists["drifts"]["places"]:
        code, back = np.float32(place["shown"])
        assert code.tolist() == place["code"]
        with torch.inference_mode():
            again = model.encode(model.decode(torch.tensor(code[None])).mean).mean.numpy()[0]
        # Float32, in batches of other sizes: hundreds of terms a layer, through four layers.
        np.testing.assert_allclose(back, again, rtol=0, atol=1e-4 * np.abs(again).max())
        assert np.linalg.norm(back - code) == pytest.approx(place["value"], rel=1e-3)


def test_holes_and_reconstructions_are_shown_as_they_are(lists):
    for kind in ("holes", "reconstructions"):
        assert all(place["shown"] == [place["code"]] for place in lists[kind]["places"])


def test_the_usual_value_is_that_of_encoded_examples(lists, shown):
    mean = shown.checkpoint.reference.mean[: answers.USUAL]
    assert lists["holes"]["typical"] is None
    images = model_input(examples(shown)[: len(mean)]).flatten(1)
    errors = (decoded(shown, mean.numpy()) - images).square().mean(1)
    assert lists["reconstructions"]["typical"] == pytest.approx(np.median(errors), rel=1e-4)
    for kind in ("cliffs", "drifts", "reconstructions"):
        assert lists[kind]["places"][0]["value"] > lists[kind]["typical"] > 0


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": "0" * 16, "kind": "holes"}, "not open any more"),
        ({"model": ["x"], "kind": "holes"}, "not open any more"),
        ({"kind": "elephants"}, "no list of worst places"),
        ({"kind": ["holes"]}, "no list of worst places"),
        ({}, "no list of worst places"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(client, shown, settings, sentence):
    (line,) = ask(client, "worst", shown, **settings)
    assert list(line) == ["error"]
    assert sentence in line["error"]
    assert line["error"].endswith(".")


def test_a_model_that_is_not_open_has_nothing_kept(client, shown):
    answer = client.post("/continuity/kept", json={"model": "0" * 16})
    assert answer.status_code == 404
    assert "not open any more" in answer.text


@pytest.mark.parametrize("path", ["headlines", "worst", "kept"])
def test_other_sites_are_refused(client, path):
    answer = client.post(f"/continuity/{path}", json={}, headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403


def test_leaving_stops_the_work(shown):
    for work, settings in ((answers.worst, {"kind": "cliffs"}), (answers.headlines, {})):
        with pytest.raises(Stopped):
            work({"model": shown.id} | settings, lambda done: None, lambda: True)
    assert answers.kept({"model": shown.id}) == {"headlines": None, "worst": {}}


def test_a_model_without_encoded_data_has_what_needs_none(client):
    bare = library.opened("bare", making.make(with_reference=False))
    models.publish(bare)
    last = {kind: ask(client, "worst", bare, kind=kind)[-1] for kind in worst.KINDS}
    for kind in ("holes", "reconstructions"):
        assert "without encoded data" in last[kind]["error"]
    for kind in ("cliffs", "drifts"):
        assert last[kind]["places"]
        assert last[kind]["typical"] is None
    found = ask(client, "headlines", bare)[-1]
    assert set(found) == {"missing", "seconds"}
    assert set(found["missing"]) == {"continuity", "completeness", "precision"}


def test_reconstructions_without_data_at_hand_are_a_sentence(client):
    stranger = library.opened("colours", making.make(info=making.COLOURS))
    models.publish(stranger)
    last = ask(client, "worst", stranger, kind="reconstructions")[-1]
    assert "not on this machine" in last["error"]
