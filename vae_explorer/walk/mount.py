"""The Walk component: Streamlit mounts it, `web/walk.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_explorer import path_ends, session
from vae_explorer.library import OpenModel
from vae_explorer.live import assets
from vae_explorer.live.facts import facts
from vae_explorer.live.models import publish

_KEY, _GOES_TO = "live-walk", "walk_goes_to"
SHEETS = ("kit/plane/plane.css", "walk/web/paths.css", "kit/trust.css")


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("walk", css=css, js=assets.loader("walk/web/walk.js"))


def show(opened: OpenModel) -> None:
    """Show walks of a model, or go on to Explore with a code that somebody chose on one."""
    publish(opened)

    def sent(name: str) -> Callable[[], None]:
        def take() -> None:
            wish = st.session_state[_KEY].get(name)
            if not wish or wish["model"] != opened.id:
                return
            if name == "explore":
                session.keep(opened.name, wish["values"])
                st.session_state[_GOES_TO] = "pages/explore.py"
            else:
                path_ends.set_end(opened.name, name, wish["values"])

        return take

    handlers = {f"on_{name}_change": sent(name) for name in ("explore", "a", "b")}
    _component()(key=_KEY, data=facts(opened), **handlers)
    if target := st.session_state.pop(_GOES_TO, None):
        st.switch_page(target)
