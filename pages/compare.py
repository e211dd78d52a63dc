"""Compare: models of the same data side by side: the same items, the same walk, the same figures."""

import streamlit as st

from vae_explorer import controls
from vae_explorer.compare import choose, mount, training

choice = choose.models()
if choice is None:
    st.info("There is no model to compare yet. Train one on the Train page.")
    st.stop()
if not choice.models:
    st.info("Choose the models to put side by side above.")
    st.stop()
training.show(choice.row, choice.models[0], choice.group)
controls.fetch_data(choice.models[0])
mount.show(choice.models)
