"""What a page must know of a model to show its latent space: facts as JSON, and its codes as columns of a map."""

from typing import Any

import numpy as np
import streamlit as st

from vae_core import maps
from vae_core.config import MapConfig
from vae_core.errors import PlaneError
from vae_core.latent import groups, planes
from vae_core.latent.codes import ReferenceCodes
from vae_core.models.rendering import picture_shape
from vae_explorer import library, path_ends, session
from vae_explorer.library import OpenModel
from vae_explorer.live import columns, trust


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model, as JSON."""
    description, reference = opened.checkpoint.description, opened.checkpoint.reference
    height, width, channels = picture_shape(description.model.data_shape)
    return {
        "model": {"id": opened.id, "name": opened.name, "file": _file(opened)},
        "latentDim": description.model.latent_dim,
        "dataShape": (channels, height, width),
        "dimensions": [
            {"index": each.index, "low": each.low, "high": each.high} for each in opened.dimensions
        ],
        "z": session.code(opened),
        "ends": {name: path_ends.ends(opened.name).get(name) for name in ("a", "b")},
        "hasPrior": description.model.kind == "vae",
        "classNames": description.info.class_names,
        "trust": trust.facts(opened),
        "encodedCount": 0 if reference is None else len(reference),
        **({} if reference is None else _encoded(opened, reference)),
    }


def _file(opened: OpenModel) -> str:
    """What a command line calls the model's file, from the program's own folder where it lies below that."""
    path = library.models().get(opened.name) if opened.local else None
    if path is None:
        return f"{opened.name}.safetensors"
    program = library.FOLDER.parent
    return (path.relative_to(program) if path.is_relative_to(program) else path).as_posix()


def _encoded(opened: OpenModel, reference: ReferenceCodes) -> dict[str, Any]:
    """What the encoded data add: their codes as columns of a map, class means, principal directions."""
    shown = columns.publish(_made(opened.id, opened), opened)
    codes, labels = shown.map.codes, shown.map.columns.get("label")
    means: list[list[float] | None] = [None] * len(shown.map.info.class_names)
    if labels is not None:
        found = groups.class_means(codes, labels)
        for label, mean in zip(found.labels, found.means, strict=True):
            means[int(label)] = mean.tolist()
    return {
        "map": shown.id,
        "n": shown.map.info.n,
        "columns": columns.types(shown),
        "classMeans": means,
        "principal": _principal(np.asarray(codes)),
    }


@st.cache_resource(show_spinner=False, max_entries=columns.MAX_SHOWN)
def _made(model_id: str, _opened: OpenModel) -> maps.Map:
    return maps.make(_opened.checkpoint, MapConfig())


def _principal(codes: Any) -> dict[str, Any] | None:
    try:
        plane = planes.of_principal(codes)
    except PlaneError:
        return None
    return {"origin": plane.origin.tolist(), "axes": plane.axes.tolist(), "reach": plane.reach(codes)}
