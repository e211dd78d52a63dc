"""How many images per second an epoch of training takes in, beside bare loops and other people's trainers.

The explorer's way is `vae_core.training.loop.Trainer` as a run uses it: bytes from a resident tensor, the objective,
its sums for the log, the look at the loss every 50 steps, Fabric. A bare loop is what one writes by hand: a resident
float tensor, forward, loss on logits, backward, fused Adam, nothing else. `bare-NAME` has the explorer's own layers (SiLU,
softplus); `bare-relu-NAME` has the usual ones (ReLU, exp of half a log-variance). Neither evaluates within the
epoch. Peers are measured if they are installed (`pip install pythae`).

Matrices are multiplied by torch or by oneDNN, as the short trial says with which a run begins (`onednn_to_torch`: what
that trial found, `onednn_chosen`: 1 or 0; it is no part of the rates). `NAME-torch` and `NAME-onednn` are told which.

All ways of a model train one epoch in turn, several times over, so that whatever slows the machine down slows all of
them; figures are medians over the rounds, and `ratio_to_bare` is the median of the ratios within a round. Models:

    mlp-784-400-20   60,000 MNIST images (the same shape at random where MNIST is absent), batch 128
    conv-32x32       12,800 colour images, batch 128, convolutions of 32, 64, 128 channels and a dense layer of 256

`run` is a whole run of the first model as the page starts it: `snapshots_percent` is the share of its wall time that
goes into evaluation, pictures and checkpoints. `stream-*` read batches of 128 from disk, `resident` from memory.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.report import Results, show
from vae_core import data
from vae_core.config import (
    ComputeConfig,
    DataConfig,
    Experiment,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from vae_core.models import VAE, build
from vae_core.models.inputs import model_input
from vae_core.training import run as runs
from vae_core.training.choosing import Race, race
from vae_core.training.conduct import conduct
from vae_core.training.loop import Trainer
from vae_core.training.products import AVAILABLE, Products

BATCH = 128
ROUNDS = 5
KINDS = ("eager", "compiled", "compiled-bf16")
MODELS = {
    "mlp-784-400-20": ModelConfig(data_shape=(1, 28, 28), latent_dim=20, hidden=(400,)),
    "conv-32x32": ModelConfig(
        data_shape=(3, 32, 32), latent_dim=32, architecture="conv", hidden=(32, 64, 128, 256)
    ),
}
COUNTS = {"mlp-784-400-20": 60_000, "conv-32x32": 12_800}

Epoch = Callable[[], int]  # trains for an epoch and returns how many images it saw


@dataclass(frozen=True)
class Way:
    """One way to train, and the bare loop of the same kind."""

    name: str
    epoch: Epoch
    bare: str


def ours(config: ModelConfig, images: Tensor, kind: str, multiplied_by: Products) -> Epoch:
    """The explorer's trainer."""
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if "bf16" in kind else "32-true")
    settings = TrainingConfig(epochs=1000, batch_size=BATCH)
    trainer = Trainer(
        build(config),
        images,
        ObjectiveConfig(),
        settings,
        fabric=fabric,
        compiled="compiled" in kind,
        multiplied_by=multiplied_by,
    )

    def epoch() -> int:
        report = trainer.run_epoch()
        return report.examples

    return epoch


class Bare(nn.Module):
    """A VAE's loss as it is written by hand, around an encoder and a decoder."""

    def __init__(self, config: ModelConfig, *, relu: bool) -> None:
        super().__init__()
        model = build(config)
        assert isinstance(model, VAE)
        self.encoder, self.mean, self.scale = model.encoder, model.mean, model.std
        self.decoder = model.decoder
        self.relu = relu
        if relu:
            _use_relu(self)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        mean, scale = self.mean(features), self.scale(features)
        std = (0.5 * scale).exp() if self.relu else functional.softplus(scale)
        log_variance = scale if self.relu else 2 * std.log()
        output = self.decoder(mean + torch.randn_like(mean) * std)
        reconstruction = functional.binary_cross_entropy_with_logits(output, x, reduction="sum")
        kl = -0.5 * (1 + log_variance - mean.square() - std.square()).sum()
        loss: Tensor = (reconstruction + kl) / len(x)
        return loss


def bare(config: ModelConfig, x: Tensor, kind: str, *, relu: bool) -> Epoch:
    """A loop over a resident float tensor, and nothing else."""
    model = Bare(config, relu=relu)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    step: Any = torch.compile(model, dynamic=False) if "compiled" in kind else model

    def epoch() -> int:
        order = torch.randperm(len(x))
        for first in range(0, len(x) - BATCH + 1, BATCH):
            batch = x[order[first : first + BATCH]]
            with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in kind):
                loss = step(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return len(x) // BATCH * BATCH

    return epoch


def pythae(x: Tensor) -> Epoch | None:
    """Pythae's own trainer on the multilayer perceptron; it logs and evaluates nothing here."""
    try:
        import pythae.models as peers
        from pythae.data.datasets import BaseDataset
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig
    except ImportError:
        return None

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(784, 400)
            self.mean, self.scale = nn.Linear(400, 20), nn.Linear(400, 20)

        def forward(self, x: Tensor) -> Any:
            features = functional.relu(self.body(x.flatten(1)))
            return ModelOutput(embedding=self.mean(features), log_covariance=self.scale(features))

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, z: Tensor) -> Any:
            output = torch.sigmoid(self.out(functional.relu(self.body(z))))
            return ModelOutput(reconstruction=output.unflatten(1, (1, 28, 28)))

    settings = peers.VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    trainer = BaseTrainer(
        model=peers.VAE(settings, encoder=Encoder(), decoder=Decoder()),
        train_dataset=BaseDataset(x, torch.zeros(len(x))),
        training_config=BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(), num_epochs=1, per_device_train_batch_size=BATCH, no_cuda=True
        ),
    )
    trainer.prepare_training()

    def epoch() -> int:
        trainer.train_step(1)
        return len(x)

    return epoch


def tried(name: str) -> Race | None:
    """What a run of that model finds out about products; None where oneDNN's are not to be had."""
    if not AVAILABLE:
        return None
    settings = Experiment(
        data=DataConfig(name=name),
        model=MODELS[name],
        training=TrainingConfig(epochs=1000, batch_size=BATCH),
        compute=ComputeConfig(accelerator="cpu", precision="32-true", compile="off"),
    )
    return race(settings.compute, settings, _images(name), lambda: False)


def ways(name: str, kinds: tuple[str, ...], chosen: Products) -> Iterator[Way]:
    """Every way to train a model, ready to go."""
    config, images = MODELS[name], _images(name)
    x = model_input(images)
    forced: tuple[Products, ...] = ("torch", "onednn") if AVAILABLE else ()
    for kind in kinds:
        case = f"{name}-{kind}" if kind != "eager" else name
        yield Way(case, ours(config, images, kind, chosen), f"bare-{kind}")
        for products in forced if kind == "eager" else ():
            yield Way(f"{case}-{products}", ours(config, images, kind, products), f"bare-{kind}")
        yield Way(f"bare-{kind}", bare(config, x, kind, relu=False), f"bare-{kind}")
        yield Way(f"bare-relu-{kind}", bare(config, x, kind, relu=True), f"bare-{kind}")
    if name == "mlp-784-400-20" and (peer := pythae(x)) is not None:
        yield Way("pythae", peer, "bare-eager")


def epochs(name: str, kinds: tuple[str, ...], rounds: int) -> Results:
    """Train every way in turn; return images per second, and the ratio to the bare loop of the same kind."""
    trial = tried(name)
    found = list(ways(name, kinds, trial.winner if trial else "torch"))
    for way in found:  # compiles, and fills every cache
        way.epoch()
    rates: dict[str, list[float]] = {way.name: [] for way in found}
    for number in range(rounds):
        for way in found if number % 2 else reversed(found):
            started = time.perf_counter()
            images = way.epoch()
            rates[way.name].append(images / (time.perf_counter() - started))
    prefix = "" if name == "mlp-784-400-20" else f"{name} "
    results: Results = {}
    for way in found:
        ratios = [mine / its for mine, its in zip(rates[way.name], rates[way.bare], strict=True)]
        case = way.name if way.name.startswith(name) else prefix + way.name
        results[case] = {
            "images_per_s": statistics.median(rates[way.name]),
            "ratio_to_bare": statistics.median(ratios),
        }
        if (relu := rates.get(way.bare.replace("bare-", "bare-relu-"))) is not None:
            usual = [mine / its for mine, its in zip(rates[way.name], relu, strict=True)]
            results[case]["ratio_to_bare_relu"] = statistics.median(usual)
    if trial is not None:
        results[name if name in results else f"{name}-{kinds[0]}"] |= {
            "onednn_to_torch": trial.ahead,
            "onednn_chosen": int(trial.winner == "onednn"),
        }
    for kind in kinds if "pythae" in rates else ():
        mine = f"{name}-{kind}" if kind != "eager" else name
        ratios = [its / peer for its, peer in zip(rates[mine], rates["pythae"], strict=True)]
        results[mine]["ratio_to_pythae"] = statistics.median(ratios)
    return results


def whole_run(epoch_count: int) -> Results:
    """A run of the first model with everything it writes."""
    settings = Experiment(
        data=DataConfig(name="mnist" if data.is_available("mnist") else "sprites", train_size=60_000),
        model=MODELS["mlp-784-400-20"],
        training=TrainingConfig(epochs=epoch_count, batch_size=BATCH),
        compute=ComputeConfig(accelerator="cpu", precision="32-true", compile="off"),
    )
    if settings.data.name != "mnist":
        return {}
    with tempfile.TemporaryDirectory() as folder:
        run = runs.prepare(Path(folder) / "run", settings)
        started = time.perf_counter()
        conduct(run)
        wall = time.perf_counter() - started
        rows = run.metrics()
        training = rows[-1].seconds
        rates = [row.images_per_s for row in rows]
    return {
        "run": {
            "wall_s": wall,
            "training_s": training,
            "snapshots_percent": 100 * (wall - training) / wall,
            "images_per_s": statistics.median(rates),
        }
    }


def streams(count: int) -> Results:
    """Batches from a folder of images and from a memory-mapped array, and from memory."""
    from PIL import Image

    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 64, 64, 3), np.uint8)
    results: Results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / "images" / f"{i:06d}.jpg", quality=90)
        np.save(folder / "images.npy", images)
        for case, path, storage in (
            ("stream-jpg-64x64", "images", "stream"),
            ("stream-npy-64x64", "images.npy", "stream"),
            ("resident-64x64", "images.npy", "memory"),
        ):
            config = DataConfig(name="images", path=str(folder / path), storage=storage)
            examples = data.load(config, "train").examples
            rates = []
            for _ in range(3):
                order, started = torch.randperm(len(examples)), time.perf_counter()
                seen = sum(len(batch) for batch in data.batches(examples, order, BATCH))
                rates.append(seen / (time.perf_counter() - started))
            results[case] = {"images_per_s": statistics.median(rates)}
    return results


def _images(name: str) -> Tensor:
    if name == "mlp-784-400-20" and data.is_available("mnist"):
        found = data.load(DataConfig(name="mnist"), "train").examples
        assert isinstance(found, Tensor)
        return found
    shape = (COUNTS[name], *MODELS[name].data_shape)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _use_relu(module: nn.Module) -> None:
    """Put ReLU in the place of SiLU."""
    for name, child in module.named_children():
        if isinstance(child, nn.SiLU):
            setattr(module, name, nn.ReLU())
        else:
            _use_relu(child)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=(*MODELS, "run", "stream"), default=None)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    wanted = options.cases or (*MODELS, "run", "stream")
    results: Results = {}
    for name in MODELS:
        if name in wanted:
            results |= epochs(name, tuple(options.kinds), options.rounds)
    if "run" in wanted:
        results |= whole_run(10)
    if "stream" in wanted:
        results |= streams(2000)
    show("training", results, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
