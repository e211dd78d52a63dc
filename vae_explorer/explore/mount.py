"""The Explore component: Streamlit mounts it, `web/explore.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st
import torch

from vae_core.models.rendering import picture_shape
from vae_explorer import library
from vae_explorer.library import OpenModel
from vae_explorer.live import assets, trust
from vae_explorer.live.models import publish

_KEY = "live-explore"
SHEETS = ("explore/web/explore.css", "kit/trust.css")


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("explore", css=css, js=assets.loader("explore/web/explore.js"))


def explore(opened: OpenModel, z: list[float], keep: Callable[[str, list[float]], None]) -> None:
    """Show the image and the sliders of a model at code z; on release `keep` gets its name and the new code."""

    def released() -> None:
        moved = st.session_state[_KEY].get("z")
        if moved and moved["model"] == opened.id:
            keep(opened.name, moved["values"])

    publish(opened)
    _component()(key=_KEY, data={"model": facts(opened), "z": z}, on_z_change=released)


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model, as JSON."""
    description, reference = opened.checkpoint.description, opened.checkpoint.reference
    info = description.info
    labels = None if reference is None else reference.labels
    counts = [] if labels is None else torch.bincount(labels, minlength=len(info.class_names)).tolist()
    height, width, channels = picture_shape(description.model.data_shape)
    return {
        "id": opened.id,
        "name": opened.name,
        "dataShape": (channels, height, width),
        "takesPictures": len(description.model.data_shape) == 3,
        "dimensions": [vars(dimension) | {"active": dimension.active} for dimension in opened.dimensions],
        "classNames": info.class_names,
        "classCounts": counts,
        "encodedCount": 0 if reference is None else len(reference),
        "dataHere": library.data_here(opened),
        "dataTitle": info.title,
        "ink": info.framing == "ink",
        "hasPrior": description.model.kind == "vae",
        "trust": trust.facts(opened),
    }
