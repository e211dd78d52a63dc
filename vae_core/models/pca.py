"""Principal component analysis (Pearson 1901), the linear model that every other one is compared with.

In closed form: the code of x holds its coordinates along the D directions in which the data vary most. It is the
optimum of the linear autoencoder (Baldi & Hornik 1989) and, up to the noise, of the linear VAE (Tipping & Bishop
1999; Lucas et al. 2019).
"""

from math import prod
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_core.config import ModelConfig
from vae_core.errors import DataError
from vae_core.models.autoencoder import PointMass
from vae_core.models.likelihood import likelihood

MIN_SCALE = 1e-6  # a direction in which the data do not vary has the code 0, not 0 / 0


class PCA(nn.Module):
    """A fitted PCA as a `LatentModel`. Codes are *whitened*: over the training data each has variance 1.

    So sliders from -3 to 3 reach as far in the data's own spread as they do with a VAE, and codes of both kinds go
    into the same maps. Times `scale`, a code is the plain score, in pixel units.
    """

    centre: Tensor
    components: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.data_shape: tuple[int, ...] = config.data_shape
        numbers = prod(config.data_shape)
        self.register_buffer("centre", torch.zeros(numbers))  # the mean example
        self.register_buffer("components", torch.eye(config.latent_dim, numbers))  # orthonormal rows
        self.register_buffer("scale", torch.ones(config.latent_dim))  # standard deviation of each score

    @classmethod
    def fit(cls, config: ModelConfig, x: Float[Tensor, "n *shape"], seed: int = 0) -> Self:
        """Return the PCA of the examples x (n, *data_shape), as `encode` takes them.

        scikit-learn chooses the solver by size: the covariance matrix for many examples of at most 1000 numbers
        each, a randomized one (Halko et al. 2011), drawn with `seed`, for larger ones, else all singular values.
        It needs about three times the memory of x.

        Raises:
            DataError: x is not of data_shape, has fewer examples than latent_dim, or holds NaN or infinity.
        """
        _check(config, x)
        from sklearn import decomposition

        solver = decomposition.PCA(config.latent_dim, random_state=seed)
        solved = solver.fit(x.detach().cpu().flatten(1).numpy())
        model = cls(config)
        model.centre.copy_(torch.as_tensor(solved.mean_))
        model.components.copy_(torch.as_tensor(solved.components_))
        model.scale.copy_(torch.as_tensor(solved.explained_variance_).sqrt())
        return model.eval()

    def moments(self, x: Float[Tensor, "batch *shape"]) -> tuple[Float[Tensor, "batch latent"], None]:
        """Return the code of each example, and None for the standard deviation that it has not."""
        scores = (x.flatten(1) - self.centre) @ self.components.T
        return scores / self.scale.clamp_min(MIN_SCALE), None

    def encode(self, x: Float[Tensor, "batch *shape"]) -> Distribution:
        """Return the whitened scores of each x (images in [0, 1]) as a `PointMass` over (B, D)."""
        return PointMass(self.moments(x)[0])

    def decoder(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch *shape"]:
        """Return the point of the principal subspace that has the code z, (B, *data_shape)."""
        flat = torch.addmm(self.centre, z * self.scale, self.components)
        return flat.reshape(len(z), *self.data_shape)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """Return N(reconstruction, c I) over (B, *data_shape) with the config's variance c."""
        return likelihood(self.config, self.decoder(z))


def _check(config: ModelConfig, x: Tensor) -> None:
    if tuple(x.shape[1:]) != config.data_shape:
        raise DataError(
            f"x has shape {tuple(x.shape)}; the config takes examples of {config.data_shape}: choose data of "
            "that shape."
        )
    if len(x) < max(2, config.latent_dim):
        raise DataError(
            f"x has {len(x)} examples; pca with latent_dim = {config.latent_dim} takes at least "
            f"{max(2, config.latent_dim)}: give more examples or choose a smaller latent_dim."
        )
    if not x.isfinite().all():
        raise DataError("x holds NaN or infinity; leave out or fill in the examples that do.")
