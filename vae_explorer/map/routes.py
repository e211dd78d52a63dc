"""The routes under `/maps/`: the points of a map as plain bytes, and what is asked about some of them.

    GET  /maps/ID/COLUMN              a column of the map, little-endian, row after row (xy, codes, label, ...)
    GET  /maps/ID/item/N              the original of point N: u16 height, width, channels, then its pixels
    GET  /maps/ID/search/KIND         worst (reconstructed, per class) or outliers, as JSON
    GET  /maps/ID/faithful            trustworthiness and continuity of a map that was made at once, as JSON
    GET  /maps/ID/points.csv, .parquet  codes, places and labels, as a file to keep
    POST /maps/ID/summary             u32 n, then u32 numbers of points: count, classes, mean code, spread, as JSON
    GET  /maps/ID/inverse?x=X&y=Y     what UMAP's own inverse says is behind a place, as JSON
    POST /maps/ID/attribute           u32 n, n numbers of points, and those of the other group: a - b, as JSON

A map is known by its id only, and only while a page shows it. All work is done in threads.
"""

import re
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import Refused, checked

PATH = "/maps"
MOST_BODY = 4 * (2 + 5_000_000)  # bytes: every point of the largest map once
MOST_FLOAT = 3.4e38
_NUMBER = re.compile(r"[0-9]{1,9}")
# A map's id says what is in it, so a column never changes; compressing floats would only take time.
_FOR_GOOD = {"Cache-Control": "private, max-age=86400, immutable", "Content-Encoding": "identity"}
_FRESH = {"Cache-Control": "no-store"}
_KINDS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/{id}/item/{number}", checked(_item)),
            Route("/{id}/search/{kind}", checked(_search)),
            Route("/{id}/inverse", checked(_inverse)),
            Route("/{id}/faithful", checked(_faithful)),
            Route("/{id}/points.{suffix}", checked(_points)),
            Route("/{id}/summary", checked(_summary), methods=["POST"]),
            Route("/{id}/attribute", checked(_attribute), methods=["POST"]),
            Route("/{id}/{column}", checked(_column)),
        ],
    )


async def _column(request: Request) -> Response:
    content = await _of_map(request, "column", request.path_params["column"])
    return Response(content, media_type="application/octet-stream", headers=_FOR_GOOD)


async def _item(request: Request) -> Response:
    if not _NUMBER.fullmatch(number := request.path_params["number"]):
        raise Refused(f"{number[:40]!r} is not the number of a point; use 0 or more.")
    picture = await _of_map(request, "original", int(number))
    header = struct.pack("<HHH", *picture.shape)
    return Response(header + picture.tobytes(), media_type="application/octet-stream", headers=_FOR_GOOD)


async def _search(request: Request) -> Response:
    if (kind := request.path_params["kind"]) not in ("worst", "outliers"):
        raise Refused(f"{kind[:40]!r} cannot be searched for; use worst or outliers.")
    return JSONResponse({"points": await _of_map(request, kind)}, headers=_FRESH)


async def _faithful(request: Request) -> Response:
    return JSONResponse(await _of_map(request, "faithful"), headers=_FRESH)


async def _inverse(request: Request) -> Response:
    try:
        place = [float(request.query_params[axis]) for axis in ("x", "y")]
    except (KeyError, ValueError):
        raise Refused("A place on the map takes two numbers, x and y.") from None
    if not all(abs(number) < MOST_FLOAT for number in place):
        raise Refused("A place on the map takes two finite numbers, x and y.")
    return JSONResponse(await _of_map(request, "inverse", *place), headers=_FRESH)


async def _points(request: Request) -> Response:
    if (suffix := request.path_params["suffix"]) not in _KINDS:
        raise Refused(f"Points cannot be saved as .{suffix[:40]}; use csv or parquet.")
    name, content = await _of_map(request, "table", suffix)
    # A model is named after a file, which may be called anything (RFC 6266).
    kept_as = quote(f"{name}.{suffix}", safe="", errors="replace")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{kept_as}"}
    return Response(content, media_type=_KINDS[suffix], headers=_FRESH | headers)


async def _summary(request: Request) -> Response:
    return JSONResponse(await _of_map(request, "summary", await _groups(request)), headers=_FRESH)


async def _attribute(request: Request) -> Response:
    return JSONResponse(await _of_map(request, "attribute", await _groups(request)), headers=_FRESH)


async def _groups(request: Request) -> bytes:
    """The body, as long as it is not too long to be two groups of points."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise Refused(f"The groups take more than {MOST_BODY:,} bytes; choose fewer points.")
    if len(body) < 8 or len(body) % 4:
        raise Refused(
            "A group of points travels as u32 numbers, their count first; choose at least one point."
        )
    return bytes(body)


async def _of_map(request: Request, what: str, *arguments: Any) -> Any:
    """Ask the map named by the request for something, in a thread: importing numpy and torch waits until then."""

    def ask() -> Any:
        from vae_explorer.live import columns
        from vae_explorer.map import answers

        answer: Callable[..., Any] = getattr(columns if what == "column" else answers, what)
        return answer(columns.find(request.path_params["id"]), *arguments)

    return await run_in_threadpool(ask)
