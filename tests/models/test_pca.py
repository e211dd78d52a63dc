"""PCA against singular values computed by numpy, and the linear autoencoder against PCA."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch.distributions import Independent, Normal

from vae_core.config import ModelConfig, ObjectiveConfig
from vae_core.errors import DataError
from vae_core.models import PCA, LatentModel, PointMass, build
from vae_core.objectives import draw, parts


def config(shape=(1, 8, 8), latent_dim=3, **settings):
    return ModelConfig(kind="pca", data_shape=shape, latent_dim=latent_dim, likelihood="gaussian", **settings)


def examples(count=60, shape=(1, 8, 8), seed=0, strong=5):
    """A few strong directions, the rest weak."""
    generator, numbers = torch.Generator().manual_seed(seed), int(np.prod(shape))
    basis, _ = torch.linalg.qr(torch.randn(numbers, numbers, generator=generator))
    strengths = torch.cat([torch.arange(strong, 0, -1) / strong, torch.full((numbers,), 0.02)])[:numbers]
    flat = 0.5 + 0.2 * (torch.randn(count, numbers, generator=generator) * strengths) @ basis.T
    return flat.reshape(count, *shape)


def singular(x, dimensions):
    """Mean, principal directions (rows) and standard deviations of the scores, by numpy."""
    flat = x.flatten(1).double().numpy()
    _, values, rows = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    return flat.mean(0), rows[:dimensions], values[:dimensions] / np.sqrt(len(flat) - 1)


# Solvers are chosen by size: all singular values, the covariance matrix, the randomized one.
SIZES = [(60, (1, 8, 8)), (700, (1, 8, 8)), (40, (2, 11)), (30, (6,)), (600, (3, 12, 12))]


@pytest.mark.parametrize(("count", "shape"), SIZES, ids=str)
def test_subspace_scores_and_reconstructions_are_those_of_the_singular_values(count, shape):
    x = examples(count, shape)
    model = PCA.fit(config(shape), x)
    centre, rows, stds = singular(x, 3)
    assert np.max(subspace_angles(model.components.double().numpy().T, rows.T)) < 2e-3
    np.testing.assert_allclose(model.scale.numpy(), stds, rtol=1e-3)
    flat = x.flatten(1).double().numpy() - centre
    again = model.decode(model.encode(x).mean).mean
    np.testing.assert_allclose(again.flatten(1).numpy(), flat @ rows.T @ rows + centre, atol=1e-3)
    scores = (model.encode(x).mean * model.scale).double().numpy()
    np.testing.assert_allclose(np.abs(scores), np.abs(flat @ rows.T), atol=2e-3)


def test_codes_are_white():
    x = examples(500)
    codes = PCA.fit(config(), x).encode(x).mean
    assert codes.mean(0).abs().max() < 1e-4
    np.testing.assert_allclose(np.cov(codes.numpy().T), np.eye(3), atol=1e-3)


def test_decoding_and_encoding_again_gives_the_code_back():
    model = PCA.fit(config(), examples())
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model.encode(model.decode(z).mean).mean, z, rtol=1e-3, atol=1e-4)


def test_all_dimensions_reconstruct_everything():
    x = examples(40, (6,), strong=6)
    model = PCA.fit(config((6,), latent_dim=6), x)
    torch.testing.assert_close(model.decode(model.encode(x).mean).mean, x, rtol=1e-4, atol=1e-5)


def test_it_is_a_latent_model_with_points_and_a_fixed_variance():
    model = PCA.fit(config(variance=0.09), examples())
    assert isinstance(model, LatentModel)
    assert isinstance(model.encode(examples(4)), PointMass)
    likelihood = model.decode(torch.zeros(4, 3))
    assert isinstance(likelihood, Independent)
    assert isinstance(likelihood.base_dist, Normal)
    assert (likelihood.batch_shape, likelihood.event_shape) == ((4,), (1, 8, 8))
    torch.testing.assert_close(likelihood.stddev, torch.full((4, 1, 8, 8), 0.3))


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 11), (6,)])
def test_it_travels_as_a_state_of_known_names_and_shapes(shape):
    x = examples(shape=shape)
    model, again = PCA.fit(config(shape), x), build(config(shape))
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build(config(shape)).state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.encode(x).mean, model.encode(x).mean)
    assert not list(model.parameters())


def test_fitting_twice_gives_the_same_and_keeps_the_global_generators():
    x = examples(600, (3, 12, 12))
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (PCA.fit(config((3, 12, 12)), x) for _ in range(2))
    assert torch.equal(first.components, again.components)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


def test_a_direction_without_variance_has_the_code_zero():
    x = torch.zeros(20, 6)
    x[:, 0] = torch.randn(20, generator=torch.Generator().manual_seed(0))
    model = PCA.fit(config((6,), latent_dim=2), x)
    codes = model.encode(x).mean
    assert codes[:, 0].std() == pytest.approx(1, rel=1e-4)
    assert codes[:, 1].abs().max() < 1e-3
    torch.testing.assert_close(model.decode(codes).mean, x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "x", "words"),
    [
        (config((6,)), torch.zeros(20, 5), r"x has shape \(20, 5\)"),
        (config((6,)), torch.zeros(2, 6), "x has 2 examples; .* at least 3"),
        (config((6,), latent_dim=1), torch.zeros(1, 6), "at least 2"),
        (config((6,)), torch.full((20, 6), torch.nan), "NaN or infinity"),
    ],
)
def test_what_cannot_be_fitted_is_refused(settings, x, words):
    with pytest.raises(DataError, match=words):
        PCA.fit(settings, x)


def test_the_linear_autoencoder_finds_the_principal_subspace():
    # Baldi & Hornik (1989): every local optimum of the squared error spans it.
    x = examples(200, (6,), strong=3)
    settings = ModelConfig(
        kind="autoencoder", data_shape=(6,), latent_dim=2, architecture="linear", likelihood="gaussian"
    )
    model, objective = build(settings), ObjectiveConfig()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        draws = draw(objective, model, len(x), torch.Generator())
        loss = parts(objective, model, x, draws, torch.tensor(1.0), len(x)).loss.mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    _, rows, _ = singular(x, 2)
    found = model.decoder[0].weight.detach().double().numpy()
    assert np.max(subspace_angles(found, rows.T)) < 0.02
