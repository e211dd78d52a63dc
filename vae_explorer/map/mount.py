"""The Map component: Streamlit mounts it, `web/map.js` brings it to life."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_core.config import MapConfig
from vae_core.maps import MapInfo
from vae_core.models.rendering import picture_shape
from vae_explorer import path_ends, session
from vae_explorer.library import OpenModel
from vae_explorer.live import assets, columns, trust, wishes
from vae_explorer.live.columns import Shown
from vae_explorer.live.models import publish
from vae_explorer.map import settings
from vae_explorer.map.making import View

_KEY = "live-map"
SHEETS = ("map/web/map.css", "kit/trust.css")
FEWEST = 30  # points whose neighbourhoods say something


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    css = assets.css(*SHEETS)
    return st.components.v2.component("map", css=css, js=assets.loader("map/web/map.js"))


def show(opened: OpenModel, view: View) -> None:
    """Show a map, or go on to Explore with the code that somebody chose on it."""
    publish(opened)
    shown = columns.publish(view.map, opened)

    handlers = wishes.handlers(_KEY, opened, wishes.EXPLORE, *wishes.ENDS)
    _component()(key=_KEY, data=_told(opened, shown, view), **handlers)
    wishes.go()


def _told(opened: OpenModel, shown: Shown, view: View) -> dict[str, Any]:
    """The facts of the map in view; the address is that of the map that was asked for."""
    about = {"note": view.note, "dimmed": view.dimmed, "address": settings.address(view.asked)}
    return facts(opened, shown, view.shows) | about


def facts(opened: OpenModel, shown: Shown, chosen: MapConfig) -> dict[str, Any]:
    """What the component must know of a map, as JSON; a model may have several names, and one of them is in view."""
    info = shown.map.info
    description = opened.checkpoint.description
    height, width, channels = picture_shape(description.model.data_shape)
    method, dims = chosen.projection.method, (chosen.projection.first, chosen.projection.second)
    return {
        "map": shown.id,
        "model": {"id": opened.id, "name": opened.name},
        "n": info.n,
        "latentDim": description.model.latent_dim,
        "dataShape": (channels, height, width),
        "columns": columns.types(shown),
        "method": method,
        "dims": dims,
        "axes": info.axes,
        "origin": info.origin,
        "axisNames": _axis_names(method, dims, info.latent_dim),
        "classNames": info.class_names,
        "factorNames": info.factor_names,
        "labelName": "class",
        "z": session.code(opened),
        "ends": {name: path_ends.ends(opened.name).get(name) for name in ("a", "b")},
        "address": settings.address(chosen),
        "hasPrior": description.model.kind == "vae",
        "trust": trust.facts(opened),
        "originals": shown.has_originals,
        "belief": belief(info),
        "toMeasure": info.trustworthiness is None and info.latent_dim > 2 and info.n > FEWEST,
    }


def belief(info: MapInfo) -> str:
    """How much of the picture to believe, in words."""
    said, folded = [], info.config.projection.method in ("umap", "tsne")
    if info.explained and info.latent_dim > 2:
        shares = " + ".join(f"{100 * share:.0f}" for share in info.explained)
        said.append(f"The axes show {shares} % of the codes' variance")
    if info.trustworthiness is not None and (folded or info.latent_dim > 2):
        said.append(
            f"trustworthiness {info.trustworthiness:.3f}, continuity {info.continuity:.3f} "
            "(1: neighbours on the map are neighbours in the latent space, and the other way round)"
        )
    if folded:
        said.append("between the points, codes are interpolated from the nearest encoded ones")
    if info.left_out:
        said.append(f"{info.left_out:,} points are left out, whose codes are NaN or infinite")
    sentence = "; ".join(said)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _axis_names(method: str, dims: tuple[int, int], latent_dim: int) -> list[str]:
    if latent_dim == 1 and method in ("plane", "pca"):
        return [settings.name(0), "spread"]
    if method == "plane":
        return [settings.name(dim) for dim in dims]
    prefix = {"pca": "PC", "umap": "UMAP ", "tsne": "t-SNE "}[method]
    return [f"{prefix}{number}" for number in (1, 2)]
