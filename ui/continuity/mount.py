"""The Continuity component: Streamlit mounts it, `js/continuity.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from ui import session
from ui.continuity import peers
from ui.library import OpenModel
from ui.live import assets
from ui.live.facts import facts as model_facts
from ui.live.models import measures_of, publish

_KEY, _GOES_TO = "live-continuity", "continuity_goes_to"
SHEETS = ("walk.css", "continuity.css", "continuity-findings.css", "posterior.css")


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = "\n".join(assets.css(sheet) for sheet in SHEETS)
    return st.components.v2.component("continuity", css=css, js=assets.loader("continuity.js"))


def show(opened: OpenModel) -> None:
    """Show what was measured of a model, or go on to Explore with a code that somebody chose there."""
    publish(opened)

    def explore() -> None:
        wish = st.session_state[_KEY].get("explore")
        if wish and wish["model"] == opened.id:
            session.keep(opened.name, wish["values"])
            st.session_state[_GOES_TO] = "pages/explore.py"

    _component()(key=_KEY, data=facts(opened), on_explore_change=explore)
    if target := st.session_state.pop(_GOES_TO, None):
        st.switch_page(target)


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model, as JSON: what a walk knows, and what can be measured."""
    return model_facts(opened) | {
        "evaluation": opened.checkpoint.description.evaluation,
        "lacks": measures_of(opened).lacks,
        "peers": peers.peers(opened),
    }
