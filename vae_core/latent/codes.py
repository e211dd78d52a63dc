"""Encoded data: the posteriors of many examples, and what each latent dimension does with them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from vae_core.models import LatentModel, PointMass
from vae_core.models.inputs import model_input

DEAD_VARIANCE = 0.01  # Burda et al. (2015), section 5.2: a unit is active if Var_x(E[z_d|x]) > 0.01
BINS = 64
DEFAULT_RANGE = 3.0  # 99.7 % of the prior's mass in one dimension


@dataclass(frozen=True)
class ReferenceCodes:
    """Posteriors of a reference split: what maps, slider ranges and densities need of a dataset."""

    mean: Float[Tensor, "n latent"]
    log_variance: Float[Tensor, "n latent"] | None  # None: the model encodes to points
    indices: Int64[Tensor, " n"]  # of each example in its source
    labels: Int64[Tensor, " n"] | None = None
    factors: Float[Tensor, "n factors"] | None = None

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Dimension:
    """One latent dimension, as the encoded data use it."""

    index: int
    kl: float | None  # mean KL(q(z_d|x) || p(z_d)) in nats; None without a posterior
    variance: float  # of the posterior means over the data
    low: float  # slider range: +-3 or the data's range, whichever is wider
    high: float
    histogram: tuple[int, ...]  # counts of the posterior means in BINS equal bins of [low, high]

    @property
    def active(self) -> bool:
        return self.variance > DEAD_VARIANCE


def posteriors(
    model: LatentModel,
    examples: UInt8[Tensor, "n *shape"] | Float32[Tensor, "n *shape"],
    batch_size: int = 1000,
) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"] | None]:
    """Encode the examples of a dataset; return the posterior means and log-variances (None where the posterior is a point)."""
    means, log_variances = [], []
    with torch.inference_mode():
        for batch in torch.split(examples, batch_size):
            posterior = model.encode(model_input(batch))
            means.append(posterior.mean)
            if not isinstance(posterior, PointMass):
                log_variances.append(posterior.variance.log())
    return torch.cat(means).clone(), torch.cat(log_variances).clone() if log_variances else None


def kl_per_dimension(reference: ReferenceCodes) -> Float[Tensor, " latent"] | None:
    """Return the mean KL(q(z_d|x) || N(0, 1)) over the reference examples, in nats, or None without posteriors."""
    if reference.log_variance is None:
        return None
    mean, log_variance = reference.mean.double(), reference.log_variance.double()
    return (0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)).mean(0).float()


def dimensions(reference: ReferenceCodes) -> list[Dimension]:
    """Summarise every dimension, in index order."""
    kls = kl_per_dimension(reference)
    means = reference.mean.double().numpy()
    return [
        _dimension(index, means[:, index], None if kls is None else float(kls[index]))
        for index in range(means.shape[1])
    ]


def bare_dimensions(latent_dim: int) -> list[Dimension]:
    """What is known of the dimensions of a model that comes with no encoded data: the prior's range."""
    empty = (0,) * BINS
    return [Dimension(i, None, 1.0, -DEFAULT_RANGE, DEFAULT_RANGE, empty) for i in range(latent_dim)]


def by_information(summaries: list[Dimension]) -> list[Dimension]:
    """Sort by KL, the most informative first; by variance where there is no KL."""
    return sorted(summaries, key=lambda d: (-(d.variance if d.kl is None else d.kl), d.index))


def _dimension(index: int, values: Float[np.ndarray, " n"], kl: float | None) -> Dimension:
    low = min(-DEFAULT_RANGE, float(values.min()))
    high = max(DEFAULT_RANGE, float(values.max()))
    counts, _ = np.histogram(values, BINS, (low, high))
    return Dimension(index, kl, float(values.var()), low, high, tuple(map(int, counts)))
