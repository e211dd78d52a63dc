"""Subspaces of linear models: planted spans and angles, PCA against scikit-learn, and the linear autoencoder."""

import numpy as np
import pytest
import torch
from sklearn import decomposition

from vae_core import data
from vae_core.config import ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import DataError, MeasureError
from vae_core.latent.subspaces import (
    basis_of,
    directions_of,
    pca_errors,
    principal_angles,
    principal_vectors,
)
from vae_core.models import PCA, build
from vae_core.models.inputs import model_input
from vae_core.training.loop import Trainer

SHAPE = (1, 8, 8)


def digits(split="train"):
    return model_input(data.load(data.DataConfig(name="digits"), split).examples)


def mean_of(model):
    return lambda z: model.decode(z).mean


def linear(matrix, offset=0.3):
    """A decoder z -> matrix z + offset, reshaped to images."""
    return lambda z: (z.double() @ torch.from_numpy(matrix).T + offset).float().unflatten(1, (1, -1, 1))


@pytest.fixture
def random():
    return np.random.default_rng(0)


# --- bases --------------------------------------------------------------------------------------------------------


def test_directions_are_what_a_unit_of_each_dimension_adds(random):
    matrix = random.normal(size=(30, 3))
    np.testing.assert_allclose(directions_of(linear(matrix), 3), matrix, atol=1e-5)


def test_a_basis_is_orthonormal_and_spans_the_decoder(random):
    matrix = random.normal(size=(30, 3))
    basis = basis_of(linear(matrix), 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(basis @ (basis.T @ matrix), matrix, atol=1e-5)


def test_the_basis_of_a_pca_is_its_components():
    model = PCA.fit(ModelConfig(kind="pca", data_shape=SHAPE, latent_dim=3, likelihood="gaussian"), digits())
    basis = basis_of(mean_of(model), 3)
    assert principal_angles(basis, model.components.T.double().numpy()).max() < 0.01


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "vae", "hidden": (16,), "likelihood": "gaussian"},
        {"kind": "autoencoder", "hidden": (16,), "likelihood": "bernoulli"},
        {"kind": "autoencoder", "architecture": "linear", "likelihood": "bernoulli"},  # a sigmoid bends it
    ],
)
def test_a_curved_decoder_is_refused(settings):
    model = build(ModelConfig(data_shape=SHAPE, latent_dim=2, **settings), 0)
    with pytest.raises(MeasureError, match="curved"):
        basis_of(mean_of(model), 2)


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_linear_models_of_either_kind_are_not(kind):
    config = ModelConfig(
        kind=kind, data_shape=SHAPE, latent_dim=5, architecture="linear", likelihood="gaussian"
    )
    assert basis_of(mean_of(build(config, 0)), 5).shape == (64, 5)


def test_products_of_latent_dimensions_are_curved():
    with pytest.raises(MeasureError, match="curved"):
        basis_of(lambda z: torch.stack([z[:, 0], z[:, 1], 0.1 * z[:, 0] * z[:, 1]], 1), 2)


@pytest.mark.parametrize(("matrix", "rank"), [(np.zeros((9, 2)), 0), (np.outer(np.arange(9), [1.0, 2.0]), 1)])
def test_a_decoder_that_wastes_dimensions_is_refused(matrix, rank):
    with pytest.raises(MeasureError, match=f"spans {rank} dimensions with 2 latent"):
        basis_of(linear(matrix), 2)


# --- angles -------------------------------------------------------------------------------------------------------


def planted(random, degrees):
    """Bases of two spans with these principal angles, each turned within itself."""
    axes, _ = np.linalg.qr(random.normal(size=(20, 2 * len(degrees))))
    a, away = axes[:, : len(degrees)], axes[:, len(degrees) :]
    b = a * np.cos(np.radians(degrees)) + away * np.sin(np.radians(degrees))
    turns = [np.linalg.qr(random.normal(size=(len(degrees),) * 2))[0] for _ in "ab"]
    return a @ turns[0], b @ turns[1]


# An angle is as exact as its sine and its cosine, singular values of matrices whose entries are sums of 20 products
# of numbers below 1: some 20 roundings of 1.1e-16 each, through six products and decompositions. A thousand of them:
ROUNDING = np.degrees(1000 * np.finfo(np.float64).eps)


@pytest.mark.parametrize(
    "degrees", [[0.001, 0.5, 30.0, 90.0], [1e-9, 45.0, 89.999, 90 - 1e-9], [0.0], [20.0, 20.0, 20.0]]
)
def test_planted_angles_are_found(random, degrees):
    a, b = planted(random, degrees)
    np.testing.assert_allclose(principal_angles(a, b), degrees, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(principal_angles(b, a), degrees, rtol=0, atol=ROUNDING)


def test_a_span_within_another_is_at_no_angle(random):
    wide = random.normal(size=(20, 5))
    within = wide[:, :2] @ np.array([[1.0, 2.0], [0.0, -3.0]])
    for angles in (principal_angles(wide, within), principal_angles(within, wide)):
        assert angles.shape == (2,)
        assert (
            angles.max() < 100 * ROUNDING
        )  # turned by the inverse of the columns: condition numbers below 100


def test_principal_vectors_lie_at_the_principal_angles(random):
    a, b = planted(random, [1.0, 40.0, 70.0])
    left, right = principal_vectors(a, b)
    np.testing.assert_allclose((left * right).sum(0), np.cos(np.radians([1.0, 40.0, 70.0])), atol=1e-12)
    for basis, vectors in ((a, left), (b, right)):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(basis @ (basis.T @ vectors), vectors, atol=1e-12)


def test_images_of_two_sizes_have_no_angle(random):
    with pytest.raises(MeasureError, match="20 and 30 numbers"):
        principal_angles(random.normal(size=(20, 2)), random.normal(size=(30, 2)))


# --- PCA's errors -------------------------------------------------------------------------------------------------


def test_errors_are_scikit_learns_at_every_width():
    known, judged = digits(), digits("held-out")
    errors = pca_errors(known, judged, 64)
    for width in (1, 2, 7, 30, 64):
        solved = decomposition.PCA(width, svd_solver="full").fit(known.flatten(1).double().numpy())
        x = judged.flatten(1).double().numpy()
        wrong = x - solved.inverse_transform(solved.transform(x))
        # The components are found in float32: what is left over is exact to some roundings of all that there was.
        rounding = 10 * np.finfo(np.float32).eps * errors[0]
        assert errors[width] == pytest.approx(np.square(wrong).mean(), rel=1e-4, abs=rounding)
    mean = known.flatten(1).double().mean(0).numpy()
    assert errors[0] == pytest.approx(np.square(x - mean).mean(), rel=1e-6)


def test_errors_fall_with_every_component():
    errors = pca_errors(digits(), digits("held-out"), 40)
    assert errors.shape == (41,)
    assert (np.diff(errors) <= 0).all()


def test_errors_are_those_of_our_own_pca():
    known, judged = digits(), digits("held-out")
    config = ModelConfig(kind="pca", data_shape=SHAPE, latent_dim=5, likelihood="gaussian")
    model = PCA.fit(config, known)
    with torch.no_grad():
        wrong = model.decode(model.encode(judged).mean).mean - judged
    assert pca_errors(known, judged, 5)[5] == pytest.approx(float(wrong.square().mean()), rel=1e-4)


@pytest.mark.parametrize(("count", "up_to"), [(5, 6), (100, 65), (100, 0)])
def test_more_components_than_there_are_are_refused(count, up_to):
    with pytest.raises(DataError, match=f"up_to = {up_to}"):
        pca_errors(digits()[:count], digits(), up_to)


@pytest.mark.parametrize("judged", [torch.zeros(3, 1, 9, 9), torch.zeros(0, 1, 8, 8)])
def test_examples_of_other_data_are_refused(judged):
    with pytest.raises(DataError, match="one dataset"):
        pca_errors(digits(), judged, 2)


# --- PCA = linear autoencoder -------------------------------------------------------------------------------------


def test_a_linear_autoencoder_ends_in_the_plane_of_the_principal_components():
    """Baldi & Hornik 1989, on real digits: the largest principal angle is below one degree."""
    bytes_ = data.load(data.DataConfig(name="digits"), "train").examples
    config = ModelConfig(
        kind="autoencoder", data_shape=SHAPE, latent_dim=2, architecture="linear", likelihood="gaussian"
    )
    training = TrainingConfig(epochs=200, learning_rate=0.02, batch_size=64)
    trainer = Trainer(build(config, training.seed), bytes_, ObjectiveConfig(), training)
    for _ in range(training.epochs):
        trainer.run_epoch()
    pca = PCA.fit(config.model_copy(update={"kind": "pca"}), model_input(bytes_))
    a, b = (basis_of(mean_of(model), 2) for model in (trainer.trained(), pca))
    assert principal_angles(a, b)[-1] < 1.0
