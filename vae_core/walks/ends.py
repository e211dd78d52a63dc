"""Codes as people name them: the number of an encoded item, a class, or the code itself."""

import numpy as np
from jaxtyping import Float32

from vae_core.checkpoint import Checkpoint
from vae_core.errors import CheckpointError, ConfigError
from vae_core.latent.codes import ReferenceCodes

CLASS = "class:"


def code_of(text: str, loaded: Checkpoint, name: str = "code") -> Float32[np.ndarray, " latent"]:
    """Return the code that a text names.

    Args:
        text: `7` is item 7 of the encoded data in the checkpoint, counted from 0; `class:heart` the mean code of that
            class; anything with a comma or a point a code itself, such as `0.1,-2`.
        loaded: whose codes they are.
        name: of the argument, for the message of an error.

    Raises:
        ConfigError: it is none of these, there is no such item or class, or the code is not finite or as wide as
            the model's.
        CheckpointError: items and classes take encoded data, which the checkpoint has not.
    """
    text = text.strip()
    if text.startswith(CLASS):
        return _mean_of_class(text.removeprefix(CLASS), loaded, name)
    if text.isascii() and text.isdigit():
        return _item(text, _reference(loaded, f"{name} {text}"), name)
    return _parsed(text, loaded.model.latent_dim, name)


def _item(text: str, reference: ReferenceCodes, name: str) -> Float32[np.ndarray, " latent"]:
    if len(text) > 18 or int(text) >= len(reference):
        raise ConfigError(
            f"{name} {_shown(text)}: there is no such item; choose one from 0 to {len(reference) - 1}, or write a "
            "code with a point in it, such as 3.0."
        )
    return np.array(reference.mean[int(text)].numpy(), np.float32)


def _mean_of_class(wanted: str, loaded: Checkpoint, name: str) -> Float32[np.ndarray, " latent"]:
    reference, known = _reference(loaded, f"{name} {CLASS}{wanted}"), loaded.description.info.class_names
    if reference.labels is None or not known:
        raise ConfigError(
            f"{name} {CLASS}{_shown(wanted)}: the encoded data of this model have no classes; name an item by its number."
        )
    rows = reference.labels == known.index(wanted) if wanted in known else None
    if rows is None or not rows.any():
        raise ConfigError(
            f"{name} {CLASS}{_shown(wanted)}: there is no such class; choose one of {_shown(', '.join(known), 200)}."
        )
    return np.array(reference.mean[rows].double().mean(0).numpy(), np.float32)


def _parsed(text: str, latent_dim: int, name: str) -> Float32[np.ndarray, " latent"]:
    try:
        code = np.array([float(part) for part in text.split(",")], np.float64)
    except ValueError:
        raise ConfigError(
            f"{name} {_shown(text)} is no item, class or code; write the number of an encoded item, {CLASS}NAME, or "
            f"{latent_dim} numbers such as {_example(latent_dim)}."
        ) from None
    if len(code) != latent_dim:
        raise ConfigError(
            f"{name} {_shown(text)} has {len(code)} number{'s' * (len(code) != 1)}, and codes of this model have {latent_dim}; "
            f"write them as {_example(latent_dim)}."
        )
    if not (np.abs(code) <= np.finfo(np.float32).max).all():
        raise ConfigError(f"{name} {_shown(text)} holds NaN or infinity; write finite numbers.")
    return code.astype(np.float32)


def _reference(loaded: Checkpoint, what: str) -> ReferenceCodes:
    if loaded.reference is None:
        raise CheckpointError(
            f"{_shown(what)} is found among encoded data, which this checkpoint has not; write a code instead, such as "
            f"{_example(loaded.model.latent_dim)}."
        )
    return loaded.reference


def _example(latent_dim: int) -> str:
    return (
        "0.5" if latent_dim == 1 else ",".join(["0.1", "-2", "0.5"][:latent_dim]) + ",..." * (latent_dim > 3)
    )


def _shown(text: str, most: int = 60) -> str:
    """A text fit for one line of a message."""
    line = "".join(each if each.isprintable() else "?" for each in text)
    return line if len(line) <= most else line[: most - 3] + "..."
