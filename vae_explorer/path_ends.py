"""The two ends of a path that pages hand to each other: set on the map or a walk, kept for the session by model."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from vae_explorer import session

_ENDS = "path_ends"


def ends(model: str) -> dict[str, list[float]]:
    """The ends of the model's path that are set so far: a, b."""
    found: dict[str, dict[str, list[float]]] = st.session_state.setdefault(_ENDS, {})
    return found.setdefault(model, {})


def set_end(model: str, name: str, values: Sequence[Any]) -> None:
    """Remember an end; one that is not finite is not worth it."""
    if session.is_finite(values):
        ends(model)[name] = [float(value) for value in values]
