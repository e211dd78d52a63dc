"""The Walk page without a browser: what its component is told, and what comes back from it."""

from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core.latent import groups, planes
from vae_explorer import library, path_ends
from vae_explorer.live import columns, known
from vae_explorer.walk import mount

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "walk.py")


class Component:
    """Stands for the walk in the browser."""

    def __init__(self):
        self.told, self.sends = [], {}

    def __call__(self, key, data, **handlers):
        self.told.append(data)
        for name, wish in self.sends.items():
            st.session_state[key] = {name: wish}
            handlers[f"on_{name}_change"]()
        self.sends = {}


@pytest.fixture
def component(monkeypatch):
    component = Component()
    monkeypatch.setattr(mount, "_component", lambda: component)
    yield component
    columns._shown.clear()
    known.forget()


@pytest.fixture
def visit(component, tmp_path, monkeypatch):
    (tmp_path / "ten.safetensors").write_bytes(making.content(latent_dim=10, alive=4))
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


def test_it_is_told_of_the_model_and_its_encoded_data(visit, component):
    visit("ten")
    facts, model = component.told[-1], opened("ten")
    codes = model.checkpoint.reference.mean.numpy()
    assert facts["latentDim"] == 10
    assert facts["model"]["file"].endswith("/ten.safetensors")
    assert facts["n"] == len(codes) == facts["encodedCount"]
    assert set(facts["columns"]) >= {"codes", "xy"}
    np.testing.assert_allclose(facts["principal"]["axes"], planes.of_principal(codes).axes, atol=1e-6)
    assert [each["index"] for each in facts["dimensions"]] == [each.index for each in model.dimensions]
    labels = model.checkpoint.reference.labels
    if labels is not None:
        means = groups.class_means(codes, labels.numpy())
        for label, mean in zip(means.labels, means.means, strict=True):
            np.testing.assert_allclose(facts["classMeans"][label], mean, atol=1e-6)


def test_a_model_without_encoded_data_can_be_walked_too(visit, component):
    visit("bare")
    facts = component.told[-1]
    assert facts["encodedCount"] == 0
    assert "map" not in facts
    assert facts["z"] == [0.0] * facts["latentDim"]


def test_an_end_that_is_set_comes_back(visit, component):
    app = visit("ten")
    code = [0.5] * 10
    component.sends = {"a": {"model": opened("ten").id, "values": code}}
    app.run()
    app.run()
    assert component.told[-1]["ends"] == {"a": code, "b": None}


def test_wishes_for_another_model_or_of_no_numbers_are_not_heard(visit, component):
    app = visit("ten")
    for wish in (
        {"model": "0" * 16, "values": [0.0] * 10},
        {"model": opened("ten").id, "values": [None] * 10},
    ):
        component.sends = {"b": wish}
        app.run()
    app.run()
    assert component.told[-1]["ends"]["b"] is None


def test_a_code_goes_to_explore(visit, component, monkeypatch):
    gone = []
    monkeypatch.setattr(st, "switch_page", gone.append)
    app = visit("ten")
    component.sends = {"explore": {"model": opened("ten").id, "values": [0.25] * 10}}
    app.run()
    assert gone == ["pages/explore.py"]
    assert app.session_state["codes"]["ten"] == [0.25] * 10


def test_the_empty_state(component, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S).run()
    assert not app.exception
    assert "There is no model to walk through yet" in app.info[0].value


def test_ends_are_kept_by_model(component):
    def script():
        from vae_explorer import path_ends as kept

        kept.set_end("one", "a", [1.0, 2])
        kept.set_end("one", "b", [float("nan"), 0.0])
        kept.set_end("two", "a", [3.0])

    app = AppTest.from_function(script).run()
    assert app.session_state[path_ends._ENDS] == {"one": {"a": [1.0, 2.0]}, "two": {"a": [3.0]}}
