"""What Python does for the view of a run: it says which run it is, and runs again when told."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.training import filming
from vae_core.training.run import Run, Status
from vae_explorer.live import assets
from vae_explorer.train import view


def page():
    from vae_core.training import jobs
    from vae_core.training import run as runs
    from vae_explorer.train import view

    (run,) = runs.find(jobs.root())
    view.show(run, run.status().state)


def page_with_buttons():
    import streamlit as st

    from vae_core.training import jobs
    from vae_core.training import run as runs
    from vae_explorer.train import watch

    watch.show(runs.find(jobs.root())[0], st.container())


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path))
    return filming.make(tmp_path, epochs=2)


def test_the_page_shows_a_run_without_reading_its_film(run, monkeypatch):
    handed = []
    monkeypatch.setattr(view, "_component", lambda: lambda **arguments: handed.append(arguments))
    for path in (run.folder / "film").iterdir():
        path.unlink()
    AppTest.from_function(page, default_timeout=PATIENCE_S).run()
    assert [arguments["data"] for arguments in handed] == [{"id": run.id, "state": "finished"}]
    assert callable(handed[0]["on_state_change"])


def test_the_view_is_told_of_the_state_that_the_buttons_are_for(run, monkeypatch):
    handed, states = [], iter(["new", *["training"] * 20])  # it starts while the page is being made
    monkeypatch.setattr(view, "_component", lambda: lambda **arguments: handed.append(arguments))
    monkeypatch.setattr(Run, "status", lambda run: Status(state=next(states), epoch=0, epochs=2))
    app = AppTest.from_function(page_with_buttons, default_timeout=PATIENCE_S).run()
    assert "Start" in [button.label for button in app.button]
    assert handed[0]["data"]["state"] == "new"  # so that the view tells when it hears of another


def test_the_component_can_be_declared_and_its_files_are_there(run):
    assert not AppTest.from_function(page, default_timeout=PATIENCE_S).run().exception
    assert ".timeline" in assets.css("train/web/run.css")
    assert (assets.FOLDER / "train/web/run.js").is_file()
