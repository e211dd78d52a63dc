"""The components' JavaScript: plain ES modules served from our own route, the kit and each room's own `web` folder.

Components share modules (the socket, the painter), so each is a file of its own that the browser loads
once; Streamlit is given only a line that imports the one it wants. Addresses are those of the files, so that an
import means the same to the browser, to node and to whoever reads it. Their tests lie beside them and are not served.
"""

import os
from pathlib import Path
from typing import Any

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1]
PATH = "/live-js"


class _Fresh(StaticFiles):
    """Static files that the browser asks about each time, so that an upgrade is seen at once."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        if path.endswith(".test.js"):  # beside what it tests, and no part of any page
            return "", None
        return super().lookup_path(path)

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Any:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


def route() -> Mount:
    """Return the route that serves the JavaScript, and nothing else that lies beside it."""
    served = [FOLDER / "kit", *sorted(FOLDER.glob("*/web"))]
    return Mount(
        PATH,
        routes=[Mount(f"/{each.relative_to(FOLDER).as_posix()}", _Fresh(directory=each)) for each in served],
    )


def loader(module: str) -> str:
    """Return the JavaScript that Streamlit runs for a component: it brings in the real module, `ROOM/web/NAME.js`."""
    return (
        f'const module = await import(new URL("{PATH}/{module}", location.origin).href);\n'
        "export default module.default;\n"
    )


def css(*sheets: str) -> str:
    """Return the text of style sheets, `ROOM/web/NAME.css` each; Streamlit puts it inside the component's shadow root."""
    return "\n".join((FOLDER / sheet).read_text(encoding="utf-8") for sheet in sheets)
