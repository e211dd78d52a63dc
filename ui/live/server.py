"""What our part of the server needs: its routes, and the libraries loaded while the browser opens."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from ui.live import assets, registry, socket

# OpenMP's threads spin while they wait, unless told otherwise before torch is imported. On a machine that has other
# work to do (a browser, a training run) spinning makes a decode of 1 ms take 60 ms; sleeping costs nothing measurable.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def routes() -> list[BaseRoute]:
    """Return the live socket and the components' JavaScript."""
    return [socket.route(), assets.route()]


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Listen at once, and import torch and open the first model in a thread meanwhile.

    Importing torch takes a second or two; so does a browser until it asks for its first page. Doing both
    at once halves the wait for the first picture.
    """
    registry.set_resolver(_find_again)
    warming = asyncio.get_running_loop().run_in_executor(None, _warm_up)
    yield
    warming.cancel()


def _find_again(model_id: str) -> Any:
    from ui.live.models import find_again

    return find_again(model_id)


def _warm_up() -> None:
    from ui import library
    from ui.live.models import publish
    from vae_core.errors import ExplorerError

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
