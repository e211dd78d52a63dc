"""Controls that several pages share: choosing and opening a model, fetching its dataset."""

import threading
from dataclasses import dataclass, field

import streamlit as st

from vae_core import data
from vae_core.errors import CheckpointError, ExplorerError
from vae_explorer import library, session
from vae_explorer.library import OpenModel

MAX_UPLOAD_MB = 64
FOLLOW_S = 2.0


def model_picker() -> OpenModel | None:
    """Show which model is in view, in a row with what is known of it, and let people choose another."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    choose = row.container(width=240)
    with row.popover("Open a file", icon=":material/folder_open:"):
        _upload()
    opened = session.current()
    with choose:
        _select(opened)
    if opened is not None:
        row.caption(_about(opened), width="content")
    return opened


def _select(opened: OpenModel | None) -> None:
    names = session.names()
    if opened is None or not names:
        return
    # The choice lives under a plain key; the widget only mirrors it, and may come and go with the page.
    st.session_state["model_select"] = opened.name
    st.selectbox(
        "Model",
        names,
        key="model_select",
        format_func=library.title,
        label_visibility="collapsed",
        on_change=lambda: session.choose(st.session_state["model_select"]),
    )


def _upload() -> None:
    file = st.file_uploader(
        "A checkpoint written by this program (.safetensors)", max_upload_size=MAX_UPLOAD_MB, key="model_file"
    )
    if file is None or st.session_state.get("last_upload") == file.file_id:
        return
    try:
        if file.size > MAX_UPLOAD_MB * 2**20:
            raise CheckpointError(
                f"{file.name} is larger than {MAX_UPLOAD_MB} MB; put it into checkpoints/ instead."
            )
        session.take_upload(file.name, file.getvalue())
    except ExplorerError as error:
        session.complain(error)
        return
    st.session_state["last_upload"] = file.file_id


def _about(opened: OpenModel) -> str:
    description = opened.checkpoint.description
    model, figures = description.model, description.evaluation
    parts = [
        f"{_KINDS[model.kind]} of {description.info.title}, {_size(model.data_shape)}",
        f"{model.latent_dim} latent dimension{'s' if model.latent_dim > 1 else ''}",
    ]
    if not opened.local:
        parts.insert(0, "open in this browser only: no link leads others to it")
    if opened.name.startswith(library.OF_RUN):
        parts.insert(0, f"epoch {description.epoch}")
    if "active_units" in figures:
        parts.append(f"{figures['active_units']} active")
    if "elbo" in figures:
        parts.append(f"held-out ELBO {_signed(figures['elbo'])} nats")
    elif "reconstruction" in figures:
        parts.append(f"held-out reconstruction {_signed(figures['reconstruction'])} nats")
    return " · ".join(parts)


_KINDS = {"vae": "VAE", "autoencoder": "Autoencoder", "pca": "PCA"}


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} columns"
    if len(shape) == 2:
        return f"{shape[1]} steps" + (f" of {shape[0]} channels" if shape[0] > 1 else "")
    return f"{shape[1]} × {shape[2]}"


def _signed(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def follow(opened: OpenModel) -> None:
    """While a run trains, let its model be that of the epoch that just ended."""
    run = library.run_of(opened.name)
    if run is not None and run.status().busy:
        _watch(opened.name, str(library.models().get(opened.name)))


@st.fragment(run_every=FOLLOW_S)
def _watch(name: str, shown: str) -> None:
    if str(library.models().get(name)) != shown:
        st.rerun()
    st.caption(":material/sensors: This run is training; the picture follows its newest epoch.")


@dataclass
class _Fetching:
    """A download on its way in a thread of its own, so that sliders stay live meanwhile."""

    name: str
    lines: list[str] = field(default_factory=list)
    error: ExplorerError | None = None
    done: bool = False

    def start(self) -> "_Fetching":
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self) -> None:
        try:
            data.fetch(self.name, self.lines.append)
        except ExplorerError as error:
            self.error = error
        self.done = True


def fetch_data(opened: OpenModel) -> None:
    """Where the model's images are not on this machine, offer to fetch them."""
    info = opened.checkpoint.description.info
    own = opened.checkpoint.description.data.path is not None
    if own or info.name not in data.known() or library.data_here(opened):
        return
    fetching: _Fetching | None = st.session_state.get("fetching")
    if fetching is not None and fetching.name == info.name and not fetching.done:
        _progress()
        return
    if fetching is not None and fetching.name == info.name and fetching.error is not None:
        session.complain(fetching.error)
    said, button = st.columns([4, 1], vertical_alignment="center")
    said.caption(
        f"The images of {info.title} are not on this machine; all else works, from the codes in the checkpoint."
    )
    if button.button(f"Fetch {info.title}", icon=":material/download:", width="stretch"):
        st.session_state["fetching"] = _Fetching(info.name).start()
        st.rerun()


@st.fragment(run_every=0.5)
def _progress() -> None:
    fetching: _Fetching = st.session_state["fetching"]
    if fetching.done:
        st.rerun()
    line = fetching.lines[-1] if fetching.lines else "Connecting…"
    st.info(f"Fetching {data.info(fetching.name).title}. {line}", icon=":material/downloading:")
