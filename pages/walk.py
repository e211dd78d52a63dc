"""Walk: a plane of the latent space decoded like a street map, and paths from code to code."""

import streamlit as st

from vae_explorer import controls
from vae_explorer.walk import mount

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to walk through yet. Train one on the Train page, "
        "or open a `.safetensors` checkpoint above."
    )
    st.stop()
mount.show(opened)
controls.follow(opened)
