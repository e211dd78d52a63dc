"""The routes under `/walks/`: paths between codes, and walks as files.

    POST /walks/path   {"model", "ends", "method", "count", "closed", "overshoot", "equal"} as JSON; the answer is one
                       JSON object per line: how far the work is, then the path or {"error": sentence}
    POST /walks/save   {"model", "as", "frames", "columns", "fps"} as JSON; the answer is the file

Work ends when its reader leaves. A model is known by its id only, and only while a page shows it.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from ui.live.guard import Refused, checked
from vae_core.errors import ExplorerError

PATH = "/walks"
MOST_BODY = 8 * 2**20  # bytes
LOOK_S = 0.2  # so often a file in the making looks whether its reader is still there
_FRESH = {"Cache-Control": "no-store"}
_TYPES = {"png": "image/png", "gif": "image/gif", "mp4": "video/mp4", "npz": "application/zip"}

# One path and one file at a time: each takes both cores of a small laptop.
_PATHS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="path")
_FILES = ThreadPoolExecutor(max_workers=1, thread_name_prefix="walk")


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/path", checked(_path), methods=["POST"]),
            Route("/save", checked(_save), methods=["POST"]),
        ],
    )


async def _path(request: Request) -> Response:
    asked = await _body(request)
    return StreamingResponse(_lines(asked), media_type="application/x-ndjson", headers=_FRESH)


async def _lines(asked: dict[str, Any]) -> AsyncIterator[str]:
    """What is said of the work while it goes on, and its result."""
    loop, said, gone = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]](), threading.Event()

    def tell(done: float | None) -> None:
        loop.call_soon_threadsafe(said.put_nowait, {"done": done})

    def work() -> None:
        found = _result(asked, tell, gone.is_set)
        loop.call_soon_threadsafe(said.put_nowait, found | {"last": True})

    making = loop.run_in_executor(_PATHS, work)
    try:
        while True:
            line = await said.get()
            last = line.pop("last", False)
            yield json.dumps(line) + "\n"
            if last:
                break
        await making
    finally:
        gone.set()  # whoever ends this request, ends the work for it


def _result(
    asked: dict[str, Any], tell: Callable[[float | None], None], gone: Callable[[], bool]
) -> dict[str, Any]:
    from ui.live import walk_files

    try:
        return walk_files.path(asked, tell, gone)
    except ExplorerError as error:
        return {"error": str(error)}


async def _save(request: Request) -> Response:
    asked = await _body(request)
    if (suffix := asked.get("as")) not in _TYPES:
        raise Refused(f"A walk cannot be saved as {str(suffix)[:40]!r}; use png, gif, mp4 or npz.")
    gone = threading.Event()

    def work() -> bytes:
        from ui.live import walk_files

        return walk_files.save(asked, gone.is_set)

    making = asyncio.get_running_loop().run_in_executor(_FILES, work)
    try:
        while not making.done():
            await asyncio.wait({making}, timeout=LOOK_S)
            if not making.done() and await request.is_disconnected():
                gone.set()
        content = making.result()
    finally:
        gone.set()
    headers = {"Content-Disposition": f'attachment; filename="walk.{suffix}"'}
    return Response(content, media_type=_TYPES[suffix], headers=_FRESH | headers)


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON, checked as far as plain JSON can be."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BODY:
            raise Refused(f"The request has more than {MOST_BODY:,} bytes; ask for fewer codes.")
    try:
        asked = await run_in_threadpool(json.loads, bytes(content))
    except ValueError:
        raise Refused("The request is not JSON.") from None
    if not isinstance(asked, dict):
        raise Refused("The request is not a JSON object.")
    return asked
