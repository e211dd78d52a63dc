"""Step 4: the reconstruction term is a squared error, at a price c."""

import streamlit as st

from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "The reconstruction term"


def show(opened: OpenModel) -> None:
    """Show the words, the formula, and what c does to one x."""
    st.markdown(
        "If the decoder says $p(x|z) = \\mathcal N(f(z), cI)$, its log-likelihood is the squared error but for a constant, "
        "and $c$ is what an error is allowed to cost. A small $c$ insists on the reconstruction: the posterior is narrow "
        "and far from the prior. A large $c$ lets it spread until it is the prior. $\\beta$ does the same from the other side."
    )
    st.latex(
        r"\log \mathcal N\big(x;\, f(z),\, cI\big) \;=\; -\frac{\lVert x - f(z)\rVert^2}{2c} \;-\; \frac n2 \log(2\pi c)"
    )
    chosen, instead = example.suitable(opened, planar=True)
    if chosen is None:
        st.info(instead)
        return
    likelihood = chosen.checkpoint.description.model.likelihood
    # A Bernoulli's mean lies within [0, 1] as pictures do; another's is cut to it in them.
    more = {"cut": likelihood != "bernoulli"}
    components.component("reconstruction", example.facts(chosen, instead) | more, "equations/web/model.css")
    st.caption(
        f"Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, appendix C.2; c as the price of distortion: Alemi et "
        f"al. 2018, *Fixing a Broken ELBO*. {chosen.name} was trained with the likelihood {likelihood}; "
        f"here its decoded mean is taken as f(z)."
    )
