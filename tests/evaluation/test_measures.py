"""What is measured at a code, against the same figures by another road: reverse mode, scipy, a loop over all images."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import chi2, ncx2

from vae_core import data
from vae_core.checkpoint import Checkpoint, describe_new
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import CodeError, MeasureError
from vae_core.evaluation import measures as module
from vae_core.evaluation.measures import Measures
from vae_core.models import PCA, build
from vae_core.training.experiment import reference_codes

LATENT = 3


def held_out():
    return data.load(DataConfig(name="digits"), "held-out")


def made(kind="vae", latent=LATENT, *, reference=True):
    """A checkpoint of digits: an untrained network, or a fitted PCA."""
    likelihood = "gaussian" if kind == "pca" else "bernoulli"
    config = ModelConfig(
        kind=kind, data_shape=(1, 8, 8), latent_dim=latent, hidden=(16,), likelihood=likelihood
    )
    split = held_out()
    model = PCA.fit(config, split.examples.float() / 255) if kind == "pca" else build(config, 1)
    if kind != "pca":
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                # So that encoded codes differ from each other, and decoded images too.
                parameter.mul_(1.0 if "log_variance" in name else 3.0)
    described = describe_new(
        config, DataConfig(name="digits"), data.info("digits"), ObjectiveConfig(), TrainingConfig()
    )
    model = model.eval()
    return Checkpoint(model, described, reference_codes(model, split, split.examples) if reference else None)


def codes(count=9, latent=LATENT, seed=0):
    return torch.randn(count, latent, generator=torch.Generator().manual_seed(seed)).numpy()


def measures(checkpoint, images=lambda count: None, seed=0):
    return Measures.of(checkpoint, images, seed)


def decoded(checkpoint, z):
    with torch.inference_mode():
        return checkpoint.model.decode(torch.from_numpy(z)).mean


def jacobians(checkpoint, z):
    """By reverse mode, a code at a time: (n, pixels, latent)."""

    def mean(code):
        return checkpoint.model.decode(code[None]).mean.flatten()

    return np.stack([torch.autograd.functional.jacobian(mean, code).numpy() for code in torch.from_numpy(z)])


# Cliffs


@pytest.mark.parametrize("kind", ["vae", "pca"])
def test_cliffs_are_the_singular_values_of_the_jacobian(kind):
    checkpoint, z = made(kind), codes()
    stretch, magnification = measures(checkpoint).cliffs(z)
    values = np.linalg.svd(jacobians(checkpoint, z), compute_uv=False)
    np.testing.assert_allclose(stretch, values[:, 0], rtol=1e-4)
    np.testing.assert_allclose(magnification, values.prod(1), rtol=1e-3)


def test_cliffs_within_a_plane_do_not_depend_on_the_axes_that_span_it():
    checkpoint, z = made(), codes()
    axes = np.array([[2, 0, 0], [1, 3, 0]], np.float32)
    found = measures(checkpoint).cliffs(z, axes)
    values = np.linalg.svd(jacobians(checkpoint, z)[:, :, :2], compute_uv=False)
    np.testing.assert_allclose(found, [values[:, 0], values.prod(1)], rtol=1e-3)
    everywhere = measures(checkpoint).cliffs(z)
    assert (found[0] <= everywhere[0] * (1 + 1e-5)).all()


def test_directions_that_span_no_plane_are_refused():
    asked = measures(made())
    for axes in (np.eye(3, dtype=np.float32)[[0, 0]], np.zeros((2, 3), np.float32)):
        with pytest.raises(CodeError, match="do not span a plane"):
            asked.cliffs(codes(), axes)
    with pytest.raises(CodeError, match="do not span a plane"):
        measures(made(latent=1)).cliffs(codes(latent=1), np.array([[1], [2]], np.float32))


# Data ratio


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_the_ratio_counts_draws_around_a_code_for_each_that_the_prior_promises(kind):
    checkpoint, z = made(kind), codes()
    reference = checkpoint.reference
    draws = reference.mean.double().numpy()
    centre, spread = np.zeros(LATENT), np.eye(LATENT)
    if kind == "vae":
        noise = torch.randn(reference.mean.shape, generator=torch.Generator().manual_seed(5))
        draws = draws + (0.5 * reference.log_variance).exp().numpy() * noise.numpy()
    else:  # no prior: the Gaussian with its codes' mean and covariance
        centre, spread = draws.mean(0), np.linalg.inv(np.cov(draws.T, bias=True))
    offsets = z[:, None] - draws[None]
    radius = np.sort(np.sqrt(np.einsum("nmi,ij,nmj->nm", offsets, spread, offsets)), 1)[:, 15]
    far = np.einsum("ni,ij,nj->n", z - centre, spread, z - centre)
    expected = 15 / (len(draws) * ncx2.cdf(radius**2, LATENT, far))
    asked = measures(checkpoint, seed=5)
    np.testing.assert_allclose(asked.ratio(z), expected, rtol=1e-4)
    np.testing.assert_allclose(
        [asked.trust(code[None]).percentile for code in z], chi2.cdf(far, LATENT), rtol=1e-4
    )


# Drift


def test_drift_is_the_way_to_where_the_image_is_encoded():
    checkpoint, z = made(), codes(100)
    with torch.inference_mode():
        expected = checkpoint.model.encode(decoded(checkpoint, z)).mean.numpy() - z
    np.testing.assert_allclose(measures(checkpoint).drift(z), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_a_linear_projection_does_not_drift():
    found = measures(made("pca")).drift(codes())
    assert np.abs(found).max() < 1e-4


# Realism


def test_realism_compares_with_the_examples_by_their_median_distance_to_the_next():
    checkpoint, z, split = made(), codes(), held_out()
    asked = measures(checkpoint, lambda count: split.examples[:count])
    found, index = asked.realism(z)
    images = (split.examples.float() / 255).flatten(1).numpy()
    others = cdist(images, images)
    np.fill_diagonal(others, np.inf)
    distances = cdist(decoded(checkpoint, z).flatten(1).numpy(), images)
    np.testing.assert_array_equal(index, distances.argmin(1))
    np.testing.assert_allclose(found, distances.min(1) / np.median(others.min(1)), rtol=0.01)
    assert asked.against == "images"
    assert torch.equal(asked.example(7), split.examples[7:8].float() / 255)


def test_the_examples_are_not_held_a_second_time():
    checkpoint, split = made(), held_out()
    asked = measures(checkpoint, lambda count: split.examples[:count])
    asked.trust(codes(1))
    assert asked._gallery().gallery.images.data_ptr() == split.examples.data_ptr()


def test_places_are_decoded_once_for_all_their_measures_and_anew_when_they_move(monkeypatch):
    checkpoint, z = made(), codes()
    asked, decodes = measures(checkpoint), []
    decode = checkpoint.model.decode
    asked.realism(codes(1))  # makes the reconstructions that it compares with
    asked.realism(z)
    monkeypatch.setattr(checkpoint.model, "decode", lambda codes: decodes.append(len(codes)) or decode(codes))
    first = asked.drift(z)
    assert decodes == []
    z += 1  # the same array with other codes
    moved = asked.drift(z)
    assert decodes == [len(z)]
    assert np.abs(moved - first).max() > 0.1


def test_without_the_data_reconstructions_stand_for_them():
    checkpoint = made()
    asked, z = measures(checkpoint), checkpoint.reference.mean[[4, 200]].numpy()
    found, index = asked.realism(z)
    assert asked.against == "reconstructions"
    assert index.tolist() == [4, 200]
    assert asked.trust(z[:1]).against == "reconstructions"
    np.testing.assert_allclose(found, 0, atol=1e-4)
    torch.testing.assert_close(asked.example(4), decoded(checkpoint, z[:1]))


def test_large_images_are_compared_with_a_part_of_the_data(monkeypatch):
    monkeypatch.setattr(module, "GALLERY_NUMBERS", 64 * 50)
    monkeypatch.setattr(module, "MIN_GALLERY", 20)
    split = held_out()
    asked = measures(made(), lambda count: split.examples[:count])
    _, index = asked.realism(codes(100))
    assert index.max() < 50
    assert asked.trust(codes(1)).compared == 50


def test_images_are_read_once_and_only_for_realism():
    read = []

    def images(count):
        read.append(1)
        return held_out().examples[:count]

    asked = measures(made(), images)
    asked.cliffs(codes())
    asked.ratio(codes())
    asked.drift(codes())
    assert asked.lacks == {}
    assert read == []
    for _ in range(2):
        asked.realism(codes())
    assert read == [1]


# Trust


def test_trust_is_every_figure_at_once():
    checkpoint = made()
    asked = measures(checkpoint, lambda count: held_out().examples[:count])
    for code in codes()[:, None]:
        found = asked.trust(code)
        realism, index = asked.realism(code)
        assert (found.stretch, found.magnification) == tuple(each[0] for each in asked.cliffs(code))
        assert found.percentile == pytest.approx(chi2.cdf(np.square(code).sum(), LATENT))
        assert found.ratio == asked.ratio(code)[0]
        assert (found.realism, found.index) == (realism[0], index[0])
        assert found.drift == pytest.approx(np.linalg.norm(asked.drift(code)), rel=1e-5)
        assert found.label == checkpoint.reference.labels[index[0]]
        assert (found.against, found.compared) == ("images", len(checkpoint.reference))


def test_figures_repeat_by_their_seed():
    checkpoint = made()
    first, again, other = (measures(checkpoint, seed=seed).ratio(codes()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# What a model lacks


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_without_encoded_data_the_rest_is_there(kind):
    asked = measures(made(kind, reference=False))
    assert set(asked.lacks) == {"ratio", "realism"}
    for measure in (asked.ratio, asked.realism):
        with pytest.raises(MeasureError, match="without encoded data"):
            measure(codes())
    found = asked.trust(codes(1))
    assert math.isnan(found.percentile) == (kind == "autoencoder")
    assert math.isnan(found.ratio)
    assert math.isnan(found.realism)
    assert (found.index, found.label) == (-1, -1)
    assert (found.against, found.compared) == (None, 0)
    assert found.stretch > 0
    assert found.drift > 0


def test_codes_that_are_all_equal_have_no_ratio_and_no_unit():
    checkpoint = made("autoencoder")
    same = replace(checkpoint.reference, mean=torch.zeros_like(checkpoint.reference.mean))
    asked = measures(replace(checkpoint, reference=same))
    for _ in range(2):
        with pytest.raises(MeasureError, match="equal"):
            asked.ratio(codes())
        with pytest.raises(MeasureError, match="equal"):
            asked.realism(codes())
    found = asked.trust(codes(1))
    assert math.isnan(found.ratio)
    assert math.isnan(found.realism)
    assert found.stretch > 0


def test_a_dead_dimension_and_one_dimension_do_no_harm():
    checkpoint = made("autoencoder")
    mean = checkpoint.reference.mean.clone()
    mean[:, 1] = 0
    dead = measures(replace(checkpoint, reference=replace(checkpoint.reference, mean=mean)))
    for found in (dead.trust(codes(1)), measures(made(latent=1)).trust(codes(1, latent=1))):
        assert np.isfinite([value for value in astuple(found) if not isinstance(value, str)]).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 2), np.float32), np.full((1, 3), np.nan, np.float32)], ids=["width", "nan"]
)
def test_codes_that_do_not_fit_are_refused(bad):
    asked = measures(made())
    for measure in (asked.cliffs, asked.ratio, asked.drift, asked.realism, asked.trust):
        with pytest.raises(CodeError, match="3 finite numbers"):
            measure(bad)


def test_threads_may_ask_at_the_same_time():
    asked, z = measures(made()), codes(40)
    expected = asked.cliffs(z)[0]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: asked.cliffs(z)[0], range(40)):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        fresh = measures(made())
        assert len(set(pool.map(lambda _: fresh.trust(z[:1]), range(8)))) == 1
