"""Which model a step about one x shows, and what its component must know of it."""

from typing import Any

import torch

from vae_explorer import library
from vae_explorer.library import OpenModel
from vae_explorer.live.models import publish

PLANE = 2


def suitable(opened: OpenModel, planar: bool) -> tuple[OpenModel | None, str]:
    """Return the model that a step can show, and a sentence where that is another than the one in view.

    A step needs q(z|x), so a VAE, with two latent dimensions if it is `planar`, and encoded examples. Where the model
    in view lacks that, a bundled one stands in for it, of the same data if there is one; None if there is none.
    """
    lack = _lack(opened, planar)
    if not lack:
        return opened, ""
    found = _stand_in(opened)
    if found is None:
        return (
            None,
            f"{lack} No bundled model stands in for it; choose a VAE with two latent dimensions above.",
        )
    return found, f"{lack} {found.name} stands in for it here."


def facts(opened: OpenModel, instead: str) -> dict[str, Any]:
    """Make a model known to the routes, and return what a component must know of it, as JSON."""
    publish(opened)
    description, reference = opened.checkpoint.description, opened.checkpoint.reference
    names = description.info.class_names
    labels = None if reference is None else reference.labels
    return {
        "model": {"id": opened.id, "name": opened.name},
        "instead": instead,
        "latentDim": description.model.latent_dim,
        "order": [dimension.index for dimension in opened.dimensions],
        "classNames": names,
        "counts": [] if labels is None else torch.bincount(labels, minlength=len(names)).tolist(),
        "all": 0 if reference is None else len(reference),
        "images": len(description.model.data_shape) == 3,
    }


def _lack(opened: OpenModel, planar: bool) -> str:
    model = opened.checkpoint.description.model
    if model.kind != "vae":
        return f"{opened.name} encodes every x to one point: it has no q(z|x) and no p(x)."
    if opened.checkpoint.reference is None:
        return f"{opened.name} came without encoded examples to choose x from."
    if planar and model.latent_dim != PLANE:
        return f"{opened.name} has {model.latent_dim} latent dimensions, and this picture is of a plane."
    return ""


def _stand_in(opened: OpenModel) -> OpenModel | None:
    data = opened.checkpoint.description.data.name
    planar = []
    for name, path in library.bundled().items():
        known = library.described(path)
        if known is not None and known.model.kind == "vae" and known.model.latent_dim == PLANE:
            planar.append((known.data.name != data, name, path))
    for _, name, path in sorted(planar, key=lambda each: each[0]):  # the same data first
        found = library.open_file(name, path)
        if found.checkpoint.reference is not None:
            return found
    return None
