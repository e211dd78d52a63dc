"""Figures, subspaces and errors of models side by side for the browser. `vae_explorer.compare.routes` imports it on demand."""

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint, Description
from vae_core.config import MAX_LATENT_DIM, DataConfig
from vae_core.data import Dataset
from vae_core.errors import ConfigError, DataError, ExplorerError, Stopped
from vae_core.evaluation import comparison
from vae_core.evaluation.steps import CHUNK
from vae_core.latent.subspaces import (
    basis_of,
    directions_of,
    pca_errors,
    principal_angles,
    principal_vectors,
)
from vae_core.models import Model
from vae_core.models.inputs import model_input
from vae_explorer import library
from vae_explorer.continuity import answers
from vae_explorer.library import OpenModel
from vae_explorer.live.known import MAX_KNOWN, find
from vae_explorer.live.models import examples
from vae_explorer.live.told import Gone, Tell

SEED = 0
JUDGED = 2000  # held-out examples whose reconstruction errors are compared
FITTED_NUMBERS = (
    2**24
)  # numbers in all examples that PCA is fitted to: 64 MiB of float32, and as much again at work
FEWEST_FITTED = 1000  # examples, whatever their size
MOST_ERRORS = 512  # models, or datasets, whose errors are kept

_figures: OrderedDict[str, dict[str, Any]] = OrderedDict()  # by model id
_errors: OrderedDict[tuple[str, int], float] = OrderedDict()  # by model id and number of examples
_curves: OrderedDict[tuple[str, int], tuple[list[list[float]], int]] = OrderedDict()  # by data and number
_lock = threading.Lock()


def known(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of models without measuring: {"figures": {id: ...}, "complete": {id: bool}}.

    Raises:
        ConfigError: the request makes no sense, or a model is not open any more.
    """
    found = {opened.id: _known(opened) for opened in _models(asked, 1, MAX_KNOWN)}
    complete = {each: not comparison.to_measure(figures) for each, figures in found.items()}
    return {"figures": found, "complete": complete}


def figures(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return all figures of a model, measuring those that are not known.

    Raises:
        ConfigError: the model is not open any more.
        Stopped: the reader is gone.
    """
    opened, started = find(asked.get("model")), time.perf_counter()
    found = _known(opened)
    if not comparison.to_measure(found):
        return found
    found = comparison.compare(_with_headlines(opened), examples(opened), SEED, tell, gone)
    found["seconds"] = time.perf_counter() - started
    with _lock:
        _keep(_figures, opened.id, found, MAX_KNOWN)
    return found


def subspaces(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the principal angles between two linear decoders, and pictures of what spans each.

    Raises:
        ExplorerError: the request makes no sense, the data differ, or a decoder is curved.
    """
    pair = _models(asked, 2, 2)
    comparison.check_comparable({library.title(each.name): each.checkpoint.description for each in pair})
    axes, bases = [], []
    for opened in pair:
        try:
            axes.append(_of(opened, directions_of))
            bases.append(_of(opened, basis_of))
        except ExplorerError as error:
            raise type(error)(f"{library.title(opened.name)}: {error}") from None
    shape = pair[0].checkpoint.model.data_shape
    return {
        "angles": principal_angles(*bases).tolist(),
        "bases": [_signed(each, shape) for each in axes],
        "aligned": [_signed(each, shape) for each in principal_vectors(*bases)],
    }


def reduction(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return reconstruction errors against latent_dim: of PCA at every width, and of each trained model.

    Raises:
        ExplorerError: the model is not open any more.
        Stopped: the reader is gone.
    """
    opened = find(asked.get("model"))
    tell(0.0, "Reading the data")
    found, pca, fitted, says = examples(opened, JUDGED), None, None, ""
    judged = None if found is None else model_input(found)
    if judged is None:
        says = "These data are not on this machine: each model's error is the one that it was stored with."
    else:
        try:
            pca, fitted = _curve(opened, judged, tell)
        except DataError as error:
            says = str(error)
    models = []
    candidates = list(_of_same_data(opened))
    for number, (name, path) in enumerate(candidates):
        if gone():
            raise Stopped("Comparing errors was stopped; nothing of it is kept.")
        tell(0.5 + 0.5 * number / len(candidates), f"Reconstructing with {library.title(name)}")
        try:
            each = opened if path is None else library.open_file(name, path)
        except ExplorerError:
            continue  # replaced or removed since it was listed
        models += _point(each, name, judged)
    return {
        "pca": pca,
        "models": models,
        "examples": None if judged is None else len(judged),
        "fitted": fitted,
        "pixels": prod(opened.checkpoint.model.data_shape),
        "says": says,
    }


# --- models and what is known of them ---------------------------------------------------------------------------


def _models(asked: dict[str, Any], least: int, most: int) -> list[OpenModel]:
    ids = asked.get("models")
    if not isinstance(ids, list) or not least <= len(ids) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise ConfigError(f"models has to be a list of the ids of {count} models; choose as many.")
    return [find(each) for each in ids]


def _known(opened: OpenModel) -> dict[str, Any]:
    with _lock:
        measured = _figures.get(opened.id)
    return comparison.known(_with_headlines(opened)) if measured is None else measured


def _with_headlines(opened: OpenModel) -> Checkpoint:
    """The checkpoint, as if it had been stored with what the Continuity page has measured of it since."""
    description: Description = opened.checkpoint.description
    measured = answers.kept({"model": opened.id})["headlines"] or {}
    evaluation = description.evaluation | measured
    return replace(opened.checkpoint, description=description.model_copy(update={"evaluation": evaluation}))


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


# --- linear decoders ----------------------------------------------------------------------------------------------


def _of(opened: OpenModel, what: Any) -> Float64[np.ndarray, "pixels latent"]:
    model: Model = opened.checkpoint.model
    found: Float64[np.ndarray, "pixels latent"] = what(lambda z: model.decode(z).mean, model.latent_dim)
    return found


def _signed(columns: Float64[np.ndarray, "pixels n"], shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Each column as a picture of its own scale, with 128 for zero."""
    rows = columns.T.reshape(-1, *((1,) * (3 - len(shape)) + shape))  # (n, channels, height, width)
    scaled = rows / np.abs(rows).max((1, 2, 3), keepdims=True).clip(min=1e-30)
    pixels = (128 + 127 * scaled).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return [
        {
            "height": each.shape[0],
            "width": each.shape[1],
            "channels": each.shape[2],
            "pixels": base64.b64encode(each.tobytes()).decode(),
        }
        for each in pixels
    ]


# --- errors against width ---------------------------------------------------------------------------------------


def _of_same_data(opened: OpenModel) -> Iterator[tuple[str, Path | None]]:
    """Names and files of the models that can be compared with this one; no file for itself."""
    yield opened.name, None
    for name, path in library.models().items():
        try:
            description = checkpoint.describe(path)
            comparison.check_comparable({"": opened.checkpoint.description, name: description})
        except ExplorerError:
            continue
        if name != opened.name:
            yield name, path


def _point(opened: OpenModel, name: str, judged: Tensor | None) -> list[dict[str, Any]]:
    """One model's point; none if its error is not known."""
    description = opened.checkpoint.description
    error = description.evaluation.get("squared_error") if judged is None else _error(opened, judged)
    if not isinstance(error, float):
        return []
    return [
        {
            "name": name,
            "title": library.title(name),
            "latent": description.model.latent_dim,
            "error": error,
            "kind": description.model.kind,
            "architecture": description.model.architecture,
            "beta": description.objective.beta if description.model.kind == "vae" else None,
            "noise": description.objective.noise,
        }
    ]


def _error(opened: OpenModel, judged: Float32[Tensor, "n *shape"]) -> float:
    """Mean squared error over pixels when each example's code is the mean of q(z|x)."""
    key, model = (opened.id, len(judged)), opened.checkpoint.model
    with _lock:
        if key in _errors:
            return _errors[key]
    total = 0.0
    with torch.inference_mode():
        for x in judged.split(CHUNK):
            total += float((model.decode(model.encode(x).mean).mean - x).double().square().sum())
    with _lock:
        _keep(_errors, key, total / judged.numel(), MOST_ERRORS)
    return total / judged.numel()


def _curve(
    opened: OpenModel, judged: Float32[Tensor, "n *shape"], tell: Tell
) -> tuple[list[list[float]], int]:
    """PCA's errors at every width, and how many examples it was fitted to.

    Raises:
        DataError: the training data cannot be read, or are too few.
    """
    config = opened.checkpoint.description.data
    key = (config.to_json(), len(judged))
    with _lock:
        if key in _curves:
            return _curves[key]
    pixels = prod(opened.checkpoint.model.data_shape)
    most = max(FEWEST_FITTED, FITTED_NUMBERS // pixels)
    train = _train(config, most).examples
    count = min(len(train), most)
    batches = data.batches(train, torch.arange(count), 1000)  # a split stands in no order
    fitted = torch.cat([model_input(batch).clone() for batch in batches])
    tell(0.2, f"Finding the principal components of {count:,} examples")
    errors = pca_errors(fitted, judged, min(pixels, count, MAX_LATENT_DIM), SEED)
    found = [[width, float(error)] for width, error in enumerate(errors)], count
    with _lock:
        _keep(_curves, key, found, MOST_ERRORS)
    return found


def _train(config: DataConfig, most: int) -> Dataset:
    """Training data of which the first so many are wanted: no more are made ready where that changes nothing.

    A split is in random order, so that its first ones do not depend on its size. Of somebody's own data all are read:
    columns and channels are standardised by them.
    """
    if config.path is None and (config.train_size is None or config.train_size > most):
        with suppress(ConfigError):  # there are fewer
            return data.load(config.model_copy(update={"train_size": most}), "train")
    return data.load(config, "train")
