"""What the KL term is made of, averaged over the data (Chen, Li, Grosse & Duvenaud 2018, equation 2):

    E_n[KL(q(z|x_n) || p(z))] = I(z; n)                          mutual information of code and example
                              + KL(q(z) || prod_d q(z_d))        total correlation of the dimensions
                              + sum_d KL(q(z_d) || p(z_d))       each dimension's distance from its prior

q(z) = (1/N) sum_n q(z|x_n) is the aggregate posterior over all N examples; a batch can only estimate it.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.errors import ConfigError


@dataclass(frozen=True)
class Decomposition:
    """One-draw estimates of the three terms, in nats, whose means over a batch are what counts."""

    mutual_information: Float[Tensor, " batch"]
    total_correlation: Float[Tensor, " batch"]
    dimension_kl: Float[Tensor, " batch"]


def decompose(
    z: Float[Tensor, "batch latent"],
    mean: Float[Tensor, "batch latent"],
    std: Float[Tensor, "batch latent"],
    dataset_size: int,
) -> Decomposition:
    """Split the KL term of a batch drawn at random from `dataset_size` examples.

    Args:
        z: one draw from each posterior N(mean, std^2).
        mean, std: the posteriors.
        dataset_size: N; at least the batch's size.

    Raises:
        ConfigError: the batch is larger than the dataset.
    """
    pairs = _log_normal(z[:, None], mean, std)  # log q(z_id | x_j), (batch, batch, latent)
    weights = log_weights(len(z), dataset_size).to(z)
    own = _log_normal(z, mean, std).sum(-1)
    joint = torch.logsumexp(weights + pairs.sum(-1), 1)
    marginals = torch.logsumexp(weights[:, :, None] + pairs, 1)
    prior = -0.5 * (z.square() + math.log(2 * math.pi))
    return Decomposition(own - joint, joint - marginals.sum(-1), (marginals - prior).sum(-1))


def log_weights(batch: int, dataset_size: int) -> Float[Tensor, "batch batch"]:
    """Return the logarithms of w with q(z_i) ~ sum_j w_ij q(z_i|x_j): minibatch stratified sampling.

    z_i was drawn from q(z|x_i), so in the sum over all N examples its own stands for itself alone, with weight 1/N,
    while the others in the batch stand for the N - 1 that remain. Each row sums to 1, and the estimate of q(z_i) is
    unbiased. (Chen et al., appendix C.2, give one of the others a weight of its own; by symmetry their average
    serves as well and varies less. Their weighted sampling of equation 4 weighs all by 1/(N batch) and is biased.)

    Raises:
        ConfigError: the batch is larger than the dataset.
    """
    if batch > dataset_size:
        raise ConfigError(
            f"dataset_size is {dataset_size}, but the batch has {batch} examples; give the size of the whole data."
        )
    if batch == 1:
        return torch.zeros(1, 1)  # nothing else to go by
    others = math.log((dataset_size - 1) / (dataset_size * (batch - 1)))
    return torch.full((batch, batch), others).fill_diagonal_(-math.log(dataset_size))


def _log_normal(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return -0.5 * (((z - mean) / std).square() + math.log(2 * math.pi)) - std.log()
