"""The Continuity component: Streamlit mounts it, `web/continuity.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_explorer.continuity import peers
from vae_explorer.library import OpenModel
from vae_explorer.live import assets, wishes
from vae_explorer.live.facts import facts as model_facts
from vae_explorer.live.models import measures_of, publish

_KEY = "live-continuity"
SHEETS = (
    "kit/plane/plane.css",
    "continuity/web/continuity.css",
    "continuity/web/findings.css",
    "posterior/web/posterior.css",
)


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("continuity", css=css, js=assets.loader("continuity/web/continuity.js"))


def show(opened: OpenModel) -> None:
    """Show what was measured of a model, or go on to Explore with a code that somebody chose there."""
    publish(opened)

    handlers = wishes.handlers(_KEY, opened, wishes.EXPLORE)
    _component()(key=_KEY, data=facts(opened), **handlers)
    wishes.go()


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model, as JSON: what a walk knows, and what can be measured."""
    return model_facts(opened) | {
        "evaluation": opened.checkpoint.description.evaluation,
        "lacks": measures_of(opened).lacks,
        "peers": peers.peers(opened),
    }
