"""What a person is looking at: the current model and the current code z, restored from the URL.

The component writes the address (it knows of every move, and need not wait for a script run); this reads it.

State that must outlive a page lives under plain keys of `st.session_state`, never under a widget's key.
"""

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from vae_core import checkpoint
from vae_core.errors import CheckpointError, CodeError, ExplorerError
from vae_explorer import library, uploads
from vae_explorer.library import OpenModel
from vae_explorer.live.browser import COOKIE, is_token, new_token

FLOAT32_MAX = 3.4e38  # codes travel as float32
MODEL, CODES, ADDRESS, PAGE = "current_model", "codes", "arrived_with", "page_in_view"
BROWSER = "browser"  # stands for the cookie where a browser keeps none
MOST_OF_NAME = 120  # characters of a name that nothing here has


def arrive(page: str) -> None:
    """Say which page is in view. One that was reached by back or forward shows what its address says.

    A link within the app leads to an address without a query, and what was in view stays in view.
    """
    if st.session_state.get(PAGE) == page:
        return
    st.session_state[PAGE] = page
    if not _restore() and "model" in st.query_params:
        _take_from_address()


def names() -> list[str]:
    """Return the names of all models to choose from: bundled ones, those of runs, what this browser opened."""
    return [*library.models(), *opened_here()]


def opened_here() -> dict[str, OpenModel]:
    """Return the files that were opened in this browser, by name."""
    return uploads.shared.of(_browser())


def _browser() -> str:
    cookie = st.context.cookies.get(COOKIE)
    if cookie is not None and is_token(cookie):
        return cookie
    found: str = st.session_state.setdefault(BROWSER, new_token())
    return found


def current() -> OpenModel | None:
    """Return the model in view: chosen before, named by the URL, or the first. None if none can be opened.

    A model that cannot be opened is explained, and the first one that can is shown in its place.
    """
    _restore()
    wanted = st.session_state[MODEL]
    for name in dict.fromkeys([wanted, *names()]):
        try:
            opened = open_named(name)
        except ExplorerError as error:
            complain(error)
            continue
        st.session_state[MODEL] = name
        return opened
    return None


def choose(name: str) -> None:
    """Make a model the one in view."""
    _restore()
    st.session_state[MODEL] = name


def take_upload(name: str, content: bytes) -> None:
    """Open a file that somebody sent and look at it; if it is no good, the model in view stays."""
    found = checkpoint.from_bytes(content, name)
    if (
        here := library.by_id(found.id)
    ) is not None:  # the same file: its link works, and its data may be here
        choose(here.name)
        st.toast(f"{name} is the same as {library.title(here.name)}, which is here already.")
        return
    name = name.removesuffix(checkpoint.SUFFIX)
    if name in library.models():
        name = f"{name} (opened)"
    uploads.shared.keep(_browser(), library.opened(name, found), len(content))
    choose(name)


def code(opened: OpenModel) -> list[float]:
    """Return the code in view for this model; the origin where none was chosen yet."""
    _restore()
    stored: list[float] | None = st.session_state[CODES].get(opened.name)
    if stored is not None and len(stored) == opened.checkpoint.model.latent_dim:
        return stored
    return [0.0] * opened.checkpoint.model.latent_dim


def keep(name: str, values: list[float]) -> None:
    """Remember the code in view; one that is not finite is not worth it."""
    _restore()
    _remember(name, values)


def shortened(name: str) -> str:
    """A name that somebody sent, whole unless it is too long for a sentence; then without its middle."""
    half = MOST_OF_NAME // 2
    return name if len(name) <= MOST_OF_NAME else f"{name[:half]}…{name[-half:]}"


def is_finite(values: Sequence[Any]) -> bool:
    """Whether all that a browser sent as a code are numbers that a code may hold."""
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def arrived_with() -> dict[str, str]:
    """What the address said when the session began, whichever page that was."""
    _restore()
    found: dict[str, str] = st.session_state[ADDRESS]
    return found


def complain(error: ExplorerError) -> None:
    """Show what went wrong, once, the same way on every page."""
    st.error(str(error), icon=":material/error:")


def _restore() -> bool:
    """At the start of a session take model and code from the URL; say whether this was the start.

    Whatever asks for the session's state calls this first: any page can be the first one, and so can a button's callback.
    """
    if ADDRESS in st.session_state:
        return False
    st.session_state[ADDRESS] = st.query_params.to_dict()
    st.session_state[CODES] = {}
    st.session_state[MODEL] = next(iter(library.bundled()), library.FIRST)
    _take_from_address()
    return True


def _take_from_address() -> None:
    st.session_state[MODEL] = st.query_params.get("model", st.session_state[MODEL])
    if (text := st.query_params.get("z")) and st.session_state[MODEL] in names():
        try:
            opened = open_named(st.session_state[MODEL])
            _remember(opened.name, _parse(text, opened))
        except ExplorerError as error:
            complain(error)


def _remember(name: str, values: list[float]) -> None:
    if is_finite(values):
        st.session_state[CODES][name] = [float(value) for value in values]


def _parse(text: str, opened: OpenModel) -> list[float]:
    latent_dim = opened.checkpoint.model.latent_dim
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != latent_dim or not all(abs(value) < FLOAT32_MAX for value in values):
        raise CodeError(
            f"The link's z = {text[:60]} is not a code of {opened.name}, which takes {latent_dim} finite numbers; "
            "the origin is shown instead."
        )
    return values


def open_named(name: str) -> OpenModel:
    """Open one of `names()`.

    Raises:
        CheckpointError: there is none of that name, or its file is no good.
    """
    if (found := opened_here().get(name)) is not None:
        return found
    path = library.models().get(name)
    if path is None:
        raise CheckpointError(
            f"There is no model named {shortened(name)} here: if it was opened from a file, that was in another "
            "browser's session; open that file here, too."
        )
    return library.open_file(name, path)
