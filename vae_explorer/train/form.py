"""The form of a new run: data, model, objective, training; only what matters for the choices made so far."""

import streamlit as st

from vae_core import data
from vae_core.config import (
    ComputeConfig,
    DataConfig,
    Experiment,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
)
from vae_core.data import DataInfo
from vae_core.errors import ExplorerError
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Run
from vae_explorer import session
from vae_explorer.train import fields, own_data
from vae_explorer.train.command import command_line
from vae_explorer.train.presets import PRESETS

OWN = "Your own…"
_PRESET = "train_preset"  # the one that filled the form last
_TITLE = "train_called"  # what the next run is to be called


def show() -> Run | None:
    """Show the form; return the run if one was just started."""
    _presets()
    title, press = st.columns([4, 1], vertical_alignment="bottom")
    with title:
        _title()
    button, said = press.empty(), st.container()
    try:
        experiment = _experiment()
    except ExplorerError as error:
        experiment = None
        with said:
            session.complain(error)
    pressed = button.button(
        "Train",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=experiment is None,
    )
    if experiment is None:
        return None
    with said:
        st.code(command_line(experiment, "runs/my-run"), language="bash", wrap_lines=True)
        return _start(experiment) if pressed else None


def _title() -> None:
    st.text_input(
        "Title",
        fields.mirror("train_title", st.session_state.get(_TITLE, "")),
        key="train_title",
        max_chars=runs.MAX_TITLE,
        placeholder="What to call this run",
        label_visibility="collapsed",
        on_change=lambda: st.session_state.update({_TITLE: st.session_state["train_title"]}),
    )


def _presets() -> None:
    """Presets as one row; each fills the form."""
    presets = {preset.title: preset for preset in PRESETS}
    if not fields.values():
        fields.fill(PRESETS[0].settings)
        st.session_state[_PRESET] = PRESETS[0].title

    def take() -> None:
        st.session_state[_PRESET] = st.session_state["train_pills"]
        if chosen := presets.get(st.session_state[_PRESET] or ""):
            fields.fill(chosen.settings)

    shown = fields.mirror("train_pills", st.session_state.get(_PRESET))
    st.pills("Start from", list(presets), key="train_pills", default=shown, on_change=take)
    preset = presets.get(shown or "")
    st.caption(preset.shows if preset else "Your own settings.")


def _experiment() -> Experiment | None:
    """Show all fields, and put together what they say; None while there are no data yet.

    Raises:
        ExplorerError: what they say is not allowed; all fields are shown nevertheless.
    """
    left, right = st.columns(2, gap="medium")
    found, trouble = None, None
    with left.container(border=True):
        st.markdown("**Data**")
        try:
            found = _data()
        except ExplorerError as error:
            trouble = error
    with right.container(border=True):
        st.markdown("**Model**")
        info = None if found is None else found[1]
        _model(info)
    with left.container(border=True):
        st.markdown("**Objective**")
        _objective()
    with right.container(border=True):
        st.markdown("**Training**")
        _training()
    with st.expander("Processor and precision"):
        _compute()
    if trouble is not None:
        raise trouble
    return None if found is None else _put_together(*found)


def _put_together(config: DataConfig, info: DataInfo) -> Experiment:
    objective, matters = _objective_matters()
    kept = {name: fields.value(name) for name in matters}
    return Experiment(
        data=config,
        model=fields.config(ModelConfig, data_shape=info.data_shape, **_model_settings(info)),
        objective=ObjectiveConfig(objective=objective, **kept),
        training=fields.config(TrainingConfig),
        compute=fields.config(ComputeConfig),
    )


# --- data -------------------------------------------------------------------------------------------------------


def _data() -> tuple[DataConfig, DataInfo] | None:
    """Choose the data; None while there are none.

    Raises:
        ExplorerError: they are not understood, or not there.
    """
    names = (*data.known(), OWN)
    titles = {name: data.info(name).title for name in data.known()}

    def keep() -> None:
        fields.values()["data"] = st.session_state["train:data"]
        fields.values().pop("hidden", None)  # it goes with the shape of the data

    fields.select(
        "data", names, label="Dataset", format_func=lambda name: titles.get(name, name), on_change=keep
    )
    chosen = fields.chosen("data", names)
    if chosen == OWN:
        return own_data.choose()
    info = data.info(chosen)
    here = data.is_available(info.name)
    st.caption(info.source + ("" if here else " Not on this machine yet: the run fetches it first."))
    with st.expander("How much of it"):
        for name in ("train_size", "held_out_size", "split_seed"):
            fields.show(name, placeholder="all")
    return fields.config(DataConfig, name=info.name, path=None), info


# --- model ------------------------------------------------------------------------------------------------------


def _model(info: DataInfo | None) -> None:
    shape = (1, 28, 28) if info is None else info.data_shape
    first, second = st.columns(2)
    with first:
        fields.show("kind")
    with second:
        fields.show("latent_dim")
    kind = fields.value("kind")
    if kind != "pca":
        with first:
            fields.show("architecture", choices=architectures(shape), unsettles="hidden")
        architecture = fields.chosen("architecture", architectures(shape))
        if architecture != "linear":
            with second:
                fields.show("hidden", suggested=suggested_hidden(architecture, shape))
    with first:
        fields.show("likelihood", choices=likelihoods(kind, shape))
    if fields.chosen("likelihood", likelihoods(kind, shape)) == "gaussian":
        with second:
            fields.show("variance")


def _model_settings(info: DataInfo) -> dict[str, object]:
    """What the fields say once choices that these data do not allow are replaced."""
    kind, shape = fields.value("kind"), info.data_shape
    architecture = fields.chosen("architecture", architectures(shape)) if kind != "pca" else "mlp"
    settings: dict[str, object] = {
        "architecture": architecture,
        "likelihood": fields.chosen("likelihood", likelihoods(kind, shape)),
    }
    if kind == "pca" or architecture == "linear":
        settings["hidden"] = ()
    elif not str(fields.values().get("hidden", "")).strip():
        settings["hidden"] = tuple(int(part) for part in suggested_hidden(architecture, shape).split(","))
    return settings


def architectures(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The networks that data of a shape can have, the one that suits them best first."""
    return {1: ("mlp", "linear"), 2: ("conv", "mlp", "linear")}.get(len(shape), ("mlp", "conv", "linear"))


def likelihoods(kind: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The likelihoods that a kind of model of data of a shape can have."""
    if kind == "pca":
        return ("gaussian",)
    if len(shape) < 3:
        return ("gaussian", "gaussian-optimal")
    return ("bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal")


def suggested_hidden(architecture: str, shape: tuple[int, ...]) -> str:
    """Widths that suit data of a shape, as people type them."""
    if architecture == "conv":
        side = min(shape[1:])
        channels = [32, 64, 128, 128][: max(1, min(4, side.bit_length() - 3))]
        return ", ".join(map(str, (*channels, 192)))
    if len(shape) == 1:
        return "64, 32" if shape[0] < 64 else "256, 128"
    return "256, 128" if len(shape) == 3 and shape[1] <= 16 else "400, 256, 128"


# --- objective, training, processor -------------------------------------------------------------------------------


def _objective() -> None:
    kind = fields.value("kind")
    if kind == "pca":
        st.caption("The directions of largest variance, in closed form: nothing to choose.")
        return
    options = ("elbo", "mmd") if kind == "autoencoder" else ("elbo", "tcvae", "mmd", "iwae")
    objective, matters = _objective_matters()
    first, second = st.columns(2)
    with first:
        fields.show("objective", choices=options)
    if kind == "autoencoder" and objective == "elbo":
        st.caption("A plain autoencoder has no KL term: only reconstruction counts.")
    for number, name in enumerate(matters):
        with (second, first)[number % 2]:
            fields.show(name)


def _objective_matters() -> tuple[str, tuple[str, ...]]:
    """The objective, and the fields that matter for it."""
    kind = fields.value("kind")
    if kind == "pca":
        return "elbo", ()
    if kind == "autoencoder":
        objective = fields.chosen("objective", ("elbo", "mmd"))
        return objective, (*(("mmd_weight",) if objective == "mmd" else ()), "noise")
    objective = fields.chosen("objective", ("elbo", "tcvae", "mmd", "iwae"))
    special = {"elbo": ("free_bits",), "tcvae": (), "mmd": ("mmd_weight",), "iwae": ("samples",)}
    return objective, ("beta", "warmup_epochs", "cycles", *special[objective], "noise")


def _training() -> None:
    if fields.value("kind") == "pca":
        st.caption("One pass, no settings.")
        return
    first, second = st.columns(2)
    names = ("epochs", "batch_size", "learning_rate", "schedule", "seed", "patience", "averaging")
    for number, name in enumerate(names):
        with (first, second)[number % 2]:
            fields.show(name)


def _compute() -> None:
    st.caption(
        "On auto, a longer run first tries whether compiling and bfloat16 pay, and says what it found."
    )
    columns = st.columns(4)
    for column, name in zip(columns, ("accelerator", "devices", "precision", "compile"), strict=True):
        with column:
            fields.show(name)


def _start(experiment: Experiment) -> Run | None:
    """Make a run and start it; None, explained, with nothing left behind, where that cannot be."""
    try:
        run = runs.create(jobs.root(), experiment, st.session_state.get(_TITLE, ""))
    except ExplorerError as error:
        session.complain(error)
        return None
    try:
        jobs.start(run)
    except ExplorerError as error:
        session.complain(error)
        runs.delete(run)
        return None
    st.session_state.pop(_TITLE, None)
    return run
