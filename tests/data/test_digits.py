"""The digits are scikit-learn's own, all of them."""

import numpy as np
from sklearn.datasets import load_digits

from vae_core import data
from vae_core.config import DataConfig


def test_both_splits_together_are_the_whole_source():
    train, held_out = (data.load(DataConfig(name="digits"), split) for split in ("train", "held-out"))
    assert (len(train), len(held_out)) == (1437, 360)
    assert sorted([*train.indices.tolist(), *held_out.indices.tolist()]) == list(range(1797))


def test_images_and_labels_are_those_of_the_source_at_their_indices():
    held_out = data.load(DataConfig(name="digits"), "held-out")
    source = load_digits()
    rows = source.data[held_out.indices.numpy()]
    # 0 to 16 units of ink, as a fraction of full ink, to half a grey level
    np.testing.assert_allclose(held_out.examples.flatten(1).numpy() / 255, rows / 16, atol=0.5 / 255 + 1e-9)
    assert held_out.labels.tolist() == source.target[held_out.indices.numpy()].tolist()
    assert held_out.examples.max() == 255
