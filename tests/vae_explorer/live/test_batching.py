"""What waits together is decoded together; a fault or a departure stays with whom it belongs to."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import TypeVar

import numpy as np
import pytest

from tests.patience import PATIENCE_S
from vae_explorer.live.batching import Batcher, Decoded
from vae_explorer.live.registry import LiveModel

Answer = TypeVar("Answer")


def codes(*values: float) -> np.ndarray:
    return np.array([[value, 0] for value in values], np.float32)


def run(work: Coroutine[None, None, Answer]) -> Answer:
    async def limited() -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await work

    return asyncio.run(limited())


async def until_waiting(batcher: Batcher, number: int) -> None:
    while batcher.waiting != number:
        await asyncio.sleep(0)


async def hold_up(batcher: Batcher, model: LiveModel, decoder) -> "asyncio.Task[Decoded]":
    """Start a decode and return once the worker is inside it."""
    decoder.hold()
    task = asyncio.create_task(batcher.decode(model, codes(0)))
    await asyncio.to_thread(decoder.entered.wait, 10)
    return task


def test_one_request_is_decoded_at_once(batcher, model, decoder) -> None:
    decoded = run(batcher.decode(model, codes(3, 4)))
    np.testing.assert_array_equal(decoded.pixels, decoder.paint(codes(3, 4)))


def test_requests_waiting_behind_a_decode_become_one_batch(batcher, model, decoder) -> None:
    async def story() -> list[Decoded]:
        first = await hold_up(batcher, model, decoder)
        rest = [asyncio.create_task(batcher.decode(model, codes(*group))) for group in ((1,), (2, 3), (4,))]
        await until_waiting(batcher, 3)
        decoder.release()
        return await asyncio.gather(first, *rest)

    answers = run(story())
    assert [batch[:, 0].tolist() for batch in decoder.batches] == [[0], [1, 2, 3, 4]]
    assert [answer.pixels[:, 0, 0, 0].tolist() for answer in answers] == [[0], [1], [2, 3], [4]]


def test_a_picture_goes_before_a_heap_that_it_would_wait_for_but_only_once(batcher, model, decoder) -> None:
    heap = tuple(range(10, 20))

    async def story() -> None:
        first = await hold_up(batcher, model, decoder)
        rest = [asyncio.create_task(batcher.decode(model, codes(*group))) for group in (heap, (1,), (2, 3))]
        await until_waiting(batcher, 3)
        decoder.release()
        await rest[1]
        rest.append(asyncio.create_task(batcher.decode(model, codes(4))))
        await asyncio.gather(first, *rest)

    run(story())
    batches = [batch[:, 0].tolist() for batch in decoder.batches]
    assert batches[:2] == [[0], [1, 2, 3]]
    assert batches[2][:10] == list(heap)


def test_a_batch_s_time_is_shared_by_its_codes(batcher, model, decoder) -> None:
    async def story() -> list[Decoded]:
        first = await hold_up(batcher, model, decoder)
        rest = [asyncio.create_task(batcher.decode(model, codes(*group))) for group in ((1,), (2, 3, 4))]
        await until_waiting(batcher, 2)
        decoder.release()
        return await asyncio.gather(first, *rest)

    held, one, three = run(story())
    assert min(held.seconds, one.seconds) > 0
    assert three.seconds == pytest.approx(3 * one.seconds)


def test_a_batch_is_bounded_but_never_empty(model, decoder) -> None:
    batcher = Batcher(max_codes=3)

    async def story() -> None:
        first = await hold_up(batcher, model, decoder)
        groups = ((1, 2), (3,), (4,), (5, 6, 7, 8))  # the last is larger than a batch may be
        rest = [asyncio.create_task(batcher.decode(model, codes(*group))) for group in groups]
        await until_waiting(batcher, len(groups))
        decoder.release()
        await asyncio.gather(first, *rest)

    run(story())
    batcher.close()
    assert [batch[:, 0].tolist() for batch in decoder.batches] == [[0], [1, 2, 3], [4], [5, 6, 7, 8]]


def test_models_are_not_mixed_and_take_turns(decoder) -> None:
    batcher, turns = Batcher(max_codes=1), []

    def painter(name: str):
        def decode(batch: np.ndarray) -> np.ndarray:
            turns.append(name)
            return decoder.paint(batch)

        return decode

    held = LiveModel("a" * 16, 2, decoder)
    one, two = (LiveModel(name * 16, 2, painter(name)) for name in "bc")

    async def story() -> None:
        first = await hold_up(batcher, held, decoder)
        rest = [asyncio.create_task(batcher.decode(model, codes(1))) for model in (one, one, one, two)]
        await until_waiting(batcher, 4)
        decoder.release()
        await asyncio.gather(first, *rest)

    run(story())
    batcher.close()
    assert turns == ["b", "c", "b", "b"]


def test_a_cancelled_request_is_left_out_of_its_batch(batcher, model, decoder) -> None:
    async def story() -> list[Decoded]:
        first = await hold_up(batcher, model, decoder)
        leaver = asyncio.create_task(batcher.decode(model, codes(1)))
        stayer = asyncio.create_task(batcher.decode(model, codes(2)))
        await until_waiting(batcher, 2)
        leaver.cancel()
        first.cancel()  # this one is being decoded: its answer is dropped
        await asyncio.gather(leaver, first, return_exceptions=True)
        decoder.release()
        return [await stayer]

    assert run(story())[0].pixels[0, 0, 0, 0] == 2
    assert [batch[:, 0].tolist() for batch in decoder.batches] == [[0], [2]]


def test_if_all_leave_nothing_is_decoded(batcher, model, decoder) -> None:
    async def story() -> None:
        await hold_up(batcher, model, decoder)
        leavers = [asyncio.create_task(batcher.decode(model, codes(1))) for _ in range(3)]
        await until_waiting(batcher, 3)
        for leaver in leavers:
            leaver.cancel()
        await asyncio.gather(*leavers, return_exceptions=True)
        decoder.release()
        await batcher.decode(model, codes(9))

    run(story())
    assert [batch[:, 0].tolist() for batch in decoder.batches] == [[0], [9]]


@pytest.mark.parametrize("error", [RuntimeError("no luck"), SystemExit(3), KeyboardInterrupt()])
def test_a_fault_reaches_every_request_of_its_batch_and_no_other(batcher, model, decoder, error) -> None:
    def fail(batch: np.ndarray) -> np.ndarray:
        raise error

    async def story() -> list[object]:
        first = await hold_up(batcher, model, decoder)
        broken = LiveModel("f" * 16, 2, fail)
        rest = [asyncio.create_task(batcher.decode(each, codes(1))) for each in (broken, broken, model)]
        await until_waiting(batcher, 3)
        decoder.release()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        return [*answers, await batcher.decode(model, codes(5))]

    first, one, two, other, later = run(story())
    assert isinstance(one, RuntimeError)
    assert isinstance(two, RuntimeError)
    for answer in (first, other, later):
        assert isinstance(answer, Decoded)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 2, 2, 1), np.float32),
        np.zeros((1, 2, 2), np.uint8),
        np.zeros((2, 2, 2, 1), np.uint8),
    ],
    ids=["dtype", "axes", "count"],
)
def test_a_decoder_that_answers_something_else_is_told(batcher, wrong) -> None:
    with pytest.raises(TypeError, match="must return uint8"):
        run(batcher.decode(LiveModel("a" * 16, 2, lambda batch: wrong), codes(1)))


def test_a_decoder_may_write_to_its_codes(batcher) -> None:
    seen = codes(1)
    seen.flags.writeable = False

    def decode(batch: np.ndarray) -> np.ndarray:
        batch += 1
        return np.full((len(batch), 1, 1, 1), batch[0, 0], np.uint8)

    assert run(batcher.decode(LiveModel("a" * 16, 2, decode), seen)).pixels.item() == 2
    assert seen[0, 0] == 1


def test_one_batcher_serves_one_event_loop_after_another(batcher, model, decoder) -> None:
    async def leave_early() -> None:
        task = await hold_up(batcher, model, decoder)
        task.cancel()

    run(leave_early())  # that loop is closed while its decode still runs
    decoder.release()
    assert run(batcher.decode(model, codes(6))).pixels[0, 0, 0, 0] == 6


def test_other_work_is_done_by_the_same_worker_and_its_faults_are_passed_on(batcher, model, decoder) -> None:
    workers = []

    def work(first: int, second: int) -> int:
        workers.append(threading.current_thread())
        return first // second

    async def story() -> None:
        first = await hold_up(batcher, model, decoder)
        rest = [asyncio.create_task(batcher.run(work, 6, divisor)) for divisor in (3, 0)]
        await asyncio.sleep(0)
        assert workers == []
        decoder.release()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        assert answers[1] == 2
        assert isinstance(answers[2], ZeroDivisionError)

    run(story())
    assert len(set(workers)) == 1


def test_closing_drops_what_waits(model, decoder) -> None:
    batcher = Batcher()

    async def story() -> None:
        first = await hold_up(batcher, model, decoder)
        waiting = asyncio.create_task(batcher.decode(model, codes(1)))
        await until_waiting(batcher, 1)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        decoder.release()
        await closing
        assert (await first).pixels[0, 0, 0, 0] == 0

    run(story())
