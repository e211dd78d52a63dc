"""The Equations page without a browser: its steps, its address, and what their components are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core import checkpoint
from vae_core.config import ObjectiveConfig
from vae_explorer import library
from vae_explorer.compare import training
from vae_explorer.equations import components as equations_components
from vae_explorer.equations import frame, step_6_regularization, step_8_generation
from vae_explorer.live import assets, known

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "equations.py")


class Components:
    """Stands for all components in the browser: what each was told last, in the order of their first showing."""

    def __init__(self):
        self.told = {}

    def made(self, name, sheets):
        assert assets.css(*sheets)
        assert (assets.FOLDER / f"equations/web/{name}.js").is_file()
        return lambda key, data, **handlers: self.told.update({name: data})


@pytest.fixture
def components(monkeypatch):
    found = Components()
    monkeypatch.setattr(equations_components, "_made", found.made)
    yield found
    known.forget()


def with_beta(beta, **settings):
    made = making.make(**settings)
    description = made.description.model_copy(update={"objective": ObjectiveConfig(beta=beta)})
    return checkpoint.to_bytes(replace(made, description=description))


@pytest.fixture
def visit(components, tmp_path, monkeypatch):
    """Visit with a VAE of digits, beta-VAEs, an autoencoder, one that is alone in its width, others that do not fit."""
    files = {
        "vae": making.content(),
        "strong": with_beta(4.0),
        "weak": with_beta(0.1),
        "ae": making.content(kind="autoencoder"),
        "bare": making.content(with_reference=False),
        "colours": making.content(info=making.COLOURS),
        "wide": making.content(latent_dim=5, alive=3),
        "wide-ae": making.content(latent_dim=7, kind="autoencoder"),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))

    def start(model="vae", **query):
        app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        for name, value in ({"model": model} | query).items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return start


def opened(name):
    return library.open_file(name, library.FOLDER / f"{name}.safetensors")


def step_of(app):
    """The number of the step in view, which the address and the heading name too."""
    number = app.session_state[frame.STEP]
    assert app.query_params["step"] == str(number)
    assert app.subheader[0].value.startswith(f"{number} · ")
    return number


# --- the frame --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, len(frame.STEPS) + 1))
@pytest.mark.parametrize("model", ["vae", "ae", "bare", "wide"])
def test_every_step_shows_its_formula_and_its_source(visit, number, model):
    app = visit(model, step=str(number))
    assert step_of(app) == number
    assert len(app.latex) >= 1
    assert app.query_params["model"] == model
    assert app.caption or app.info


def test_next_and_back_turn_the_pages(visit):
    app = visit(step="6")
    app.button(key="equations_turn_PageDown").click().run()
    assert step_of(app) == 7
    app.button(key="equations_turn_PageDown").click().run()
    assert step_of(app) == 8
    assert app.button(key="equations_turn_PageDown").disabled
    app.button(key="equations_turn_PageUp").click().run()
    assert step_of(app) == 7


def test_going_back_in_the_browser_shows_the_step_that_its_address_names(visit):
    app = visit(step="6")
    app.button(key="equations_turn_PageDown").click().run()
    app.query_params["step"] = "6"
    app.run()
    assert step_of(app) == 6
    app.query_params["step"] = "nonsense"
    app.run()
    assert step_of(app) == 6


@pytest.mark.parametrize("said", ["0", "9", "-1", "two", "7.5", "²"])
def test_an_address_that_names_no_step_opens_the_first(visit, said):
    assert step_of(visit(step=said)) == 1


def test_the_empty_state(components, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S).run()
    assert not app.exception
    assert "There is no model to put numbers into the equations yet" in app.info[0].value


# --- step 2: Gaussians ------------------------------------------------------------------------------------------


def test_a_model_without_a_posterior_has_a_stand_in_and_it_is_named(visit, components):
    visit("ae", step="2")
    facts = components.told["diagonal"]
    assert facts["model"]["name"] != "ae"
    assert facts["model"]["name"] in facts["instead"]


# --- step 6: without the regularization -------------------------------------------------------------------------


def test_models_that_differ_in_beta_stand_in_its_order(visit, components):
    visit("vae", step="6")
    models = components.told["regularization"]["models"]
    assert [(each["model"]["name"], each["beta"]) for each in models] == [
        ("ae", 0),
        ("weak", 0.1),
        ("vae", 1),
        ("strong", 4),
    ]
    for each in models:
        reference = opened(each["model"]["name"]).checkpoint.reference
        np.testing.assert_allclose(each["cloud"], reference.mean[:, each["shown"]], atol=6e-4)
        np.testing.assert_allclose(each["centre"], reference.mean.mean(0), atol=1e-6)
        assert each["labels"] == reference.labels.tolist()


def test_the_model_in_view_takes_the_place_of_others_with_its_beta(visit, components):
    (library.FOLDER / "another.safetensors").write_bytes(making.content(loud=3.0))
    visit("another", step="6")
    names = [each["model"]["name"] for each in components.told["regularization"]["models"]]
    assert names == ["ae", "weak", "another", "strong"]


def test_where_a_width_has_one_model_only_a_bundled_width_with_more_is_shown(visit, components):
    app = visit("wide", step="6")
    assert [each["latentDim"] for each in components.told["regularization"]["models"]] == [2] * 4
    assert any("no other model as wide as wide" in each.value for each in app.caption)


def test_what_there_is_no_beta_for_is_said(components, tmp_path, monkeypatch):
    made = making.make()
    config = made.description.model.model_copy(update={"kind": "pca", "likelihood": "gaussian"})
    in_view = library.OpenModel(
        "pca",
        replace(made, description=made.description.model_copy(update={"model": config})),
        (),
    )
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    anchor, found = step_6_regularization.relatives(in_view)
    assert (anchor, found) == (None, [])
    assert "neither a VAE nor an autoencoder" in step_6_regularization._says(in_view, anchor, found)


def test_missing_betas_are_queued_with_the_data_networks_and_training_of_the_model_in_view(
    visit, monkeypatch
):
    started = []
    monkeypatch.setattr(training.jobs, "start", started.append)
    other_data = with_beta(0.01, info=making.COLOURS)
    (library.FOLDER / "other.safetensors").write_bytes(other_data)
    app = visit("vae", step="6")
    next(each for each in app.button if each.label == "Train 1").click().run()
    assert not app.exception
    [experiment] = [run.experiment() for run in started]
    like = opened("vae").checkpoint.description
    assert experiment.objective.beta == 0.01
    assert (experiment.data, experiment.model, experiment.training) == (like.data, like.model, like.training)


def test_stored_figures_are_told_and_missing_ones_are_not_made_up(visit, components):
    visit("vae", step="6")
    for each in components.told["regularization"]["models"]:
        assert set(each["figures"]) == {
            f"{name}{end}" for name in ("continuity", "completeness") for end in ("", "_low", "_high")
        }
        assert set(each["figures"].values()) == {None}


# --- step 8: generation -----------------------------------------------------------------------------------------


def test_a_vae_draws_from_the_standard_normal(visit, components):
    visit("wide", step="8")
    facts = components.told["generation"]
    assert facts["prior"] == {"mean": [0, 0], "covariance": [[1, 0], [0, 1]]}
    assert facts["centre"] == [0.0] * 5
    assert facts["hasPrior"]


def test_a_model_without_a_prior_draws_from_the_gaussian_fitted_to_its_codes():
    model = library.opened("ae", making.make(kind="autoencoder", latent_dim=3))
    facts = step_8_generation.facts(model)
    codes = model.checkpoint.reference.mean.double()
    shown = facts["shown"]
    assert shown == sorted(dimension.index for dimension in model.dimensions[:2])
    np.testing.assert_allclose(facts["prior"]["covariance"], torch.cov(codes.T)[shown][:, shown], atol=1e-5)
    np.testing.assert_allclose(facts["centre"], codes.mean(0), atol=1e-6)
    assert not facts["hasPrior"]
    known.forget()


def test_one_latent_dimension_is_shown_as_one():
    facts = step_8_generation.facts(library.opened("one", making.make(latent_dim=1)))
    assert np.shape(facts["cloud"])[1] == len(facts["shown"]) == len(facts["prior"]["mean"]) == 1
    known.forget()
