"""What holds the steps of the Equations page: their menu, one step at a time, and the address that opens it again."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vae_explorer import session
from vae_explorer.library import OpenModel

STEP, MENU, NAMED = "equations_step", "equations_menu", "equations_address"

# A step and its picture have to fit onto one screen; on a phone the menu scrolls sideways instead of filling it.
_CSS = """
<style>
  .st-key-equations .katex-display { margin: 0.2rem 0 0.7rem; }
  .st-key-equations h3 { padding: 0 0 0.4rem; }
  @media (max-width: 46rem) {
    .st-key-equations .katex-display { font-size: 0.82em; overflow-x: auto; overflow-y: hidden; }
    .st-key-equations_menu [role="radiogroup"] { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: none; }
    .st-key-equations_menu [role="radiogroup"] > * { flex: none; }
  }
</style>
"""


@dataclass(frozen=True)
class Step:
    """One step: the module that shows it, imported when somebody first looks, and its name in the menu."""

    module: str
    name: str

    def show(self) -> tuple[str, Callable[[OpenModel], None]]:
        """Return the step's title and what shows it."""
        found = import_module(f"vae_explorer.equations.{self.module}")
        return found.TITLE, found.show


STEPS = (
    Step("step_1_marginal", "p(x)"),
    Step("step_2_gaussians", "KL of Gaussians"),
    Step("step_3_evidence", "ELBO"),
    Step("step_4_reconstruction", "Reconstruction"),
    Step("step_5_gradients", "Reparameterization"),
    Step("step_6_regularization", "β → 0"),
    Step("step_7_reduction", "PCA by hand"),
    Step("step_8_generation", "Generation"),
)


def show(opened: OpenModel) -> None:
    """Show the menu, and the step in view below it."""
    st.html(_CSS)
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    number = _menu(row)
    _turn(row, number)
    _keep(opened, number)
    title, step = STEPS[number - 1].show()
    with st.container(key="equations", gap="xsmall"):
        st.subheader(f"{number} · {title}", anchor=False)
        step(opened)


def _menu(row: DeltaGenerator) -> int:
    """Return the number of the step in view, from 1; the menu mirrors it."""
    number = _in_view()
    st.session_state[MENU] = number
    row.segmented_control(
        "Step",
        range(1, len(STEPS) + 1),
        key=MENU,
        format_func=lambda each: f"{each} {STEPS[each - 1].name}",
        label_visibility="collapsed",
        required=True,
        on_change=lambda: _go(st.session_state[MENU]),
        wrap=True,
        width="stretch",
    )
    return number


def _in_view() -> int:
    """What was chosen before, unless the browser went back to another address; at first what the address says."""
    said = _number(st.query_params.get("step", ""))
    if STEP not in st.session_state:
        st.session_state[STEP] = said or _number(session.arrived_with().get("step", "")) or 1
    elif said and st.session_state.get(NAMED) not in (None, said):
        st.session_state[STEP] = said
    number: int = st.session_state[STEP]
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and 1 <= int(text) <= len(STEPS) else None


def _go(number: int) -> None:
    st.session_state[STEP] = number
    st.session_state[NAMED] = None  # the address still names the step before


def _turn(row: DeltaGenerator, number: int) -> None:
    """Page up and page down too, as the hand-held pointers of speakers send them."""
    for way, icon, key, there in (
        (-1, ":material/arrow_back:", "PageUp", number > 1),
        (1, ":material/arrow_forward:", "PageDown", number < len(STEPS)),
    ):
        row.button(
            "Back" if way < 0 else "Next",
            icon=icon,
            key=f"equations_turn_{key}",
            on_click=_go,
            args=(number + way,),
            disabled=not there,
            shortcut=key,
        )


def _keep(opened: OpenModel, number: int) -> None:
    """The address opens this step of this model again."""
    for name, value in (("model", opened.name), ("step", str(number))):
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    st.session_state[NAMED] = number
