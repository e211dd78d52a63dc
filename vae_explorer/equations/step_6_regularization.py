"""Step 6: what the KL term does, seen by taking it away: models of the same data in the order of beta."""

from typing import Any

import streamlit as st

from vae_core.checkpoint import Description
from vae_core.errors import CheckpointError
from vae_explorer import library
from vae_explorer.compare import choose, counterparts, training
from vae_explorer.equations import components
from vae_explorer.library import OpenModel
from vae_explorer.live.models import publish

TITLE = "Without the regularization: β → 0"
CLOUD = 2000  # encoded examples that are shown as points
MOST = 5  # models side by side
BETAS = (0.0, 0.01, 0.1, 1.0, 4.0)  # that are offered to be trained

Relative = tuple[float, OpenModel]  # the weight of its KL term, 0 of an autoencoder


def show(opened: OpenModel) -> None:
    """Show models that differ in beta side by side, and offer to train those that are not there."""
    st.markdown(
        "The reconstruction term alone puts every $x$ where it is told apart best and makes $q(z|x)$ a point: the "
        "space tears into islands. The KL term, weighted by $\\beta$, pulls them together around the origin, so that "
        "close codes decode to close images (*continuity*) and a draw of the prior has data near it (*completeness*)."
    )
    st.latex(
        r"\mathcal L_\beta(x) = \mathbb E_{q(z|x)}[\log p(x|z)] - \beta\,\mathrm{KL}\big(q(z|x)\,\|\,p(z)\big)"
        r"\qquad \beta = 1\text{: the ELBO},\quad \beta = 0\text{: an autoencoder}"
    )
    anchor, found = relatives(opened)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    row.caption(_says(opened, anchor, found), width="stretch")
    if anchor is not None:
        training.offer(row, anchor, _wanted(anchor))
    if found:
        components.component(
            "regularization", facts(found), "equations/web/model.css", "equations/web/equations.css"
        )
    st.caption(
        "Higgins et al. 2017, *beta-VAE*, equation 4; Ghosh et al. 2020, *From Variational to Deterministic "
        "Autoencoders*, on what remains without the noise. Continuity and completeness are those of the Continuity page."
    )


def relatives(opened: OpenModel) -> tuple[OpenModel | None, list[Relative]]:
    """Return the model that the others are held against, and all of them by rising beta, at most one of each.

    That is the model in view, or where it has no neighbour of its own width, a bundled one of the same data that has.
    Only models that came with encoded examples count; None and nothing if there is no such VAE or autoencoder.
    """
    known = _of_same_data(opened)
    bundled = [name for name in library.bundled() if name in known]
    best: tuple[OpenModel | None, list[Relative]] = (None, [])
    for anchor in dict.fromkeys([opened.name, *bundled]):
        found = _by_beta(anchor, known, opened)
        if len(found) > len(best[1]):
            best = (next(each for _, each in found if each.name == anchor), found)
        if len(found) > 1:
            break
    return best


def facts(found: list[Relative]) -> dict[str, Any]:
    """What the component must know of the models, as JSON."""
    return {"models": [_facts(beta, opened) for beta, opened in found]}


def _by_beta(anchor: str, known: dict[str, Description], in_view: OpenModel) -> list[Relative]:
    """Which of the models differ from one in beta, rising; none if it has no beta or no examples itself."""
    found: dict[float, OpenModel] = {}
    for name in dict.fromkeys([anchor, in_view.name, *known]):
        beta = counterparts.beta_of(known[name].model, known[name].objective, known[anchor])
        if beta is not None and beta not in found and (each := _open(name, in_view)) is not None:
            found[beta] = each
    return sorted(found.items())[:MOST] if anchor in {each.name for each in found.values()} else []


def _open(name: str, in_view: OpenModel) -> OpenModel | None:
    if name == in_view.name:
        found = in_view
    else:
        try:
            found = library.open_file(name, library.models()[name])
        except CheckpointError:
            return None  # the model picker says what is wrong with it
    return found if found.checkpoint.reference is not None else None


def _of_same_data(opened: OpenModel) -> dict[str, Description]:
    known = {name: said for name, path in library.models().items() if (said := library.described(path))}
    known[opened.name] = opened.checkpoint.description
    return {name: said for name, said in known.items() if not choose.difference(opened.name, name, known)}


def _wanted(anchor: OpenModel) -> list[counterparts.Counterpart]:
    there = training.there(anchor, list(_of_same_data(anchor)))
    return counterparts.with_betas(anchor.checkpoint.description, BETAS, there)


def _says(opened: OpenModel, anchor: OpenModel | None, found: list[Relative]) -> str:
    title, info = library.title(opened.name), opened.checkpoint.description.info
    if anchor is None:
        return f"{title} is neither a VAE nor an autoencoder with hidden layers; choose one above."
    width = anchor.checkpoint.model.latent_dim
    what = (
        f"{len(found)} model{'s' if len(found) > 1 else ''} of {info.title} with {width} latent dimensions."
    )
    if anchor.name != opened.name:
        return f"There is no other model as wide as {title}. {what}"
    return what if len(found) > 1 else f"{what} Train others to see what β does."


def _facts(beta: float, opened: OpenModel) -> dict[str, Any]:
    publish(opened)
    description, reference = opened.checkpoint.description, opened.checkpoint.reference
    assert reference is not None
    shown = sorted(dimension.index for dimension in opened.dimensions[:2])
    labels = reference.labels
    figures = {
        name: description.evaluation.get(name)
        for figure in ("continuity", "completeness")
        for name in (figure, f"{figure}_low", f"{figure}_high")
    }
    return {
        "model": {"id": opened.id, "name": opened.name, "title": library.title(opened.name)},
        "beta": beta,
        "kind": description.model.kind,
        "latentDim": description.model.latent_dim,
        "shown": shown,
        "centre": reference.mean.mean(0).tolist(),
        "cloud": reference.mean[:CLOUD, shown].double().round(decimals=3).tolist(),
        "labels": None if labels is None else labels[:CLOUD].tolist(),
        "classNames": description.info.class_names,
        "figures": figures,
    }
