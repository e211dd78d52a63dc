"""Widgets made from the fields of the configs: each knows its own choices, range, default and explanation.

What people typed lives in one plain dictionary of the session, `values()`; a widget only mirrors its entry, so that
nothing is lost when a widget goes because it does not matter now, or the page is left. Each widget is told its value
as the default too: the browser shows that when it makes the widget, also after an error kept it from being shown once.
"""

import typing
from typing import Any

import streamlit as st
from pydantic.fields import FieldInfo

from vae_core.config import ComputeConfig, Config, DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig

_VALUES, _KEY = "train_values", "train:"
_CONFIGS: tuple[type[Config], ...] = (
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    TrainingConfig,
    ComputeConfig,
)
_FIELDS: dict[str, FieldInfo] = {
    name: info for config in reversed(_CONFIGS) for name, info in config.model_fields.items()
}

LABELS = {
    "kind": "Kind of model",
    "latent_dim": "Latent dimensions",
    "hidden": "Hidden layers",
    "variance": "Variance c",
    "objective": "Objective",
    "beta": "β",
    "warmup_epochs": "Warm-up epochs",
    "cycles": "Cycles",
    "free_bits": "Free bits (nats)",
    "mmd_weight": "Weight of the MMD",
    "samples": "Draws K",
    "noise": "Noise",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "schedule": "Schedule",
    "patience": "Early stopping after",
    "averaging": "Weight averaging",
    "side": "Side (pixels)",
    "resize": "Make square by",
    "colour": "Colours",
    "window": "Window (rows)",
    "stride": "Stride (rows)",
    "storage": "Keep in",
    "train_size": "Training examples",
    "held_out_size": "Held-out examples",
    "split_seed": "Seed of the split",
}


def values() -> dict[str, Any]:
    """What is set so far, by field name."""
    found: dict[str, Any] = st.session_state.setdefault(_VALUES, {})
    return found


def value(name: str) -> Any:
    """What a field is set to, or its default."""
    return values()[name] if name in values() else _default(name)


def chosen(name: str, options: tuple[str, ...]) -> str:
    """What a field is set to where it is one of `options`, or the first of them."""
    found = values().get(name)
    return found if found in options else options[0]


def fill(settings: dict[str, Any]) -> None:
    """Replace everything that is set."""
    st.session_state[_VALUES] = dict(settings)


def show(
    name: str,
    *,
    choices: tuple[str, ...] | None = None,
    placeholder: str = "",
    suggested: str = "",
    unsettles: str = "",
) -> None:
    """Show the widget of a field.

    `choices` narrows what can be chosen, `suggested` stands there until something is typed, and choosing anew
    makes the field named by `unsettles` go back to its suggestion.
    """
    info = _FIELDS[name]
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    common: dict[str, Any] = {"label": label, "help": info.description, "key": _KEY + name}
    common["on_change"] = lambda: _keep(name, unsettles)
    options = choices or _default_first(info)
    if options:
        select(name, options, **common)
    elif _is_number(info, int) or _is_number(info, float):
        _number(name, info, common, placeholder)
    else:
        text = str(values().get(name) or suggested or value(name) or "")
        st.text_input(value=mirror(_KEY + name, text), placeholder=placeholder, **common)


def select(name: str, options: tuple[str, ...], **common: Any) -> None:
    """Show a choice between `options` for a field, or for what is kept beside the fields."""
    shown = chosen(name, options)
    mirror(_KEY + name, shown)
    st.selectbox(options=options, index=options.index(shown), **({"key": _KEY + name} | common))


def mirror(key: str, shown: Any) -> Any:
    """Return what a widget is to show, as its default, after telling so the widget that is there and shows another."""
    if st.session_state.get(key, shown) != shown:
        st.session_state[key] = shown
    return shown


def config(kind: type[Config], **given: Any) -> Any:
    """Build a config from what is set; raises `ConfigError` in one sentence."""
    known = {name: values()[name] for name in kind.model_fields if name in values()}
    if isinstance(hidden := known.get("hidden"), str):
        known["hidden"] = _whole_numbers(hidden)
    return kind(**(known | given))


def _keep(name: str, unsettles: str) -> None:
    values()[name] = st.session_state[_KEY + name]
    values().pop(unsettles, None)


def _number(name: str, info: FieldInfo, common: dict[str, Any], placeholder: str) -> None:
    """A number field; the config's own check has the last word on its range."""
    number = int if _is_number(info, int) else float
    found = value(name)
    shown = mirror(_KEY + name, None if found is None else number(found))
    low = next(
        (getattr(rule, bound) for rule in info.metadata for bound in ("ge", "gt") if hasattr(rule, bound)),
        None,
    )
    st.number_input(
        value=shown,
        min_value=None if low is None else number(low),
        step=1 if number is int else None,
        format=None if number is int else "%g",
        placeholder=placeholder or "auto",
        **common,
    )


def _default(name: str) -> Any:
    default = _FIELDS[name].default
    return ", ".join(map(str, default)) if isinstance(default, tuple) else default


def _default_first(info: FieldInfo) -> tuple[str, ...]:
    if typing.get_origin(info.annotation) is not typing.Literal:
        return ()
    options: tuple[str, ...] = typing.get_args(info.annotation)
    return tuple(sorted(options, key=lambda option: option != info.default))


def _is_number(info: FieldInfo, number: type) -> bool:
    return (
        number in (info.annotation, *typing.get_args(info.annotation))
        and typing.get_origin(info.annotation) is not tuple
    )


def _whole_numbers(text: str) -> Any:
    """Read `400, 256`; what cannot be read goes on as it is, for the config to refuse by name."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else text
