"""The components of the Equations page: Streamlit mounts them, `web/NAME.js` brings each to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_explorer.live import assets

SHARED = "equations/web/draw.css"


def component(name: str, facts: dict[str, Any], *sheets: str, **handlers: Callable[[], None]) -> None:
    """Mount `web/{name}.js` with what it must know, as JSON; `sheets` are styles beside the shared one."""
    _made(name, (SHARED, *sheets))(key=key(name), data=facts, **handlers)


def key(name: str) -> str:
    """Where the session keeps what a component tells."""
    return f"live-equations-{name}"


@st.cache_resource(show_spinner=False)
def _made(name: str, sheets: tuple[str, ...]) -> Callable[..., Any]:
    js = assets.loader(f"equations/web/{name}.js")
    return st.components.v2.component(f"equations_{name}", css=assets.css(*sheets), js=js)
