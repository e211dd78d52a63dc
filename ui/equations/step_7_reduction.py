"""Step 7: dimension reduction as the best pair of an encoder and a decoder, and PCA by hand."""

import streamlit as st

from ui.equations import example, live
from ui.library import OpenModel

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
    live.component("reduction", {}, "eq-model.css", "equations.css")
    st.caption(
        "Pearson 1901, *On Lines and Planes of Closest Fit to Systems of Points in Space*; a linear autoencoder finds "
        "the same subspace (Baldi & Hornik 1989, *Neural Networks and Principal Component Analysis*)."
    )
