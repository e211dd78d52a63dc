"""Where and how a run computes: Lightning Fabric is told, and what the settings leave open is tried.

With `auto`, a run that is long enough to repay the trial trains a few steps each way from the same start: float32 as
it is, then compiled in bfloat16, then compiled in float32. The fastest way is taken whose ELBO on held-out data
differs from the first way's by no more than that figure's own standard error.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from vae_core import objectives
from vae_core.config import ComputeConfig, Experiment
from vae_core.data.streaming import Examples
from vae_core.errors import ConfigError, TrainingError
from vae_core.models import build
from vae_core.models.inputs import model_input
from vae_core.training.loop import Trainer

WARM_UP_STEPS, TRIAL_STEPS = 5, 60
TRIAL_HELD_OUT = 1000
FEWEST_STEPS = 1000  # a run of fewer steps is not worth a trial
WORTH_TRYING_S = 60.0  # a run shorter than this ends before a compiler would have paid
GAIN = 0.9  # a way has to take less than this share of the time of the plain one, compiling included

Stop = Callable[[], bool]


def fabric(config: ComputeConfig) -> Fabric:
    """Return Fabric for these settings; `auto` stands for float32 here, and for ddp where there are several processes.

    Raises:
        ConfigError: this machine has no such accelerator, or not as many devices.
    """
    several = config.devices * config.num_nodes > 1
    strategy = "ddp" if several and config.strategy == "auto" else config.strategy
    precision = "32-true" if config.precision == "auto" else config.precision
    try:
        return Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=strategy,
            precision=precision,
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"ComputeConfig: accelerator = {config.accelerator!r} with devices = {config.devices} is not to be had "
            f"here ({str(error).splitlines()[0][:200]}); use accelerator = cpu and devices = 1."
        ) from None


def rank() -> int:
    """This process's number among those that train together, known before they have met."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if (text := os.environ.get(name, "")).isdecimal():
            return int(text)
    return 0


def is_launched_from_outside() -> bool:
    """Whether torchrun or a cluster started this process; it then waits for its turn in that one's queue."""
    return "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ


def part() -> None:
    """Take leave of the processes that trained together, if there were any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def in_words(config: ComputeConfig) -> str:
    """Say how a run computes, for people."""
    where = f"{config.devices * config.num_nodes} x " if config.devices * config.num_nodes > 1 else ""
    device = fabric_device(config)
    numbers = "bfloat16 products" if config.precision == "bf16-mixed" else "float32"
    return f"{where}{device}, {numbers}{', compiled' if config.compile == 'on' else ''}"


def fabric_device(config: ComputeConfig) -> str:
    """Name the processor that `accelerator` means on this machine."""
    if config.accelerator != "auto":
        return config.accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough, on the CPU or a GPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)
    )


@dataclass(frozen=True)
class Trial:
    """What a few steps one way showed."""

    config: ComputeConfig
    images_per_s: float
    warm_up_s: float  # what came before the first step at full speed, compiling above all
    elbo: float
    elbo_error: float  # standard error of that mean, over held-out examples

    def takes(self, examples: int) -> float:
        """How long training on so many examples would take, in seconds."""
        return self.warm_up_s + examples / self.images_per_s


def choose(
    experiment: Experiment, examples: Examples, held_out: Tensor, should_stop: Stop
) -> tuple[ComputeConfig, str]:
    """Settle what the settings leave open; return them, complete, and why."""
    asked = experiment.compute
    plain = _settled(asked, asked, "32-true", "off")
    ways = _ways(asked)
    if plain == asked or not ways:
        return plain, "as the settings say"
    if asked.devices * asked.num_nodes > 1:
        return plain, "several processes try nothing out"
    in_all = experiment.training.epochs * len(examples)
    if in_all / min(experiment.training.batch_size, len(examples)) < FEWEST_STEPS:
        return plain, "a run of so few steps ends before a compiler would"
    first = _try(plain, experiment, examples, held_out, should_stop)
    if first.takes(in_all) < WORTH_TRYING_S:
        return plain, f"{first.images_per_s:,.0f} images/s are enough for a run this short"
    return _fastest(first, ways, in_all, lambda way: _try(way, experiment, examples, held_out, should_stop))


def _fastest(
    first: Trial, ways: list[ComputeConfig], in_all: int, attempt: Callable[[ComputeConfig], Trial]
) -> tuple[ComputeConfig, str]:
    """Try the ways in turn, and take the first that pays and computes the same but for noise."""
    said = [f"{in_words(first.config)} {first.images_per_s:,.0f} images/s, ELBO {first.elbo:.1f}"]
    for way in ways:
        try:
            trial = attempt(way)
        except TrainingError as error:
            said.append(f"{in_words(way)}: {error}")
            continue
        figures = f"{in_words(way)} {trial.images_per_s:,.0f} images/s, ELBO {trial.elbo:.1f}"
        same = abs(trial.elbo - first.elbo) <= first.elbo_error
        pays = trial.takes(in_all) < GAIN * first.takes(in_all)
        verdict = "chosen" if same and pays else "not the same ELBO" if pays else "does not pay"
        said.append(f"{figures} after {trial.warm_up_s:.0f} s of compiling ({verdict})")
        if same and pays:
            return way, "; ".join(said)
    return first.config, "; ".join(said)


def _ways(asked: ComputeConfig) -> list[ComputeConfig]:
    """The other ways that the settings allow, the most promising first."""
    ways = [_settled(asked, asked, precision, "on") for precision in ("bf16-mixed", "32-true")]
    if asked.compile == "off":
        ways = [_settled(asked, asked, "bf16-mixed", "off")]
    plain = _settled(asked, asked, "32-true", "off")
    return [way for way in dict.fromkeys(ways) if way != plain]


def _settled(base: ComputeConfig, asked: ComputeConfig, precision: str, compiled: str) -> ComputeConfig:
    """The settings with their `auto` replaced."""
    update = {
        "precision": precision if asked.precision == "auto" else asked.precision,
        "compile": compiled if asked.compile == "auto" else asked.compile,
    }
    return base.model_copy(update=update)


def _try(
    config: ComputeConfig, experiment: Experiment, examples: Examples, held_out: Tensor, should_stop: Stop
) -> Trial:
    """Train a few steps from the run's own start.

    Raises:
        TrainingError: it cannot be done this way here, for example because there is no compiler.
    """
    settings = experiment
    started = time.perf_counter()
    try:
        trainer = Trainer(
            build(settings.model, settings.training.seed),
            examples,
            settings.objective,
            settings.training,
            fabric=fabric(config),
            compiled=config.compile == "on",
        )
        trainer.run_epoch(should_stop=_Steps(WARM_UP_STEPS, should_stop))
        warm_up = time.perf_counter() - started
        seen = trainer.seen + trainer.epoch * len(examples)
        begun = time.perf_counter()
        trainer.run_epoch(should_stop=_Steps(TRIAL_STEPS, should_stop))
    except Exception as error:
        if config.compile != "on":
            raise
        fault = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainingError(f"cannot be compiled here ({fault[0][:120]})") from None
    done = trainer.seen + trainer.epoch * len(examples) - seen
    rate = done / (time.perf_counter() - begun)
    return Trial(config, rate, warm_up, *_elbo(trainer, held_out[:TRIAL_HELD_OUT]))


def _elbo(trainer: Trainer, examples: Tensor) -> tuple[float, float]:
    """Mean held-out ELBO of the weights as they are, in float32, and its standard error."""
    device = trainer.fabric.device
    with torch.inference_mode():
        x = model_input(examples.to(device))
        elbo = objectives.terms(trainer.model, x, torch.Generator(device).manual_seed(0)).elbo.double()
    return float(elbo.mean()), float(elbo.std() / len(elbo) ** 0.5)


class _Steps:
    """Asks to stop after so many steps."""

    def __init__(self, steps: int, otherwise: Stop) -> None:
        self._left, self._otherwise = steps, otherwise

    def __call__(self) -> bool:
        self._left -= 1
        return self._left <= 0 or self._otherwise()


class Rate:
    """How many examples per second lately: over the last ten seconds or so."""

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, examples: int) -> None:
        """Take note of how many examples are done by now."""
        now = time.monotonic()
        self._seen.append((now, examples))
        while len(self._seen) > 2 and now - self._seen[0][0] > self._window_s:
            self._seen.popleft()

    def per_second(self) -> float:
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else 0.0
