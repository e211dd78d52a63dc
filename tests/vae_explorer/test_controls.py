"""The row above the picture: choosing a model, opening a file, fetching its dataset."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core import data
from vae_core.errors import DataNotFound
from vae_explorer import library
from vae_explorer.explore import mount

PAGE = Path(mount.__file__).parents[2] / "pages" / "explore.py"


@pytest.fixture
def explore(folder):
    """The Explore page's script, run once, without a browser."""

    def start(**query):
        app = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return start


def test_all_models_are_in_the_list_and_the_one_in_view_is_chosen(explore):
    app = explore(model="wide")
    assert app.selectbox[0].options == ["digits", "wide"]
    assert app.selectbox[0].value == "wide"


def test_choosing_a_model_brings_it_into_view(explore):
    app = explore()
    app.selectbox[0].select("wide").run()
    assert app.selectbox[0].value == "wide"
    assert "5 latent dimensions" in app.caption[0].value


def test_what_is_known_of_the_model_stands_beside_it(explore):
    about = explore().caption[0].value
    assert about.startswith("VAE of Digits (8x8), 8 × 8 · 2 latent dimensions")


def test_without_a_model_the_page_says_how_to_get_one(explore, monkeypatch, tmp_path):
    monkeypatch.setattr(library, "FOLDER", tmp_path / "nowhere")
    app = explore()
    assert "Train page" in app.info[0].value


def test_opening_a_file(explore):
    app = explore()
    app.file_uploader[0].upload(
        "mine.safetensors", making.content(latent_dim=3), "application/octet-stream"
    ).run()
    assert app.selectbox[0].value == "mine"
    app.selectbox[0].select("digits").run()  # the file is still in the box, and is not opened again
    assert app.selectbox[0].value == "digits"


def test_opening_a_broken_file_explains_it_and_changes_nothing(explore):
    app = explore()
    app.file_uploader[0].upload("mine.safetensors", b"broken", "application/octet-stream").run()
    assert len(app.error) == 1
    assert "mine.safetensors" in app.error[0].value
    assert app.selectbox[0].value == "digits"


# --- the dataset --------------------------------------------------------------------------------------------


@pytest.fixture
def absent(monkeypatch):
    """Digits that somebody would have to fetch first."""
    here = set()
    monkeypatch.setattr(data, "is_available", here.__contains__)
    return here


def test_a_dataset_that_is_here_is_not_offered(explore):
    assert not [button for button in explore().button if "Fetch" in button.label]


def test_a_dataset_that_is_not_here_can_be_fetched(explore, absent, monkeypatch):
    monkeypatch.setattr(data, "fetch", lambda name, _: absent.add(name))
    app = explore()
    [fetch] = [button for button in app.button if "Fetch" in button.label]
    fetch.click().run()
    for _ in range(100):
        if "digits" in absent:
            break
        app.run()
    app.run()
    assert not app.exception
    assert not [button for button in app.button if "Fetch" in button.label]


def test_a_dataset_that_cannot_be_fetched_is_explained_and_may_be_tried_again(explore, absent, monkeypatch):
    def fail(name, _):
        raise DataNotFound(f"{name} is out of reach.")

    monkeypatch.setattr(data, "fetch", fail)
    app = explore()
    [fetch] = [button for button in app.button if "Fetch" in button.label]
    fetch.click().run()
    for _ in range(100):
        if app.error:
            break
        app.run()
    assert [error.value for error in app.error] == ["digits is out of reach."]
    assert [button for button in app.button if "Fetch" in button.label]


# --- what the component is told -----------------------------------------------------------------------------


def test_facts_are_json_and_tell_what_the_component_needs(folder):
    facts = mount.facts(library.open_file("wide", library.bundled()["wide"]))
    assert re.fullmatch("[0-9a-f]{16}", facts["id"])
    assert [each["active"] for each in facts["dimensions"]] == [True] * 3 + [False] * 2
    assert facts["encodedCount"] == sum(facts["classCounts"]) == making.EXAMPLES
    assert facts["classNames"] == tuple("0123456789")
    assert facts["ink"] is True


def test_facts_of_a_model_without_reference_codes():
    facts = mount.facts(library.opened("bare", making.make(with_reference=False)))
    assert (facts["encodedCount"], facts["classCounts"]) == (0, [])
