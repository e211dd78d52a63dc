"""Gradient ascent on the objective, one epoch at a time.

A `Trainer` holds everything that changes while training (weights, optimizer, generator, position), so its
`state()` after any step is all that is needed to go on from there, bit for bit. It draws from its own generator only,
always for the whole batch, and where several processes train together each takes its share of that: so the same
batches and the same noise are seen whether one process does the work or many.

Lightning Fabric carries device, precision and strategy.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from vae_core import data, objectives
from vae_core.config import ObjectiveConfig, TrainingConfig
from vae_core.data.streaming import Examples
from vae_core.errors import ConfigError, NonFiniteLoss, TrainingError
from vae_core.models import Model
from vae_core.models.inputs import model_input
from vae_core.models.likelihood import MIN_VARIANCE
from vae_core.objectives import Draws
from vae_core.training import products
from vae_core.training.products import Products

Tensors = tuple[Tensor, ...] | list[Tensor]

CHECK_EVERY = 50  # steps between looks at the loss: each look waits for the computation
LOSS, RECONSTRUCTION, KL, SQUARED_ERROR = range(4)  # the order of the sums that a step returns


@dataclass(frozen=True)
class Progress:
    """Where training is; reported every CHECK_EVERY steps and at the end of an epoch."""

    epoch: int  # 1-based
    epochs: int
    examples: int  # done in this epoch
    examples_per_epoch: int


@dataclass(frozen=True)
class EpochReport:
    """Averages over one epoch of training (or what was done of it), in nats per example."""

    epoch: int  # finished epochs
    loss: float
    reconstruction: float
    kl: float
    beta: float
    learning_rate: float
    examples: int
    seconds: float  # of this process, on this epoch
    stopped: bool  # the caller asked to stop; the epoch is not finished

    @property
    def elbo(self) -> float:
        return self.reconstruction - self.kl


class Step(nn.Module):
    """From a batch as the dataset holds it to the loss: all that is compiled, autocast and synchronised."""

    def __init__(self, model: Model, objective: ObjectiveConfig, dataset_size: int) -> None:
        super().__init__()
        self.model, self.objective, self.dataset_size = model, objective, dataset_size

    def forward(
        self,
        batch: Tensor,
        code: Tensor | None,
        corruption: Tensor | None,
        prior: Tensor | None,
        beta: Tensor,
        scale: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss to descend, scale * the sum over the batch, and the sums of what is reported."""
        parts = objectives.parts(
            self.objective,
            self.model,
            model_input(batch),
            Draws(code, corruption, prior),
            beta,
            self.dataset_size,
        )
        error = parts.loss.new_zeros(()) if parts.squared_error is None else parts.squared_error.sum()
        loss = parts.loss.sum()
        return loss * scale, torch.stack((loss, parts.reconstruction.sum(), parts.kl.sum(), error)).detach()


class Trainer:
    """Trains `model` on `examples` (N, *data_shape), one epoch at a time."""

    def __init__(
        self,
        model: Model,
        examples: Examples,
        objective: ObjectiveConfig,
        config: TrainingConfig,
        *,
        fabric: Fabric | None = None,
        compiled: bool = False,
        multiplied_by: Products = "torch",
        workers: int = 0,
    ) -> None:
        if tuple(examples.shape[1:]) != model.data_shape or len(examples) == 0:
            raise TrainingError(
                f"examples has shape {tuple(examples.shape)}; the model takes at least one example of "
                f"{model.data_shape}: choose data of that shape or build the model for it."
            )
        self.fabric = fabric or Fabric(accelerator="cpu", devices=1)
        if config.batch_size % self.fabric.world_size:
            raise ConfigError(
                f"batch_size = {config.batch_size} cannot be shared by {self.fabric.world_size} processes; "
                f"use a multiple of {self.fabric.world_size}."
            )
        if len(model.data_shape) == 3:
            # Convolutions train about 1.15 times as fast that way. (The stubs of Module.to do not know the argument.)
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model, self.examples, self.objective, self.config = model, examples, objective, config
        self.multiplied_by, self.workers = multiplied_by, workers
        self.epoch = 0
        self.seen = 0  # examples of the epoch under way
        self.generator = torch.Generator().manual_seed(config.seed)
        self._generator_at_start = self.generator.get_state()  # of the epoch under way
        self._sums = torch.zeros(4, dtype=torch.float64)
        self.fabric.to_device(model)
        self._alone = self.fabric.world_size == 1
        self._plain = Step(model, objective, len(examples))
        compiled_step: Any = torch.compile(self._plain, dynamic=False) if compiled else self._plain
        self.optimizer: Any = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        self._step: Any = compiled_step
        if not self._alone:
            self._step, self.optimizer = self.fabric.setup(compiled_step, self.optimizer)
        self.average = _average(model, config.averaging)
        self._good = _copy(model)  # the last weights that are known to have had a finite loss

    def run_epoch(
        self,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> EpochReport:
        """Train for one epoch, or to the end of one that was stopped, and return its averages.

        `should_stop` is asked after every step (by the first of several processes, now and then). If the loss is
        not finite, the model gets back the last weights whose loss was, and `NonFiniteLoss` is raised.
        """
        products.use(self.multiplied_by, self.model)
        try:
            return self._run_epoch(on_progress, should_stop)
        finally:
            products.use("torch", self.model)

    def _run_epoch(
        self, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> EpochReport:
        started, beta = time.perf_counter(), self._beta()
        self.model.train()
        order = self._order()
        sums, stopped = torch.zeros(4, device=self.fabric.device), False
        for step, batch in enumerate(self._batches(order[self.seen :])):
            self._set_learning_rate()
            look = step % CHECK_EVERY == 0
            before = _copy(self.model) if look else self._good
            sums += self._descend(batch, beta)
            self.seen = min(self.seen + self.config.batch_size, len(self.examples))
            if look:
                self._require_finite(sums)
                self._good = before
                on_progress(self._progress())
            if stopped := self._should_stop(should_stop, look) and self.seen < len(self.examples):
                break
        self._require_finite(sums)
        on_progress(self._progress())
        everybodys = self.fabric.all_reduce(sums.double(), reduce_op="sum")
        assert isinstance(everybodys, Tensor)
        self._sums += everybodys.cpu()
        report = self._report(float(beta), time.perf_counter() - started, stopped)
        if not stopped:
            self._finish_epoch()
        self.model.eval()
        return report

    def compile(self) -> None:
        """Wait for the compiler now, if steps are compiled; nothing of the training changes."""
        if self._step is self._plain or not self._alone:
            return
        size = self.config.batch_size
        if size > len(self.examples):
            return
        products.use(self.multiplied_by, self.model)
        self.model.train()
        try:
            batch = next(data.batches(self.examples, torch.arange(size), size))
            draws = objectives.draw(self.objective, self.model, size, torch.Generator().manual_seed(0))
            noise = (self._share(draws.code, -2), self._share(draws.corruption), self._share(draws.prior))
            scale = torch.tensor(1 / size, device=self.fabric.device)
            loss, _ = self._forward(self._to_device(batch), *noise, self._beta(), scale)
            loss.backward()
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            self.model.eval()
            products.use("torch", self.model)

    def trained(self) -> Model:
        """Return the model to keep: the averaged weights where averaging is on."""
        if self.average is None:
            return self.model
        averaged: Model = self.average.module  # type: ignore[assignment]
        if hasattr(averaged, "variance"):
            averaged.variance.copy_(self.model.variance)  # type: ignore[arg-type,operator]
        return averaged.eval()

    # --- to go on later -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Return all that changes while training, as plain tensors on the CPU."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": moment for name, moment in moments.items()}
        tensors |= {"generator": self.generator.get_state(), "generator_at_start": self._generator_at_start}
        tensors |= {"sums": self._sums, "position": torch.tensor([self.epoch, self.seen])}
        plain = torch.contiguous_format  # as files have it; convolutions train in another
        return {name: tensor.detach().cpu().clone(memory_format=plain) for name, tensor in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go back to what `state` returned.

        Raises:
            TrainingError: the tensors are not those of such a training.
        """
        try:
            self.model.load_state_dict(_under("model.", tensors))
            if self.average is not None:
                self.average.load_state_dict(_under("average.", tensors))
            self._restore_optimizer(_under("optimizer.", tensors))
            self.generator.set_state(tensors["generator"])
            self._generator_at_start = tensors["generator_at_start"].clone()
            self._sums = tensors["sums"].clone()
            self.epoch, self.seen = (int(number) for number in tensors["position"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"The state to resume from does not fit this run ({str(error)[:200]}); start a new run."
            ) from None
        self._good = _copy(self.model)

    def _restore_optimizer(self, moments: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        parameters = [weights.detach() for weights in self.model.parameters()]
        for name, tensor in moments.items():
            index, moment = name.split(".", 1)
            weights = parameters[int(index)]
            # The fused optimizer walks weights and moments side by side: both have to lie in memory alike.
            fits = tensor.shape == weights.shape
            state.setdefault(int(index), {})[moment] = (
                torch.empty_like(weights).copy_(tensor) if fits else tensor
            )
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    # --- one step -------------------------------------------------------------------------------------------

    def _descend(self, batch: Tensor, beta: Tensor) -> Tensor:
        whole = min(self.config.batch_size, len(self.examples) - self.seen)  # of all processes together
        draws = objectives.draw(self.objective, self.model, whole, self.generator)
        noise = (self._share(draws.code, -2), self._share(draws.corruption), self._share(draws.prior))
        # Fabric takes the mean of the processes' gradients; the sum over the whole batch is wanted.
        scale = torch.tensor(self.fabric.world_size / whole, device=self.fabric.device)
        loss, sums = self._forward(self._to_device(batch), *noise, beta, scale)
        self.optimizer.zero_grad(set_to_none=True)
        if self._alone:
            loss.backward()
        else:
            self.fabric.backward(loss)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        found: Tensor = sums
        return found

    def _forward(self, batch: Tensor, *others: Tensor | None) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor]
        if not self._alone:
            found = self._step(batch, *others)
            return found
        # What Fabric wraps around a module to bring processes together costs one process 2 to 4 % of a step. The last
        # batch of an epoch may be smaller: to compile for it anew would cost more than it takes.
        step = self._step if len(batch) == self.config.batch_size else self._plain
        with self.fabric.autocast():
            found = step(batch, *others)
        return found

    def _share(self, noise: Tensor | None, dimension: int = 0) -> Tensor | None:
        """This process's part of the noise for a batch."""
        if noise is None:
            return None
        return self._to_device(self._part(noise, dimension))

    def _part(self, whole: Tensor, dimension: int = 0) -> Tensor:
        if self.fabric.world_size == 1:
            return whole
        return whole.tensor_split(self.fabric.world_size, dimension)[self.fabric.global_rank]

    def _to_device(self, tensor: Tensor) -> Tensor:
        return tensor if self.fabric.device.type == "cpu" else tensor.to(self.fabric.device)

    # --- one epoch ------------------------------------------------------------------------------------------

    def _order(self) -> Tensor:
        """The order of examples in the epoch under way; drawn anew when it begins, else drawn again as it was."""
        if not self.seen:
            self._generator_at_start = self.generator.get_state()
            return torch.randperm(len(self.examples), generator=self.generator)
        again = torch.Generator()
        again.set_state(self._generator_at_start)
        return torch.randperm(len(self.examples), generator=again)

    def _batches(self, order: Tensor) -> Iterator[Tensor]:
        parts = [self._part(indices) for indices in order.split(self.config.batch_size)]
        size = self.config.batch_size // self.fabric.world_size
        return data.batches(self.examples, torch.cat(parts), size, self.workers)

    def _finish_epoch(self) -> None:
        if hasattr(self.model, "variance"):  # of the gaussian-optimal likelihood: the epoch's own mean
            error = max(float(self._sums[SQUARED_ERROR]) / self.seen, MIN_VARIANCE)
            self.model.variance.fill_(error)  # type: ignore[operator]
        self.epoch, self.seen = self.epoch + 1, 0
        self._sums.zero_()

    def _report(self, beta: float, seconds: float, stopped: bool) -> EpochReport:
        loss, reconstruction, kl, _ = (self._sums / self.seen).tolist()
        rate = float(self.optimizer.param_groups[0]["lr"])
        epoch = self.epoch + (not stopped)
        return EpochReport(epoch, loss, reconstruction, kl, beta, rate, self.seen, seconds, stopped)

    def _progress(self) -> Progress:
        return Progress(self.epoch + 1, self.config.epochs, self.seen, len(self.examples))

    def _should_stop(self, asked: Callable[[], bool], look: bool) -> bool:
        if self.fabric.world_size == 1:
            return asked()
        # All processes have to stop at the same step, and asking the first one costs as much as a step.
        return look and bool(self.fabric.broadcast(self.fabric.is_global_zero and asked()))

    def _require_finite(self, sums: Tensor) -> None:
        """Go on only from finite losses and weights; else put the last good weights back and complain."""
        # A finite loss may have had an infinite gradient, so the weights are looked at as well.
        largest = torch._foreach_norm(
            [weights.detach() for weights in self.model.parameters()], math.inf
        )  # one look at each number
        if torch.isfinite(sums).all() and torch.stack(largest).isfinite().all():
            return
        self.model.load_state_dict(self._good)
        self.optimizer.state.clear()  # its moments are broken too
        if self.average is not None:
            self.average.module.load_state_dict(self._good)
            self.average.n_averaged.zero_()
        raise NonFiniteLoss(
            f"The loss became NaN or infinite in epoch {self.epoch + 1}; the last good weights are kept. "
            f"Try learning_rate = {self.config.learning_rate / 10:g} (it was {self.config.learning_rate:g})."
        )

    def _beta(self) -> Tensor:
        beta = objectives.beta_at(self.objective, self.epoch, self.config.epochs)
        return torch.tensor(beta, device=self.fabric.device)

    def _set_learning_rate(self) -> None:
        if self.config.schedule == "constant":
            return
        done = (self.epoch + self.seen / len(self.examples)) / self.config.epochs
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


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
