"""Headline figures: defined where they can be, a sentence where not; VAE ahead of autoencoder; kept in a checkpoint."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.evaluation.making_checkpoints import digits_checkpoint, images, make_constant
from vae_core import checkpoint
from vae_core.checkpoint import Checkpoint, Description
from vae_core.errors import Stopped
from vae_core.evaluation import headlines as module
from vae_core.evaluation.completeness import completeness
from vae_core.evaluation.headlines import KEYS, aggregate_of, headlines

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(CHECKPOINTS / "digits-vae-2d.safetensors")


@pytest.fixture(scope="module")
def found(digits):
    return headlines(digits, images())


def test_every_figure_is_there_under_its_key_and_fits_the_others(found):
    assert found.missing == {}
    assert found.figures.keys() == set(KEYS) - {"missing"}
    figures = found.figures
    for name in ("continuity", "completeness"):
        assert 0 <= figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"] <= 1
    assert figures["hole_mass"] == pytest.approx(1 - figures["completeness"])
    assert 0 < figures["hole_mass_error"] < 0.01
    assert figures["realism_against"] == "images"
    assert all(0 <= figures[name] <= 1 for name in ("precision", "recall", "coverage"))


def test_the_same_seed_gives_the_same_figures(digits, found):
    assert headlines(digits, images()) == found
    assert headlines(digits, images(), seed=1).figures["continuity"] != found.figures["continuity"]


def test_a_checkpoint_takes_them_as_they_are(digits, found):
    evaluation = digits.description.evaluation | found.to_evaluation()
    described = digits.description.model_copy(update={"evaluation": evaluation})
    assert Description.from_json(described.to_json()).evaluation == evaluation
    assert json.loads(json.dumps(found.to_evaluation())) == found.to_evaluation()


def test_without_the_data_reconstructions_stand_for_them(digits, found):
    without = headlines(digits, None)
    assert without.figures["realism_against"] == "reconstructions"
    for name in ("continuity", "completeness"):
        assert without.figures[name] == found.figures[name]
    assert without.figures["recall"] > found.figures["recall"]  # both are as smooth


def test_the_vae_is_more_complete_than_the_autoencoder():
    measured = {}
    for name in ("mnist-vae-2d", "mnist-ae-2d"):
        generator = torch.Generator().manual_seed(0)
        loaded = checkpoint.load(CHECKPOINTS / f"{name}.safetensors")
        measured[name] = completeness(aggregate_of(loaded, generator), generator, 2000).estimate
    assert measured["mnist-vae-2d"].low > measured["mnist-ae-2d"].high


def test_a_pca_is_continuous_without_fail():
    found = headlines(digits_checkpoint("pca", 3), images())
    assert found.figures["continuity"] == pytest.approx(1, abs=1e-6)
    assert 0 < found.figures["completeness"] <= 1
    assert found.missing == {}


@pytest.mark.parametrize("kind", ["vae", "autoencoder", "pca"])
def test_one_latent_dimension_is_enough(kind):
    assert headlines(digits_checkpoint(kind, 1), images()).missing == {}


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_a_dead_dimension_takes_nothing_away(kind):
    made = digits_checkpoint(kind, 3)
    made.reference.mean[:, 2] = 0
    if made.reference.log_variance is not None:
        made.reference.log_variance[:, 2] = 0
    assert headlines(made, images()).missing == {}


def test_a_constant_decoder_keeps_its_completeness():
    found = headlines(make_constant(digits_checkpoint()), images())
    assert "the same everywhere" in found.missing["continuity"]
    assert "completeness" in found.figures
    assert found.figures["recall"] == 0
    assert "continuity" not in found.figures


def test_codes_that_are_all_equal_are_sentences():
    made = digits_checkpoint("autoencoder")
    made.reference.mean[:] = 0.5
    found = headlines(made, images())
    assert found.figures == {}
    assert found.missing.keys() == {"continuity", "completeness", "precision"}
    assert all(len(sentence) > 20 for sentence in found.missing.values())


def test_too_few_codes_for_holes_leave_continuity():
    found = headlines(digits_checkpoint(count=10), images(10))
    assert found.missing.keys() == {"completeness"}
    assert "continuity" in found.figures
    assert found.to_evaluation()["missing"] == found.missing


def test_a_model_without_encoded_data_is_a_sentence():
    found = headlines(Checkpoint(digits_checkpoint().model, digits_checkpoint().description), images())
    assert found.figures == {}
    assert all("without encoded data" in sentence for sentence in found.missing.values())


def test_progress_rises_to_one(digits):
    heard = []
    headlines(digits, images(), on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1)
    assert len(heard) > 100


@pytest.mark.parametrize("after", [0.0, 0.1, 0.4, 0.7])  # before and in each of the parts
def test_it_stops_when_asked(digits, after):
    heard = []
    with pytest.raises(Stopped):
        headlines(digits, images(), 0, heard.append, lambda: max(heard, default=0) >= after)
    assert max(heard, default=0) < after + 0.3


def test_a_bug_is_not_a_sentence(digits, monkeypatch):
    monkeypatch.setattr(module, "continuity", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        headlines(replace(digits), images())
