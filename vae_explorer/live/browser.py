"""A cookie that tells one browser from another, for what it opened (`vae_explorer.uploads`). No script of a page can read it.

The address would not do: who copies a link would hand out what was opened. Nor would the tab's own store, which a script
of the page reads after the server has shown something else.
"""

import re
import secrets
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "explorer-browser"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """Return a token that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def is_token(text: Any) -> bool:
    """Whether a browser sent something that we may have handed out."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


class KnowBrowser:
    """Middleware: whoever loads a page without our cookie is handed one. It lasts until the browser is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _needs_one(Request(scope)):
            await self._app(scope, receive, send)
            return
        # Lax: a link from another site must not lose it. The live pages' sockets send it back to us.
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{COOKIE}={new_token()}; Path=/; HttpOnly; SameSite=Lax{secure}"

        async def hand_out(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, hand_out)


def _needs_one(request: Request) -> bool:
    """Whether this loads a page, as against what a page loads."""
    is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    return is_page and not is_token(request.cookies.get(COOKIE))
