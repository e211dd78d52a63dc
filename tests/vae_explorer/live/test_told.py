"""Long work told line by line: what is said arrives in order, leaving ends it, and a bug ends the answer."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.patience import PATIENCE_S
from tests.vae_explorer.live.conftest import TestClient
from tests.vae_explorer.live.helpers import wait_until
from vae_core.errors import ConfigError, Stopped
from vae_explorer.live import told
from vae_explorer.live.guard import checked


@pytest.fixture
def executor():
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


@pytest.fixture
def lines(executor):
    """The lines that some work is told in."""

    def ask(work, **settings):
        async def answer(request):
            asked = await told.body(request)
            return told.told(lambda tell, gone: work(tell, gone, **asked), executor)

        app = Starlette(routes=[Route("/", checked(answer), methods=["POST"])])
        with TestClient(app) as client:
            answer = client.post("/", json=settings)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]

    return ask


def test_what_is_said_comes_in_order_and_the_result_last(lines):
    def work(tell, gone, steps):
        for step in range(steps):
            tell(step / steps)
        tell(None, "Sorting")
        return {"sum": steps, "gone": gone()}

    assert lines(work, steps=4) == [
        *({"done": step / 4} for step in range(4)),
        {"done": None, "says": "Sorting"},
        {"sum": 4, "gone": False},
    ]


def test_work_that_cannot_be_done_ends_with_one_sentence(lines):
    def work(tell, gone):
        tell(0.5)
        raise ConfigError("Choose another one.")

    assert lines(work) == [{"done": 0.5}, {"error": "Choose another one."}]


def test_a_bug_breaks_the_answer_off_instead_of_leaving_it_open(lines):
    def work(tell, gone):
        tell(0.5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lines(work)


def test_whoever_leaves_ends_the_work(executor):
    ended = threading.Event()

    def work(tell, gone):
        tell(0.0)
        wait_until(gone)
        ended.set()
        raise Stopped("Nobody is there any more.")

    async def leave():
        answer = told._lines(work, executor)
        assert json.loads(await anext(answer)) == {"done": 0.0}
        await answer.aclose()

    asyncio.run(leave())
    assert ended.wait(PATIENCE_S)


def test_work_whose_reader_left_before_its_turn_never_begins(executor):
    go, begun = threading.Event(), []
    executor.submit(go.wait, PATIENCE_S)  # the only thread has other work

    async def leave():
        answer = told._lines(lambda tell, gone: begun.append(True) or {}, executor)
        waiting = asyncio.ensure_future(anext(answer))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(leave())
    go.set()
    executor.submit(int).result(PATIENCE_S)  # what was in line before this has had its turn
    assert begun == []


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"null", b"{" + b" " * told.MOST_BODY + b"}"])
def test_a_body_that_is_no_json_object_is_refused(executor, content):
    async def answer(request):
        return told.told(lambda tell, gone: {}, executor) if await told.body(request) else None

    with TestClient(Starlette(routes=[Route("/", checked(answer), methods=["POST"])])) as client:
        refused = client.post("/", content=content)
    assert refused.status_code == 400
    assert refused.text.endswith(".")
    assert "\n" not in refused.text
