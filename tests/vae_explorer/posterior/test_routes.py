"""The routes of the Posterior tab: what x is, what its posterior is by every road, and whom and what they refuse."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from starlette.applications import Starlette

from tests.vae_explorer.live.conftest import TestClient
from vae_core import data
from vae_core.config import ModelConfig
from vae_core.errors import DataNotFound, Stopped
from vae_core.evaluation.likelihood import importance_weighted_bound
from vae_core.models.inputs import model_input
from vae_explorer import library
from vae_explorer.live import known, models
from vae_explorer.live import subject as subjects
from vae_explorer.posterior import answers, routes

REPOSITORY = library.Path(library.__file__).parents[1]
TELL, STAY, LEAVE = (lambda done, says="": None), (lambda: False), (lambda: True)
WORKS = ("exact", "bound", "nuts", "gaps")


def _open(name):
    opened = library.open_file(name, REPOSITORY / "checkpoints" / f"{name}.safetensors")
    models.publish(opened)
    return opened


@pytest.fixture
def shown():
    yield _open("digits-vae-2d")
    known.forget()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def ask(client, name, **asked):
    answer = client.post(f"/posterior/{name}", json=asked)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text.splitlines()[-1])


def refusal(client, name, **asked):
    """The one sentence, as a status or as the last line."""
    answer = client.post(f"/posterior/{name}", json=asked)
    text = answer.text if answer.status_code != 200 else json.loads(answer.text.splitlines()[-1])["error"]
    assert text.endswith(".")
    assert "\n" not in text
    return text


def numbers(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def image(shown, nth):
    """The nth example, straight from the data."""
    dataset = data.load(shown.checkpoint.description.data, "held-out")
    index = int(shown.checkpoint.reference.indices[nth])
    return model_input(dataset.examples[dataset.indices == index])


def log_joint(shown, x, places):
    model, z = shown.checkpoint.model, torch.tensor(places, dtype=torch.float32)
    with torch.inference_mode():
        return (model.decode(z).log_prob(x) + model.prior().log_prob(z)).double().numpy()


# --- what x is --------------------------------------------------------------------------------------------------


def test_an_example_is_that_of_the_data_with_its_posterior(client, shown):
    found = ask(client, "example", model=shown.id, label=-1, nth=5)
    x = image(shown, 5)
    posterior = shown.checkpoint.model.encode(x)
    np.testing.assert_allclose(found["mean"], posterior.mean[0].detach(), rtol=1e-5)
    np.testing.assert_allclose(found["std"], posterior.stddev[0].detach(), rtol=1e-5)
    assert found["of"] == "image"
    assert found["label"] == int(shown.checkpoint.reference.labels[5])
    pixels = np.frombuffer(base64.b64decode(found["picture"]["pixels"]), np.uint8)
    np.testing.assert_allclose(pixels / 255, x.flatten(), atol=0.5 / 255 + 1e-6)
    assert sum(found["counts"]) == found["all"] == len(shown.checkpoint.reference)


def test_a_class_has_its_own_numbers(client, shown):
    labels = shown.checkpoint.reference.labels
    position = int(torch.nonzero(labels == 7)[3, 0])
    of_class = ask(client, "example", model=shown.id, label=7, nth=3)
    of_all = ask(client, "example", model=shown.id, label=-1, nth=position)
    assert of_class["label"] == 7
    assert of_class["mean"] == of_all["mean"]


@pytest.mark.parametrize("asked", [{"code": [0.5, -0.25]}, {"label": -1, "nth": 5, "decoded": True}])
def test_what_a_code_decodes_to_can_be_x(client, shown, asked):
    found = ask(client, "example", model=shown.id, **asked)
    model, reference = shown.checkpoint.model, shown.checkpoint.reference
    code = torch.tensor([asked["code"]]) if "code" in asked else reference.mean[5:6]
    with torch.inference_mode():
        posterior = model.encode(model.decode(code).mean)
    assert found["of"] == "decoded"
    np.testing.assert_allclose(found["mean"], posterior.mean[0], rtol=1e-5)


def test_without_the_data_there_is_a_sentence_and_the_model_can_make_an_x(client, shown, monkeypatch):
    monkeypatch.setattr(library, "data_here", lambda opened: False)
    found = ask(client, "example", model=shown.id, label=-1, nth=5)
    assert "not on this machine" in found["absent"]
    assert found["all"] == len(shown.checkpoint.reference)
    assert "picture" not in found
    for name in WORKS:
        assert "not on this machine" in refusal(client, name, model=shown.id, label=-1, nth=5, samples=10)
    assert "picture" in ask(client, "example", model=shown.id, label=-1, nth=5, decoded=True)


def test_data_that_are_not_what_they_were_are_not_taken_for_it(shown, monkeypatch):
    reference = shown.checkpoint.reference
    other = type(reference)(reference.mean, reference.log_variance, reference.indices + 100_000)
    changed = type(shown)(
        shown.name, type(shown.checkpoint)(**vars(shown.checkpoint) | {"reference": other}), ()
    )
    with pytest.raises(DataNotFound, match="not those that this model was encoded with"):
        subjects._image(changed, 0)


def test_a_model_without_a_posterior_says_so(client, shown):
    plain = _open("mnist-ae-2d")
    assert "no posterior" in ask(client, "example", model=plain.id, label=-1, nth=0)["lack"]
    for name in WORKS:
        assert "no posterior" in refusal(client, name, model=plain.id, label=-1, nth=0, samples=10)


# --- by quadrature ----------------------------------------------------------------------------------------------


def test_the_exact_figures_are_those_of_another_quadrature(client, shown):
    found, x = ask(client, "exact", model=shown.id, label=-1, nth=7), image(shown, 7)
    mean, std = np.array(found["mean"]), np.sqrt(np.diag(found["covariance"]))
    peak = float(log_joint(shown, x, mean[None])[0])
    low, high = mean - 8 * std, mean + 8 * std
    mass, _ = dblquad(
        lambda b, a: math.exp(float(log_joint(shown, x, [[a, b]])[0]) - peak),
        *(low[0], high[0], low[1], high[1]),
        epsabs=1e-6,
        epsrel=1e-3,
    )
    assert found["logEvidence"] == pytest.approx(peak + math.log(mass), abs=1e-2)
    assert found["logEvidence"] - found["elbo"] - found["kl"] == pytest.approx(0, abs=1e-2)


def test_the_map_is_log_posterior_row_by_row_from_below(client, shown):
    found, x = ask(client, "exact", model=shown.id, label=-1, nth=7), image(shown, 7)
    grid = found["grid"]
    values = numbers(grid["values"]).reshape(grid["rows"], grid["columns"])
    for row, column in ((0, 0), (40, 60), (95, 3)):
        place = [grid["left"] + column * grid["cell"], grid["bottom"] + row * grid["cell"]]
        expected = float(log_joint(shown, x, [place])[0]) - found["logEvidence"]
        assert values[row, column] == pytest.approx(expected, abs=2e-3)
    assert np.exp(values.astype(np.float64)).sum() * grid["cell"] ** 2 == pytest.approx(1, abs=0.01)


def test_any_window_can_be_asked_for(client, shown):
    asked = {"model": shown.id, "label": -1, "nth": 7}
    grid = ask(client, "heat", **asked, around=[0.5, -1.0], reach=2.0, cells=5)
    values = numbers(grid["values"]).reshape(5, 5)
    assert (grid["left"], grid["bottom"], grid["cell"]) == (-1.5, -3.0, 1.0)
    expected = log_joint(shown, image(shown, 7), [[2.5, -3.0], [-1.5, 1.0]])
    np.testing.assert_allclose([values[0, 4], values[4, 0]], expected, rtol=1e-5)


def test_one_dimension_makes_one_row(shown, monkeypatch):
    config = shown.checkpoint.model.config.model_dump() | {"latent_dim": 1}
    model = subjects.VAE(ModelConfig(**config)).eval()
    subject = subjects.Subject(shown, model, image(shown, 0), "image")
    monkeypatch.setattr(answers, "subject_of", lambda asked: subject)
    grid = answers.heat({"around": [0.0], "reach": 3.0, "cells": 7})
    assert (grid["rows"], grid["columns"], grid["left"]) == (1, 7, -3.0)
    found = answers.exact({}, TELL, STAY)
    assert found["logEvidence"] - found["elbo"] - found["kl"] == pytest.approx(0, abs=1e-2)


def test_more_than_two_dimensions_have_no_map_but_a_bound(client):
    opened = _open("mnist-vae-10d")
    asked = {"model": opened.id, "code": [0.0] * 10}
    assert "10" in refusal(client, "exact", **asked)
    assert "10" in refusal(client, "heat", **asked, around=[0.0, 0.0], reach=1.0)
    assert ask(client, "bound", **asked, samples=50)["samples"][-1] == 50


# --- by draws ---------------------------------------------------------------------------------------------------


def test_the_bound_rises_from_the_elbo_to_the_evidence(client, shown):
    asked = {"model": shown.id, "label": -1, "nth": 1}
    found, exact = ask(client, "bound", **asked, samples=2000), ask(client, "exact", **asked)
    errors = np.array(found["errors"])
    assert found["samples"][0] == 1
    assert abs(found["bound"][0] - exact["elbo"]) < 5 * errors[0]
    assert abs(found["bound"][-1] - exact["logEvidence"]) < 5 * errors[-1]
    middle = found["samples"].index(min(found["samples"], key=lambda k: abs(k - 30)))
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        batch = image(shown, 1).expand(400, -1, -1, -1)
        other = importance_weighted_bound(shown.checkpoint.model, batch, found["samples"][middle], generator)
    expected, error = float(other.mean()), float(other.std()) / 20
    assert abs(found["bound"][middle] - expected) < 5 * math.hypot(error, errors[middle])
    assert found == ask(client, "bound", **asked, samples=2000) | {"seconds": found["seconds"]}


def test_nuts_draws_from_the_exact_posterior(client, shown, monkeypatch):
    from vae_core.evaluation import sampling

    nuts = sampling.nuts
    monkeypatch.setattr(
        sampling, "nuts", lambda *given, **named: nuts(*given, **named, chains=2, warmup=100, draws=150)
    )
    asked = {"model": shown.id, "label": -1, "nth": 7}
    found, exact = ask(client, "nuts", **asked), ask(client, "exact", **asked)
    draws = numbers(found["draws"]).reshape(-1, 2)
    assert len(draws) == found["count"] == 300
    np.testing.assert_allclose(found["mean"], draws.mean(0), rtol=1e-4)
    std = np.sqrt(np.diag(exact["covariance"]))
    errors = std / np.sqrt(np.array(found["ess"]))
    assert (np.abs(draws.mean(0) - exact["mean"]) < 5 * errors).all()
    np.testing.assert_allclose(found["std"], std, rtol=0.3)
    assert max(found["rHat"]) < 1.1


def test_the_gaps_add_up(client, shown):
    asked = {"model": shown.id, "label": -1, "nth": 7}
    found, exact = ask(client, "gaps", **asked), ask(client, "exact", **asked)
    assert found["exact"]
    assert found["approximation"] + found["amortization"] == pytest.approx(exact["kl"], abs=1e-2)
    assert min(found["approximation"], found["amortization"]) > -1e-3
    assert found["bestElbo"] >= found["elbo"]


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"model": "0" * 16}, "not open any more"),
        ({"model": None}, "not open any more"),
        ({"nth": 100_000}, "none has the number"),
        ({"nth": -1}, "whole numbers"),
        ({"nth": 1.5}, "whole numbers"),
        ({"label": "x"}, "whole numbers"),
        ({"label": 99}, "There are 0 such examples"),
        ({"code": [0.0]}, "has 2 numbers"),
        ({"code": "nonsense"}, "has 2 numbers"),
        ({"code": [1e300, 0]}, "has 2 numbers"),
        ({"code": [[0, 1], [0, 1]]}, "has 2 numbers"),
    ],
)
@pytest.mark.parametrize("name", ["example", "bound"])
def test_what_makes_no_sense_is_one_sentence(client, shown, name, asked, sentence):
    assert sentence in refusal(
        client, name, **{"model": shown.id, "label": -1, "nth": 0, "samples": 10} | asked
    )


@pytest.mark.parametrize(
    ("name", "asked", "sentence"),
    [
        ("heat", {"around": [0, 0], "reach": 0}, "reach"),
        ("heat", {"around": [0, 0], "reach": "wide"}, "reach"),
        ("heat", {"around": [0], "reach": 1}, "2 numbers"),
        ("heat", {"around": [0, 0], "reach": 1, "cells": 100_000}, "cells"),
        ("heat", {"around": [0, 0], "reach": 1, "cells": True}, "cells"),
        ("bound", {"samples": 0}, "samples"),
        ("bound", {"samples": 10**9}, "samples"),
        ("bound", {}, "samples"),
    ],
)
def test_settings_out_of_range_are_one_sentence(client, shown, name, asked, sentence):
    assert sentence in refusal(client, name, model=shown.id, label=-1, nth=0, **asked)


@pytest.mark.parametrize("name", WORKS)
def test_leaving_stops_the_work(shown, name):
    with pytest.raises(Stopped):
        getattr(answers, name)({"model": shown.id, "label": -1, "nth": 0, "samples": 1000}, TELL, LEAVE)


@pytest.mark.parametrize("name", ["example", "heat", *WORKS])
def test_other_sites_and_what_is_no_json_are_refused(client, shown, name):
    elsewhere = {"Origin": "http://elsewhere.example"}
    assert client.post(f"/posterior/{name}", json={}, headers=elsewhere).status_code == 403
    assert client.post(f"/posterior/{name}", content=b"[1]").status_code == 400
    assert client.get(f"/posterior/{name}").status_code == 405
