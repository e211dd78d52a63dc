"""A decoder that a test can hold up, and models to register."""

import itertools
import threading
import time
from collections.abc import Callable

import numpy as np

from tests.patience import PATIENCE_S
from vae_explorer.live.protocol import Encoded, Item, Measure, Measured
from vae_explorer.live.registry import LiveModel

SIDES = (2, 3)  # height and width differ, so that a transposed image is noticed

_ids = itertools.count(1)


class Decoder:
    """Paints code (a, ...) as an image of value a; remembers its batches; waits while it is held."""

    def __init__(self, channels: int = 1) -> None:
        self.batches: list[np.ndarray] = []
        self.entered = threading.Event()
        self.channels = channels
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def paint(self, codes: np.ndarray) -> np.ndarray:
        shape = (len(codes), *SIDES, self.channels)
        return np.broadcast_to(codes[:, 0].astype(np.uint8).reshape(-1, 1, 1, 1), shape).copy()

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        self.batches.append(codes.copy())
        self.entered.set()
        assert self._go.wait(PATIENCE_S), "the test never released its decoder"
        return self.paint(codes)


def model_of(
    decode: Callable[[np.ndarray], np.ndarray],
    encode: Callable[[np.ndarray], Encoded] | None = None,
    item: Callable[[int, int], Item] | None = None,
    measure: Callable[[Measure, np.ndarray], Measured] | None = None,
) -> LiveModel:
    """A model under an id that no other test uses; not registered yet."""
    return LiveModel(f"{next(_ids):016x}", 2, decode, encode, item, measure)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.001)
