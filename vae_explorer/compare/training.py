"""Train what a comparison lacks: a queue of runs from one button, with how each is doing."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vae_core.checkpoint import Description
from vae_core.errors import ExplorerError
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Run, Status
from vae_explorer import library, session
from vae_explorer.compare import choose
from vae_explorer.compare.counterparts import Counterpart, Made, missing
from vae_explorer.library import OpenModel
from vae_explorer.train.choose import bring

LOOK_S = 1.5
_STARTED = "compare_runs"  # ids of the runs that this session has started here


def show(row: DeltaGenerator, opened: OpenModel, group: list[str]) -> None:
    """Offer the missing counterparts of a model in `row`, and show below it those that are being trained.

    Args:
        row: where the button goes.
        opened: the model that they are held against.
        group: the names of all models of the same data.
    """
    offer(row, opened, missing(opened.checkpoint.description, there(opened, group)))


def offer(row: DeltaGenerator, opened: OpenModel, wanted: list[Counterpart]) -> None:
    """Offer to train `wanted` in `row`, and show below it the runs on the same data."""
    if wanted:
        with row.popover(f"Train {len(wanted)} missing", icon=":material/model_training:"):
            _choose(opened, wanted)
    if shown := _shown(opened):
        _watch(opened, {run.id for run in shown if run.status().busy})


def _choose(opened: OpenModel, wanted: list[Counterpart]) -> None:
    """The button, and which of them it starts."""
    if not _trainable(opened):
        st.caption(f"The data of {library.title(opened.name)} are not on this machine to train on.")
        return
    names = [each.name for each in wanted]
    chosen = st.pills(
        "To train",
        names,
        selection_mode="multi",
        default=names,
        label_visibility="collapsed",
        key=f"compare_wanted:{opened.id}:{'|'.join(names)}",
    )
    st.caption(
        f"On the same data, with the latent width, networks and training of {library.title(opened.name)}. "
        "They wait for each other, and go on when this page is left."
    )
    if st.button(f"Train {len(chosen)}", type="primary", icon=":material/play_arrow:", disabled=not chosen):
        _start(opened, [each for each in wanted if each.name in chosen])
        st.rerun()


def _trainable(opened: OpenModel) -> bool:
    """Whether a run can read the data: it fetches what is known, but follows only this machine's own paths."""
    return opened.checkpoint.description.data.path is None or library.data_here(opened)


def _start(opened: OpenModel, wanted: list[Counterpart]) -> None:
    description = opened.checkpoint.description
    for each in wanted:
        title = f"{each.name}, {description.model.latent_dim}-D {description.data.name}"[:80]
        try:
            run = runs.create(jobs.root(), each.experiment, title)
            jobs.start(run)
        except ExplorerError as error:
            session.complain(error)
            return
        st.session_state.setdefault(_STARTED, []).append(run.id)


def there(opened: OpenModel, group: list[str]) -> list[Made]:
    """Every model of these data that is in the group or on its way."""
    found = [(known.model, known.objective) for name in group if (known := _described(name)) is not None]
    coming = [run.experiment() for run in _shown(opened) if run.status().busy]
    return found + [(each.model, each.objective) for each in coming]


def _described(name: str) -> Description | None:
    path = library.models().get(name)
    return None if path is None else library.described(path)


def _shown(opened: OpenModel) -> list[Run]:
    """Runs on these data that are at work, and those that were started here, the first one first."""
    data, started = opened.checkpoint.description.data, st.session_state.get(_STARTED, [])
    found = []
    for run in reversed(runs.find(jobs.root())):
        try:
            if run.experiment().data == data and (run.id in started or run.status().busy):
                found.append(run)
        except ExplorerError:
            continue  # the Train page says what is wrong with it
    return found


# --- how they are doing -------------------------------------------------------------------------------------------


def _watch(opened: OpenModel, busy: set[str]) -> None:
    """Show the runs, anew every moment while one is at work; the page runs again when one begins or ends."""

    @st.fragment(run_every=LOOK_S if busy else None)
    def look() -> None:
        found = [(run, run.status()) for run in _shown(opened)]
        if {run.id for run, status in found if status.busy} != busy:
            st.rerun()
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        row.progress(sum(_share(status) for _, status in found) / len(found), text=_summary(found))
        with row.popover("Runs", icon=":material/list:"):
            for run, status in found:
                _line(run, status)

    look()


def _summary(found: list[tuple[Run, Status]]) -> str:
    done = sum(status.state == "finished" for _, status in found)
    working = [(run, status) for run, status in found if status.busy and status.state != "queued"]
    return " · ".join(
        [f"{done} of {len(found)} trained", *(f"{run.title()}: {_words(status)}" for run, status in working)]
    )


def _line(run: Run, status: Status) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    row.progress(_share(status), text=f"{run.title()}: {_words(status)}", width=320)
    name = library.OF_RUN + run.id
    there = name in library.of_runs() and name not in st.session_state.get(choose.CHOSEN, [])
    if there and row.button("Put beside", key=f"beside:{run.id}"):
        choose.add(name)
        st.rerun()
    if row.button("Watch", key=f"watch:{run.id}", help="See how it trains on the Train page."):
        bring(run)
        st.switch_page("pages/train.py")


def _share(status: Status) -> float:
    if status.state == "finished":
        return 1.0
    return min(status.epoch / status.epochs, 1.0) if status.epochs else 0.0


def _words(status: Status) -> str:
    if status.state == "training":
        return f"epoch {min(status.epoch + 1, status.epochs)} of {status.epochs}"
    quiet = status.state in ("finished", "stopped", "stopping", "queued", "preparing")
    return status.state if quiet else f"{status.state}: {status.message}"
