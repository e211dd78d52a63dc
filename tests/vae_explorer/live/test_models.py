"""What the socket asks of a model: pixels for codes, a posterior for a picture, an item of its data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.vae_explorer import making
from vae_core import data, images
from vae_core.config import DataConfig, ModelConfig
from vae_core.errors import CodeError, MeasureError
from vae_core.models import PointMass, build
from vae_explorer import library
from vae_explorer.live import registry
from vae_explorer.live.models import examples, find_again, live, measures_of, publish
from vae_explorer.live.protocol import Measure


@pytest.fixture(scope="module")
def opened():
    return library.opened("digits", making.make())


@pytest.fixture(scope="module")
def model(opened):
    return live(opened)


def ink():
    """A dark stroke on white paper, in colour, of a size that is not the model's."""
    picture = Image.new("RGB", (50, 40), "white")
    ImageDraw.Draw(picture).line([(10, 5), (14, 30)], fill=(20, 20, 80), width=5)
    return np.asarray(picture).copy()


def as_batch(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


# --- decode -------------------------------------------------------------------------------------------------


def test_decode_gives_the_mean_of_the_likelihood(opened, model):
    codes = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    pixels = model.decode(codes)
    with torch.inference_mode():
        mean = opened.checkpoint.model.decode(torch.from_numpy(codes)).mean
    assert pixels.dtype == np.uint8
    assert pixels.shape == (5, 8, 8, 1)
    assert np.abs(pixels / 255 - mean.permute(0, 2, 3, 1).numpy()).max() <= 0.51 / 255


def test_decode_of_a_coloured_model_has_three_channels():
    coloured = live(library.opened("colours", making.make(info=making.COLOURS)))
    assert coloured.decode(np.zeros((2, 2), np.float32)).shape == (2, 16, 16, 3)


@pytest.mark.parametrize(("architecture", "threads"), [("mlp", 1), ("linear", 1), ("conv", 2)])
def test_small_products_are_not_shared_among_threads(architecture, threads):
    """Threads that meet at every layer wait for each other on a machine with other work; convolutions are worth it."""
    config = ModelConfig(
        kind="autoencoder", architecture=architecture, hidden=(16, 16), data_shape=(1, 16, 16)
    )
    made = making.make()
    found = library.opened("threads", replace(made, model=build(config, 0).eval()))
    seen = []
    decode = found.checkpoint.model.decode
    found.checkpoint.model.decode = lambda codes: (seen.append(torch.get_num_threads()), decode(codes))[1]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        live(found).decode(np.zeros((3, config.latent_dim), np.float32))
        assert (seen, torch.get_num_threads()) == ([threads], 2)
        with pytest.raises(RuntimeError):
            live(found).decode(np.zeros((3, config.latent_dim + 1), np.float32))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# --- encode -------------------------------------------------------------------------------------------------


def test_encode_fits_the_picture_and_returns_its_posterior(opened, model):
    encoded = model.encode(ink())
    fitted = images.fit(ink(), (1, 8, 8), "ink", opened.checkpoint.description.info.extent)
    assert np.array_equal(encoded.picture, fitted)
    assert fitted[0, 0, 0] == 0  # light on dark
    with torch.inference_mode():
        posterior = opened.checkpoint.model.encode(as_batch(fitted))
    assert encoded.mean == pytest.approx(posterior.mean[0].numpy(), abs=1e-5)
    assert encoded.std == pytest.approx(posterior.stddev[0].numpy(), abs=1e-5)
    assert (encoded.mean.dtype, encoded.std.dtype) == (np.float32, np.float32)


def test_encode_leaves_the_picture_alone(model):
    picture = ink()
    model.encode(picture)
    assert np.array_equal(picture, ink())


def test_an_empty_paper_has_a_finite_posterior(model):
    encoded = model.encode(np.zeros((168, 168, 3), np.uint8))
    assert np.isfinite(encoded.mean).all()
    assert encoded.picture.max() == 0


def test_an_autoencoder_has_a_point_and_no_deviation():
    plain = library.opened("plain", making.make(kind="autoencoder"))
    encoded = live(plain).encode(ink())
    with torch.inference_mode():
        point = plain.checkpoint.model.encode(as_batch(encoded.picture))
    assert isinstance(point, PointMass)
    assert encoded.std is None
    assert encoded.mean == pytest.approx(point.mean[0].numpy(), abs=1e-5)


# --- items --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 3, 9])
def test_items_of_a_class_are_the_reference_codes_of_that_class(opened, model, label):
    reference = opened.checkpoint.reference
    positions = torch.nonzero(reference.labels == label)[:, 0].tolist()
    for nth in (0, 1, len(positions) - 1):
        item = model.item(label, nth)
        assert (item.position, item.label) == (positions[nth], label)
        assert item.encoded.mean == pytest.approx(reference.mean[item.position].numpy())
        variance = item.encoded.std**2
        assert np.log(variance) == pytest.approx(reference.log_variance[item.position].numpy(), abs=1e-5)


def test_items_of_any_class_come_in_the_order_of_the_reference(opened, model):
    for nth in (0, 1, 200):
        item = model.item(-1, nth)
        assert item.position == nth
        assert item.label == int(opened.checkpoint.reference.labels[nth])


def test_an_item_brings_its_own_image(opened, model):
    held_out = data.load(DataConfig(name="digits"), "held-out")
    item = model.item(7, 3)
    row = int(torch.nonzero(held_out.indices == opened.checkpoint.reference.indices[item.position])[0, 0])
    assert int(held_out.labels[row]) == 7
    assert np.array_equal(item.encoded.picture[..., 0], held_out.examples[row, 0].numpy())


def test_without_the_dataset_an_item_has_no_picture():
    item = live(library.opened("colours", making.make(info=making.COLOURS))).item(-1, 5)
    assert item.encoded.picture.shape == (0, 0, 0)
    assert item.label == -1
    assert item.encoded.mean.shape == (2,)


@pytest.mark.parametrize(("label", "nth"), [(-1, making.EXAMPLES), (3, 1000), (10, 0), (99, 0)])
def test_an_item_out_of_range_is_refused_in_a_sentence(model, label, nth):
    with pytest.raises(CodeError, match=f"item = {nth}|class = {label}") as refused:
        model.item(label, nth)
    assert "to -1" not in str(refused.value)


def test_an_index_the_dataset_does_not_have_leaves_out_the_picture():
    made = making.make()
    made.reference.indices[0] = 10**6
    assert live(library.opened("odd", made)).item(-1, 0).encoded.picture.shape == (0, 0, 0)


def test_a_model_without_reference_codes_has_no_items():
    assert live(library.opened("bare", making.make(with_reference=False))).item is None


# --- measures -----------------------------------------------------------------------------------------------


def some(count=5, latent=2):
    return np.random.default_rng(1).normal(size=(count, latent)).astype(np.float32)


def trust_columns(trust):
    figures = (trust.percentile, trust.stretch, trust.magnification, trust.ratio, trust.realism, trust.drift)
    against = {"images": 1, "reconstructions": 0}[trust.against]
    return np.array([(*figures, trust.index, trust.label, against, trust.compared)])


def test_each_measure_has_the_columns_of_the_core(opened, model):
    z, axes, asked = some(), np.array([[1, 1], [0, 2]], np.float32), measures_of(opened)
    expected = {
        Measure.CLIFFS: np.stack(asked.cliffs(z), 1),
        Measure.CLIFFS_IN_PLANE: np.stack(asked.cliffs(z, axes), 1),
        Measure.RATIO: asked.ratio(z)[:, None],
        Measure.DRIFT: asked.drift(z),
        Measure.REALISM: np.stack(asked.realism(z), 1),
        Measure.TRUST: trust_columns(asked.trust(z[:1])),
    }
    for measure, values in expected.items():
        rows = {Measure.CLIFFS_IN_PLANE: np.vstack((axes, z)), Measure.TRUST: z[:1]}.get(measure, z)
        found = model.measure(measure, rows.copy())
        assert found.values.dtype == np.float32
        np.testing.assert_array_equal(found.values, values.astype(np.float32))
        assert (found.picture.size > 0) == (measure == Measure.TRUST)


def test_trust_shows_the_nearest_example(opened, model):
    found = model.measure(Measure.TRUST, some(1))
    nearest, label, against, compared = map(int, found.values[0, 6:])
    assert (against, compared) == (1, making.EXAMPLES)
    held_out = data.load(DataConfig(name="digits"), "held-out")
    row = int(torch.nonzero(held_out.indices == opened.checkpoint.reference.indices[nearest])[0, 0])
    assert np.array_equal(found.picture[..., 0], held_out.examples[row, 0].numpy())
    assert label == int(held_out.labels[row])


def test_without_the_dataset_trust_shows_a_reconstruction():
    coloured = library.opened("colours", making.make(info=making.COLOURS))
    made = live(coloured)
    found = made.measure(Measure.TRUST, some(1))
    nearest = coloured.checkpoint.reference.mean[int(found.values[0, 6])]
    assert np.abs(found.picture.astype(int) - made.decode(nearest.numpy()[None])[0]).max() <= 1
    assert found.values[0, 7:].tolist() == [-1, 0, making.EXAMPLES]  # no classes, reconstructions
    assert measures_of(coloured).against == "reconstructions"


def test_data_that_come_while_somebody_looks_are_compared_with_from_then_on(opened, model, monkeypatch):
    """And their going is said, too: whatever is answered names what it was compared with."""
    answers = {}
    for here in (False, True, False):
        monkeypatch.setattr(library, "data_here", lambda opened, here=here: here)
        realism, *_, against, _ = model.measure(Measure.TRUST, some(1)).values[0, 4:]
        assert against == here
        assert answers.setdefault(here, realism) == realism
    assert answers[True] != answers[False]


def test_other_data_under_the_same_name_are_not_said_to_be_compared_with():
    made = making.make(latent_dim=5)
    made.reference.indices[0] = 10**6
    odd = live(library.opened("odd", made))
    assert odd.measure(Measure.TRUST, some(1, 5)).values[0, 8] == 0


def test_without_encoded_data_trust_has_no_picture_and_a_map_is_refused():
    made = live(library.opened("bare", making.make(with_reference=False)))
    found = made.measure(Measure.TRUST, some(1))
    assert found.picture.shape == (0, 0, 0)
    assert np.isnan(found.values[0, 3])
    assert found.values[0, 6:8].tolist() == [-1, -1]
    assert np.isnan(found.values[0, 8])
    with pytest.raises(MeasureError, match="without encoded data"):
        made.measure(Measure.RATIO, some())


def test_examples_are_in_the_order_of_the_codes():
    made = making.make(latent_dim=3)
    order = torch.randperm(making.EXAMPLES, generator=torch.Generator().manual_seed(0))
    indices = made.reference.indices[order]
    shuffled = replace(made, reference=replace(made.reference, indices=indices), id="1" * 16)
    held_out = data.load(DataConfig(name="digits"), "held-out")
    found = examples(library.opened("shuffled", shuffled))
    assert torch.equal(found, held_out.examples[order])
    torch.testing.assert_close(examples(library.opened("shuffled", shuffled), 7), found[:7])


def test_examples_of_other_data_are_none():
    made = making.make(latent_dim=4)
    made.reference.indices[0] = 10**6
    assert examples(library.opened("odd", made)) is None
    assert examples(library.opened("colours", making.make(info=making.COLOURS))) is None
    assert examples(library.opened("bare", making.make(with_reference=False))) is None


# --- the registry -------------------------------------------------------------------------------------------


def test_publish_makes_a_model_known_once(opened):
    publish(opened)
    known = registry.get(opened.id)
    publish(opened)
    assert registry.get(opened.id) is known
    assert known.latent_dim == 2


def test_a_bundled_model_is_found_again_after_a_restart(folder):
    wide = library.open_file("wide", library.bundled()["wide"])
    found = find_again(wide.id)
    assert (found.id, found.latent_dim) == (wide.id, 5)
    assert find_again("0" * 16) is None
