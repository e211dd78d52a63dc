"""The rival: the same model on a plain Streamlit page, one `st.slider` per dimension and one `st.image`.

`streamlit run benchmarks/stock_page.py -- CHECKPOINT`. It is written as one would write it well: the model is
loaded once for all visitors, decoding is the explorer's own, and nothing else is on the page.
"""

import sys
from pathlib import Path

import numpy as np
import streamlit as st

from vae_core import checkpoint
from vae_core.checkpoint import Checkpoint
from vae_core.latent.codes import Dimension, bare_dimensions, by_information, dimensions
from vae_core.models.rendering import render


@st.cache_resource(show_spinner=False)
def load(path: str) -> tuple[Checkpoint, list[Dimension]]:
    """Load the model and its slider ranges, most informative dimension first."""
    loaded = checkpoint.load(Path(path))
    if loaded.reference is None:
        return loaded, bare_dimensions(loaded.model.latent_dim)
    return loaded, by_information(dimensions(loaded.reference))


loaded, known = load(sys.argv[1])
code = np.zeros((1, loaded.model.latent_dim), np.float32)
image, sliders = st.columns(2)
with sliders:
    for dimension in known:
        code[0, dimension.index] = st.slider(f"z{dimension.index + 1}", dimension.low, dimension.high, 0.0)
image.image(render(loaded.model, code)[0].squeeze(), width=400)
