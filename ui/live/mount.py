"""The Explore component: Streamlit mounts it, `js/explore.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st
import torch

from ui import library
from ui.library import OpenModel
from ui.live import assets

@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("explore", css=assets.css("explore.css"), js=assets.loader("explore.js"))


def explore(opened: OpenModel, z: list[float], on_commit: Callable[[dict[str, Any]], None]) -> None:
    """Show the image and the sliders of a model at code z; `on_commit` gets {model, values} on release."""
    key = "live-explore"

    def changed() -> None:
        state = st.session_state[key]
        if state.get("z"):
            on_commit(state["z"])

    _component()(key=key, data={"model": facts(opened), "z": z}, on_z_change=changed)


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model, as JSON."""
    description, reference = opened.checkpoint.description, opened.checkpoint.reference
    info = description.info
    labels = None if reference is None else reference.labels
    counts = [] if labels is None else torch.bincount(labels, minlength=len(info.class_names)).tolist()
    return {
        "id": opened.id,
        "name": opened.name,
        "dataShape": info.data_shape,
        "dimensions": [vars(dimension) | {"active": dimension.active} for dimension in opened.dimensions],
        "classNames": info.class_names,
        "classCounts": counts,
        "encodedCount": 0 if reference is None else len(reference),
        "dataHere": library.data_here(info.name),
        "dataTitle": info.title,
        "ink": info.framing == "ink",
        "encoder": True,
    }
