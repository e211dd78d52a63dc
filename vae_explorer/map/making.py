"""From settings to a map: at once where that takes no time, else in a process of its own, watched here.

Until the map that is asked for is there, another one stays in view: the last that was shown, or the latent plane.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from vae_core import checkpoint, maps
from vae_core.config import MapConfig
from vae_core.errors import ExplorerError, MapError
from vae_core.maps import Map
from vae_explorer import library, session
from vae_explorer.library import OpenModel
from vae_explorer.map import settings

LOOK_S = 0.4
_LAST, _STOPPED, _SHARE = "map_last", "map_stopped", "map_share"


@dataclass(frozen=True)
class View:
    """The map in view."""

    map: Map
    shows: MapConfig  # what it shows
    asked: MapConfig  # what was asked for; another one while that is not there
    note: str = ""  # says so where the two differ
    dimmed: bool = False  # the other one is on its way


def show(opened: OpenModel, chosen: MapConfig | None, row: Any) -> View | None:
    """Return the map in view; how far another one is, or why there is none, stands in the row.

    Args:
        opened: the model.
        chosen: the map that is asked for; None where the settings make none, which the page has explained.
        row: the container above the map.

    Returns:
        None if nothing can be shown: there are no codes in the checkpoint, and the map is not there yet.
    """
    coming = False
    if chosen is not None:
        try:
            if maps.is_instant(chosen):
                return _shown(opened, _made(opened.id, chosen.to_json(), opened), chosen)
            with row:
                found, coming = _waited_for(opened, chosen)
            if found is not None:
                return _shown(opened, found, chosen)
        except ExplorerError as error:
            session.complain(error)
    return _meanwhile(opened, chosen, coming=coming)


def _shown(opened: OpenModel, found: Map, chosen: MapConfig) -> View:
    st.session_state[_LAST] = (opened.id, chosen.to_json())
    return View(found, chosen, chosen)


def _meanwhile(opened: OpenModel, chosen: MapConfig | None, *, coming: bool) -> View | None:
    """What stays in view without the map that was asked for."""
    wishes = [settings.plane(opened)] if opened.checkpoint.reference is not None else []
    model, last = st.session_state.get(_LAST, ("", ""))
    if model == opened.id:
        wishes.insert(0, MapConfig.from_json(last))
    for wish in wishes:
        with suppress(ExplorerError):
            found = _at_hand(opened, wish)
            if found is not None:
                return View(found, wish, chosen or wish, _note(wish, chosen, coming=coming), coming)
    if coming:
        st.container(border=True).caption("The map appears here when it is made.")
    return None


def _at_hand(opened: OpenModel, wish: MapConfig) -> Map | None:
    if maps.is_instant(wish):
        return _made(opened.id, wish.to_json(), opened)
    folder = maps.folder(opened.checkpoint, wish)
    return _opened(str(folder)) if maps.status(folder).state == "finished" else None


def _note(wish: MapConfig, chosen: MapConfig | None, *, coming: bool) -> str:
    here = f"{settings.METHODS[wish.projection.method]} ({settings.SOURCES[wish.source].lower()})"
    if chosen is None:
        return f"{here}, as before: the settings above make no map."
    return f"{here}, until the new map is made." if coming else f"{here}: the new map was not made."


@st.cache_resource(show_spinner=False, max_entries=4)
def _made(model_id: str, chosen: str, _opened: OpenModel) -> Map:
    return maps.make(_opened.checkpoint, MapConfig.from_json(chosen))


def _waited_for(opened: OpenModel, chosen: MapConfig) -> tuple[Map | None, bool]:
    """The map that a process of its own makes, and whether it is under way; it is started when it is first wanted."""
    if chosen.source in ("train", "held-out") and not library.data_here(opened):
        raise MapError(
            f"source = {chosen.source} needs the images of {opened.checkpoint.description.info.title}, which are not "
            "on this machine; fetch them below, or show the encoded data in the checkpoint."
        )
    folder = maps.folder(opened.checkpoint, chosen)
    status = maps.status(folder)
    if status.state == "finished":
        try:
            return _opened(str(folder)), False
        except MapError as error:
            _offer_again(str(error), folder)
            return None, False
    stopped = st.session_state.get(_STOPPED) == str(folder)
    if status.state in ("failed", "stopped") or stopped:
        _offer_again(status.message if status.state == "failed" else "Stopped.", folder)
        return None, False
    if not status.busy:
        maps.start(_file(opened), chosen)
    _progress(str(folder))
    return None, True


@st.cache_resource(show_spinner=False, max_entries=4)
def _opened(folder: str) -> Map:
    return maps.open_map(Path(folder))


def _offer_again(sentence: str, folder: Path) -> None:
    st.warning(sentence, icon=":material/error:")

    def again() -> None:
        st.session_state.pop(_STOPPED, None)
        with suppress(MapError):  # its process has not ended yet: the page shows when it has
            maps.forget(folder)

    st.button("Try again", icon=":material/refresh:", on_click=again)


@st.fragment(run_every=LOOK_S)
def _progress(folder: str) -> None:
    """How far the process is; the page runs again when it ends."""
    status = maps.status(Path(folder))
    if status.state in ("finished", "failed", "stopped"):
        st.rerun()
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.progress(_risen(folder, maps.share(status)), text=maps.sentence(status))
    if line.button("Stop", icon=":material/stop:"):
        maps.stop(Path(folder))
        st.session_state[_STOPPED] = folder
        st.rerun()


def _risen(folder: str, share: float) -> float:
    """The share of a map that is done; an estimate that changes does not take any of it back."""
    whose, before = st.session_state.get(_SHARE, ("", 0.0))
    risen = min(max(share, before if whose == folder else 0.0), 1.0)
    st.session_state[_SHARE] = (folder, risen)
    return risen


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
