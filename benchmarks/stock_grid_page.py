"""The grid's rival: the same N x N images on a plain Streamlit page, moved by an `st.slider`.

`streamlit run benchmarks/stock_grid_page.py -- CHECKPOINT N`. The model is loaded once for all visitors, and decoding is
the explorer's own.
"""

import sys
from pathlib import Path

import numpy as np
import streamlit as st

from vae_core import checkpoint
from vae_core.checkpoint import Checkpoint
from vae_core.latent import planes
from vae_core.models.rendering import render


@st.cache_resource(show_spinner=False)
def load(path: str) -> Checkpoint:
    """Load the model."""
    return checkpoint.load(Path(path))


loaded, n = load(sys.argv[1]), int(sys.argv[2])
sheet, controls = st.columns(2)
middle = controls.slider("z1 of the middle", -3.0, 3.0, 0.0)
plane = planes.of_dimensions(np.zeros(loaded.model.latent_dim, np.float32), 0, 1)
codes = planes.grid(plane, n)
codes[..., 0] += middle
tiles = render(loaded.model, np.ascontiguousarray(codes.reshape(n * n, -1)))
rows = tiles.reshape(n, n, *tiles.shape[1:]).swapaxes(1, 2)
sheet.image(rows.reshape(n * tiles.shape[1], n * tiles.shape[2], -1).squeeze(), width=640)
