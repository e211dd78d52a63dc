"""The Compare component: Streamlit mounts it, `web/compare.js` brings it to life."""

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_explorer import library, session
from vae_explorer.compare.kinds import kind_of
from vae_explorer.library import OpenModel
from vae_explorer.live import assets
from vae_explorer.live.facts import facts as model_facts
from vae_explorer.live.models import publish

_KEY, _GOES_TO = "live-compare", "compare_goes_to"
SHEETS = ("compare/web/compare.css", "compare/web/figures.css")


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("compare", css=css, js=assets.loader("compare/web/compare.js"))


def show(models: list[OpenModel]) -> None:
    """Show models side by side, or go on to Explore with a code of one of them."""
    for opened in models:
        publish(opened)

    def explore() -> None:
        wish = st.session_state[_KEY].get("explore")
        opened = next((each for each in models if wish and each.id == wish["model"]), None)
        if opened is not None:
            session.choose(opened.name)
            session.keep(opened.name, wish["values"])
            st.session_state[_GOES_TO] = "pages/explore.py"

    _component()(key=_KEY, data=facts(models), on_explore_change=explore)
    if target := st.session_state.pop(_GOES_TO, None):
        st.switch_page(target)


def facts(models: list[OpenModel]) -> dict[str, Any]:
    """What the component must know of the models, as JSON."""
    info = models[0].checkpoint.description.info
    return {
        "models": [_model(opened) for opened in models],
        "classNames": info.class_names,
        "dataTitle": info.title,
    }


def _model(opened: OpenModel) -> dict[str, Any]:
    description = opened.checkpoint.description
    return model_facts(opened) | {
        "title": library.title(opened.name),
        "kind": kind_of(description),
        "linear": description.model.kind == "pca" or description.model.architecture == "linear",
        "dimensions": [
            {"index": each.index, "kl": each.kl, "spread": math.sqrt(each.variance), "active": each.active}
            for each in opened.dimensions
        ],
    }
