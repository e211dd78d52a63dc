"""The bundled two-dimensional VAE on digits, and some of its examples; nothing here is downloaded."""

from pathlib import Path

import pytest

from vae_core import checkpoint, data
from vae_core.evaluation import posterior
from vae_core.models.inputs import model_input

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "digits-vae-2d.safetensors"


@pytest.fixture(scope="session")
def loaded():
    return checkpoint.load(CHECKPOINT)


@pytest.fixture(scope="session")
def model(loaded):
    return loaded.model


@pytest.fixture(scope="session")
def images(loaded):
    return model_input(data.load(loaded.description.data, "held-out").examples)


@pytest.fixture(scope="session")
def x(images):
    return images[3:4]  # the encoder is far off here: 2.3 nats


@pytest.fixture(scope="session")
def exact(model, x):
    return posterior.exact(model, x)


@pytest.fixture(scope="session")
def q(model, x):
    return posterior.encoded(model, x)
