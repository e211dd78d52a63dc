"""From settings to a map: at once where that takes no time, else in a process of its own, watched here."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from ui import library, session
from ui.library import OpenModel
from vae_core import checkpoint, maps
from vae_core.config import MapConfig
from vae_core.errors import ExplorerError, MapError
from vae_core.maps import Map

LOOK_S = 0.4


def show(opened: OpenModel, chosen: MapConfig) -> Map | None:
    """Return the map, or show how far it is (None)."""
    try:
        if maps.is_instant(chosen):
            return _made(opened.id, chosen.to_json(), opened)
        return _waited_for(opened, chosen)
    except ExplorerError as error:
        session.complain(error)
        return None


@st.cache_resource(show_spinner=False, max_entries=4)
def _made(model_id: str, chosen: str, _opened: OpenModel) -> Map:
    return maps.make(_opened.checkpoint, MapConfig.from_json(chosen))


def _waited_for(opened: OpenModel, chosen: MapConfig) -> Map | None:
    """The map that a process of its own makes; it is started when it is first wanted."""
    if chosen.source in ("train", "held-out") and not library.data_here(opened):
        raise MapError(
            f"source = {chosen.source} needs the images of {opened.checkpoint.description.info.title}, which are not "
            "on this machine; fetch them below, or show the encoded data in the checkpoint."
        )
    folder = maps.folder(opened.checkpoint, chosen)
    status = maps.status(folder)
    if status.state == "finished":
        try:
            return _opened(str(folder))
        except MapError as error:
            _offer_again(str(error), folder)
            return None
    stopped = st.session_state.get("map_stopped") == str(folder)
    if status.state in ("failed", "stopped") or stopped:
        _offer_again(status.message if status.state == "failed" else "Stopped.", folder)
        return None
    if not status.busy:
        maps.start(_file(opened), chosen)
    _progress(str(folder))
    return None


@st.cache_resource(show_spinner=False, max_entries=4)
def _opened(folder: str) -> Map:
    return maps.open_map(Path(folder))


def _offer_again(sentence: str, folder: Path) -> None:
    st.warning(sentence, icon=":material/error:")

    def again() -> None:
        st.session_state.pop("map_stopped", None)
        with suppress(MapError):  # its process has not ended yet: the page shows when it has
            maps.forget(folder)

    st.button("Try again", icon=":material/refresh:", on_click=again)


@st.fragment(run_every=LOOK_S)
def _progress(folder: str) -> None:
    """How far the process is; the page runs again when it ends."""
    status = maps.status(Path(folder))
    if status.state in ("finished", "failed", "stopped"):
        st.rerun()
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(max(status.done or 0.0, 0.0), 1.0), text=status.message or "Starting…")
    if button.button("Stop", icon=":material/stop:", width="stretch"):
        maps.stop(Path(folder))
        st.session_state["map_stopped"] = folder
        st.rerun()


def _file(opened: OpenModel) -> Path:
    """The model's file; one that was only sent to this page is put beside the maps."""
    path = library.models().get(opened.name)
    if opened.local and path is not None:
        return path
    path = maps.root() / "models" / f"{opened.id}{checkpoint.SUFFIX}"
    if not path.is_file():
        with suppress(OSError):  # saving says what is wrong
            path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, opened.checkpoint)
    return path
