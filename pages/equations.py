"""Equations: the derivation of the VAE in eight steps, each with a live picture and numbers of the model in view."""

import streamlit as st

from vae_explorer import controls
from vae_explorer.equations import frame

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to put numbers into the equations yet. Train one on the Train page, "
        "or open a `.safetensors` checkpoint above."
    )
    st.stop()
frame.show(opened)
controls.follow(opened)
