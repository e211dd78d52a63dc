"""What a kind of model is called, and which counterparts a comparison lacks."""

import pytest

from tests.vae_explorer import making
from vae_core.config import ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.models import build
from vae_explorer.compare.counterparts import BETA, NOISE, missing
from vae_explorer.compare.kinds import kind_name, kind_of

SHAPE = (1, 8, 8)
ALL = ["PCA", "Linear autoencoder", "Autoencoder", "Denoising autoencoder", "VAE", "β-VAE with β = 4"]


def described(kind="vae", latent_dim=2, objective=None, **model):
    """A description of a small model of digits."""
    made = making.make(latent_dim=latent_dim).description
    config = ModelConfig(**(made.model.model_dump() | {"kind": kind} | model))
    changes = {"model": config, "objective": objective or ObjectiveConfig()}
    return made.model_copy(update=changes | {"training": TrainingConfig(epochs=7, seed=3)})


def pca(latent_dim=2):
    return described("pca", latent_dim, hidden=(), likelihood="gaussian")


def made(*descriptions):
    return [(each.model, each.objective) for each in descriptions]


def names(found):
    return [each.name for each in found]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        (described(), "VAE"),
        (pca(), "PCA"),
        (described("autoencoder"), "Autoencoder"),
        (described(objective=ObjectiveConfig(beta=4)), "β-VAE with β = 4"),
        (described(objective=ObjectiveConfig(beta=0.1)), "β-VAE with β = 0.1"),
        (described(objective=ObjectiveConfig(objective="tcvae", beta=6)), "β-TCVAE"),
        (described(objective=ObjectiveConfig(objective="mmd")), "VAE with MMD"),
        (described("autoencoder", objective=ObjectiveConfig(objective="mmd")), "Autoencoder with MMD"),
        (described("autoencoder", objective=ObjectiveConfig(noise=0.3)), "Denoising autoencoder"),
        (described("autoencoder", architecture="linear", hidden=()), "Linear autoencoder"),
        (described(architecture="linear", hidden=()), "Linear VAE"),
    ],
)
def test_a_kind_is_called_what_people_call_it(description, name):
    assert kind_of(description) == name


def test_alone_a_model_lacks_all_the_others():
    like = described()
    assert names(missing(like, made(like))) == [name for name in ALL if name != "VAE"]


def test_nothing_is_missing_twice():
    like = described()
    there = made(like)
    for each in missing(like, there):
        there.append((each.experiment.model, each.experiment.objective))
    assert missing(like, there) == []


def test_one_of_another_width_is_no_counterpart():
    like = described()
    assert "PCA" in names(missing(like, made(like, pca(latent_dim=3))))
    assert "PCA" not in names(missing(like, made(like, pca())))


@pytest.mark.parametrize(
    "like", [described(), described("autoencoder", latent_dim=5), pca(3)], ids=["vae", "ae", "pca"]
)
def test_counterparts_have_the_same_data_and_width_and_can_be_built(like):
    found = missing(like, [])
    assert names(found) == ALL
    for each in found:
        experiment = each.experiment
        assert experiment.data == like.data
        assert experiment.model.data_shape == SHAPE
        assert experiment.model.latent_dim == like.model.latent_dim
        assert kind_name(experiment.model, experiment.objective) == each.name
        build(experiment.model)


def test_curved_counterparts_differ_in_one_thing_only():
    like = described()
    found = {each.name: each.experiment for each in missing(like, [])}
    for name in ("Autoencoder", "Denoising autoencoder", "β-VAE with β = 4"):
        assert found[name].training == like.training
        assert found[name].model.model_copy(update={"kind": "vae"}) == like.model
    assert found["Denoising autoencoder"].objective.noise == NOISE
    assert found["β-VAE with β = 4"].objective.beta == BETA


def test_a_linear_autoencoder_trains_at_least_as_long_as_its_preset():
    found = {each.name: each.experiment for each in missing(described(), [])}
    linear = found["Linear autoencoder"]
    assert linear.training.epochs >= 10
    assert linear.model.likelihood == "gaussian"
    assert linear.training.seed == 3
