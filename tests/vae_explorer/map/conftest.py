"""The Map page without a browser: its component only notes what it was told, and can be made to send something."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_explorer import library
from vae_explorer.live import columns
from vae_explorer.map import answers, mount

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "map.py")


class Component:
    """Stands for the map in the browser."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []  # the data of each script run
        self.sends: dict[str, Any] = {}  # what a person does: name of the wish -> what comes with it

    def __call__(self, key: str, data: dict[str, Any], **handlers: Any) -> None:
        self.told.append(data)
        for name, wish in self.sends.items():
            st.session_state[key] = {name: wish}
            handlers[f"on_{name}_change"]()
        self.sends = {}

    @property
    def facts(self) -> dict[str, Any]:
        return self.told[-1]


@pytest.fixture
def component(monkeypatch):
    component = Component()
    monkeypatch.setattr(mount, "_component", lambda: component)
    return component


@pytest.fixture(autouse=True)
def no_maps_shown():
    columns._shown.clear()
    answers._log_density.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with models of 2 and of 10 dimensions, and one that encodes to points, in the place of the bundled one."""
    (tmp_path / "ten.safetensors").write_bytes(making.content(latent_dim=10, alive=4))
    (tmp_path / "digits.safetensors").write_bytes(making.content())
    (tmp_path / "points.safetensors").write_bytes(making.content(latent_dim=3, kind="autoencoder"))
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def visit(folder, component):
    """Open the page at an address; an exception fails the test."""

    def start(**query: str) -> AppTest:
        app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return start
