"""Small runs to try things on: a few epochs of digits in a tenth of a second."""

from vae_core.config import (
    ComputeConfig,
    DataConfig,
    Experiment,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from vae_core.training import run as runs

SHAPE = (1, 8, 8)
PLAIN = ComputeConfig(accelerator="cpu", precision="32-true", compile="off")


def experiment(model=None, objective=None, compute=PLAIN, data=None, **training):
    """Return an experiment on digits; keywords are training settings."""
    return Experiment(
        data=DataConfig(**({"name": "digits"} | (data or {}))),
        model=ModelConfig(**({"data_shape": SHAPE, "latent_dim": 3, "hidden": (32,)} | (model or {}))),
        objective=ObjectiveConfig(**(objective or {})),
        training=TrainingConfig(**({"epochs": 6, "batch_size": 100, "averaging": 0.9} | training)),
        compute=compute,
    )


def make(root, title="", **settings):
    """Return a new run's folder in `root`."""
    return runs.create(root, experiment(**settings), title)
