"""Models side by side: which can be compared, and figures that are those of the measures they come from."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.evaluation.making_checkpoints import digits_checkpoint, images, make_constant
from vae_core.data import DataInfo
from vae_core.errors import ConfigError, Stopped
from vae_core.evaluation import comparison, disentanglement, likelihood
from vae_core.evaluation.comparison import (
    FACTORS,
    KEYS,
    POSTERIOR,
    check_comparable,
    compare,
    known,
    to_measure,
)
from vae_core.evaluation.headlines import headlines


def described(checkpoint, **changes):
    return checkpoint.description.model_copy(update=changes)


def with_evaluation(checkpoint, **evaluation):
    return replace(checkpoint, description=described(checkpoint, evaluation=evaluation))


def with_factors(checkpoint, factors):
    return replace(checkpoint, reference=replace(checkpoint.reference, factors=factors))


@pytest.fixture(scope="module")
def vae():
    return digits_checkpoint()


@pytest.fixture(scope="module")
def found(vae):
    return compare(vae, images())


# --- which can be compared ------------------------------------------------------------------------------------------


def test_models_of_the_same_data_can_be_compared(vae):
    pca = digits_checkpoint("pca", 5)
    smaller = vae.description.data.model_copy(update={"train_size": 100, "storage": "stream"})
    check_comparable({"a": vae.description, "b": pca.description, "c": described(vae, data=smaller)})
    check_comparable({"a": vae.description})
    check_comparable({})


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ("info", {"name": "other", "title": "Other data"}, "their data are .* and Other data"),
        ("data", {"path": "/elsewhere.npy"}, "come from two places"),
        ("info", {"data_shape": (1, 9, 8)}, "their examples are 1 x 8 x 8 and 1 x 9 x 8"),
        ("data", {"resize": "pad"}, "resize = crop and resize = pad"),
        ("data", {"split_seed": 3}, "split_seed = 0 and 3"),
        ("info", {"scale": (2.0,)}, "standardised differently"),
    ],
)
def test_models_of_other_data_are_refused_in_one_sentence(vae, part, changes, says):
    if part == "info":
        info = vae.description.info
        names = DataInfo.__dataclass_fields__
        other = {part: DataInfo(**({name: getattr(info, name) for name in names} | changes))}
    else:
        other = {part: vae.description.data.model_copy(update=changes)}
    with pytest.raises(
        ConfigError, match=f"^a and b cannot be compared: .*{says}.*; choose models of the same data.$"
    ):
        check_comparable({"a": vae.description, "b": described(vae, **other)})


def test_the_third_model_is_looked_at_too(vae):
    other = described(vae, data=vae.description.data.model_copy(update={"split_seed": 1}))
    with pytest.raises(ConfigError, match="a and c"):
        check_comparable({"a": vae.description, "b": vae.description, "c": other})


# --- figures --------------------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_measures(vae, found):
    evaluated = likelihood.evaluate(vae.model, images(), torch.Generator().manual_seed(0))
    measured = headlines(vae, images()).figures
    for name in ("examples", "squared_error", "reconstruction", "elbo", "kl_per_dimension", "active_units"):
        assert found[name] == evaluated[name]
    for name in ("continuity", "continuity_low", "continuity_high", "completeness", "completeness_high"):
        assert found[name] == measured[name]
    reference = vae.reference
    assert found["knn_accuracy"] == disentanglement.knn_accuracy(reference.mean, reference.labels)
    assert found["likelihood"] == "bernoulli"


def test_rate_and_distortion_make_the_bound(found):
    assert found["elbo"] == pytest.approx(-(found["rate"] + found["distortion"]))
    assert found["rate"] == pytest.approx(sum(found["kl_per_dimension"]))


def test_every_key_is_there_or_said_to_be_missing(found):
    assert set(KEYS) - set(found) == set(found["missing"]) == set(FACTORS)
    assert "factors" in found["missing"]["mig"]
    assert to_measure(found) == ()


@pytest.mark.parametrize("kind", ["autoencoder", "pca"])
def test_models_without_a_posterior_have_a_distortion_but_no_rate(kind):
    found = compare(digits_checkpoint(kind, count=120), images(120))
    assert {"distortion", "squared_error", "continuity", "completeness"} <= set(found)
    assert set(POSTERIOR) <= set(found["missing"])
    assert found["likelihood"] == ("density" if kind == "pca" else "bernoulli")


def test_stored_figures_are_taken_as_they_are(vae):
    stored = {
        "examples": 10,
        "squared_error": 0.5,
        "reconstruction": -7.0,
        "kl_per_dimension": [1.5, 0.5],
        "elbo": -9.0,
        "active_units": 1,
        "continuity": 0.25,
        "continuity_low": 0.2,
        "continuity_high": 0.3,
        "completeness": 0.75,
        "hole_mass": 0.25,
    }
    found = compare(with_evaluation(vae, **stored), None)
    assert found["squared_error"] == 0.5
    assert (found["rate"], found["distortion"], found["active_units"]) == (2.0, 7.0, 1)
    assert (found["continuity"], found["continuity_low"], found["completeness"]) == (0.25, 0.2, 0.75)
    assert set(found["missing"]) == set(FACTORS)


def test_without_data_what_codes_tell_is_found_and_the_rest_is_said(vae):
    found = compare(vae, None)
    assert found["rate"] == pytest.approx(sum(found["kl_per_dimension"]))
    assert found["active_units"] == likelihood.active_units(vae.reference.mean)
    for name in ("squared_error", "reconstruction", "distortion", "elbo"):
        assert "not on this machine" in found["missing"][name]


def test_without_codes_only_reconstruction_is_left(vae):
    found = compare(replace(vae, reference=None), images(50))
    assert {"squared_error", "elbo", "rate"} <= set(found)
    for name in ("continuity", "completeness", "knn_accuracy", "mig"):
        assert "encoded data" in found["missing"][name]


def test_known_factors_are_scored(vae):
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(len(vae.reference), 2, generator=generator)
    planted = with_factors(vae, vae.reference.mean + noise)  # each dimension is a factor
    found = compare(planted, None)
    assert {name: found[name] for name in FACTORS} == disentanglement.scores(
        vae.reference.mean, planted.reference.factors, 0
    )


def test_a_score_that_cannot_be_told_is_missing_with_its_sentence(vae):
    found = compare(with_factors(vae, torch.ones(len(vae.reference), 2)), None)
    assert set(FACTORS) <= set(found["missing"])
    assert "continuity" in found


def test_a_stored_figure_that_is_no_number_is_missing(vae):
    found = known(with_evaluation(vae, kl_per_dimension=[1.0, float("nan")], elbo=float("inf")))
    assert {"kl_per_dimension", "elbo"} <= set(found["missing"])
    assert not {"kl_per_dimension", "elbo"} & set(found)


@pytest.mark.parametrize("bad", ["much", [1.0], ["a", "b"], {"a": 1}, None])
def test_what_is_stored_in_another_form_is_measured_anew(vae, found, bad):
    stored = with_evaluation(vae, squared_error=bad, kl_per_dimension=bad, missing=bad)
    assert "squared_error" in to_measure(known(stored))
    assert known(stored)["kl_per_dimension"] == known(vae)["kl_per_dimension"]


def test_why_a_figure_is_missing_may_be_stored(vae):
    found = known(with_evaluation(vae, missing={"completeness": "There is none.", "precision": "Nor this."}))
    assert found["missing"]["completeness"] == "There is none."
    assert "precision" not in found["missing"]
    assert "continuity" in to_measure(found)


def test_nothing_is_measured_to_tell_what_is_known(vae, monkeypatch):
    monkeypatch.setattr(comparison, "_PARTS", ())
    found = known(vae)
    assert set(to_measure(found)) >= {"squared_error", "elbo", "continuity", "completeness", "knn_accuracy"}
    assert not set(to_measure(found)) & {"rate", "kl_per_dimension", "active_units", "mig"}


def test_a_constant_decoder_has_figures_too():
    found = compare(make_constant(digits_checkpoint(count=60)), images(60))
    assert found["squared_error"] > 0


# --- while it goes on -----------------------------------------------------------------------------------------------


def test_progress_rises_to_its_end_and_says_what_is_done(vae):
    heard = []
    compare(vae, images(), on_progress=lambda done, says: heard.append((done, says)))
    shares = [done for done, _ in heard]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert all(later - earlier > -1e-9 for earlier, later in itertools.pairwise(shares))
    assert len({says for _, says in heard if says}) == 3


def test_the_same_seed_gives_the_same_figures(vae, found):
    assert compare(vae, images()) == found


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_it_can_be_stopped(vae, calls):
    asked = []

    def stop():
        asked.append(None)
        return len(asked) > calls

    with pytest.raises(Stopped):
        compare(vae, images(), should_stop=stop)
