"""Data that people bring: a path on this machine or an upload, options, and a preview before use."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import DataInfo, Preview
from vae_core.data.places import root
from vae_core.errors import DataError
from vae_explorer import session
from vae_explorer.train import fields

MAX_UPLOAD_MB = 1024
SUFFIXES = ("zip", "npy", "npz", "csv", "parquet")
SHOWN = 24
_OPTIONS: dict[str, tuple[str, ...]] = {
    ".csv": ("window",),
    ".parquet": (),
    ".npy": ("side", "storage"),
    ".npz": ("side",),
}


def choose() -> tuple[DataConfig, DataInfo] | None:
    """Let people name or send their data; None until they do.

    Raises:
        ExplorerError: what they named is not there, or not understood.
    """
    st.caption(
        "A folder or .zip of images (a subfolder per class, if there are classes), a .npy or .npz array, a .csv or "
        ".parquet table of numbers, or a .csv time series."
    )
    _upload()
    fields.show("path", placeholder="A path on this machine, for example ~/pictures/leaves")
    path = str(fields.value("path") or "").strip()
    if not path:
        st.info("Name a path or drop a file to see what is understood of it.", icon=":material/search:")
        return None
    _options(path)
    config = fields.config(DataConfig, name=Path(path).stem[:64] or "own data", path=path)
    preview = _preview(config.to_json(), _changed(path))
    _show(preview)
    return config, preview.info


def _options(path: str) -> None:
    """The options that matter for this kind of file."""
    suffix = Path(path).suffix.lower()
    names = _OPTIONS.get(suffix, ("side", "resize", "colour", "storage"))
    if fields.value("window") and suffix == ".csv":
        names = ("window", "stride")
    for column, name in zip(st.columns(max(len(names), 1)), names, strict=False):
        with column:
            fields.show(name, placeholder="none: a table" if name == "window" else "")


def _show(preview: Preview) -> None:
    """What was understood: a sheet of examples, the counts, and each thing that was decided."""
    st.image(_sheet(preview), width="stretch")
    st.markdown(
        f"**{preview.total:,} examples**: {preview.train:,} to train on, {preview.held_out:,} held out"
    )
    st.caption("\n".join(f"- {escape(note)}" for note in (f"{preview.info.source}.", *preview.notes)))


def _sheet(preview: Preview) -> Any:
    """The examples side by side as one picture (H, W, C)."""
    import numpy as np

    from vae_core.models.rendering import pictures

    tiles = pictures(preview.examples[:SHOWN])
    count, height, width, channels = tiles.shape
    per_row = min(count, 12 if width <= 64 else 6)
    rows = -(-count // per_row)
    sheet = np.zeros((rows, per_row, height + 2, width + 2, channels), np.uint8)
    sheet.reshape(-1, height + 2, width + 2, channels)[:count, 1:-1, 1:-1] = tiles
    joined = sheet.swapaxes(1, 2).reshape(rows * (height + 2), per_row * (width + 2), channels)
    return joined[..., 0] if channels == 1 else joined


@st.cache_data(show_spinner="Looking at the data…", max_entries=32)
def _preview(config: str, changed: int) -> Preview:
    """The preview of a config as JSON; looked at again when the file has changed."""
    return data.preview(DataConfig.from_json(config), SHOWN)


def _changed(path: str) -> int:
    try:
        return Path(path).expanduser().stat().st_mtime_ns
    except OSError:
        return 0


def escape(text: str) -> str:
    """What stands in somebody's file, without the meaning that Markdown would give it."""
    return re.sub(r"([\\`*_{}\[\]<>#+!|$~:])", r"\\\1", text)


def _upload() -> None:
    file = st.file_uploader("Drop a file", type=SUFFIXES, max_upload_size=MAX_UPLOAD_MB, key="train_upload")
    if file is None or st.session_state.get("train_uploaded") == file.file_id:
        return
    try:
        path = _keep(file)
    except DataError as error:
        session.complain(error)
        return
    st.session_state["train_uploaded"] = file.file_id
    fields.values()["path"] = str(path)


def _keep(file: Any) -> Path:
    """Save an upload among the user's data, under a harmless name that no other file has."""
    folder = root() / "own"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file.name).name).lstrip(".")[-80:] or "data"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = Path(tempfile.mkdtemp(dir=folder)) / name
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    except OSError as error:
        raise DataError(
            f"{file.name} could not be saved in {folder} ({error.strerror}); make room there, or set VAE_DATA_DIR."
        ) from None
    return target
