"""The routes under `/walks/`: paths between codes, and walks as files.

    POST /walks/path   {"model", "ends", "method", "count", "closed", "overshoot", "equal"} as JSON; the answer is one
                       JSON object per line: how far the work is, then the path or {"error": sentence}
    POST /walks/save   {"model", "as", "frames", "columns", "fps"} as JSON; the same, then {"file": base64} or
                       {"error": sentence}

Work ends when its reader leaves. A model is known by its id only, and only while a page shows it.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import Refused, checked
from vae_explorer.live.told import Gone, Tell, body, told

PATH = "/walks"
KINDS = ("png", "gif", "mp4", "npz")

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
    asked = await body(request)

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.walk import answers

        return answers.path(asked, tell, gone)

    return told(work, _PATHS)


async def _save(request: Request) -> Response:
    asked = await body(request)
    if (suffix := asked.get("as")) not in KINDS:
        raise Refused(f"A walk cannot be saved as {str(suffix)[:40]!r}; use png, gif, mp4 or npz.")

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.walk import answers

        return {"file": base64.b64encode(answers.save(asked, tell, gone)).decode()}

    return told(work, _FILES)
