"""Matrix products by the quicker of the two libraries that torch brings along.

For float32 torch calls MKL, which on processors that are not Intel's leaves the wide AVX-512 units idle. oneDNN uses
them: measured on such a machine, a step of training of 784-400-20 takes two thirds of the time (`benchmarks.training`).
torch has no switch for this, but it registers oneDNN's product as an operator for its compiler, and that is what is
called here. It is used in training only, where one derivative is enough; everywhere else, also for gradients of
gradients, forward mode and vmap, the layer is torch's own.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WORTH_IT = 2**23  # multiplications; for fewer, calling an operator of our own costs more than it saves
AVAILABLE = (
    torch.backends.mkldnn.is_available()
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
)


class Linear(nn.Linear):
    """y = x W^T + b, as `torch.nn.Linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, out_features) for (B, in_features)."""
        if self.training and AVAILABLE and _is_worth_it(input, self.weight):
            y: Tensor = product(input, self.weight, self.bias)
            return y
        return functional.linear(input, self.weight, self.bias)


def _is_worth_it(x: Tensor, weight: Tensor) -> bool:
    return (
        x.dim() == 2
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.shape[0] * weight.numel() >= WORTH_IT
        and not torch.is_autocast_enabled("cpu")
    )


@torch.library.custom_op("vae_core::product", mutates_args=())
def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x (n, i) times the transpose of weight (o, i), plus bias (o), in oneDNN."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


@product.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    x, weight, _ = inputs
    ctx.save_for_backward(x, weight)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    by_x = product(gradient, weight.t(), None) if ctx.needs_input_grad[0] else None
    return by_x, product(gradient.t(), x.t(), None), gradient.sum(0)


product.register_autograd(_gradients, setup_context=_remember)
