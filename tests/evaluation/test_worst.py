"""The worst places: planted cliffs, holes and drifts are found where they are; bundled models have all four lists."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluation.making_checkpoints import digits_checkpoint, images, make_constant
from vae_core import checkpoint
from vae_core.errors import ConfigError, MeasureError, Stopped
from vae_core.evaluation import worst
from vae_core.evaluation.measures import Measures
from vae_core.evaluation.worst import KINDS, Candidates, cliffs, drifts, find, holes, reconstructions
from vae_core.latent.aggregate import Aggregate, Gaussian
from vae_core.latent.codes import ReferenceCodes

DIGITS = Path(__file__).parents[2] / "checkpoints" / "digits-vae-2d.safetensors"
PRIOR = Gaussian.standard(2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def from_prior(n=1000, seed=0):
    return Candidates.drawn(PRIOR.draw(n, generator(seed)))


def apart(places, prior=PRIOR):
    codes = prior.whiten(np.array([place.code for place in places], np.float32))
    return min(np.linalg.norm(a - b) for i, a in enumerate(codes) for b in codes[:i])


# --- cliffs -----------------------------------------------------------------------------------------------------


def two_tears(z):
    """Steepest at z1 = 1, with slope 20, then at z1 = -1, with slope 10; z2 changes the image by 1 for each unit."""
    return torch.stack([torch.tanh((z[:, 0] - 1) * 20), torch.tanh((z[:, 0] + 1) * 10), z[:, 1]], 1)


def test_planted_cliffs_are_found_where_they_are():
    found = cliffs(two_tears, from_prior(), PRIOR, generator(), count=20)
    first = found[0]
    assert first.code[0] == pytest.approx(1, abs=0.02)
    assert first.value == pytest.approx(20, rel=0.02)
    second = next(place for place in found if place.code[0] < 0)
    assert second.code[0] == pytest.approx(-1, abs=0.04)
    assert second.value == pytest.approx(10, rel=0.02)
    values = [place.value for place in found]
    assert values == sorted(values, reverse=True)
    assert apart(found) >= worst.APART * 2**0.5


def test_climbing_ends_higher_and_within_the_prior():
    def rising(z):  # ever steeper outward, so that a climb must be held back
        return (z.square().sum(1, keepdim=True)).exp()

    candidates = from_prior(50)
    highest = np.linalg.norm(candidates.codes, axis=1).max()
    found = cliffs(rising, candidates, PRIOR, generator(), count=3)
    radius = np.linalg.norm(found[0].code)
    assert radius <= max(highest, (-2 * np.log(1 - worst.INSIDE)) ** 0.5) + 1e-3
    slow = cliffs(two_tears, from_prior(20), PRIOR, generator(), count=1)[0]
    nearest = np.abs(from_prior(20).codes[:, 0] - 1).min()
    assert abs(slow.code[0] - 1) < nearest


def test_an_encoded_code_that_was_not_climbed_from_keeps_its_example():
    # Two codes of which no neighbour is steeper: the slope is 1 everywhere.
    encoded = Candidates(np.float32([[0, 0], [2, 2]]), np.array([7, 3]), np.array([1, -1]))
    found = cliffs(lambda z: z[:, :1], encoded, PRIOR, generator())
    assert {(place.index, place.label) for place in found} <= {(7, 1), (3, None), (None, None)}
    assert [place.value for place in found] == pytest.approx([1, 1])


def test_a_decoder_that_is_the_same_everywhere_has_no_cliffs():
    with pytest.raises(MeasureError, match="no cliffs: the decoded image is the same everywhere"):
        cliffs(lambda z: 0 * z + 0.5, from_prior(100), PRIOR, generator())


# --- holes ------------------------------------------------------------------------------------------------------


def aggregate(codes):
    return Aggregate.of(torch.from_numpy(codes), None, PRIOR, generator())


def test_a_planted_hole_is_found_where_it_is():
    codes = PRIOR.draw(8000, generator(1))
    centre = np.float32([0.7, -0.4])
    away = np.linalg.norm(codes - centre, axis=1) > 0.6
    found = holes(aggregate(codes[away]), PRIOR, from_prior(), count=3)
    assert np.linalg.norm(np.array(found[0].code) - centre) < 0.4
    assert [place.value for place in found] == sorted(place.value for place in found)
    assert all(0 < place.value < 0.5 for place in found)


def test_a_prior_full_of_data_has_no_holes_to_speak_of():
    found = holes(aggregate(PRIOR.draw(8000, generator(1))), PRIOR, from_prior(500), count=10)
    assert len(found) <= 2


# --- drifts -----------------------------------------------------------------------------------------------------


def test_a_planted_drift_is_found_where_it_is():
    def there_and_back(z):  # whatever is near (-1, 1) comes back 3 units away, the rest 0.1
        near = (z - torch.tensor([-1.0, 1.0])).norm(dim=1) < 0.3
        return z + torch.where(near, 3.0, 0.1)[:, None] * torch.tensor([0.6, 0.8])

    found = drifts(there_and_back, from_prior(), PRIOR, count=4)
    assert np.linalg.norm(np.array(found[0].code) - [-1, 1]) < 0.3
    assert found[0].value == pytest.approx(3, rel=1e-5)
    assert [place.value for place in found[1:]] == pytest.approx([0.1] * 3, rel=1e-4)


# --- reconstructions --------------------------------------------------------------------------------------------


def planted_reconstructions(labels):
    errors = torch.tensor([0.1, 0.5, 0.2, 0.9, 0.3, 0.0])
    reference = ReferenceCodes(torch.arange(12.0).reshape(6, 2), None, torch.arange(6), labels)
    pictures = torch.zeros(6, 1, 8, 8) + errors[:, None, None, None]
    return lambda z: torch.zeros(len(z), 1, 8, 8), reference, pictures


def test_the_worst_reconstructions_of_each_class_come_class_by_class():
    found = reconstructions(*planted_reconstructions(torch.tensor([0, 0, 2, 2, 2, 0])))
    assert [(place.label, place.index) for place in found] == [(0, 1), (0, 0), (2, 3), (2, 4)]
    assert [place.value for place in found] == pytest.approx([0.25, 0.01, 0.81, 0.09])
    assert found[0].code == (2.0, 3.0)


def test_without_classes_there_is_one_list():
    found = reconstructions(*planted_reconstructions(None), per_class=3)
    assert [(place.label, place.index) for place in found] == [(None, 3), (None, 1), (None, 4)]


# --- of a checkpoint --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(DIGITS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundled_model_has_every_list_and_the_same_again(digits, kind):
    heard = []
    found = find(kind, digits, images(), seed=1, on_progress=heard.append)
    assert 0 < len(found) <= (20 if kind == "reconstructions" else worst.COUNT)
    assert found == find(kind, digits, images(), seed=1)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1)
    assert all(len(place.code) == 2 and np.isfinite(place.value) for place in found)
    for place in found:
        assert (place.index is None) == (place.label is None)
        if place.index is not None:
            assert place.code == pytest.approx(digits.reference.mean[place.index].tolist())
            assert place.label == int(digits.reference.labels[place.index])


def test_the_examples_may_be_bytes_or_what_encode_takes(digits):
    as_bytes = (images() * 255).round().to(torch.uint8)
    one, other = (find("reconstructions", digits, each) for each in (images(), as_bytes))
    assert [place.index for place in one] == [place.index for place in other]


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_can_be_stopped(digits, kind):
    with pytest.raises(Stopped, match="stopped after 0 of"):
        find(kind, digits, images(), should_stop=lambda: True)


def test_another_list_is_refused(digits):
    with pytest.raises(ConfigError, match="kind = 'ghosts' is no list of worst places; use one of cliffs, "):
        find("ghosts", digits, None)


@pytest.mark.parametrize("kind", ["vae", "autoencoder", "pca"])
@pytest.mark.parametrize("latent", [1, 4])
def test_models_of_every_kind_and_width_have_their_lists(kind, latent):
    made = digits_checkpoint(kind, latent)
    for name in ("cliffs", "drifts", "reconstructions"):
        assert find(name, made, images(), count=3)
    assert all(0 < place.value < 0.5 for place in find("holes", made, None, count=3))


def test_a_model_without_encoded_data_keeps_what_needs_none():
    made = checkpoint.Checkpoint(digits_checkpoint().model, digits_checkpoint().description)
    assert find("cliffs", made, None)
    assert find("drifts", made, None)
    for kind in ("holes", "reconstructions"):
        with pytest.raises(MeasureError, match="without encoded data; encode a dataset"):
            find(kind, made, images())


def test_reconstructions_without_the_data_are_one_sentence(digits):
    with pytest.raises(MeasureError, match="not on this machine; get the data"):
        find("reconstructions", digits, None)


def test_a_constant_decoder_keeps_its_other_lists():
    made = make_constant(digits_checkpoint())
    with pytest.raises(MeasureError, match="no cliffs"):
        find("cliffs", made, None)
    assert find("drifts", made, None)


def test_places_do_not_differ_by_dead_dimensions_alone():
    made = digits_checkpoint(latent_dim=3)
    made.reference.mean[:, 2] = 0.25
    for place in find("drifts", made, None):
        assert place.code[2] == pytest.approx(0.25)


def test_a_listed_place_has_the_figure_that_the_measures_have_there():
    loaded = checkpoint.load(DIGITS)
    measures = Measures.of(loaded, lambda count: None)
    figures = {
        "holes": measures.ratio,
        "cliffs": lambda codes: measures.cliffs(codes)[0],
        "drifts": lambda codes: np.linalg.norm(measures.drift(codes), axis=1),
    }
    for kind, figure in figures.items():
        found = find(kind, loaded, None)
        codes = np.array([place.code for place in found], np.float32)
        assert len(found) > 1
        np.testing.assert_allclose([place.value for place in found], figure(codes), rtol=1e-4, err_msg=kind)
