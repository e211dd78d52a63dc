"""The layer that multiplies in oneDNN is torch's own layer, but for the last bits."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jvp

from vae_core.models import products
from vae_core.models.products import WORTH_IT, Linear, product

needs_onednn = pytest.mark.skipif(not products.AVAILABLE, reason="no AVX-512, or torch without oneDNN")


def layer(inputs: int, outputs: int) -> Linear:
    torch.manual_seed(0)
    return Linear(inputs, outputs)


def in_double(x: Tensor, linear: nn.Linear, gradient: Tensor) -> tuple[Tensor, ...]:
    """The value and the three derivatives, by torch in double precision."""
    copy = nn.Linear(linear.in_features, linear.out_features).double()
    copy.load_state_dict(linear.state_dict())
    x = x.detach().double().requires_grad_()
    y = copy(x)
    return y, *torch.autograd.grad(y, (x, copy.weight, copy.bias), gradient.double())


@needs_onednn
@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize(("n", "inputs", "outputs"), [(128, 784, 400), (7, 3, 5), (1, 400, 784), (300, 1, 1)])
def test_value_and_derivatives(n: int, inputs: int, outputs: int, strided: bool) -> None:
    linear = layer(inputs, outputs)
    x = torch.randn(inputs, n).t() if strided else torch.randn(n, inputs)
    x.requires_grad_()
    gradient = torch.ones(()).expand(n, outputs) if strided else torch.randn(n, outputs)
    y = product(x, linear.weight, linear.bias)
    found = (y, *torch.autograd.grad(y, (x, linear.weight, linear.bias), gradient))
    for mine, its in zip(found, in_double(x, linear, gradient), strict=True):
        torch.testing.assert_close(mine, its.float(), rtol=1e-4, atol=1e-3)


@needs_onednn
def test_it_is_used_for_large_products_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(
        products, "product", lambda x, *rest: used.append(len(x)) or nn.functional.linear(x, *rest)
    )
    large, small = layer(256, 256), layer(4, 4)
    x = torch.randn(WORTH_IT // 256**2, 256)
    large.eval()(x)
    small(torch.randn(2, 4))
    large.double()(x.double())
    large.float()
    large(x.unflatten(0, (2, -1)))
    with torch.autocast("cpu", torch.bfloat16):
        large.train()(x)
    assert used == []
    large.train()(x)
    assert used == [len(x)]


@needs_onednn
def test_a_layer_trains_alike_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    x = torch.randn(128, 784, generator=torch.Generator().manual_seed(1))
    for available in (True, False):
        monkeypatch.setattr(products, "AVAILABLE", available)
        linear = layer(784, 400)
        linear(x).square().mean().backward()
        assert linear.weight.grad is not None
        gradients.append(linear.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_its_weights_are_those_of_torchs_layer() -> None:
    torch.manual_seed(0)
    stock = nn.Linear(5, 3)
    mine = layer(5, 3)
    assert mine.state_dict().keys() == stock.state_dict().keys()
    assert torch.equal(mine.weight, stock.weight)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own use
def test_forward_mode_works_outside_training() -> None:
    linear = layer(1024, 1024).eval()
    x, tangent = torch.randn(16, 1024), torch.randn(16, 1024)
    _, change = jvp(linear, (x,), (tangent,))
    torch.testing.assert_close(change, tangent @ linear.weight.t(), rtol=1e-4, atol=1e-4)
