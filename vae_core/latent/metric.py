"""The metric that a decoder gives its latent space: how far its pictures are from each other (Arvanitidis et al. 2018).

A small move dz changes the decoded picture f(z) by J dz, with J the Jacobian of f at z, so that its squared length
in picture space is dz^T G dz with G = J^T J, the *pullback metric*. Columns of J are forward-mode products, one for
each latent dimension: nothing is ever as large as one row of J for each pixel.

Two figures are read off it. The *magnification factor* sqrt(det G) is the area (length, volume) of pictures for each
of codes (Bishop, Svensen & Williams 1997); the *stretch* is the largest singular value of J, the square root of the
largest eigenvalue of G: how far the picture moves for each unit of z in the direction that moves it most. Where it is
large, there is a cliff.
"""

import threading
import warnings
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap

# torch counts levels of forward mode for the whole process: two threads in it at once get errors or wrong numbers.
_FORWARD_MODE = threading.Lock()

Decode = Callable[[Tensor], Tensor]  # codes (n, D) -> their mean pictures (n, ...), each from its own code
Tangents = Callable[[Tensor, Tensor], Tensor]  # codes (n, D), directions (k, D) -> J v, (n, k, pixels)

FLOATS = (
    2**17
)  # of Jacobian columns held at a time (512 KiB): the processor's cache holds them and the layer below


def pullback(
    decode: Decode,
    codes: Float[Tensor, "n latent"],
    directions: Float[Tensor, "k latent"] | None = None,
    tangents: Tangents | None = None,
) -> Float[Tensor, "n columns columns"]:
    """Return G = J^T J of the decoder at each code: symmetric, and positive semidefinite but for rounding.

    With `directions` A only products with these are taken, and G is A J^T J A^T, (n, k, k): the metric of the plane
    that they span, by its own coordinates. Make them orthonormal for figures by the unit of z. Works in any thread,
    in inference mode or not. `decode` must do with a batch what it does with one code (`torch.func.vmap`). Who knows a
    quicker way to the products than torch's forward mode passes it as `tangents` (`models.tangents`).
    """
    push = tangents or _forward_mode(decode)
    with torch.inference_mode(False), torch.no_grad():
        codes = codes.detach().clone()  # outside of inference mode
        latent = codes.shape[1]
        if directions is None:
            directions = torch.eye(latent, dtype=codes.dtype, device=codes.device)
        directions = directions.to(codes, copy=True)
        if not len(codes):
            return codes.new_empty(0, len(directions), len(directions))
        pixels = decode(codes[:1]).numel()
        rows = max(1, FLOATS // (len(directions) * pixels))
        return torch.cat([_metric(push(part, directions)) for part in codes.split(rows)])


def magnification(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, " n"]:
    """Return sqrt(det G): the area of pictures for each area of codes; 0 at a fold and along a dead dimension."""
    return _eigenvalues(metric).prod(1).sqrt().to(metric.dtype)


def largest_stretch(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, " n"]:
    """Return the largest singular value of J: how much the picture changes in the direction that changes it most."""
    return _eigenvalues(metric)[:, -1].sqrt().to(metric.dtype)


def _eigenvalues(metric: Float[Tensor, "n latent latent"]) -> Float[Tensor, "n latent"]:
    values: Tensor = torch.linalg.eigvalsh(metric.double())
    return values.clamp_min(0)


def _forward_mode(decode: Decode) -> Tangents:
    make_forward_mode_ready()

    def push(
        codes: Float[Tensor, "n latent"], directions: Float[Tensor, "k latent"]
    ) -> Float[Tensor, "n k pixels"]:
        def column(direction: Float[Tensor, " latent"]) -> Float[Tensor, "n pixels"]:
            product: Tensor = jvp(decode, (codes,), (direction.expand_as(codes),))[1]
            return product.flatten(1)

        # One pass for all directions: the pictures themselves are decoded once, and convolutions get large batches.
        with _FORWARD_MODE:
            found: Tensor = vmap(column)(directions)
        return found.transpose(0, 1)

    return push


def _metric(columns: Float[Tensor, "n k pixels"]) -> Float[Tensor, "n k k"]:
    return columns @ columns.mT


@cache
def make_forward_mode_ready() -> None:
    """Let torch load its forward-mode rules, in which it uses what it has itself deprecated, without a warning."""
    with _FORWARD_MODE, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))
