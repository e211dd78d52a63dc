"""Products by oneDNN are torch's own, but for the last bits, and used within training only."""

import pytest
import torch
from torch import Tensor, nn

from tests.training import making
from vae_core.errors import NonFiniteLoss
from vae_core.models import build
from vae_core.training import products
from vae_core.training.loop import Trainer
from vae_core.training.products import WORTH_IT, product, use

needs_onednn = pytest.mark.skipif(not products.AVAILABLE, reason="no AVX-512, or torch without oneDNN")


def layer(inputs: int, outputs: int) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs)


def in_onednn(linear: nn.Linear) -> nn.Linear:
    use("onednn", nn.Sequential(nn.Sequential(linear)))
    return linear


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
def test_it_is_used_for_large_products_only(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(
        products, "product", lambda x, *rest: used.append(len(x)) or nn.functional.linear(x, *rest)
    )
    large, small = in_onednn(layer(256, 256)), in_onednn(layer(4, 4))
    x = torch.randn(WORTH_IT // 256**2, 256)
    small(torch.randn(2, 4))
    large.double()(x.double())
    large.float()
    large(x.unflatten(0, (2, -1)))
    with torch.autocast("cpu", torch.bfloat16):
        large(x)
    assert used == []
    large(x)
    assert used == [len(x)]


@needs_onednn
def test_a_layer_trains_alike_with_and_without() -> None:
    gradients = []
    x = torch.randn(128, 784, generator=torch.Generator().manual_seed(1))
    for linear in (in_onednn(layer(784, 400)), layer(784, 400)):
        linear(x).square().mean().backward()
        assert linear.weight.grad is not None
        gradients.append(linear.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)
    assert not torch.equal(*gradients)  # or else this machine cannot tell which library multiplied


def large_trainer(multiplied_by: products.Products, **settings: float) -> Trainer:
    experiment = making.experiment(
        model={"data_shape": (1, 32, 32), "hidden": (256,)}, batch_size=64, averaging=0.9, **settings
    )
    images = torch.randint(0, 256, (256, 1, 32, 32), dtype=torch.uint8)
    model = build(experiment.model)
    return Trainer(model, images, experiment.objective, experiment.training, multiplied_by=multiplied_by)


def kinds(trainer: Trainer) -> set[type[nn.Module]]:
    """Of all layers that have weights: of the model, and of its average."""
    assert trainer.average is not None
    modules = (*trainer.model.modules(), *trainer.average.module.modules())
    return {type(module) for module in modules if hasattr(module, "weight")}


@needs_onednn
@pytest.mark.parametrize("steps", [1, 100])
def test_a_trainer_multiplies_so_within_an_epoch_and_leaves_torchs_own_layers(
    monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    used, real = [], products.product
    monkeypatch.setattr(products, "product", lambda *rest: used.append(1) or real(*rest))
    trainer = large_trainer("onednn")
    names = list(trainer.state())
    seen = []
    trainer.run_epoch(should_stop=lambda: seen.append(1) or len(seen) >= steps)
    assert used
    assert kinds(trainer) == kinds(large_trainer("torch")) == {nn.Linear}
    assert [name for name in trainer.state() if not name.startswith("optimizer")] == names
    used.clear()
    trainer.trained().decode(torch.zeros(64, 3))
    large_trainer("torch").run_epoch()
    large_trainer("auto").run_epoch()
    assert used == []


@needs_onednn
def test_a_loss_that_breaks_leaves_torchs_own_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = large_trainer("onednn", learning_rate=1.0)
    monkeypatch.setattr("vae_core.objectives.training.gaussian_kl", lambda mean, std: mean * torch.nan)
    with pytest.raises(NonFiniteLoss):
        trainer.run_epoch()
    assert kinds(trainer) == {nn.Linear}


def test_what_is_not_to_be_had_is_told() -> None:
    assert bool(products.missing()) != products.AVAILABLE
