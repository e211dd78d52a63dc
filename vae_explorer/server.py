"""What our part of the server needs: its routes, and the libraries loaded while the browser opens."""

import asyncio
import gc
import os
import socket as sockets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from streamlit.runtime.pages_manager import PagesManager

from vae_explorer.compare import routes as compare_routes
from vae_explorer.continuity import routes as continuity_routes
from vae_explorer.equations import routes as equations_routes
from vae_explorer.live import assets, front, registry, socket
from vae_explorer.live.browser import KnowBrowser
from vae_explorer.live.guard import OwnNames
from vae_explorer.map import routes as map_routes
from vae_explorer.posterior import routes as posterior_routes
from vae_explorer.train import routes as train_routes
from vae_explorer.walk import routes as walk_routes

# OpenMP's threads spin while they wait, unless told otherwise before torch is imported. On a machine that has other
# work to do (a browser, a training run) spinning makes a decode of 1 ms take 60 ms; sleeping costs nothing measurable.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def routes() -> list[BaseRoute]:
    """Return the page itself, the live socket, the runs, the maps, the walks, what is measured, and the JavaScript."""
    measured = [
        continuity_routes.route(),
        posterior_routes.route(),
        compare_routes.route(),
        equations_routes.route(),
    ]
    return [
        *front.routes(),
        socket.route(),
        train_routes.route(),
        map_routes.route(),
        walk_routes.route(),
        *measured,
        assets.route(),
    ]


def middleware() -> list[Middleware]:
    """Return what every request to the server goes through first, Streamlit's own included."""
    return [Middleware(OwnNames), Middleware(KnowBrowser)]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Listen at once, and import torch and open the first model in a thread meanwhile.

    Importing torch takes a second or two; so does a browser until it asks for its first page. Doing both
    at once halves the wait for the first picture.
    """
    _send_at_once()
    # What st.navigation says when it is first called; said at once, so that a link to a page finds it before that.
    PagesManager.uses_pages_directory = False
    registry.set_resolver(_find_again)
    warming = asyncio.get_running_loop().run_in_executor(None, _warm_up)
    yield
    warming.cancel()


def _send_at_once() -> None:
    """Switch Nagle's algorithm off on the sockets that wait for connections; connections inherit that.

    Two answers sent one after the other are else held back until the browser has acknowledged the first, which
    takes up to 40 ms. asyncio does this by itself, but not for a socket that was bound before it saw it, as
    Streamlit's is, and an ASGI app is never handed the socket: hence the look at all of this process's files.
    """
    listing = Path("/dev/fd")  # Linux and macOS; elsewhere the delay remains
    for number in map(int, os.listdir(listing) if listing.is_dir() else ()):
        with suppress(OSError):  # the listing's own file is closed by now
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with sockets.socket(fileno=os.dup(number)) as found:
                if found.type == sockets.SOCK_STREAM and found.family in (sockets.AF_INET, sockets.AF_INET6):
                    found.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)


def _find_again(model_id: str) -> Any:
    from vae_explorer.live.models import find_again

    return find_again(model_id)


def _warm_up() -> None:
    from vae_core.errors import ExplorerError
    from vae_explorer import library
    from vae_explorer.live.models import publish

    path: Path | None = library.bundled().get(library.FIRST)
    if path is None:
        return
    try:
        publish(library.open_file(library.FIRST, path))
    except ExplorerError:
        return  # the page says what is wrong when somebody looks at it
    # What torch and Streamlit made while being imported lives as long as the server: looking through it in each
    # full garbage collection takes 100 ms or more, in which no image moves.
    gc.collect()
    gc.freeze()
