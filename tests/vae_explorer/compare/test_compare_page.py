"""The Compare page without a browser: what can be chosen, what is refused, what is told, and what is trained."""

import json
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_explorer import library
from vae_explorer.compare import choose, mount, training
from vae_explorer.live import assets, columns, known

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "compare.py")


class Component:
    """Stands for the page in the browser."""

    def __init__(self):
        self.told, self.sends = [], None

    def __call__(self, key, data, on_explore_change):
        self.told.append(data)
        if self.sends is not None:
            st.session_state[key] = {"explore": self.sends}
            self.sends = None
            on_explore_change()


@pytest.fixture
def component(monkeypatch):
    component = Component()
    monkeypatch.setattr(mount, "_component", lambda: component)
    yield component
    columns._shown.clear()
    known.forget()


@pytest.fixture
def visit(component, tmp_path, monkeypatch):
    """Visit the page with two models of digits, an autoencoder, one of colours, and one without encoded data."""
    (tmp_path / "a.safetensors").write_bytes(making.content())
    (tmp_path / "ae.safetensors").write_bytes(making.content(kind="autoencoder"))
    (tmp_path / "bare.safetensors").write_bytes(making.content(with_reference=False))
    (tmp_path / "colours.safetensors").write_bytes(making.content(info=making.COLOURS))
    (tmp_path / "wide.safetensors").write_bytes(making.content(latent_dim=5, alive=3))
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))

    def start(**query):
        app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return start


def opened(name):
    return library.open_file(name, library.FOLDER / f"{name}.safetensors")


def names(component):
    return [each["model"]["name"] for each in component.told[-1]["models"]]


def test_at_first_there_are_the_model_in_view_and_others_of_its_data(visit, component):
    app = visit(model="ae")
    assert names(component) == ["ae", "a"]
    assert app.session_state[choose.CHOSEN] == ["ae", "a", "bare"]
    assert "bare came without encoded data" in app.error[0].value


def test_the_address_says_which_and_in_which_order(visit, component):
    visit(models="wide,a,ae")
    assert names(component) == ["wide", "a", "ae"]


def test_what_the_address_asks_for_in_vain_is_explained(visit, component):
    app = visit(models="a,colours,nobody,wide")
    assert names(component) == ["a", "wide"]
    said = " ".join(error.value for error in app.error)
    assert "There is no model named nobody" in said
    assert "a and colours cannot be compared" in said


def test_models_of_other_data_are_listed_as_refused_each_with_its_sentence(visit, component):
    app = visit(models="a,ae")
    assert not any(option == "colours" for option in app.multiselect[0].options)
    assert sum("cannot be compared" in caption.value for caption in app.caption) == 1


def test_choosing_adds_a_column_and_choosing_none_says_what_to_do(visit, component):
    app = visit(models="a")
    app.multiselect[0].set_value(["a", "wide"]).run()
    assert names(component) == ["a", "wide"]
    app.multiselect[0].set_value([]).run()
    assert "Choose the models" in app.info[0].value
    assert not app.exception


def test_other_data_bring_their_own_models(visit, component):
    app = visit(models="a,ae")
    app.selectbox[0].set_value("colours").run()
    assert names(component) == ["colours"]


def test_a_choice_outlives_the_page(visit, component):
    app = visit(models="wide,ae")
    app.run()
    assert names(component) == ["wide", "ae"]


def test_the_component_is_told_what_columns_show(visit, component):
    visit(models="a,ae,wide")
    a, ae, wide = component.told[-1]["models"]
    assert (a["kind"], ae["kind"], wide["latentDim"]) == ("VAE", "Autoencoder", 5)
    assert [each["kl"] for each in ae["dimensions"]] == [None, None]
    spreads = {each["index"]: each["spread"] for each in wide["dimensions"]}
    reference = opened("wide").checkpoint.reference
    assert spreads == pytest.approx(dict(enumerate(reference.mean.std(0, correction=0).tolist())), rel=1e-4)
    assert sum(each["active"] for each in wide["dimensions"]) == 3
    assert {"index", "codes", "label"} <= set(a["columns"])
    json.dumps(component.told[-1])


def test_a_code_goes_to_explore(visit, component, monkeypatch):
    gone = []
    monkeypatch.setattr(st, "switch_page", gone.append)
    app = visit(models="a,wide")
    component.sends = {"model": opened("wide").id, "values": [0.5] * 5}
    app.run()
    assert gone == ["pages/explore.py"]
    assert app.session_state["current_model"] == "wide"
    assert app.session_state["codes"]["wide"] == [0.5] * 5


@pytest.mark.parametrize("wish", [{"model": "0" * 16, "values": [0.0, 0.0]}, {}])
def test_a_wish_for_another_model_is_not_heard(visit, component, monkeypatch, wish):
    gone = []
    monkeypatch.setattr(st, "switch_page", gone.append)
    app = visit(models="a,ae")
    component.sends = wish
    app.run()
    assert gone == []


def test_missing_counterparts_are_queued_by_one_button(visit, component, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", started.append)
    app = visit(models="a,ae")
    button = next(each for each in app.button if each.label == "Train 4")
    button.click().run()
    assert not app.exception
    assert sorted(run.title() for run in started) == [
        "Denoising autoencoder, 2-D digits",
        "Linear autoencoder, 2-D digits",
        "PCA, 2-D digits",
        "β-VAE with β = 4, 2-D digits",
    ]
    assert all(run.experiment().data.name == "digits" for run in started)
    assert [each.folder.parent for each in started] == [jobs.root()] * 4


def test_what_is_being_trained_is_not_offered_again(visit, component, monkeypatch):
    visit(models="a,ae")
    model = opened("a")
    wanted = training.missing(model.checkpoint.description, training.there(model, ["a", "ae"]))
    run = runs.create(jobs.root(), wanted[0].experiment, wanted[0].name)
    run.say(run.status().model_copy(update={"state": "starting", "message": "Starting."}))
    there = training.there(model, ["a", "ae"])
    assert [each.name for each in training.missing(model.checkpoint.description, there)] == [
        each.name for each in wanted[1:]
    ]


def test_a_trained_one_takes_the_last_place_where_there_is_no_room(monkeypatch):
    state = {choose.CHOSEN: ["a", "b", "c", "d"]}
    monkeypatch.setattr(st, "session_state", state)
    choose.add("new")
    choose.add("a")
    assert state[choose.CHOSEN] == ["a", "b", "c", "new"]


def test_the_empty_state(component, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S).run()
    assert not app.exception
    assert "There is no model to compare yet" in app.info[0].value


def test_every_sheet_is_there():
    assert assets.css(*mount.SHEETS)
