"""A page with a bug, as Streamlit shows it under the program's own settings."""

import streamlit as st

st.title("Before")
raise KeyError("the name of a secret")
