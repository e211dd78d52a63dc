"""Requests that wait together are decoded together, one batch per model.

There is no artificial delay: a request that finds the worker idle is decoded at once, and what
arrives while a decode runs joins the next batch. Only where a picture under somebody's pointer would be decoded
together with a heap of others does it go first, by itself; the heap is next. Futures of `concurrent.futures` carry the answers
from the worker thread to whichever event loop waits for them, so nothing here belongs to a loop.
"""

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from vae_explorer.live.registry import LiveModel

_Result = TypeVar("_Result")

FEW, MANY = 2, 8  # codes: so few do not wait for so many
MAX_BATCH_CODES = 4096  # 50 MB of 64x64 colour images; a larger batch decodes no faster per code


@dataclass(frozen=True, eq=False)
class Decoded:
    """The images of one request, and its share of the seconds that its batch took."""

    pixels: UInt8[np.ndarray, "count height width channels"]
    seconds: float


@dataclass(frozen=True, eq=False)
class _Waiter:
    codes: np.ndarray
    answer: Future[Decoded]
    stood_back: bool = False  # it has let others go first, and will not again


class Batcher:
    """Gathers the decode requests of all connections; usable from any thread and any event loop."""

    def __init__(self, max_codes: int = MAX_BATCH_CODES) -> None:
        self._max_codes = max_codes
        # One worker: torch already spreads a decode over the cores, so a second would only compete for
        # them, and would take requests that the first would have gathered into its next batch.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-decode")
        self._lock = threading.Lock()
        self._queues: OrderedDict[LiveModel, deque[_Waiter]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many decode requests wait for the next batch, over all models."""
        with self._lock:
            return sum(len(queue) for queue in self._queues.values())

    async def decode(self, model: LiveModel, codes: Float32[np.ndarray, "count dim"]) -> Decoded:
        """Decode codes (count, latent_dim), of the model's own width, in the next batch.

        An exception of `model.decode` is raised in every request of its batch. A cancelled request is
        left out of its batch, or its answer dropped; the others do not notice.
        """
        answer: Future[Decoded] = Future()
        with self._lock:
            self._queues.setdefault(model, deque()).append(_Waiter(codes, answer))
        # One job per request, though a batch may serve many: jobs never run out before requests do.
        self._pool.submit(self._decode_next)
        return await asyncio.wrap_future(answer)

    async def run(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do one other thing with a model (encode a picture, look up an item) in the same worker."""
        return await asyncio.wrap_future(self._pool.submit(work, *arguments))

    def close(self) -> None:
        """Drop what waits and end the worker after the decode it is in."""
        with self._lock:
            queues, self._queues = self._queues, OrderedDict()
        for queue in queues.values():
            for waiter in queue:
                waiter.answer.cancel()
        self._pool.shutdown(cancel_futures=True)

    def _decode_next(self) -> None:
        """Serve the model that waits longest; do nothing if an earlier job's batch took everything."""
        taken = self._take()
        if taken is None:
            return
        model, batch = taken
        began = perf_counter()
        try:
            parts = _decode_together(model, [waiter.codes for waiter in batch])
        except BaseException as error:  # whatever it was, nobody may be left waiting
            failure = _harmless(error)
            for waiter in batch:
                waiter.answer.set_exception(failure)
            return
        each = (perf_counter() - began) / sum(map(len, parts))
        for waiter, part in zip(batch, parts, strict=True):
            waiter.answer.set_result(Decoded(part, each * len(part)))

    def _take(self) -> tuple[LiveModel, list[_Waiter]] | None:
        with self._lock:
            if not self._queues:
                return None
            model, queue = self._queues.popitem(last=False)
            queue, later = _hurried(queue)
            batch: list[_Waiter] = []
            room = self._max_codes
            while queue and (len(queue[0].codes) <= room or not batch):
                waiter = queue.popleft()
                if waiter.answer.set_running_or_notify_cancel():
                    batch.append(waiter)
                    room -= len(waiter.codes)
            queue.extend(later)
            if queue:
                self._queues[model] = queue  # at the end, so that models take turns
            return (model, batch) if batch else None


def _hurried(queue: deque[_Waiter]) -> tuple[deque[_Waiter], deque[_Waiter]]:
    """Part what waits into who goes first and who stands back, which nobody does twice."""
    few = deque(waiter for waiter in queue if len(waiter.codes) <= FEW)
    many = deque(waiter for waiter in queue if len(waiter.codes) > FEW)
    heap = sum(len(waiter.codes) for waiter in many)
    if not few or heap < MANY or any(waiter.stood_back for waiter in many):
        return queue, deque()
    return few, deque(replace(waiter, stood_back=True) for waiter in many)


def _decode_together(model: LiveModel, groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Decode several groups of codes in one call and cut the images apart again."""
    codes = np.concatenate(groups)  # a copy even of one group: torch warns about read-only arrays
    pixels = model.decode(codes)
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or len(pixels) != len(codes):
        raise TypeError(
            f"decode of model {model.id} returned {pixels.dtype} {pixels.shape} for {len(codes)} codes; "
            "it must return uint8 (batch, height, width, channels)."
        )
    ends = np.cumsum([len(group) for group in groups])
    return np.split(pixels, ends[:-1])


def _harmless(error: BaseException) -> Exception:
    """Keep SystemExit and its kind from ending the event loop that waits for the answer."""
    return error if isinstance(error, Exception) else RuntimeError(f"decode was ended by {error!r}")
