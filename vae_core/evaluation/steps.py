"""Long work in steps: it says how far it is, and it can be stopped."""

from collections.abc import Callable

import torch
from jaxtyping import Float32
from torch import Tensor

from vae_core.errors import Stopped

OnProgress = Callable[[float], None]  # hears the share that is done, in (0, 1]
ShouldStop = Callable[[], bool]

CHUNK = 64  # images whose activations stay in the processor's cache


def silent(done: float) -> None:
    """Hear progress, and tell nobody."""


def never() -> bool:
    """Let work go on to its end."""
    return False


def within(on_progress: OnProgress, start: float, end: float) -> OnProgress:
    """Progress of a part of some work, as shares of the whole from `start` to `end`."""
    return lambda done: on_progress(start + (end - start) * done)


def in_chunks(
    work: Callable[[Float32[Tensor, "part columns"]], Tensor],
    codes: Float32[Tensor, "n columns"],
    name: str,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    chunk: int = CHUNK,
) -> Tensor:
    """Return what `work` makes of the codes, row for row, a chunk at a time; n is at least 1.

    Raises:
        Stopped: should_stop, asked before each chunk, said so; the sentence begins with `name`.
    """
    found = []
    for start in range(0, len(codes), chunk):
        if should_stop():
            raise Stopped(f"{name} was stopped after {start:,} of {len(codes):,} codes.")
        found.append(work(codes[start : start + chunk]))
        on_progress(min(start + chunk, len(codes)) / len(codes))
    return torch.cat(found)
