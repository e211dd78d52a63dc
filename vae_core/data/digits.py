"""Handwritten digits that come with scikit-learn: small, real, and always there.

1,797 images of 8x8 pixels; 1,437 of them (80 %) are for training, 360 are held out.
"""

import torch

from vae_core.config import DataConfig
from vae_core.data.dataset import DataInfo, Dataset, Split, choose, shuffled

TOTAL = 1797
TRAIN = 1437

INFO = DataInfo(
    name="digits",
    title="Digits (8x8)",
    data_shape=(1, 8, 8),
    class_names=tuple("0123456789"),
    factor_names=(),
    framing="ink",
    embedded=True,
    source="Optical recognition of handwritten digits, Alpaydin and Kaynak 1998, as in scikit-learn.",
)


def load(config: DataConfig, split: Split) -> Dataset:
    """Load one split; `indices` are positions in scikit-learn's own order (0 to 1796)."""
    from sklearn.datasets import load_digits  # takes a second to import, so only when it is needed

    order = shuffled(TOTAL, config.split_seed)
    indices = choose(config, split, {"train": order[:TRAIN], "held-out": order[TRAIN:]})
    source = load_digits()
    # The source counts ink from 0 to 16.
    images = torch.from_numpy(source.images).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(source.target).to(torch.int64)
    return Dataset(INFO.name, images[indices], indices, labels[indices], factors=None)
