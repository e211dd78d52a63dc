"""What all our own HTTP routes refuse, and how they say so."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ui.live.socket import origin_allowed
from vae_core.errors import ExplorerError

Answer = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that makes no sense, in one sentence."""


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
