"""What every page and measure asks of a model, and nothing more."""

from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.distributions import Distribution


@runtime_checkable
class LatentModel(Protocol):
    """A pair of maps between data x and latent codes z, each returning a distribution.

    `encode(x)` takes (B, *data_shape), images in [0, 1] and other data standardised, and returns q(z|x) over
    (B, latent_dim);
    `decode(z)` takes (B, latent_dim) and returns p(x|z) over (B, *data_shape), whose `.mean`
    is the picture that people see.
    """

    latent_dim: int
    data_shape: tuple[int, ...]

    def encode(self, x: Tensor) -> Distribution: ...

    def decode(self, z: Tensor) -> Distribution: ...
