"""Continuity: how continuous and complete a latent space is, measured and mapped, and the posterior exactly."""

import streamlit as st

from vae_explorer import controls
from vae_explorer.continuity import mount

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to measure yet. Train one on the Train page, "
        "or open a `.safetensors` checkpoint above."
    )
    st.stop()
controls.fetch_data(opened)
mount.show(opened)
controls.follow(opened)
