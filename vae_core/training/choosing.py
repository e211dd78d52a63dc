"""What the settings of a run leave open about computing is settled by trying, where the run is long enough to repay it.

First, which library multiplies: steps of the run itself are trained in blocks, torch's products and oneDNN's in turn
(`vae_core.training.products`), so that whatever else the machine does slows both. Then a few steps each other way from
the same start: compiled in bfloat16, compiled in float32. The first way is taken that pays and whose ELBO on held-out
data differs from the plain one's by no more than that figure's own standard error.

All of it happens to models that are thrown away: the run begins as if nothing had been tried.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vae_core import objectives
from vae_core.config import ComputeConfig, Experiment
from vae_core.data.streaming import Examples
from vae_core.errors import ConfigError, Stopped, TrainingError
from vae_core.models import build
from vae_core.models.inputs import model_input
from vae_core.training import products
from vae_core.training.compute import fabric, fabric_device, in_words
from vae_core.training.loop import Trainer
from vae_core.training.products import Products

WARM_UP_STEPS, TRIAL_STEPS = 5, 60
TRIAL_HELD_OUT = 1000
FEWEST_STEPS = 1000  # a run of fewer steps is not worth a trial
WORTH_TRYING_S = 60.0  # a run shorter than this ends before a compiler would have paid
GAIN = 0.9  # a way has to take less than this share of the time of the plain one, compiling included

# Of a slow machine, to tell without any trial that a run will be short.
SLOW_STEP_S, SLOW_MULTIPLICATIONS_PER_S = 1e-3, 1e10

# The trial of products: in each round a block of steps by each library, and of each block the median step.
ROUNDS, BLOCK = 7, 10
FEWEST_STEPS_FOR_PRODUCTS = (
    20 * 2 * ROUNDS * BLOCK
)  # so that the trial takes no more than a twentieth of the run
CLEARLY = 1.05  # oneDNN is taken where it is ahead by this factor, in the median over the rounds

Stop = Callable[[], bool]


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


@dataclass(frozen=True)
class Race:
    """What steps with torch's products and with oneDNN's in turn showed."""

    torch: float  # images per second
    onednn: float
    ahead: float  # how many times as fast oneDNN was, median over the rounds

    @property
    def winner(self) -> Products:
        return "onednn" if self.ahead >= CLEARLY else "torch"

    def in_words(self) -> str:
        """Return both figures as a clause."""
        verdict = "oneDNN taken" if self.winner == "onednn" else "torch's taken"
        return f"products by torch {self.torch:,.0f} images/s, by oneDNN {self.onednn:,.0f} ({verdict})"


def choose(
    experiment: Experiment, examples: Examples, held_out: Tensor, should_stop: Stop
) -> tuple[ComputeConfig, str]:
    """Settle what the settings leave open; return them, complete, and why.

    Raises:
        ConfigError: the settings ask for products that are not to be had here.
    """
    asked = experiment.compute
    if asked.products == "onednn" and not products.AVAILABLE:
        raise ConfigError(
            f"ComputeConfig: products = 'onednn' is not to be had here ({products.missing()}); use products = torch."
        )
    plain = _settled(asked)
    if plain == asked:
        return plain, "as the settings say"
    if asked.devices * asked.num_nodes > 1:
        return plain, "several processes try nothing out"
    steps = experiment.training.epochs * -(-len(examples) // experiment.training.batch_size)
    if steps < FEWEST_STEPS or _at_most_s(experiment, steps, len(examples)) < WORTH_TRYING_S:
        return plain, "a run this small is over before a trial would have paid"
    try:
        settled, said = _with_products(plain, experiment, examples, steps, should_stop)
        settled, reason = _compiled_or_not(settled, experiment, examples, held_out, should_stop)
    except Stopped:
        return plain, "asked to stop before anything was known"
    return settled, "; ".join(each for each in (said, reason) if each)


def as_before(chosen: ComputeConfig) -> tuple[ComputeConfig, str]:
    """Return how a run goes on that has chosen before, and why: the same way, wherever that is to be had."""
    if chosen.products == "auto":  # written before there was a choice: oneDNN wherever there was AVX-512
        return chosen.model_copy(
            update={"products": "onednn" if products.AVAILABLE else "torch"}
        ), "as before"
    if chosen.products == "onednn" and not products.AVAILABLE:
        words = f"as before, but for oneDNN's products, which are not to be had here ({products.missing()})"
        return chosen.model_copy(update={"products": "torch"}), words
    return chosen, "as before"


def _settled(asked: ComputeConfig, precision: str = "32-true", compiled: str = "off") -> ComputeConfig:
    """The settings with their `auto` replaced; products are torch's until a trial says otherwise."""
    update = {
        "precision": precision if asked.precision == "auto" else asked.precision,
        "compile": compiled if asked.compile == "auto" else asked.compile,
        "products": "torch" if asked.products == "auto" else asked.products,
    }
    return asked.model_copy(update=update)


def _at_most_s(experiment: Experiment, steps: int, examples: int) -> float:
    """How long a run would take on a slow machine, in seconds."""
    model = build(experiment.model)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.decode(model.encode(torch.zeros(1, *model.data_shape)).mean)
    draws = experiment.objective.samples if experiment.objective.objective == "iwae" else 1
    forward = (
        counter.get_total_flops() / 2 * draws
    )  # an addition counts as well; back takes twice as much again
    multiplications: float = 3 * forward * experiment.training.epochs * examples
    return steps * SLOW_STEP_S + multiplications / SLOW_MULTIPLICATIONS_PER_S


# --- which library multiplies -----------------------------------------------------------------------------------


def _with_products(
    plain: ComputeConfig, experiment: Experiment, examples: Examples, steps: int, should_stop: Stop
) -> tuple[ComputeConfig, str]:
    """Settle the library that multiplies, and say why, if that was left open."""
    if experiment.compute.products != "auto":
        return plain, ""
    if reason := _why_no_race(experiment, steps):
        return plain, f"products by torch, {reason}"
    found = race(plain, experiment, examples, should_stop)
    return plain.model_copy(update={"products": found.winner}), found.in_words()


def _why_no_race(experiment: Experiment, steps: int) -> str:
    """Why torch's products are taken without a trial, as a clause; empty where there is to be one."""
    asked = experiment.compute
    if fabric_device(asked) != "cpu" or asked.precision == "bf16-mixed":
        return "since only those of float32 on a CPU can be oneDNN's"
    if not products.AVAILABLE:
        return f"since oneDNN's are not to be had here ({products.missing()})"
    if not products.has_use(build(experiment.model), experiment.training.batch_size):
        return "since no layer is large enough for oneDNN's to pay"
    if steps < FEWEST_STEPS_FOR_PRODUCTS:
        return "since a run of so few steps is not worth a trial of oneDNN's"
    return ""


def race(config: ComputeConfig, experiment: Experiment, examples: Examples, should_stop: Stop) -> Race:
    """Train the run's own steps in blocks, each library in turn, and time every step."""
    plain = config.model_copy(update={"compile": "off"})  # the same products, without waiting for a compiler
    trainer = _trainer(plain, experiment, examples)
    clock = _Clock(trainer, should_stop)
    while not clock.is_over():
        trainer.run_epoch(should_stop=clock)
    return clock.outcome(min(experiment.training.batch_size, len(examples)))


class _Clock:
    """Asked after every step: takes the time, and changes the library after each block of steps.

    Raises:
        Stopped: somebody else wants to stop.
    """

    def __init__(self, trainer: Trainer, otherwise: Stop) -> None:
        self._trainer, self._otherwise = trainer, otherwise
        self._plan = _plan()
        self._times: list[float] = []
        self._next()

    def __call__(self) -> bool:
        if self._otherwise():
            raise Stopped("Stopped while trying how to compute.")
        now = time.perf_counter()
        self._times.append(now - self._since)
        self._next()
        return self.is_over()

    def is_over(self) -> bool:
        return len(self._times) == len(self._plan)

    def outcome(self, images: int) -> Race:
        """What the rounds showed, each step being one of so many images."""
        torchs, onednns = self._medians("torch"), self._medians("onednn")
        ahead = statistics.median(slow / fast for slow, fast in zip(torchs, onednns, strict=True))
        return Race(images / statistics.median(torchs), images / statistics.median(onednns), ahead)

    def _medians(self, library: Products) -> list[float]:
        """The median step of each block by that library, in seconds; the blocks to warm up left out."""
        starts = range(2 * BLOCK, len(self._plan), BLOCK)
        return [
            statistics.median(self._times[start : start + BLOCK])
            for start in starts
            if self._plan[start] == library
        ]

    def _next(self) -> None:
        if not self.is_over():
            self._trainer.multiplied_by = self._plan[len(self._times)]
            products.use(self._trainer.multiplied_by, self._trainer.model)
        self._since = time.perf_counter()


def _plan() -> list[Products]:
    """The library of each step: a block each to warm up, then the rounds, each the other way round than the last."""
    there: tuple[Products, Products] = ("torch", "onednn")
    turns = [there] + [there[:: 1 if number % 2 else -1] for number in range(ROUNDS)]
    return [library for turn in turns for library in turn for _ in range(BLOCK)]


# --- compiled or not, float32 or bfloat16 -----------------------------------------------------------------------


def _compiled_or_not(
    plain: ComputeConfig, experiment: Experiment, examples: Examples, held_out: Tensor, should_stop: Stop
) -> tuple[ComputeConfig, str]:
    """Try whether compiling and bfloat16 pay, as far as the settings leave it open."""
    ways = _ways(plain, experiment.compute)
    if not ways:
        return plain, "the rest as the settings say"
    in_all = experiment.training.epochs * len(examples)
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


def _ways(plain: ComputeConfig, asked: ComputeConfig) -> list[ComputeConfig]:
    """The other ways that the settings allow, the most promising first."""
    settings = [("bf16-mixed", "on"), ("32-true", "on")]
    if asked.compile == "off":
        settings = [("bf16-mixed", "off")]
    ways = [_settled(asked, *each).model_copy(update={"products": plain.products}) for each in settings]
    return [way for way in dict.fromkeys(ways) if way != plain]


def _try(
    config: ComputeConfig, experiment: Experiment, examples: Examples, held_out: Tensor, should_stop: Stop
) -> Trial:
    """Train a few steps from the run's own start.

    Raises:
        TrainingError: it cannot be done this way here, for example because there is no compiler.
    """
    started = time.perf_counter()
    try:
        trainer = _trainer(config, experiment, examples)
        trainer.run_epoch(should_stop=_Steps(WARM_UP_STEPS, should_stop))
        warm_up = time.perf_counter() - started
        seen = trainer.seen + trainer.epoch * len(examples)
        begun = time.perf_counter()
        trainer.run_epoch(should_stop=_Steps(TRIAL_STEPS, should_stop))
    except Stopped:
        raise
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
    """Asks to stop after so many steps.

    Raises:
        Stopped: somebody else wants to stop.
    """

    def __init__(self, steps: int, otherwise: Stop) -> None:
        self._left, self._otherwise = steps, otherwise

    def __call__(self) -> bool:
        if self._otherwise():
            raise Stopped("Stopped while trying how to compute.")
        self._left -= 1
        return self._left <= 0


def _trainer(config: ComputeConfig, experiment: Experiment, examples: Examples) -> Trainer:
    """A trainer that stands where the run will begin, and is thrown away."""
    return Trainer(
        build(experiment.model, experiment.training.seed),
        examples,
        experiment.objective,
        experiment.training,
        fabric=fabric(config),
        compiled=config.compile == "on",
        multiplied_by=config.products,
    )
