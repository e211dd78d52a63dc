"""The routes under `/runs/`: what a training run's folder says, for a page that watches it.

    GET /runs/ID?after=EPOCH      how the run is doing, and its figures after that epoch (all, if not given), as JSON
    GET /runs/ID/film/items       what stays the same in its film, GET /runs/ID/film/EPOCH a snapshot's picture,
                                  as in `vae_core.training.film`: safetensors, which the browser reads as they are
    GET /runs/ID/film.gif, .mp4   the film to keep; made anew each time, and given up when the reader leaves

A run is known by its id only. All work is done in threads; importing torch waits for the first request.
"""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ui.live.socket import origin_allowed
from vae_core.errors import ExplorerError

PATH = "/runs"
LOOK_S = 0.2  # so often a film in the making looks whether its reader is still there

# One film at a time: drawing and encoding take both cores of a small laptop.
_FILMS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="film")
_FRAME = re.compile(r"items|[0-9]{1,6}")
_FRESH = {"Cache-Control": "no-store"}
# Pixels and points hardly shrink; compressing them would only take time from a run that trains.
_AS_IT_IS = _FRESH | {"Content-Encoding": "identity"}

_Answer = Callable[[Request], Awaitable[Response]]


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/{id}", _checked(_tell)),
            Route("/{id}/film.gif", _checked(_gif)),
            Route("/{id}/film.mp4", _checked(_mp4)),
            Route("/{id}/film/{frame}", _checked(_frame)),
        ],
    )


def _checked(answer: _Answer) -> _Answer:
    """Refuse pages of other sites, and turn our own errors into a status and one sentence."""

    @wraps(answer)
    async def checked(request: Request) -> Response:
        if not _same_site(request):
            return PlainTextResponse("Only this server's own pages may look at its runs.", 403)
        try:
            return await answer(request)
        except _Refused as refusal:
            return PlainTextResponse(str(refusal), 400)
        except ExplorerError as error:
            return PlainTextResponse(str(error), 404)

    return checked


class _Refused(Exception):
    """A request that makes no sense, in one sentence."""


def _same_site(request: Request) -> bool:
    """Whether the request comes from our own page, or from no page.

    A browser sends no Origin when it fetches from where the page came from, nor when another site embeds our
    address as a picture; it tells the two apart in Sec-Fetch-Site.
    """
    origin = request.headers.get("origin")
    from_where = request.headers.get("sec-fetch-site", "none")
    if not origin_allowed(origin, request.headers.get("host")):
        return False
    return origin is not None or from_where in ("none", "same-origin")


# --- how a run is doing -----------------------------------------------------------------------------------------


async def _tell(request: Request) -> Response:
    text = request.query_params.get("after", "-1")
    if not re.fullmatch(r"-1|[0-9]{1,9}", text):
        raise _Refused(f"after = {text[:40]!r} is not allowed: use the number of an epoch, 0 or more.")
    facts = await run_in_threadpool(_facts, request.path_params["id"], int(text))
    return JSONResponse(facts, headers=_FRESH)


def _facts(run_id: str, after: int) -> dict[str, Any]:
    from ui.live import run_files

    return run_files.facts(run_files.find(run_id), after)


# --- its film ---------------------------------------------------------------------------------------------------


async def _frame(request: Request) -> Response:
    frame = request.path_params["frame"]
    if not _FRAME.fullmatch(frame):
        raise _Refused(f"{frame[:40]!r} is no part of a film; ask for items or the number of an epoch.")
    content = await run_in_threadpool(_read_frame, request.path_params["id"], frame)
    return Response(content, media_type="application/octet-stream", headers=_AS_IT_IS)


def _read_frame(run_id: str, frame: str) -> bytes:
    from ui.live import run_files

    return run_files.frame(run_files.find(run_id), None if frame == "items" else int(frame))


async def _gif(request: Request) -> Response:
    return await _film(request, "gif", "image/gif")


async def _mp4(request: Request) -> Response:
    return await _film(request, "mp4", "video/mp4")


async def _film(request: Request, suffix: str, media_type: str) -> Response:
    run_id, gone = request.path_params["id"], threading.Event()
    making = asyncio.get_running_loop().run_in_executor(_FILMS, _make_film, run_id, suffix, gone.is_set)
    try:
        while not making.done():
            await asyncio.wait({making}, timeout=LOOK_S)
            if not making.done() and await request.is_disconnected():
                gone.set()
        content = making.result()
    finally:
        gone.set()  # whoever ends this request, ends the work for it
    headers = {"Content-Disposition": f'attachment; filename="{run_id}.{suffix}"'}
    return Response(content, media_type=media_type, headers=_FRESH | headers)


def _make_film(run_id: str, suffix: str, should_cancel: Callable[[], bool]) -> bytes:
    from ui.live import run_files

    return run_files.film(run_files.find(run_id), suffix, should_cancel)
