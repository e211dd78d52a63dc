"""What all pages share: name, icon, width, a visible focus, and a few lines of CSS."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent

_CSS = """
<style>
  .stMainBlockContainer { padding: 4.4rem 2rem 2rem; max-width: 90rem; }
  /* Where the keyboard is. The ring lies within its control, in the colour of its words, so it reads wherever they do. */
  .stApp :is(a, button, summary, textarea, [tabindex], input):focus-visible,
  .stApp :is([data-testid="stTextInputRootElement"], [data-testid="stNumberInputContainer"], [role="group"]):has(> input:focus-visible) {
    outline: 2px solid currentColor; outline-offset: -3px;
    & > input:focus-visible { outline: none; }
  }
  .stApp .stMain:focus-visible { outline-offset: -2px; }
  /* What holds these lines takes no place on the page. */
  .stElementContainer:has(> .stHtml > style) { position: absolute; }
  @media (max-width: 46rem) { .stMainBlockContainer { padding: 4.4rem 0.8rem 1rem; } }
</style>
<script>document.getElementById("stMain")?.setAttribute("aria-label", "Page");</script>
"""


def page_style() -> None:
    """Name the page and use the screen: less empty space around a page than Streamlit leaves."""
    st.set_page_config(page_title="Latent-space explorer", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.logo(str(_HERE / "logo.svg"), size="medium")
    st.html(_CSS, unsafe_allow_javascript=True)
