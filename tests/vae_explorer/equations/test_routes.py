"""The routes of the Equations page: what they answer is what the core says, closes, and what they refuse."""

import base64
import json

import numpy as np
import pytest
import torch
from starlette.applications import Starlette

from tests.vae_explorer import making
from tests.vae_explorer.live.conftest import TestClient
from vae_core.equations import generation
from vae_core.equations.evidence import Grid
from vae_core.errors import Stopped
from vae_core.evaluation import posterior
from vae_core.models.inputs import model_input
from vae_explorer import library
from vae_explorer.equations import answers, routes
from vae_explorer.live import known, models, subject

CHECKPOINTS = library.Path(library.__file__).parents[1] / "checkpoints"
QUIET, STAY, LEAVE = (lambda done, says="": None), (lambda: False), (lambda: True)
PLANAR = ("marginal", "evidence", "reconstruction", "gradients")
SMALL = {
    "marginal": {"repeats": 3, "draws": 500},
    "gradients": {"draws": 200},
    "generation": {"count": 60, "permutations": 50},
}


def bundled(name):
    opened = library.open_file(name, CHECKPOINTS / f"{name}.safetensors")
    models.publish(opened)
    return opened


@pytest.fixture(autouse=True)
def shown():
    yield bundled("digits-vae-2d")
    known.forget()
    answers._computed.cache_clear()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def ask(client, name, **asked):
    answer = client.post(f"/equations/{name}", json=SMALL.get(name, {}) | asked)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text.splitlines()[-1])


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)


def grid_of(found):
    grid = found["grid"]
    values = numbers(grid["values"]).reshape(grid["rows"], grid["columns"])
    return Grid(grid["left"], grid["bottom"], grid["cell"], values)


# --- what they answer -------------------------------------------------------------------------------------------


def test_marginal_tells_how_far_draws_of_the_prior_get(client, shown):
    found = ask(client, "marginal", model=shown.id, nth=3, draws=2000)
    exact = posterior.exact(shown.checkpoint.model, subject.subject_of({"model": shown.id, "nth": 3}).x)
    assert found["evidence"] == {"value": pytest.approx(exact.log_evidence), "exact": True}
    values, codes = numbers(found["logLikelihood"]), numbers(found["codes"]).reshape(-1, 2)
    assert len(values) == len(codes) == found["counts"][-1] == 2000
    estimates = np.array(found["estimates"])
    assert estimates.shape == (3, len(found["counts"]))
    first = np.logaddexp.reduce(values) - np.log(2000)
    assert estimates[0, -1] == pytest.approx(first, abs=1e-4)
    assert np.abs(estimates[:, -1] - found["evidence"]["value"]).max() < 1.5
    assert 1 <= found["heavy"] < 200
    assert found["needed"] > 2000
    assert found["settled"] is None or found["settled"] in found["counts"]
    # The heaviest draws lie where the encoder says.
    heavy = codes[np.argsort(-values)[: found["heavy"]]]
    assert np.abs(heavy - found["mean"]).max() < 1.5


def test_beyond_two_dimensions_the_bound_stands_for_the_evidence(client):
    opened = library.opened("small", making.make(latent_dim=3))
    models.publish(opened)
    found = ask(client, "marginal", model=opened.id, nth=0, draws=100, repeats=1)
    assert found["evidence"]["exact"] is False
    assert (found["needed"], found["spread"]) == (None, None)
    assert len(numbers(found["codes"])) == 300


def test_evidence_closes_for_the_browser_as_for_us(client, shown):
    found = ask(client, "evidence", model=shown.id, nth=3)
    grid = grid_of(found)
    figures = posterior.identity(shown.checkpoint.model, subject.subject_of({"model": shown.id, "nth": 3}).x)
    assert found["encoder"]["elbo"] == pytest.approx(figures.elbo, abs=2e-3)
    for name in ("encoder", "best", "full"):
        q = found[name]
        assert found["logEvidence"] - q["elbo"] - q["kl"] == pytest.approx(0, abs=1e-2)
        bound = grid.bound(np.array(q["mean"]), np.array(q["covariance"]))  # from what was sent
        assert (bound.elbo, bound.kl) == pytest.approx((q["elbo"], q["kl"]), abs=2e-3)
    assert found["full"]["elbo"] >= found["best"]["elbo"] > found["encoder"]["elbo"]
    assert grid.log_evidence == pytest.approx(found["gridEvidence"], abs=1e-4)
    assert found["best"]["covariance"][0][1] == 0
    exact = posterior.exact(shown.checkpoint.model, subject.subject_of({"model": shown.id, "nth": 3}).x)
    np.testing.assert_allclose(found["posterior"]["mean"], exact.mean)


def test_reconstruction_knows_the_squared_error_everywhere(client, shown):
    found = ask(client, "reconstruction", model=shown.id, nth=3)
    x = subject.subject_of({"model": shown.id, "nth": 3}).x
    for each in found["grids"]:
        grid = grid_of({"grid": each})
        for row, column in ((0, 0), (60, 70), (127, 5)):
            code = torch.tensor([[grid.left + column * grid.cell, grid.bottom + row * grid.cell]])
            with torch.inference_mode():
                expected = float((shown.checkpoint.model.decode(code.float()).mean - x).square().sum())
            assert grid.log_joint[row, column] == pytest.approx(expected, rel=1e-4)
    assert [each["c"] for each in found["grids"]] == [30, 1, 0.03]
    assert np.diff([each["cell"] for each in found["grids"]]).max() < 0
    assert (found["count"], found["variance"]) == (64, pytest.approx(0.04))
    assert found["expected"] > found["squared"] > 0
    rates = [each["rate"] for each in found["curve"]]
    assert len(rates) > 30
    assert (np.diff(rates) < 0).all()  # also from one plane to the next
    own = min(found["curve"], key=lambda each: abs(each["c"] - 0.04))
    assert own["rate"] == pytest.approx(found["rate"], rel=0.3)
    assert found["x"]["height"] == found["decoded"]["width"] == 8


def test_gradients_are_draw_by_draw_and_centre_on_the_exact_one(client, shown):
    found = ask(client, "gradients", model=shown.id, nth=4, draws=1000)
    assert found["parameters"] == ["m1", "m2", "s1", "s2"]
    for name in ("reparameterized", "score", "baseline"):
        estimate = found[name]
        draws = numbers(estimate["draws"]).reshape(1000, 4)
        np.testing.assert_allclose(draws.mean(0), estimate["mean"], rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(draws.var(0, ddof=1), estimate["variance"], rtol=1e-3)
        distance = np.abs(np.array(estimate["mean"]) - found["exact"])
        assert (distance < 4.5 * np.array(estimate["error"])).all()
    assert min(found["ratio"]) > min(found["baselineRatio"]) > 1


def test_generation_compares_with_the_images(client, shown):
    found = ask(client, "generation", model=shown.id)
    assert (found["of"], found["prior"], found["normal01"]) == ("images", "normal", None)
    assert found["says"] == "60 draws of N(0, I), decoded, against 60 images of Digits (8x8)."
    assert found["count"] == 60
    assert len(found["null"]) == 50
    assert found["null"] == sorted(found["null"])
    images = model_input(models.examples(shown, 60))
    generator = torch.Generator().manual_seed(0)
    _, samples = generation.decoded_draws(shown.checkpoint.model, 60, generator)
    expected = generation.two_sample(samples, images, 50, generator)
    assert (found["mmd"], found["p"]) == (pytest.approx(expected.mmd), pytest.approx(expected.p))
    assert len(found["samples"]) == len(found["data"]) == len(found["codes"]) == 24
    pixels = np.frombuffer(base64.b64decode(found["data"][3]["pixels"]), np.uint8)
    np.testing.assert_allclose(pixels / 255, images[3].flatten(), atol=0.01)
    assert found["baseline"]["p"] > 0.02
    assert found["reconstructed"]["p"] <= 1


def test_without_the_data_reconstructions_stand_for_them(client, shown, monkeypatch):
    monkeypatch.setattr(models.library, "data_here", lambda opened: False)
    found = ask(client, "generation", model=shown.id)
    assert (found["of"], found["reconstructed"]) == ("reconstructions", None)
    assert "reconstructions of Digits" in found["says"]


def test_a_plain_autoencoder_draws_from_the_gaussian_of_its_codes(client):
    opened = library.opened("plain", making.make(kind="autoencoder"))
    models.publish(opened)
    found = ask(client, "generation", model=opened.id)
    assert found["prior"] == "fitted"
    assert found["normal01"].keys() == {"mmd", "p"}
    assert "fitted to the codes" in found["says"]


@pytest.mark.parametrize("name", routes.NAMES)
def test_the_same_request_gets_the_same_answer(client, shown, name):
    first, second = (ask(client, name, model=shown.id, nth=5) for _ in range(2))
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_what_a_code_decodes_to_can_be_x(client, shown):
    by_code = ask(client, "evidence", model=shown.id, code=[0.5, -0.25])
    other = ask(client, "evidence", model=shown.id, code=[0.5, 0.25])
    assert by_code["logEvidence"] != pytest.approx(other["logEvidence"])
    again = ask(client, "evidence", model=shown.id, code=[0.5, -0.25])
    assert again["logEvidence"] == by_code["logEvidence"]


# --- what they refuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "sentence"),
    [
        ("marginal", {"draws": 5}, "draws = 5"),
        ("marginal", {"draws": "many"}, "draws = many"),
        ("marginal", {"repeats": 0}, "repeats = 0"),
        ("marginal", {"repeats": True}, "repeats = True"),
        ("marginal", {"repeats": 50, "draws": 200_000}, "too many at once"),
        ("evidence", {"cells": 10_000}, "cells = 10000"),
        ("reconstruction", {"cells": 1}, "cells = 1"),
        ("gradients", {"draws": 10**9}, "draws = 1000000000"),
        ("gradients", {"seed": -1}, "seed = -1"),
        ("generation", {"count": 1}, "count = 1"),
        ("generation", {"permutations": 1e3}, "permutations = 1000.0"),
        ("generation", {"model": "0" * 16}, "not open any more"),
        ("evidence", {"nth": 10**6}, "none has the number"),
    ],
)
def test_settings_out_of_range_are_one_sentence(client, shown, name, asked, sentence):
    said = ask(client, name, **{"model": shown.id, "nth": 0} | asked)["error"]
    assert sentence in said
    assert said.endswith(".")


@pytest.mark.parametrize("name", PLANAR)
def test_a_model_without_a_posterior_says_so(client, name):
    opened = library.opened("plain", making.make(kind="autoencoder"))
    models.publish(opened)
    assert "no posterior" in ask(client, name, model=opened.id, nth=0)["error"]


def test_more_than_two_dimensions_lack_the_pictures_of_a_plane_only(client):
    opened = library.opened("wide", making.make(latent_dim=4))
    models.publish(opened)
    for name in ("evidence", "reconstruction"):
        assert "4 latent dimensions" in ask(client, name, model=opened.id, nth=0)["error"]
    assert ask(client, "gradients", model=opened.id, nth=0)["exact"] is None


def test_a_model_without_encoded_examples_generates_nothing_to_compare(client):
    opened = library.opened("bare", making.make(with_reference=False))
    models.publish(opened)
    assert "came without encoded examples" in ask(client, "generation", model=opened.id)["error"]


@pytest.mark.parametrize("name", routes.NAMES)
def test_leaving_stops_the_work(shown, name):
    with pytest.raises(Stopped):
        getattr(answers, name)({"model": shown.id, "nth": 0} | SMALL.get(name, {}), QUIET, LEAVE)


@pytest.mark.parametrize("name", routes.NAMES)
def test_other_sites_and_what_is_no_json_are_refused(client, name):
    elsewhere = {"Origin": "http://elsewhere.example"}
    assert client.post(f"/equations/{name}", json={}, headers=elsewhere).status_code == 403
    assert client.post(f"/equations/{name}", content=b"[1]").status_code == 400
    assert client.get(f"/equations/{name}").status_code == 405
