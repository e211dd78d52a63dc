"""What the server refuses, whatever is asked, and what all our own HTTP routes refuse; and how they say so."""

from collections.abc import Awaitable, Callable
from functools import wraps
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from vae_core.errors import ExplorerError
from vae_explorer.live.socket import origin_allowed

Answer = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that makes no sense, in one sentence."""


class OwnNames:
    """Lets in who asks for the server by one of its names, those of `server.allowedHosts`, for whatever it is.

    Somebody else's page can have its own name lead to this machine (DNS rebinding). To the browser we are then that
    page's own server, so that no look at the Origin helps; but the Host header still has the name. Streamlit looks at
    it for its own socket only, not for pages, uploads and what we add.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Imported here: it needs Streamlit's server, which is there whenever somebody asks.
        from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

        refusal: ASGIApp
        if scope["type"] == "lifespan" or is_host_allowed(host := Headers(scope=scope).get("host")):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            refusal = WebSocketClose(1008)  # before it is accepted, so the handshake ends with HTTP 403
        else:
            refusal = PlainTextResponse(_how_to_be_let_in(host), 403)
        await refusal(scope, receive, send)


def _how_to_be_let_in(host: str | None) -> str:
    try:
        name = urlsplit(f"//{host or ''}").hostname or "NAME"
    except ValueError:
        name = "NAME"
    return (
        f"This server does not answer to the name {name[:200]!r}. If it is yours, start it with: "
        f"streamlit run app.py --server.allowedHosts localhost --server.allowedHosts {name[:200]}"
    )


def checked(answer: Answer) -> Answer:
    """Refuse pages of other sites, and turn our own errors into a status and one sentence."""

    @wraps(answer)
    async def guarded(request: Request) -> Response:
        if not _same_site(request):
            return PlainTextResponse("Only this server's own pages may ask for this.", 403)
        try:
            return await answer(request)
        except Refused as refusal:
            return PlainTextResponse(str(refusal), 400)
        except ExplorerError as error:
            return PlainTextResponse(str(error), 404)

    return guarded


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
