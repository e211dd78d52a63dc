"""Which run is in view, or none, which shows the form of a new one; the address names which.

An address that names a run opens it, one that names the form opens that. /train alone opens what this session looked
at last, or a run that is at work, or the form.
"""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Run

_RUN = "train_run"  # the id of the run in view, or "" for the form
_NAMED = "train_named"  # the one that the address names, as far as this session knows


def run_in_view() -> tuple[Run | None, DeltaGenerator]:
    """Show the row that chooses; return the run in view (None for a new one) and that row, for its buttons."""
    _say_what_went_wrong()
    found = runs.find(jobs.root())
    wanted = _wanted(found)
    if wanted and wanted not in [run.id for run in found]:
        st.warning(f"There is no run named {wanted[:80]!r} here.", icon=":material/search_off:")
        wanted = ""
    st.session_state[_RUN] = wanted
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if found:
        _choice(row, found, wanted)
    _name(wanted)
    return next((run for run in found if run.id == wanted), None), row


def _wanted(found: list[Run]) -> str:
    """What to show: an address that a link or the browser's history brought goes before what was in view."""
    said = _said()
    if said is not None and said != st.session_state.get(_NAMED):
        return said
    if _RUN in st.session_state:
        return str(st.session_state[_RUN])
    return next((run.id for run in found if run.status().busy), "")


def _said() -> str | None:
    """What the address names: a run, the form (""), or nothing."""
    if run_id := st.query_params.get("run"):
        return run_id
    return "" if st.query_params.get("show") == "form" else None


def _name(wanted: str) -> None:
    """Let the address name what is in view; /train alone stays as it is over the form.

    Streamlit makes each change of an address a step of the browser's history: naming the form as well would turn
    the way back to the page before into a step that leads here again.
    """
    if (_said() or "") != wanted:
        st.query_params.from_dict({"run": wanted} if wanted else {"show": "form"})
    st.session_state[_NAMED] = wanted


def forget() -> None:
    """Let no run be in view, as for a session that has only begun."""
    st.session_state.pop(_RUN, None)


def look_at(run: Run) -> None:
    """Bring a run into view at once."""
    bring(run)
    st.rerun()


def bring(run: Run) -> None:
    """Let a run be the one in view when the page is shown next."""
    st.session_state[_RUN] = run.id
    st.session_state.pop("train_select", None)


def all_runs(in_view: Run | None) -> None:
    """List every run with how it is doing; a click brings one into view."""
    found = runs.find(jobs.root())
    if len(found) < 2:
        return
    with st.expander(f"All {len(found)} runs", icon=":material/list:", expanded=in_view is None):
        picked: Any = st.dataframe(
            [_line(run) for run in found],
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key=f"train_table:{st.session_state[_RUN]}",
            column_config={"held-out ELBO": st.column_config.NumberColumn(format="%.2f")},
        )
    if picked.selection.rows:
        look_at(found[picked.selection.rows[0]])


def _choice(row: DeltaGenerator, found: list[Run], wanted: str) -> None:
    titles = {run.id: f"{run.title()} · {run.status().state}" for run in found}
    ids = list(titles)
    if wanted:
        st.session_state["train_select"] = wanted
        row.selectbox(
            "Run",
            ids,
            key="train_select",
            format_func=lambda run_id: titles.get(run_id, run_id),
            label_visibility="collapsed",
            width=340,
            on_change=lambda: st.session_state.update({_RUN: st.session_state["train_select"]}),
        )
        row.button("New run", icon=":material/add:", on_click=lambda: st.session_state.update({_RUN: ""}))
    else:
        row.markdown("#### A new run")
        row.button(
            "Back to the runs",
            icon=":material/arrow_back:",
            on_click=lambda: st.session_state.update({_RUN: found[0].id}),
        )


def _line(run: Run) -> dict[str, Any]:
    status, rows = run.status(), run.metrics()
    best = runs.best_epoch(rows)
    elbo = next((row.held_out_elbo for row in rows if row.epoch == best), None)
    return {
        "run": run.title(),
        "state": status.state,
        "epochs": f"{status.epoch} of {status.epochs}",
        "held-out ELBO": elbo,
        "id": run.id,
    }


def _say_what_went_wrong() -> None:
    """An error of a button's callback, shown once."""
    if sentence := st.session_state.pop("train_trouble", None):
        st.error(sentence, icon=":material/error:")
