"""The routes under `/posterior/`: one x, its posterior q(z|x), and the true p(z|x) by several roads.

    POST /posterior/example   what x is, its picture, and q(z|x)
    POST /posterior/heat      log p(x, z) on a square of a latent plane; also {"around", "reach", "cells"}
    POST /posterior/exact     log p(x), and the identity log p(x) = ELBO + KL, by quadrature
    POST /posterior/bound     the importance-weighted bound for growing K
    POST /posterior/nuts      samples of p(z|x) by NUTS
    POST /posterior/gaps      the approximation and the amortization gap

Each request is JSON and names x: {"model", "label", "nth", "decoded"} for the nth encoded example of a class (-1: of
all), or what its code decodes to if `decoded`; {"model", "code"} for what a code decodes to. The last three answer as
`vae_explorer.live.told` says, the first three at once. Work ends when its reader leaves.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import checked
from vae_explorer.live.told import Gone, Tell, body, told

PATH = "/posterior"
_FRESH = {"Cache-Control": "no-store"}

# What takes long waits for its own kind only: a quick look is not held up by a sampler.
_LOOKS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="posterior")
_LONG = ThreadPoolExecutor(max_workers=1, thread_name_prefix="posterior-long")


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    quick = {name: _at_once(name) for name in ("example", "heat")}
    long = {"exact": _told("exact", _LOOKS), "bound": _told("bound", _LOOKS)} | {
        name: _told(name, _LONG) for name in ("nuts", "gaps")
    }
    return Mount(
        PATH,
        routes=[
            Route(f"/{name}", checked(answer), methods=["POST"]) for name, answer in (quick | long).items()
        ],
    )


def _at_once(name: str) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        asked = await body(request)

        def work() -> dict[str, Any]:
            from vae_explorer.posterior import answers

            found: dict[str, Any] = getattr(answers, name)(asked)
            return found

        return JSONResponse(await run_in_threadpool(work), headers=_FRESH)

    return answer


def _told(name: str, pool: ThreadPoolExecutor) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        asked = await body(request)

        def work(tell: Tell, gone: Gone) -> dict[str, Any]:
            from vae_explorer.posterior import answers

            found: dict[str, Any] = getattr(answers, name)(asked, tell, gone)
            return found

        return told(work, pool)

    return answer
