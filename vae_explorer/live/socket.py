"""The WebSocket route `/live`: a request in, an answer or a sentence out, never a dead server.

The route sits on Streamlit's own server and port. It reads on while a decode runs, so that one
connection may have a few requests in flight; it knows models by id only, never by path.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from vae_core.errors import ExplorerError
from vae_explorer.live import registry
from vae_explorer.live.batching import Batcher
from vae_explorer.live.protocol import (
    MAX_FRAME_BYTES,
    DecodeRequest,
    ItemRequest,
    MeasureRequest,
    ProtocolError,
    Request,
    check_width,
    pack_decoded,
    pack_encoded,
    pack_error,
    pack_item,
    pack_measured,
    parse_request,
)
from vae_explorer.live.registry import LiveModel

PATH = "/live"
MAX_IN_FLIGHT = 8  # requests of one connection that are not answered yet

_TOO_BIG = 1009  # close codes of RFC 6455
_POLICY = 1008
# What sending to a client that has just left raises: starlette's own, and a RuntimeError of the server
# where it is the one that closed. The receive loop hears of it too, and ends the connection.
_GONE = (WebSocketDisconnect, RuntimeError)
_SHARED = Batcher()
# A model or a dataset that is not in memory yet may take seconds to load; no decode must wait for it.
_LOADER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-load")
# Figures may take long to make ready and a while to compute; no decode waits for them, nor a file for either.
_MEASURER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-measure")
_log = logging.getLogger(__name__)
_Work = TypeVar("_Work")
_Result = TypeVar("_Result")


def route(batcher: Batcher = _SHARED) -> WebSocketRoute:
    """Return the route to hand to `streamlit.App(routes=[...])`; all routes share one batcher."""

    async def serve(websocket: WebSocket) -> None:
        origin, host = websocket.headers.get("origin"), websocket.headers.get("host")
        if not origin_allowed(origin, host):
            _log.warning("Refused a live connection to host %r from origin %r.", host, origin)
            await websocket.close(_POLICY)  # before accept, so the handshake ends with HTTP 403
            return
        await websocket.accept()
        await _Connection(websocket, batcher).run()

    return WebSocketRoute(PATH, serve)


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Say whether a page from `origin` may talk to us under the name `host` (both as in the headers).

    Allowed are the server's own pages, clients that are no browser (they send no Origin), and what
    Streamlit's options allow. Streamlit's own check lets in every port of this machine besides, and asks
    a web service for its public address, which would hold up the event loop; hence this one. Whether `host` is a name
    of ours at all is `guard.OwnNames`'s to say.
    """
    if origin is None:
        return True
    site = _site(origin)
    return bool(site) and (site == (host or "").lower() or _configured(origin))


class _Connection:
    """One client: reads its frames, keeps a few answers in flight, and forgets them when it leaves."""

    def __init__(self, websocket: WebSocket, batcher: Batcher) -> None:
        self._websocket = websocket
        self._batcher = batcher
        self._pending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            async for frame in self._frames():
                await self._start(frame, tasks)
            for task in self._pending:
                task.cancel()

    async def _frames(self) -> AsyncIterator[bytes | str]:
        """Yield frames until the client leaves, or is sent away for one that is too large."""
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            data = message.get("bytes")
            frame: bytes | str = message.get("text", "") if data is None else data
            if len(frame) > MAX_FRAME_BYTES:
                with suppress(*_GONE):
                    await self._websocket.close(
                        _TOO_BIG, f"A frame may have at most {MAX_FRAME_BYTES} bytes."
                    )
                return
            yield frame

    async def _start(self, frame: bytes | str, tasks: asyncio.TaskGroup) -> None:
        """Begin to answer a frame, or refuse it at once."""
        try:
            request = self._admit(frame)
        except ProtocolError as error:
            await self._send(pack_error(error.request_id, str(error)))
            return
        task = tasks.create_task(self._answer(request))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    def _admit(self, frame: bytes | str) -> Request:
        if isinstance(frame, str):
            raise ProtocolError("A request must be a binary frame, not text; send the bytes of one request.")
        request = parse_request(frame)
        if len(self._pending) >= MAX_IN_FLIGHT:
            raise ProtocolError(
                f"There are too many requests in flight ({MAX_IN_FLIGHT} at most); "
                "wait for an answer before sending more.",
                request.request_id,
            )
        return request

    async def _answer(self, request: Request) -> None:
        answer: bytes | str
        try:
            answer = await self._compute(request)
        except ExplorerError as error:
            answer = pack_error(request.request_id, str(error))
        except Exception as error:
            # A bug, ours or the model's: a reason for the page, a traceback for the log, and on we go.
            verb = "decode" if isinstance(request, DecodeRequest) else "answer"
            _log.exception("Could not %s a request for model %s.", verb, request.model_id)
            answer = pack_error(
                request.request_id, f"The model could not {verb} this request: {_reason(error)}"
            )
        await self._send(answer)

    async def _compute(self, request: Request) -> bytes:
        model = await _find(request)
        if isinstance(request, DecodeRequest):
            check_width(request, model.latent_dim)
            decoded = await self._batcher.decode(model, request.codes)
            return pack_decoded(request.request_id, decoded.pixels, decoded.seconds)
        if isinstance(request, ItemRequest):
            work = _able(model, model.item, "encoded data", request)
            return pack_item(request.request_id, await _apart(work, request.label, request.nth))
        if isinstance(request, MeasureRequest):
            check_width(request, model.latent_dim)
            measure = _able(model, model.measure, "measures", request)
            measured = await _apart(measure, request.measure, request.codes.copy(), executor=_MEASURER)
            return pack_measured(request.request_id, measured)
        encode = _able(model, model.encode, "encoder", request)
        return pack_encoded(request.request_id, await self._batcher.run(encode, request.picture.copy()))

    async def _send(self, answer: bytes | str) -> None:
        with suppress(*_GONE):
            if isinstance(answer, str):
                await self._websocket.send_text(answer)
            else:
                await self._websocket.send_bytes(answer)


def _able(model: LiveModel, work: _Work | None, what: str, request: Request) -> _Work:
    """Return `work`, unless the model lacks it."""
    if work is None:
        raise ProtocolError(f"Model {model.id} has no {what}: open a model that has.", request.request_id)
    return work


async def _find(request: Request) -> LiveModel:
    """Return the model a request names, loading it in a thread if nobody has registered it yet."""
    model = registry.get(request.model_id)
    if model is None:
        model = await _apart(registry.resolve, request.model_id)
    if model is None:
        raise ProtocolError(
            f"Model {request.model_id} is not open on this server: reload the page, or choose it again.",
            request.request_id,
        )
    return model


async def _apart(
    work: Callable[..., _Result], *arguments: object, executor: ThreadPoolExecutor = _LOADER
) -> _Result:
    """Do slow work beside the decodes."""
    return await asyncio.get_running_loop().run_in_executor(executor, work, *arguments)


def _reason(error: Exception) -> str:
    """One short line; the log has the rest."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _configured(origin: str) -> bool:
    """Say whether Streamlit's options let pages of another origin in."""
    from streamlit import config

    if not config.get_option("server.enableCORS"):
        return True
    names = list(config.get_option("server.corsAllowedOrigins"))
    if config.is_manually_set("browser.serverAddress"):
        names.append(config.get_option("browser.serverAddress"))
    return _hostname(origin) in {_hostname(name.strip()) for name in names} - {None}


def _site(origin: str) -> str:
    """host:port of an Origin header in lower case, or nothing for "null" and what is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:
        return None
