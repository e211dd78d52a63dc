"""Step 8: generation as a change of distribution, and how far what comes out is from the data."""

from typing import Any

import streamlit as st
import torch

from vae_core.equations.generation import fitted
from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "Generation as a change of distribution"
CLOUD = 1500  # encoded examples that are shown as points


def show(opened: OpenModel) -> None:
    """Show draws of the prior decoded beside data, and their MMD with its null distribution."""
    st.markdown(
        "Draw $z$ from a distribution that is easy to draw from, and push it through the decoder: what comes out has "
        "a distribution of its own. That it be the distribution of the data is what VAEs and GANs both set out to do. "
        "The maximum mean discrepancy says how far it is, from draws alone; shuffling both samples says what chance does."
    )
    st.latex(
        r"z \sim \mathcal N(0, I),\quad x = f(z) \qquad\qquad "
        r"\mathrm{MMD}^2 = \mathbb E\,k(x,x') + \mathbb E\,k(y,y') - 2\,\mathbb E\,k(x,y),\quad "
        r"k(x,y) = e^{-\|x-y\|^2/2h^2}"
    )
    if opened.checkpoint.reference is None:
        st.info(
            f"{opened.name} came without encoded examples, so there is nothing to compare with; choose another model."
        )
        return
    components.component(
        "generation", facts(opened), "equations/web/model.css", "equations/web/equations.css"
    )
    st.caption(
        "Gretton et al. 2012, *A Kernel Two-Sample Test*, equation 3 and section 8; Goodfellow et al. 2014, "
        "*Generative Adversarial Nets*; Ghosh et al. 2020, *From Variational to Deterministic Autoencoders*, fit a "
        "distribution to the codes of a plain autoencoder."
    )


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the component must know of a model that came with encoded examples, as JSON.

    "prior" is {"mean", "covariance"} of what is drawn, over the two dimensions shown (one where there is but one):
    of N(0, I), or of the Gaussian fitted to the codes where the model has no prior.
    """
    reference = opened.checkpoint.reference
    assert reference is not None
    latent_dim = opened.checkpoint.model.latent_dim
    mean, root = torch.zeros(latent_dim), torch.eye(latent_dim)
    if opened.checkpoint.description.model.kind != "vae":
        mean, root = fitted(reference.mean)
    shown = sorted(dimension.index for dimension in opened.dimensions[:2])
    labels = reference.labels
    return example.facts(opened, "") | {
        "hasPrior": opened.checkpoint.description.model.kind == "vae",
        "shown": shown,
        "centre": mean.tolist(),
        "prior": {"mean": mean[shown].tolist(), "covariance": (root @ root.T)[shown][:, shown].tolist()},
        "cloud": reference.mean[:CLOUD, shown].round(decimals=3).tolist(),
        "labels": None if labels is None else labels[:CLOUD].tolist(),
    }
