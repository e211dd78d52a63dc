"""The Walk component: Streamlit mounts it, `web/walk.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_explorer.library import OpenModel
from vae_explorer.live import assets, wishes
from vae_explorer.live.facts import facts
from vae_explorer.live.models import publish

_KEY = "live-walk"
SHEETS = ("kit/plane/plane.css", "walk/web/paths.css", "kit/trust.css")


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("walk", css=css, js=assets.loader("walk/web/walk.js"))


def show(opened: OpenModel) -> None:
    """Show walks of a model, or go on to Explore with a code that somebody chose on one."""
    publish(opened)

    handlers = wishes.handlers(_KEY, opened, wishes.EXPLORE, *wishes.ENDS)
    _component()(key=_KEY, data=facts(opened), **handlers)
    wishes.go()
