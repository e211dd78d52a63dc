"""Map: a scatter of the encoded data in which every place answers with what it decodes to."""

import streamlit as st

from ui import controls
from ui.map import making, mount, settings

opened = controls.model_picker()
if opened is None:
    st.info(
        "There is no model to map yet. Train one on the Train page, or open a `.safetensors` checkpoint above."
    )
    st.stop()
chosen = settings.choose(opened)
if chosen is not None and (made := making.show(opened, chosen)) is not None:
    mount.show(opened, made, chosen)
controls.fetch_data(opened)
controls.follow(opened)
