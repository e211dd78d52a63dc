"""The command shown says exactly what the form says."""

import shlex

import pytest

from vae_core import data
from vae_core.__main__ import _experiment, _parser
from vae_core.config import (
    ComputeConfig,
    DataConfig,
    Experiment,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from vae_explorer.train.command import command_line
from vae_explorer.train.form import architectures, likelihoods, suggested_hidden
from vae_explorer.train.presets import PRESETS

EXPERIMENTS = [
    Experiment(data=DataConfig(name="mnist"), model=ModelConfig(data_shape=(1, 28, 28))),
    Experiment(
        data=DataConfig(name="sprites", train_size=500, split_seed=4),
        model=ModelConfig(data_shape=(1, 64, 64), architecture="conv", hidden=(8, 16, 32), latent_dim=6),
        objective=ObjectiveConfig(objective="tcvae", beta=6.5, warmup_epochs=3),
        training=TrainingConfig(epochs=7, patience=2, learning_rate=3e-4, averaging=0.99),
        compute=ComputeConfig(devices=2, precision="bf16-mixed", compile="off"),
    ),
    Experiment(
        data=DataConfig(name="digits"),
        model=ModelConfig(
            data_shape=(1, 8, 8),
            kind="autoencoder",
            architecture="linear",
            hidden=(),
            likelihood="gaussian",
        ),
    ),
]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_command_gives_back_the_experiment(experiment, tmp_path):
    words = shlex.split(command_line(experiment, str(tmp_path / "a run")))
    assert words[:4] == ["python", "-m", "vae_core", "train"]
    options = _parser().parse_args(words[3:])
    assert options.run == str(tmp_path / "a run")
    assert _experiment(options) == experiment


def test_own_data_are_named_by_their_path(tmp_path):
    import numpy as np

    path = tmp_path / "two words.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8))
    config = DataConfig(name="leaves", path=str(path))
    made = Experiment(data=config, model=ModelConfig(data_shape=(1, 8, 8)))
    words = shlex.split(command_line(made, "runs/x"))
    assert _experiment(_parser().parse_args(words[3:])) == made


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_every_preset_names_fields_and_data_that_exist(preset):
    fields = {"data"}
    for config in (DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig, ComputeConfig):
        fields |= config.model_fields.keys()
    assert preset.settings.keys() <= fields
    assert preset.settings["data"] in data.known()


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 64), (2, 48), (1, 8), (5,), (300,)]
)
@pytest.mark.parametrize("kind", ["vae", "autoencoder", "pca"])
def test_what_the_form_offers_can_be_built(shape, kind):
    for architecture in architectures(shape):
        hidden = (
            ()
            if architecture == "linear"
            else tuple(int(part) for part in suggested_hidden(architecture, shape).split(","))
        )
        for likelihood in likelihoods(kind, shape):
            ModelConfig(
                kind=kind,
                data_shape=shape,
                architecture=architecture,
                hidden=hidden,
                likelihood=likelihood,
            )
