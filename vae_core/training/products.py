"""Matrix products while training, by either of the two libraries that torch brings along.

For float32 torch calls its own (MKL), which on some processors leaves the wide AVX-512 units idle. oneDNN uses them: on
one such machine a step of training of 784-400-20 takes two thirds of the time, on another that has them just as well
it takes half as long again. So it is chosen by trying (`vae_core.training.choosing`). torch has no switch for it, but it
registers oneDNN's product as an operator for its compiler, and that is what is called here.

It is used within a `Trainer`'s epochs only, where one derivative is enough. Outside of them every layer of a model is
torch's own, for gradients of gradients, forward mode and vmap as for everything that is copied or written down.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Products = Literal["auto", "torch", "onednn"]  # auto, where nobody has chosen: torch's

WORTH_IT = 2**23  # multiplications; for fewer, calling an operator of our own costs more than it saves


def missing() -> str:
    """Why oneDNN's products are not to be had here, as a clause; empty where they are."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return "this torch comes without them"
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return "this processor has no AVX-512, or torch was told not to use it"
    return ""


AVAILABLE = not missing()


def use(products: Products, model: nn.Module) -> None:
    """From now on let a model's encoder and decoder multiply in that library; weights and names stay as they are."""
    for layer in _layers(model):
        layer.__class__ = _Linear if products == "onednn" and AVAILABLE else nn.Linear


def has_use(model: nn.Module, batch: int) -> bool:
    """Whether a model has a layer that is large enough, for batches of that size, to multiply in oneDNN."""
    return any(batch * layer.weight.numel() >= WORTH_IT for layer in _layers(model))


def _layers(model: nn.Module) -> Iterator[nn.Linear]:
    """The linear layers within the stacks of a model; those that end in its few latent dimensions are thin."""
    for stack in (child for child in model.children() if isinstance(child, nn.Sequential)):
        yield from (layer for layer in stack.modules() if isinstance(layer, nn.Linear))


class _Linear(nn.Linear):
    """y = x W^T + b, as `torch.nn.Linear`."""

    def forward(self, input: Tensor) -> Tensor:
        if _is_worth_it(input, self.weight):
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
