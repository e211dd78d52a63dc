"""Explore: drag a slider over a latent dimension and the decoded image follows the pointer."""

import streamlit as st

from vae_explorer import controls, session
from vae_explorer.explore import mount

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to explore yet. Train one on the Train page, "
        "or open a `.safetensors` checkpoint above."
    )
    st.stop()
mount.explore(opened, session.code(opened), session.keep)
controls.fetch_data(opened)
controls.follow(opened)
