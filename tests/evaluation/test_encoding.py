"""Encoding a split: what the model says when it is called directly, whatever the batches, from memory or from disk."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vae_core import data
from vae_core.config import DataConfig, ModelConfig
from vae_core.data import Dataset, Streamed
from vae_core.data.streaming import InMemory
from vae_core.errors import ConfigError, DataError, Stopped
from vae_core.evaluation.encoding import encode
from vae_core.models import build

SHAPE = (1, 8, 8)


def model(kind="vae", seed=0, **settings):
    return build(ModelConfig(kind=kind, data_shape=SHAPE, latent_dim=3, hidden=(16,), **settings), seed)


def digits(count=230):
    return data.load(DataConfig(name="digits", held_out_size=count), "held-out")


def like(dataset, **changed):
    return Dataset(**({**vars(dataset)} | changed))


def test_columns_equal_the_model_called_directly():
    built, split = model(), digits()
    found = encode(built, split, batch=64)
    x = split.examples.float() / 255
    with torch.inference_mode():
        posterior = built.encode(x)
        pictures = built.decode(posterior.mean).mean
    assert len(found) == 230
    torch.testing.assert_close(found.mean, posterior.mean)
    torch.testing.assert_close(found.log_variance, posterior.variance.log())
    prior = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    torch.testing.assert_close(found.kl, kl_divergence(posterior, prior))
    expected = torch.stack([((p - q) ** 2).mean() for p, q in zip(pictures, x, strict=True)])
    torch.testing.assert_close(found.error, expected)
    assert found.indices is split.indices
    assert found.labels is split.labels
    assert found.factors is None
    assert not found.mean.is_inference()


@pytest.mark.parametrize("kind", ["autoencoder", "pca"])
def test_a_model_that_encodes_to_points_has_no_posterior(kind):
    built = model(kind, likelihood="gaussian")
    found = encode(built, digits(20))
    assert found.log_variance is None
    assert found.kl is None
    assert found.error.shape == (20,)


def test_streamed_examples_give_the_same_as_those_in_memory():
    built, split = model(), digits()
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(1))
    back = torch.argsort(order)
    streamed = like(split, examples=Streamed(InMemory(split.examples[order]), back))
    here, there = encode(built, split, batch=50), encode(built, streamed, batch=50)
    for name in ("mean", "log_variance", "kl", "error"):
        assert torch.equal(getattr(here, name), getattr(there, name)), name


def test_standardised_data_are_encoded_as_they_are():
    config = ModelConfig(data_shape=(5,), latent_dim=2, hidden=(8,), likelihood="gaussian")
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(2))
    table = Dataset("table", rows, torch.arange(40), None, torch.ones(40, 1))
    built = build(config, 0)
    found = encode(built, table, batch=7)
    with torch.inference_mode():
        torch.testing.assert_close(found.mean, built.encode(rows).mean)
    assert found.factors is table.factors


def test_progress_rises_to_one():
    heard = []
    encode(model(), digits(100), heard.append, batch=30)
    assert heard == [0.3, 0.6, 0.9, 1.0]


def test_it_stops_when_asked():
    heard = []
    with pytest.raises(Stopped, match="after 60 of 100 examples"):
        encode(model(), digits(100), heard.append, lambda: len(heard) == 2, batch=30)
    assert len(heard) == 2


def test_data_of_another_shape_are_one_sentence():
    pictures = Dataset("photos", torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4), None, None)
    with pytest.raises(DataError, match="photos are 3 x 8 x 8, but this model takes 1 x 8 x 8; choose"):
        encode(model(), pictures)


def test_no_examples_are_one_sentence():
    split = digits(4)
    empty = like(split, examples=split.examples[:0], indices=split.indices[:0], labels=split.labels[:0])
    with pytest.raises(DataError, match="no examples"):
        encode(model(), empty)


def test_a_batch_holds_at_least_one():
    with pytest.raises(ConfigError, match="batch_size = 0"):
        encode(model(), digits(4), batch=0)
