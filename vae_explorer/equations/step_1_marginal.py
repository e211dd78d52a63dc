"""Step 1: why p(x) is intractable."""

import streamlit as st

from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "Why p(x) is intractable"


def show(opened: OpenModel) -> None:
    """Show the words, the formula, and estimates of log p(x) of one x from draws of the prior."""
    st.markdown(
        "A decoder and a prior say how likely each $x$ is: an integral over all codes. Drawing $z$ from the prior "
        "estimates it without bias, but almost every draw decodes to something that is not $x$, so the sum hangs on "
        "the few that do. The sharper the decoder and the more latent dimensions, the more draws it takes."
    )
    st.latex(
        r"p(x) = \int p(x|z)\,p(z)\,\mathrm dz \;\approx\; \frac1n\sum_{i=1}^{n} p(x|z_i), \qquad z_i \sim p(z) = \mathcal N(0, I)"
    )
    chosen, instead = example.suitable(opened, planar=False)
    if chosen is None:
        st.info(instead)
        return
    components.component("marginal", example.facts(chosen, instead), "equations/web/model.css")
    st.caption(
        "Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, section 2.1. $\\log p(x)$ by adaptive quadrature over "
        "one or two latent dimensions, beyond that the bound of Burda et al. 2016, *Importance Weighted Autoencoders*."
    )
