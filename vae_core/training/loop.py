"""Gradient ascent on the objective over images that stay in memory as uint8.

A `Trainer` holds everything that changes while training (weights, optimizer, generator, epoch), so that
it can be stopped between epochs and its state written down. It draws from its own generator only.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from vae_core import objectives
from vae_core.config import ObjectiveConfig, TrainingConfig
from vae_core.errors import NonFiniteLoss, TrainingError
from vae_core.models import VAE, Autoencoder

Tensors = tuple[Tensor, ...] | list[Tensor]

CHECK_EVERY = 50  # steps between looks at the loss: each look waits for the computation


@dataclass(frozen=True)
class Progress:
    """Where training is; reported every CHECK_EVERY steps and at the end of an epoch."""

    epoch: int  # 1-based
    epochs: int
    examples: int  # done in this epoch
    examples_per_epoch: int


@dataclass(frozen=True)
class EpochReport:
    """Averages over one finished (or stopped) epoch of training, in nats per example."""

    epoch: int
    reconstruction: float
    kl: float
    beta: float
    seconds: float
    stopped: bool  # the caller asked to stop; what is left of the epoch was not trained

    @property
    def elbo(self) -> float:
        return self.reconstruction - self.kl


class Trainer:
    """Trains `model` on `images` (N, C, H, W) uint8, one epoch at a time."""

    def __init__(
        self,
        model: VAE | Autoencoder,
        images: UInt8[Tensor, "n channels height width"],
        objective: ObjectiveConfig,
        config: TrainingConfig,
    ) -> None:
        if tuple(images.shape[1:]) != model.data_shape or len(images) == 0:
            raise TrainingError(
                f"images has shape {tuple(images.shape)}; the model takes at least one image of "
                f"{model.data_shape}: choose data of that shape or build the model for it."
            )
        # Convolutions train about 1.15 times as fast that way. (The stubs of Module.to do not know the argument.)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model, self.images, self.objective, self.config = model, images, objective, config
        self.epoch = 0
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        self.average = _average(model, config.averaging)
        self._good = _copy(model)  # the last weights that are known to have had a finite loss

    def run_epoch(
        self,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> EpochReport:
        """Train for one epoch and return its averages.

        `should_stop` is asked after every step. If the loss is not finite, the model gets back the last
        weights whose loss was, and `NonFiniteLoss` is raised.
        """
        started, beta = time.perf_counter(), self._beta()
        self.model.train()
        sums, seen, stopped = torch.zeros(2), 0, False
        for step, batch in enumerate(self._batches()):
            self._set_learning_rate(seen)
            look = step % CHECK_EVERY == 0
            before = _copy(self.model) if look else self._good
            sums += self._step(batch, beta)
            seen += len(batch)
            if look:
                self._require_finite(sums)
                self._good = before
                on_progress(Progress(self.epoch + 1, self.config.epochs, seen, len(self.images)))
            if stopped := should_stop():
                break
        self._require_finite(sums)
        on_progress(Progress(self.epoch + 1, self.config.epochs, seen, len(self.images)))
        self.epoch += 1
        self.model.eval()
        reconstruction, kl = (sums / seen).tolist()
        return EpochReport(self.epoch, reconstruction, kl, beta, time.perf_counter() - started, stopped)

    def trained(self) -> VAE | Autoencoder:
        """Return the model to keep: the averaged weights where averaging is on."""
        if self.average is None:
            return self.model
        averaged = self.average.module
        assert isinstance(averaged, VAE | Autoencoder)
        return averaged.eval()

    def _step(self, batch: UInt8[Tensor, "batch channels height width"], beta: float) -> Tensor:
        x = batch.float().div_(255)
        terms = objectives.terms(self.model, x, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        terms.loss(beta).mean().backward()
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return torch.stack((terms.reconstruction.detach().sum(), terms.kl.detach().sum()))

    def _batches(self) -> Iterator[Tensor]:
        order = torch.randperm(len(self.images), generator=self.generator)
        for indices in order.split(self.config.batch_size):
            yield self.images[indices]

    def _require_finite(self, sums: Tensor) -> None:
        """Go on only from finite losses and weights; else put the last good weights back and complain."""
        # A finite loss may have had an infinite gradient, so the weights are looked at as well.
        if torch.isfinite(sums).all() and all(
            weights.isfinite().all() for weights in self.model.parameters()
        ):
            return
        self.model.load_state_dict(self._good)
        self.optimizer.state.clear()  # its moments are broken too
        self.average = _average(self.model, self.config.averaging)
        raise NonFiniteLoss(
            f"The loss became NaN or infinite in epoch {self.epoch + 1}; the last good weights are kept. "
            f"Try learning_rate = {self.config.learning_rate / 10:g} (it was {self.config.learning_rate:g})."
        )

    def _beta(self) -> float:
        warmup = self.objective.warmup_epochs
        return self.objective.beta * (min(1.0, self.epoch / warmup) if warmup else 1.0)

    def _set_learning_rate(self, seen: int) -> None:
        if self.config.schedule == "constant":
            return
        done = (self.epoch + seen / len(self.images)) / self.config.epochs
        rate = self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate


def _average(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential moving average of the weights that forgets the first, random ones quickly."""

    def update(kept: Tensors, new: Tensors, count: Tensor | int) -> None:
        steps = int(count)
        torch._foreach_lerp_(kept, new, 1 - min(decay, (1 + steps) / (10 + steps)))

    return AveragedModel(model, multi_avg_fn=update) if decay else None


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
