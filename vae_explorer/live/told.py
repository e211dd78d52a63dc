"""Long work for a page: what is said of it while it goes on, line by line, and its result last.

The answer is one JSON object per line: {"done": share} with the share from 0 to 1, or null where nobody knows, and
perhaps {"says": what is being done}; the last line is the result, or {"error": sentence}. Work ends when its reader
leaves, and work that still waits for its turn then never begins.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from vae_core.errors import ExplorerError
from vae_explorer.live.guard import Refused

MOST_BODY = 8 * 2**20  # bytes
_FRESH = {"Cache-Control": "no-store"}


class Tell(Protocol):
    """Says from any thread how much is done, from 0 to 1 (None: nobody knows), and what is being done."""

    def __call__(self, done: float | None, says: str = "") -> None: ...


Gone = Callable[[], bool]  # whether the reader has left
Work = Callable[[Tell, Gone], dict[str, Any]]


def told(work: Work, executor: Executor) -> StreamingResponse:
    """Do the work in a thread of `executor` and stream what it says, then what it returns.

    What `work` returns has to be JSON; an `ExplorerError` it raises becomes {"error": sentence}. Any other error is a
    bug: it goes to the server's log, and the answer breaks off without a last line.
    """
    return StreamingResponse(_lines(work, executor), media_type="application/x-ndjson", headers=_FRESH)


async def body(request: Request) -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        Refused: the body is too long, or no JSON object.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BODY:
            raise Refused(f"The request has more than {MOST_BODY:,} bytes; ask for less at once.")
    try:
        asked = await run_in_threadpool(json.loads, bytes(content))
    except ValueError:
        raise Refused("The request is not JSON.") from None
    if not isinstance(asked, dict):
        raise Refused("The request is not a JSON object.")
    return asked


async def _lines(work: Work, executor: Executor) -> AsyncIterator[str]:
    loop, said, gone = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def tell(done: float | None, says: str = "") -> None:
        line = {"done": done} | ({"says": says} if says else {})
        loop.call_soon_threadsafe(said.put_nowait, line)

    def result() -> dict[str, Any]:
        try:
            return work(tell, gone.is_set)
        except ExplorerError as error:
            return {"error": str(error)}

    making = loop.run_in_executor(executor, result)
    making.add_done_callback(lambda _: said.put_nowait(None))  # after all that was said, also after a bug
    try:
        while (line := await said.get()) is not None:
            yield json.dumps(line) + "\n"
        yield json.dumps(await making) + "\n"
    finally:
        gone.set()  # whoever ends this request, ends the work for it
        making.cancel()
