"""Step 3: log p(x) = ELBO + KL, with a q to drag."""

import streamlit as st

from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "The evidence lower bound"


def show(opened: OpenModel) -> None:
    """Show the words, the formula, and the three bars of one x."""
    st.markdown(
        "For **any** distribution $q(z)$ the intractable $\\log p(x)$ splits into a bound that needs no $p(z|x)$, and "
        "what the bound misses. The left side does not depend on $q$: whatever the ELBO gains, the KL divergence loses. "
        "So to maximise the ELBO over $q$ is to bring $q$ to the posterior, and over the decoder, to raise $\\log p(x)$."
    )
    st.latex(
        r"\log p(x) \;=\; \underbrace{\mathbb{E}_{q}[\log p(x|z)] - \mathrm{KL}\big(q(z)\,\|\,p(z)\big)}_{\mathrm{ELBO}(q)}"
        r" \;+\; \mathrm{KL}\big(q(z)\,\|\,p(z|x)\big)"
    )
    chosen, instead = example.suitable(opened, planar=True)
    if chosen is None:
        st.info(instead)
        return
    components.component("evidence", example.facts(chosen, instead), "equations/web/model.css")
    st.caption(
        "Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, equations 1 to 3. The gap that the best diagonal "
        "$q$ leaves is the approximation gap, what the encoder adds to it the amortization gap (Cremer et al. 2018)."
    )
