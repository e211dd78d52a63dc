"""How long a map still takes: from how fast its own work gets on, and from how long earlier maps took here.

    pace = Pace(config, past)
    pace.hear("layout", 0.2)
    pace.left()                      # seconds for this step and for those after it, where they are known

`times.json` beside the maps keeps how long the steps of the last ones took on this machine. Nothing else is guessed.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from vae_core.checkpoint import Checkpoint, write_atomically
from vae_core.config import Config, MapConfig
from vae_core.latent import layouts

Step = Literal["starting", "encoding", "loading", "neighbours", "layout", "measuring"]

FILE = "times.json"
KEPT = 60  # maps whose times are kept
NEAR = 4.0  # times of maps with so many times more or fewer codes still say something
WATCHED_S = 1.0  # a step says how fast it is after so long
_FIXED: tuple[Step, ...] = ("starting", "loading")  # take as long for few codes as for many


class Times(Config):
    """How long the steps of one map took."""

    method: str = Field(max_length=20)
    data: str = Field("", max_length=100)  # which split of which data; empty for the codes of a checkpoint
    n: int = Field(ge=1)
    seconds: dict[Step, float]


@dataclass(frozen=True)
class Past:
    """What earlier maps say: seconds for the steps, and in words which map that was."""

    seconds: dict[Step, float] = field(default_factory=dict)
    words: str = ""


def steps(config: MapConfig) -> tuple[Step, ...]:
    """The steps in which a map is made."""
    first: tuple[Step, ...] = ("starting", "encoding") if _is_split(config) else ("starting",)
    found: tuple[Step, ...] = ("loading", "neighbours") if _is_folded(config) else ()
    return (*first, *found, "layout", "measuring")


def step_of(state: str, message: str) -> Step:
    """Which step a process that makes a map speaks of."""
    if state == "encoding":
        return "encoding"
    if state == "measuring":
        return "measuring"
    if message.startswith(layouts.LOADING):
        return "loading"
    return "neighbours" if message.startswith(layouts.NEIGHBOURS) else "layout"


class Pace:
    """Watches one map being made.

    Args:
        config: the map.
        past: what earlier maps say of it.
        starting_s: how long its process took to begin.
        clock: seconds, rising.
    """

    def __init__(
        self,
        config: MapConfig,
        past: Past,
        starting_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.steps, self.past, self._clock = steps(config), past, clock
        self.took: dict[Step, float] = {"starting": starting_s}
        self._step: Step = "starting"
        self._since, self._done = clock(), 0.0
        self._first: tuple[float, float] | None = None  # when this step first said how far it is, and how far

    def hear(self, step: Step, done: float | None) -> None:
        """A step has begun, or got on."""
        now = self._clock()
        if step != self._step:
            self._close(now)
            self._step, self._since, self._first = step, now, None
        if done is not None:
            self._first, self._done = self._first or (now, done), done

    def end(self) -> None:
        """The map is made."""
        self._close(self._clock())

    @property
    def number(self) -> int:
        """Which step this is, from 1."""
        return self.steps.index(self._step) + 1

    def left(self) -> tuple[float | None, float | None, bool]:
        """Return the seconds left of this step and of all later ones, None where nothing says so, and whether the
        first were extrapolated from the step's own pace."""
        now, later = self._clock(), self.steps[self.number :]
        expected = [self.past.seconds.get(step) for step in later]
        known = [each for each in expected if each is not None]
        after = math.fsum(known) if len(known) == len(later) else None
        if self._first is not None:
            watched, share = now - self._first[0], self._done - self._first[1]
            if watched >= WATCHED_S and share > 0:
                return watched * (1 - self._done) / share, after, True
        usual = self.past.seconds.get(self._step)
        return None if usual is None else max(usual - (now - self._since), 0.0), after, False

    def _close(self, now: float) -> None:
        if self._step != "starting":
            self.took[self._step] = self.took.get(self._step, 0.0) + now - self._since


def recall(folder: Path, checkpoint: Checkpoint, config: MapConfig) -> Past:
    """What the kept times say of a map: those of the one most like it, scaled to its number of codes.

    How many codes a split of the data has is known to the maps of that split alone.
    """
    data, n = _data(checkpoint, config), _count(checkpoint, config)
    method = config.projection.method
    kept = [each for each in reversed(_read(folder)) if (each.method, each.data) == (method, data)]
    if not kept:
        return Past()
    if n is None:
        return Past(kept[0].seconds, f"the last map of these data, {kept[0].n:,} codes")
    like = min(kept, key=lambda each: abs(math.log(each.n / n)))
    ratio = n / like.n
    if not 1 / NEAR <= ratio <= NEAR:
        return Past()
    found = f"the last map of {like.n:,} codes"
    scaled = {step: seconds * _scale(step, method, n, like.n) for step, seconds in like.seconds.items()}
    return Past(scaled, found if ratio == 1 else f"{found}, scaled")


def remember(folder: Path, checkpoint: Checkpoint, config: MapConfig, n: int, pace: Pace) -> None:
    """Keep how long the steps of a finished map took; that this cannot be written is no reason to fail."""
    times = Times(
        method=config.projection.method, data=_data(checkpoint, config), n=n, seconds=dict(pace.took)
    )
    kept = [json.loads(each.to_json()) for each in [*_read(folder), times][-KEPT:]]
    with suppress(OSError):
        write_atomically(folder / FILE, json.dumps(kept).encode(), durable=False)


def _read(folder: Path) -> list[Times]:
    with suppress(OSError, ValidationError):
        return _TIMES.validate_json((folder / FILE).read_bytes())
    return []


_TIMES = TypeAdapter(list[Times])


def _scale(step: Step, method: str, n: int, before: int) -> float:
    if step in _FIXED:
        return 1.0
    epochs = layouts.epochs(n) / layouts.epochs(before) if method == "umap" and step == "layout" else 1.0
    return epochs * n / before


def _count(checkpoint: Checkpoint, config: MapConfig) -> int | None:
    if config.source == "draws":
        return config.count
    if config.source != "reference":
        return None
    return None if checkpoint.reference is None else len(checkpoint.reference.mean)


def _data(checkpoint: Checkpoint, config: MapConfig) -> str:
    return f"{config.source} of {checkpoint.description.data.name}" if _is_split(config) else ""


def _is_split(config: MapConfig) -> bool:
    return config.source in ("train", "held-out")


def _is_folded(config: MapConfig) -> bool:
    return config.projection.method in ("umap", "tsne")
