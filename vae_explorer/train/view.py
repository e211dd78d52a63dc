"""The view of a training run: Streamlit mounts it, `web/run.js` brings it to life.

The browser asks our own route (`vae_explorer.train.routes`) how the run is doing, so the page's script does not run for it; only
when the run's state changes does it run again, so that the page's buttons follow.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from vae_core.training.run import Run
from vae_explorer.live import assets

_KEY = "live-run"


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "run", css=assets.css("train/web/run.css"), js=assets.loader("train/web/run.js")
    )


def show(run: Run, state: str) -> None:
    """Show how a run of `jobs.root()` is doing, and its film; the script runs again when its state is another."""
    _component()(key=_KEY, data={"id": run.id, "state": state}, on_state_change=_noted)


def _noted() -> None:
    """The state came with the request for a new script run, which reads it from the folder."""
