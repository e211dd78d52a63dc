"""Step 5: reparameterization, and the variance of a gradient with it and without."""

import streamlit as st

from vae_explorer.equations import components, example
from vae_explorer.library import OpenModel

TITLE = "Reparameterization"


def show(opened: OpenModel) -> None:
    """Show the words, both estimators, and their draws for one x."""
    st.markdown(
        "The encoder answers $q(z|x) = \\mathcal N(m, s^2)$, and training needs the gradient of an expectation over it. "
        "Written as $z = m + s\\,\\xi$, the noise no longer depends on the encoder and the gradient goes **through** the "
        "decoder. The score function does without the decoder's gradient, and pays for it in variance."
    )
    st.latex(
        r"\nabla\,\mathbb E_{q}\big[\log p(x|z)\big] \;=\; \underbrace{\mathbb E_{\xi\sim\mathcal N(0, I)}\big[\nabla \log p(x\,|\,m + s\,\xi)\big]}_{\text{reparameterization}}"
        r" \;=\; \underbrace{\mathbb E_{q}\big[\log p(x|z)\,\nabla\log q(z|x)\big]}_{\text{score function}}"
    )
    chosen, instead = example.suitable(opened, planar=False)
    if chosen is None:
        st.info(instead)
        return
    components.component("gradients", example.facts(chosen, instead), "equations/web/model.css")
    st.caption(
        "Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, section 2.4; the score function as REINFORCE, Williams "
        "1992; its baseline, the mean of the other draws, Kool et al. 2019. The exact gradient by quadrature over the plane."
    )
