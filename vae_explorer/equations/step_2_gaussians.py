"""Step 2: the KL divergence between two Gaussians, of any covariance and as the VAE uses it."""

import streamlit as st

from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "The KL divergence between two Gaussians"


def show(opened: OpenModel) -> None:
    """Show the general case with two ellipses, then the diagonal one with q(z|x) of the model in view."""
    st.markdown(
        "How far is one distribution from another? Of two Gaussians in $k$ dimensions the answer is a formula, "
        "with nothing to integrate and a gradient everywhere."
    )
    st.latex(
        r"\mathrm{KL}\big(\mathcal N(\mu_0,\Sigma_0)\,\|\,\mathcal N(\mu_1,\Sigma_1)\big) = \tfrac12\Big[\,"
        r"\mathrm{tr}(\Sigma_1^{-1}\Sigma_0) + (\mu_1-\mu_0)^{\!\top}\Sigma_1^{-1}(\mu_1-\mu_0) - k"
        r" + \ln\frac{\det\Sigma_1}{\det\Sigma_0}\Big]"
    )
    components.component("gaussians", {}, "equations/web/model.css", "equations/web/equations.css")
    st.markdown(
        "**As the VAE uses it**, with a diagonal $q(z|x)$ from the encoder and the prior $\\mathcal N(0, I)$, it "
        "falls apart into dimensions, and in each into what the mean costs and what the width costs."
    )
    st.latex(
        r"\mathrm{KL}\big(q(z|x)\,\|\,p(z)\big) = \sum_d \Big[\,\tfrac12\mu_d^2 \;+\; "
        r"\tfrac12(\sigma_d^2 - 1) - \ln\sigma_d\Big]"
    )
    chosen, instead = example.suitable(opened, planar=False)
    if chosen is None:
        st.info(instead)
        return
    components.component(
        "diagonal", example.facts(chosen, instead), "equations/web/model.css", "equations/web/equations.css"
    )
    st.caption(
        "Kullback & Leibler 1951, *On Information and Sufficiency*; the diagonal case is appendix B of Kingma & "
        "Welling 2014, *Auto-Encoding Variational Bayes*."
    )
