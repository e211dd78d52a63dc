"""Which points the map shows and how they are laid out: chosen on the page, restored from the address."""

import math
from typing import Any

import streamlit as st

from vae_core.config import MapConfig, ProjectionConfig
from vae_core.errors import ConfigError
from vae_explorer import session
from vae_explorer.library import OpenModel, data_here

_SETTINGS = "map_settings"
SOURCES = {
    "reference": "Encoded data in the checkpoint",
    "held-out": "Held-out data, encoded here",
    "train": "Training data, encoded here",
    "draws": "Draws from q(z)",
}
METHODS = {"plane": "Latent plane", "pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
DRAWS = (10_000, 70_000, 200_000, 1_000_000)
METRICS = ("euclidean", "cosine", "manhattan")
_WHOLE = ("count", "first", "second", "neighbours", "seed")
_REAL = ("min_dist", "perplexity")
_OF_METHOD = {
    "plane": ("first", "second"),
    "pca": (),
    "umap": ("neighbours", "min_dist", "metric", "seed"),
    "tsne": ("perplexity", "seed"),
}


def row() -> Any:
    """The line above the map: its controls, and how far a map is that takes its time."""
    return st.container(horizontal=True, vertical_alignment="center", gap="small")


def plane(opened: OpenModel) -> MapConfig:
    """The map that every model with encoded data has at once: its two most informative dimensions."""
    first, *others = (dimension.index for dimension in opened.dimensions)
    shown = {"first": first, "second": others[0]} if others else {"first": 0, "second": 0}
    return MapConfig(source="reference", projection=ProjectionConfig(method="plane", **shown))


def choose(opened: OpenModel, row: Any) -> MapConfig | None:
    """Show the controls in a row; return what they say, or None, explained, where that makes no map."""
    settings = _settings()
    if settings.setdefault("model", opened.name) != opened.name:  # which dimensions matter is a model's own
        settings["model"] = opened.name
        for name in ("first", "second"):
            settings.pop(name, None)
    _select(row, "source", "Points", _sources(opened), SOURCES, 250)
    if settings["source"] == "draws":
        _select(row, "count", "How many", DRAWS, {count: f"{count:,}" for count in DRAWS}, 130)
    _select(row, "method", "Projection", tuple(METHODS), METHODS, 150)
    latent_dim = opened.checkpoint.model.latent_dim
    if settings["method"] == "plane" and latent_dim > 2:
        _plane(row, opened)
    elif settings["method"] in ("umap", "tsne"):
        with row.popover("Settings", icon=":material/tune:"):
            _details(settings["method"])
    try:
        return config(settings, latent_dim)
    except ConfigError as error:
        session.complain(error)
        return None


def config(settings: dict[str, Any], latent_dim: int) -> MapConfig:
    """Put together what is set; only what matters for the projection counts, so that equal maps have equal configs.

    Raises:
        ConfigError: a value is out of its range.
    """
    method = settings["method"]
    kept = {name: settings[name] for name in _OF_METHOD[method] if name in settings}
    if method == "plane":
        first, second = settings.get("first", 0), settings.get("second", 1)
        fits = first != second and max(first, second) < latent_dim
        kept = {"first": first, "second": second} if fits else {"first": 0, "second": min(1, latent_dim - 1)}
    chosen = {"count": settings["count"]} if settings["source"] == "draws" else {}
    return MapConfig(source=settings["source"], projection=ProjectionConfig(method=method, **kept), **chosen)


def address(chosen: MapConfig) -> dict[str, str]:
    """What a link has to say of these settings, beside the model."""
    said: dict[str, str] = {"source": chosen.source, "projection": chosen.projection.method}
    if chosen.source == "draws":
        said["count"] = str(chosen.count)
    return said | {
        name: str(getattr(chosen.projection, name)) for name in _OF_METHOD[chosen.projection.method]
    }


def _settings() -> dict[str, Any]:
    """What is set, in a plain dictionary of the session; at first what the address says."""
    if _SETTINGS not in st.session_state:
        st.session_state[_SETTINGS] = {"source": "reference", "count": 70_000, "method": "plane"}
        st.session_state[_SETTINGS] |= _from_address(session.arrived_with())
    found: dict[str, Any] = st.session_state[_SETTINGS]
    return found


def _from_address(said: dict[str, str]) -> dict[str, Any]:
    """The settings in an address; what cannot be read is left at its default."""
    found: dict[str, Any] = {}
    if said.get("source") in SOURCES:
        found["source"] = said["source"]
    if said.get("projection") in METHODS:
        found["method"] = said["projection"]
    if said.get("metric") in METRICS:
        found["metric"] = said["metric"]
    for names, number in ((_WHOLE, int), (_REAL, float)):
        for name in names:
            try:
                value = number(said[name])
                if math.isfinite(value):
                    found[name] = value
            except (KeyError, ValueError, OverflowError):
                continue
    return found


def _sources(opened: OpenModel) -> tuple[str, ...]:
    """The points that this model can show."""
    reference = opened.checkpoint.reference
    sources: tuple[str, ...] = () if reference is None else ("reference",)
    if data_here(opened):
        sources += ("held-out", "train")
    if reference is not None and reference.log_variance is not None:
        sources += ("draws",)
    return sources or ("reference",)


def _select(
    row: Any, name: str, label: str, options: tuple[Any, ...], titles: dict[Any, str], width: int
) -> None:
    """A select box that mirrors one setting."""
    settings, key = _settings(), f"map:{name}"
    if settings.get(name) not in options:
        settings[name] = options[0]
    st.session_state[key] = settings[name]
    row.selectbox(
        label,
        options,
        key=key,
        format_func=lambda option: titles.get(option, str(option)),
        label_visibility="collapsed",
        width=width,
        on_change=lambda: settings.update({name: st.session_state[key]}),
    )


def _plane(row: Any, opened: OpenModel) -> None:
    """Which two dimensions, the most informative first."""
    order = tuple(dimension.index for dimension in opened.dimensions)
    settings = _settings()
    settings.setdefault("first", order[0])
    settings.setdefault("second", order[1])
    _select(row, "first", "Across", order, {i: f"across: {name(i)}" for i in order}, 130)
    others = tuple(index for index in order if index != settings["first"])
    _select(row, "second", "Up", others, {i: f"up: {name(i)}" for i in others}, 130)


def name(dimension: int) -> str:
    """What the page calls a latent dimension (from 0): z₁, z₂, ..."""
    return "z" + str(dimension + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _details(method: str) -> None:
    settings, fields = _settings(), ProjectionConfig.model_fields
    for name in _OF_METHOD[method]:
        info, key = fields[name], f"map:{name}"
        settings.setdefault(name, info.default)
        st.session_state[key] = settings[name]

        def keep(name: str = name, key: str = key) -> None:
            settings[name] = st.session_state[key]

        label = name.replace("_", " ").capitalize()
        if name == "metric":
            st.selectbox(label, METRICS, key=key, help=info.description, on_change=keep)
        else:
            step = 1 if name in _WHOLE else None
            st.number_input(label, key=key, step=step, help=info.description, on_change=keep)
