"""Good starting points: what each trains, and what it is there to show."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Settings by field name; what is not named has the field's own default."""

    title: str
    shows: str
    settings: dict[str, Any] = field(default_factory=dict)


_MNIST_MLP: dict[str, Any] = {
    "data": "mnist",
    "latent_dim": 2,
    "hidden": "400, 256, 128",
    "averaging": 0.999,
}

PRESETS = (
    Preset(
        "2-D MNIST",
        "Ten digits find their places in a plane that is continuous and complete.",
        _MNIST_MLP | {"epochs": 15},
    ),
    Preset(
        "Disentangle the sprites",
        "With beta = 4, single dimensions come to stand for position and size.",
        {
            "data": "sprites",
            "latent_dim": 10,
            "architecture": "conv",
            "hidden": "16, 32, 32, 64, 192",
            "beta": 4.0,
            "epochs": 20,
            "averaging": 0.999,
            "seed": 1,
        },
    ),
    Preset(
        "Plain autoencoder for contrast",
        "The same networks without noise and without a prior: the space may tear.",
        _MNIST_MLP | {"kind": "autoencoder", "epochs": 15},
    ),
    Preset(
        "Linear autoencoder = PCA",
        "One linear map each way spans the plane of the two principal components.",
        {
            "data": "mnist",
            "kind": "autoencoder",
            "architecture": "linear",
            "likelihood": "gaussian",
            "latent_dim": 2,
            "epochs": 10,
            "learning_rate": 0.01,
        },
    ),
    Preset(
        "PCA, closed form",
        "The principal components themselves, without any steps.",
        {"data": "mnist", "kind": "pca", "likelihood": "gaussian", "latent_dim": 2},
    ),
    Preset(
        "Small digits",
        "Images of 8x8 pixels that come with the program: nothing to download, and little to compute.",
        {
            "data": "digits",
            "latent_dim": 2,
            "hidden": "256, 128",
            "likelihood": "gaussian",
            "variance": 0.04,
            "epochs": 300,
            "batch_size": 64,
            "averaging": 0.99,
        },
    ),
)
