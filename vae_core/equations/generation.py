"""Generation as a change of distribution: are draws of the prior, decoded, distributed as the data?

The maximum mean discrepancy (Gretton et al. 2012), with a Gaussian kernel k on the pixels,

    MMD^2 = E k(a, a') + E k(b, b') - 2 E k(a, b)      a, a' ~ samples, b, b' ~ data

is 0 only where the two distributions are the same. How large it is by chance alone is seen by shuffling both samples
together and splitting them anew: the null distribution.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from vae_core.errors import DataError
from vae_core.models import LatentModel

LEVEL = 0.95  # share of the null distribution below its limit


@dataclass(frozen=True, eq=False)
class TwoSample:
    """MMD^2 of two samples, unbiased (so it may be negative), and what it is when they are shuffled."""

    mmd: float
    null: Float64[np.ndarray, " permutations"]  # rising
    bandwidth: float  # of the kernel, in pixel units

    @property
    def limit(self) -> float:
        """What 95 % of the null distribution lies below."""
        return float(np.quantile(self.null, LEVEL))

    @property
    def p(self) -> float:
        """How often chance alone gives as much: the permutation test's p-value, never 0."""
        return float((1 + (self.null >= self.mmd).sum()) / (1 + len(self.null)))


def two_sample(
    samples: Float[Tensor, "n *shape"],
    data: Float[Tensor, "m *shape"],
    permutations: int,
    generator: torch.Generator,
    bandwidth: float | None = None,
) -> TwoSample:
    """Compare two samples; `bandwidth` None for the median distance between points of both (Gretton et al., section 8).

    Raises:
        DataError: a sample has fewer than 2 examples or is not finite, or permutations is below 1.
    """
    if min(len(samples), len(data)) < 2 or permutations < 1:
        raise DataError(
            f"There are {len(samples)} samples, {len(data)} data and {permutations} permutations; MMD takes at least "
            "2, 2 and 1."
        )
    pool = torch.cat((samples, data)).flatten(1)
    if not pool.isfinite().all():
        raise DataError("The samples or the data hold NaN or infinity; leave out those that do.")
    squared = _squared_distances(pool.double())
    width = _median_distance(squared) if bandwidth is None else bandwidth
    kernel = torch.exp(-squared / (2 * width**2)).fill_diagonal_(0)  # no point is compared with itself
    first = torch.zeros(permutations + 1, len(pool), dtype=torch.float64)
    first[0, : len(samples)] = 1  # as they are; then shuffled
    for row in first[1:]:
        row[torch.randperm(len(pool), generator=generator)[: len(samples)]] = 1
    found = _mmd(kernel, first).numpy()
    return TwoSample(float(found[0]), np.sort(found[1:]), width)


def decoded_draws(
    model: LatentModel,
    count: int,
    generator: torch.Generator,
    codes: Float[Tensor, "n latent"] | None = None,
) -> tuple[Float[Tensor, "count latent"], Float[Tensor, "count *shape"]]:
    """Draw codes from N(0, I), or from the Gaussian fitted to `codes`, and return them with what they decode to.

    What a code decodes to is the mean of p(x|z), without the likelihood's noise: what people see.
    """
    z = torch.randn(count, model.latent_dim, generator=generator)
    if codes is not None:
        mean, root = fitted(codes)
        z = mean + z @ root.T
    with torch.inference_mode():
        return z, torch.cat([model.decode(part).mean for part in z.split(256)])


def fitted(
    codes: Float[Tensor, "n latent"],
) -> tuple[Float[Tensor, " latent"], Float[Tensor, "latent latent"]]:
    """Return the mean of codes and a root R of their covariance, R R^T, also where that is singular."""
    codes = codes.double()
    values, vectors = torch.linalg.eigh(torch.atleast_2d(torch.cov(codes.T)))
    return codes.mean(0).float(), (vectors * values.clamp_min(0).sqrt()).float()


def _mmd(
    kernel: Float64[Tensor, "pool pool"], first: Float64[Tensor, "splits pool"]
) -> Float64[Tensor, " splits"]:
    """MMD^2 of every split of the pool: 1 marks what belongs to the first sample."""
    second = 1 - first
    towards = first @ kernel
    all_pairs = kernel.sum()
    within, across = (towards * first).sum(1), (towards * second).sum(1)
    others = all_pairs - within - 2 * across
    n, m = first.sum(1), second.sum(1)
    return within / (n * (n - 1)) + others / (m * (m - 1)) - 2 * across / (n * m)


def _squared_distances(points: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n n"]:
    # By a matrix product, which is quick; in float64 that keeps more digits than images have.
    squares = points.square().sum(1)
    return (squares[:, None] + squares - 2 * points @ points.T).clamp_min(0)


def _median_distance(squared: Float64[Tensor, "pool pool"]) -> float:
    rows, columns = torch.triu_indices(len(squared), len(squared), 1)
    median = math.sqrt(float(squared[rows, columns].median()))
    return median if median > 0 else 1.0  # most points are equal: any width tells the others apart
