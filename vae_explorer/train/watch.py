"""The run in view: what can be done with it, and its live picture."""

import re

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vae_core.errors import ExplorerError
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Run, Status
from vae_explorer import library, session
from vae_explorer.train import choose, view


def show(run: Run, row: DeltaGenerator) -> None:
    """Show how a run is doing, and in `row` what can be done with it."""
    status = run.status()  # read once: a run that goes on meanwhile has to be news to the view
    _buttons(row, run, status)
    view.show(run, status.state)


def _buttons(row: DeltaGenerator, run: Run, status: Status) -> None:
    if status.state == "stopping":
        row.button("Stopping…", icon=":material/stop:", disabled=True)
    elif status.busy:
        row.button("Stop", icon=":material/stop:", on_click=_do, args=(jobs.stop, run))
    elif status.state == "new":
        row.button("Start", icon=":material/play_arrow:", on_click=_do, args=(jobs.start, run))
    elif status.state != "finished":
        row.button(
            "Resume", icon=":material/play_arrow:", type="primary", on_click=_do, args=(jobs.start, run)
        )
    trained = library.OF_RUN + run.id in library.of_runs()
    if row.button("Explore", icon=":material/explore:", disabled=not trained):
        session.choose(library.OF_RUN + run.id)
        st.switch_page("pages/explore.py")
    with row.popover("Keep", icon=":material/bookmark_add:", disabled=not trained):
        _keep(run)
    with row.popover("More", icon=":material/more_horiz:"):
        _rename(run)
        _delete(run, status)


def _keep(run: Run) -> None:
    """Promote the best epoch to a checkpoint of the explorer."""
    best = run.best_epoch()
    st.caption(
        f"Copy the best epoch ({best}) to {library.FOLDER.name}/, where it stays when the run is deleted."
    )
    slug = re.sub(r"[^a-z0-9]+", "-", run.title().lower()).strip("-")[:60] or run.id
    name = st.text_input("Name", slug, key=f"keep:{run.id}")
    if st.button("Keep it", type="primary", key=f"keep-it:{run.id}"):
        try:
            path = runs.promote(run, library.FOLDER, name)
        except ExplorerError as error:
            session.complain(error)
            return
        st.success(f"{path.name} is now among the models to explore.", icon=":material/check:")


def _rename(run: Run) -> None:
    title = st.text_input("Title", run.title(), key=f"title:{run.id}", max_chars=80)
    if st.button("Rename", key=f"rename:{run.id}", disabled=title == run.title()):
        _do(run.rename, title)
        st.rerun()


def _delete(run: Run, status: Status) -> None:
    st.divider()
    sure = st.checkbox(
        "Delete this run and all its epochs", key=f"sure:{run.id}", disabled=status.busy, help=_WHY_NOT
    )
    if st.button(
        "Delete", icon=":material/delete:", key=f"delete:{run.id}", disabled=not sure or status.busy
    ):
        _do(runs.delete, run)
        choose.forget()
        st.rerun()


_WHY_NOT = "It cannot be undone. A run at work has to be stopped first."


def _do(action, *arguments) -> None:  # type: ignore[no-untyped-def]
    """Do it; what goes wrong is said at the top of the page, once."""
    try:
        action(*arguments)
    except ExplorerError as error:
        st.session_state["train_trouble"] = str(error)
