"""The Continuity page without a browser: what its component is told, and what comes back from it."""

import json
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_explorer import library
from vae_explorer.continuity import mount
from vae_explorer.live import assets, columns, known

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "continuity.py")


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
    (tmp_path / "two.safetensors").write_bytes(making.content())
    (tmp_path / "ae.safetensors").write_bytes(making.content(kind="autoencoder"))
    (tmp_path / "bare.safetensors").write_bytes(making.content(with_reference=False))
    monkeypatch.setattr(library, "FOLDER", tmp_path)

    def start(model):
        app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        app.query_params["model"] = model
        app.run()
        assert not app.exception
        return app

    return start


def opened(name):
    return library.open_file(name, library.FOLDER / f"{name}.safetensors")


def test_it_is_told_what_a_walk_is_told_and_what_can_be_measured(visit, component):
    visit("two")
    facts = component.told[-1]
    assert facts["latentDim"] == 2
    assert facts["principal"]["axes"]
    assert facts["lacks"] == {}
    assert facts["evaluation"] == opened("two").checkpoint.description.evaluation
    assert facts["peers"] == []
    json.dumps(facts)


def test_a_model_without_a_prior_is_said_to_have_none(visit, component):
    visit("ae")
    assert component.told[-1]["hasPrior"] is False


def test_a_model_without_encoded_data_lacks_what_needs_them(visit, component):
    visit("bare")
    lacks = component.told[-1]["lacks"]
    assert set(lacks) == {"ratio", "realism"}
    assert all(sentence.endswith(".") for sentence in lacks.values())


def test_a_code_goes_to_explore(visit, component, monkeypatch):
    gone = []
    monkeypatch.setattr(st, "switch_page", gone.append)
    app = visit("two")
    component.sends = {"model": opened("two").id, "values": [0.25, -1.0]}
    app.run()
    assert gone == ["pages/explore.py"]
    assert app.session_state["codes"]["two"] == [0.25, -1.0]


@pytest.mark.parametrize("wish", [{"model": "0" * 16, "values": [0.0, 0.0]}, {}])
def test_a_wish_for_another_model_is_not_heard(visit, component, monkeypatch, wish):
    gone = []
    monkeypatch.setattr(st, "switch_page", gone.append)
    app = visit("two")
    component.sends = wish
    app.run()
    assert gone == []


def test_the_empty_state(component, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S).run()
    assert not app.exception
    assert "There is no model to measure yet" in app.info[0].value


def test_every_sheet_is_there():
    assert assets.css(*mount.SHEETS)
