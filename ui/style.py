"""What all pages share: name, icon, width, and a few lines of CSS."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent

_CSS = """
<style>
  .stMainBlockContainer { padding: 4.4rem 2rem 2rem; max-width: 90rem; }
  @media (max-width: 46rem) { .stMainBlockContainer { padding: 4.4rem 0.8rem 1rem; } }
</style>
"""


def page_style() -> None:
    """Name the page and use the screen: less empty space around a page than Streamlit leaves."""
    st.set_page_config(page_title="Latent-space explorer", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.logo(str(_HERE / "logo.svg"), size="medium")
    st.html(_CSS)
