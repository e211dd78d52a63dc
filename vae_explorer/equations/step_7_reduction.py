"""Step 7: dimension reduction as the best pair of an encoder and a decoder, and PCA by hand."""

from typing import Any

import streamlit as st

from vae_explorer.equations import components
from vae_explorer.library import OpenModel
from vae_explorer.live.models import publish

TITLE = "Dimension reduction, and PCA by hand"


def show(opened: OpenModel) -> None:
    """Show PCA of five points to drag, then what the model in view loses beside PCA on its own data."""
    st.markdown(
        "To reduce dimensions is to look, in a family of encoders $e$ and decoders $d$, for the pair that loses least. "
        "Where both are linear that pair is PCA; networks make it an autoencoder."
    )
    st.latex(
        r"(e^*, d^*) = \operatorname*{arg\,min}_{e,\,d}\; \sum_i \big\|x_i - d(e(x_i))\big\|^2"
        r"\qquad\text{linear:}\quad e(x) = u^{\!\top}(x - m),\quad d(z) = m + z\,u"
    )
    components.component("reduction", {}, "equations/web/model.css", "equations/web/equations.css")
    st.markdown(
        "**The same with data and networks.** PCA is the best linear pair at every width; what lies below its curve "
        "is what curved maps add."
    )
    publish(opened)
    components.component(
        "widths",
        facts(opened),
        "equations/web/model.css",
        "compare/web/figures.css",
        "equations/web/equations.css",
    )
    st.caption(
        "Pearson 1901, *On Lines and Planes of Closest Fit to Systems of Points in Space*; a linear autoencoder finds "
        "the same subspace (Baldi & Hornik 1989, *Neural Networks and Principal Component Analysis*)."
    )


def facts(opened: OpenModel) -> dict[str, Any]:
    """What the figure of errors against width must know, as JSON."""
    return {
        "models": [{"model": {"id": opened.id, "name": opened.name}}],
        "dataTitle": opened.checkpoint.description.info.title,
    }
