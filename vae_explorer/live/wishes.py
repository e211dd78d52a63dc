"""What somebody chose on a page's component: to see a code on Explore, or to make it an end of a path."""

from collections.abc import Callable

import streamlit as st

from vae_explorer import path_ends, session
from vae_explorer.library import OpenModel

EXPLORE, ENDS = "explore", ("a", "b")
_GOES_TO = "goes_to"


def handlers(key: str, opened: OpenModel, *names: str) -> dict[str, Callable[[], None]]:
    """Return what a component under `key` calls when one of these wishes, {"model": id, "values": code}, is sent."""

    def sent(name: str) -> Callable[[], None]:
        def take() -> None:
            wish = st.session_state[key].get(name)
            if not wish or wish["model"] != opened.id:
                return
            if name == EXPLORE:
                session.keep(opened.name, wish["values"])
                st.session_state[_GOES_TO] = "pages/explore.py"
            else:
                path_ends.set_end(opened.name, name, wish["values"])

        return take

    return {f"on_{name}_change": sent(name) for name in names}


def go() -> None:
    """Go on to the page that a wish leads to, if there was one; a callback may not do so itself."""
    if target := st.session_state.pop(_GOES_TO, None):
        st.switch_page(target)
