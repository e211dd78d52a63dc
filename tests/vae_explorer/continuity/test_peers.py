"""Models of the same data with stored figures: which are named, and what a broken file does."""

from dataclasses import replace

import pytest

from tests.vae_explorer import making
from vae_core import checkpoint
from vae_explorer import library
from vae_explorer.continuity.peers import MOST, peers


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr(library, "of_runs", dict)
    return tmp_path


def keep(folder, name, evaluation, **settings):
    made = making.make(**settings)
    description = made.description.model_copy(update={"evaluation": evaluation})
    return checkpoint.save(folder / f"{name}.safetensors", replace(made, description=description))


def names(opened):
    return [peer["name"] for peer in peers(opened)]


@pytest.fixture
def opened(folder):
    return library.opened("mine", keep(folder, "mine", {"continuity": 0.5}))


def test_models_of_the_same_data_are_named_with_their_figures(folder, opened):
    keep(folder, "a", {"continuity": 0.92, "completeness": 0.72, "elbo": -1.0}, latent_dim=3)
    keep(folder, "b", {"completeness": 1}, kind="autoencoder")
    keep(folder, "no-number", {"completeness": 1, "continuity": "high"})  # no file that can be opened
    keep(folder, "other-data", {"continuity": 0.9}, info=making.COLOURS)
    assert peers(opened) == [
        {"name": "a", "continuity": 0.92, "completeness": 0.72},
        {"name": "b", "continuity": None, "completeness": 1.0},
    ]


@pytest.mark.parametrize("value", [float("inf"), -0.1, 1.1, None, True, "0.5", [0.5]])
def test_a_model_without_a_figure_that_makes_sense_is_not_named(folder, opened, value):
    made = keep(folder, "a", {})
    description = made.description.model_copy(update={"evaluation": {"continuity": value}})
    (folder / "a.safetensors").write_bytes(checkpoint.to_bytes(replace(made, description=description)))
    assert names(opened) == []


def test_a_broken_file_is_passed_over_and_a_new_one_is_read(folder, opened):
    (folder / "a.safetensors").write_bytes(b"nothing")
    assert names(opened) == []
    keep(folder, "a", {"continuity": 0.8})
    assert peers(opened)[0]["continuity"] == 0.8
    keep(folder, "a", {"continuity": 0.85})
    assert peers(opened)[0]["continuity"] == 0.85


def test_how_many_examples_were_trained_on_makes_no_other_data(folder, opened):
    made = keep(folder, "a", {"continuity": 0.8})
    for name, update in {"fewer": {"train_size": 100}, "other-split": {"split_seed": 5}}.items():
        data = made.description.data.model_copy(update=update)
        description = made.description.model_copy(update={"data": data})
        checkpoint.save(folder / f"{name}.safetensors", replace(made, description=description))
    assert names(opened) == ["a", "fewer"]


def test_a_page_names_a_few_only(folder, opened):
    for number in range(MOST + 3):
        keep(folder, f"model-{number}", {"continuity": 0.8})
    assert len(peers(opened)) == MOST
