"""The routes under `/continuity/`: a model's headline figures and its worst places.

    POST /continuity/headlines  {"model"}: measure the headline figures (`vae_core.evaluation.headlines`)
    POST /continuity/worst      {"model", "kind"}: one ranked list; kind is cliffs, holes, drifts or reconstructions
    POST /continuity/kept       {"model"}: what was found of either since the server started, at once

The first two answer as `vae_explorer.live.told` says. Work ends when its reader leaves; what was found is kept. A model is known
by its id only, and only while a page shows it.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import checked
from vae_explorer.live.told import Gone, Tell, body, told

PATH = "/continuity"
_FRESH = {"Cache-Control": "no-store"}

# One search at a time: each takes both cores of a small laptop.
_SEARCHES = ThreadPoolExecutor(max_workers=1, thread_name_prefix="continuity")


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/headlines", checked(_headlines), methods=["POST"]),
            Route("/worst", checked(_worst), methods=["POST"]),
            Route("/kept", checked(_kept), methods=["POST"]),
        ],
    )


async def _headlines(request: Request) -> Response:
    asked = await body(request)

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.continuity import answers

        return answers.headlines(asked, tell, gone)

    return told(work, _SEARCHES)


async def _worst(request: Request) -> Response:
    asked = await body(request)

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.continuity import answers

        return answers.worst(asked, tell, gone)

    return told(work, _SEARCHES)


async def _kept(request: Request) -> Response:
    asked = await body(request)

    def look() -> dict[str, Any]:
        from vae_explorer.continuity import answers

        return answers.kept(asked)

    return JSONResponse(await run_in_threadpool(look), headers=_FRESH)
