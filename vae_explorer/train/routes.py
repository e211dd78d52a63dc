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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import Refused, checked

PATH = "/runs"
LOOK_S = 0.2  # so often a film in the making looks whether its reader is still there

# One film at a time: drawing and encoding take both cores of a small laptop.
_FILMS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="film")
_FRAME = re.compile(r"items|[0-9]{1,6}")
_FRESH = {"Cache-Control": "no-store"}
# Pixels and points hardly shrink; compressing them would only take time from a run that trains.
_AS_IT_IS = _FRESH | {"Content-Encoding": "identity"}


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/{id}", checked(_tell)),
            Route("/{id}/film.gif", checked(_gif)),
            Route("/{id}/film.mp4", checked(_mp4)),
            Route("/{id}/film/{frame}", checked(_frame)),
        ],
    )


# --- how a run is doing -----------------------------------------------------------------------------------------


async def _tell(request: Request) -> Response:
    text = request.query_params.get("after", "-1")
    if not re.fullmatch(r"-1|[0-9]{1,9}", text):
        raise Refused(f"after = {text[:40]!r} is not allowed: use the number of an epoch, 0 or more.")
    facts = await run_in_threadpool(_facts, request.path_params["id"], int(text))
    return JSONResponse(facts, headers=_FRESH)


def _facts(run_id: str, after: int) -> dict[str, Any]:
    from vae_explorer.train import answers

    return answers.facts(answers.find(run_id), after)


# --- its film ---------------------------------------------------------------------------------------------------


async def _frame(request: Request) -> Response:
    frame = request.path_params["frame"]
    if not _FRAME.fullmatch(frame):
        raise Refused(f"{frame[:40]!r} is no part of a film; ask for items or the number of an epoch.")
    content = await run_in_threadpool(_read_frame, request.path_params["id"], frame)
    return Response(content, media_type="application/octet-stream", headers=_AS_IT_IS)


def _read_frame(run_id: str, frame: str) -> bytes:
    from vae_explorer.train import answers

    return answers.frame(answers.find(run_id), None if frame == "items" else int(frame))


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
    from vae_explorer.train import answers

    return answers.film(answers.find(run_id), suffix, should_cancel)
