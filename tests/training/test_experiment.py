"""A finished run becomes a checkpoint with reference codes and held-out figures."""

import dataclasses

import pytest
import torch

from vae_core import checkpoint, data
from vae_core.config import DataConfig, Experiment, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.evaluation.likelihood import evaluate
from vae_core.models import build
from vae_core.training.experiment import reference_codes, summarise
from vae_core.training.loop import Trainer

DATA = DataConfig(name="digits", train_size=128)
HELD_OUT = data.load(DATA, "held-out")


def trained(kind="vae", averaging=0.0):
    settings = TrainingConfig(epochs=1, averaging=averaging)
    model = build(ModelConfig(kind=kind, data_shape=(1, 8, 8), hidden=(16,)))
    trainer = Trainer(model, data.load(DATA, "train").examples, ObjectiveConfig(beta=2.0), settings)
    trainer.run_epoch()
    return trainer


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_the_summary_holds_everything_and_can_be_loaded(kind, averaging):
    trainer = trained(kind, averaging)
    experiment = Experiment(
        data=DATA, model=trainer.model.config, objective=trainer.objective, training=trainer.config
    )
    summary = summarise(trainer.trained(), experiment, data.info("digits"), 1, HELD_OUT)
    description = summary.description
    assert description.model == trainer.model.config
    assert description.data == DATA
    assert description.info == data.info("digits")
    assert description.objective == ObjectiveConfig(beta=2.0)
    assert description.training == trainer.config
    assert description.epoch == 1
    assert description.evaluation == evaluate(
        trainer.trained(), HELD_OUT.examples, torch.Generator().manual_seed(0)
    )
    loaded = checkpoint.from_bytes(checkpoint.to_bytes(summary))
    assert loaded.description == description
    assert torch.equal(loaded.reference.mean, summary.reference.mean)


@pytest.mark.parametrize("count", [1, 100, 360])
def test_reference_codes_belong_to_the_first_held_out_examples(count):
    model = trained().trained()
    codes = reference_codes(model, HELD_OUT, HELD_OUT.examples[:count])
    assert len(codes) == count
    assert torch.equal(codes.indices, HELD_OUT.indices[:count])
    assert torch.equal(codes.labels, HELD_OUT.labels[:count])
    assert codes.factors is None
    torch.testing.assert_close(codes.mean, model.encode(HELD_OUT.examples[:count] / 255).mean)


def test_labels_and_factors_are_kept_where_there_are_any():
    factors = torch.rand(len(HELD_OUT), 4, generator=torch.Generator().manual_seed(0))
    other = dataclasses.replace(HELD_OUT, labels=None, factors=factors)
    codes = reference_codes(trained("autoencoder").trained(), other, other.examples[:50])
    assert codes.labels is None
    assert codes.log_variance is None
    assert torch.equal(codes.factors, factors[:50])
