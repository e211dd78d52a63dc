"""The metric that a decoder gives its latent space: how far its pictures are from each other (Arvanitidis et al. 2018).

A small move dz changes the decoded picture f(z) by J dz, with J the Jacobian of f at z, so that its squared length
in picture space is dz^T G dz with G = J^T J, the *pullback metric*. Columns of J are forward-mode products, one for
each latent dimension: nothing is ever as large as one row of J for each pixel.
"""

import warnings
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

Decode = Callable[[Tensor], Tensor]  # codes (n, D) -> their mean pictures (n, ...), each from its own code

FLOATS = 2**24  # of Jacobian columns held at a time (64 MiB)


def pullback(decode: Decode, codes: Float[Tensor, "n latent"]) -> Float[Tensor, "n latent latent"]:
    """Return G = J^T J of the decoder at each code: symmetric, and positive semidefinite but for rounding."""
    _make_forward_mode_ready()
    with torch.inference_mode(False), torch.no_grad():
        codes = codes.detach().clone()  # outside of inference mode
        n, latent = codes.shape
        if not n:
            return codes.new_empty(0, latent, latent)
        pixels = decode(codes[:1]).numel()
        rows = max(1, FLOATS // (latent * pixels))
        return torch.cat([_metric(_columns(decode, part)) for part in codes.split(rows)])


def magnification(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, " n"]:
    """Return sqrt(det G): the area of pictures for each area of codes (magnification factor; Bishop et al. 1997)."""
    return _eigenvalues(metric).prod(1).sqrt().to(metric.dtype)


def largest_stretch(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, " n"]:
    """Return the largest singular value of J: how much the picture changes in the direction that changes it most."""
    return _eigenvalues(metric)[:, -1].sqrt().to(metric.dtype)


def _eigenvalues(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, "n latent"]:
    values: Tensor = torch.linalg.eigvalsh(metric.double())
    return values.clamp_min(0)


def _columns(decode: Decode, codes: Float[Tensor, "n latent"]) -> Float[Tensor, "n latent pixels"]:
    directions = torch.eye(codes.shape[1], dtype=codes.dtype, device=codes.device)
    products = [
        jvp(decode, (codes,), (direction.expand_as(codes),))[1].flatten(1) for direction in directions
    ]
    return torch.stack(products, 1)


def _metric(columns: Float[Tensor, "n latent pixels"]) -> Float[Tensor, "n latent latent"]:
    return columns @ columns.mT


@cache
def _make_forward_mode_ready() -> None:
    """Let torch load its forward-mode rules, in which it uses what it has itself deprecated, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))
