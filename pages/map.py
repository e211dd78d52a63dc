"""Map: a scatter of the encoded data in which every place answers with what it decodes to."""

import streamlit as st

from vae_explorer import controls
from vae_explorer.map import making, mount, settings

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to map yet. Train one on the Train page, or open a `.safetensors` checkpoint above."
    )
    st.stop()
row = settings.row()
if (view := making.show(opened, settings.choose(opened, row), row)) is not None:
    mount.show(opened, view)
controls.fetch_data(opened)
controls.follow(opened)
