"""The HTML page that everything else comes into: Streamlit's own, told two things that its JavaScript cannot know.

A link to a page, such as /train, lets Streamlit's JavaScript look for a server below that page first, which costs two
requests that fail, two errors in the browser's console, and time. Only the server knows that `train` is a page of ours.

Streamlit pushes the address of a page whenever a run of it begins and the browser is elsewhere. After Back, a run that
had begun before so puts its own page on top of the history, and all that Forward led to is gone. Nobody goes to a page
without a click or a key: until there is one, the history stays as Back and Forward left it.
"""

from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_STREAMLITS = Path(streamlit.__file__).parent / "static" / "index.html"
_PAGES = Path(__file__).parents[2] / "pages"
_HISTORY = (
    "<script>{ let went = false; const push = history.pushState;"
    ' addEventListener("popstate", () => (went = true), true);'
    ' for (const act of ["pointerdown", "keydown", "click"]) addEventListener(act, () => (went = false), true);'
    " history.pushState = function (...step) { if (!went) push.apply(this, step); }; }</script>"
)


def routes() -> list[Route]:
    """Return a route for each page of the explorer; every other address stays Streamlit's."""
    names = sorted(path.stem for path in _PAGES.glob("*.py"))
    html = told(_STREAMLITS.read_text(encoding="utf-8"), names)

    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    return [Route(path, page) for path in ("/", *(f"/{name}" for name in names))]


def told(html: str, names: list[str]) -> str:
    """Return Streamlit's page with the address of its server: its own, without the name of the page at its end.

    The browser works it out, since a proxy may show the server below any path.
    """
    page = "|".join(names)
    server = (
        "<script>window.__streamlit = { ...window.__streamlit, "
        f'BACKEND_BASE_URL: location.origin + location.pathname.replace(/\\/({page})?\\/*$/, "/") }};</script>'
    )
    return html.replace("<head>", f"<head>\n    {server}\n    {_HISTORY}", 1)
