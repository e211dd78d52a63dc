"""Headline figures and worst places for the browser. Imports torch, so `vae_explorer.continuity.routes` imports it on demand."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from vae_core.checkpoint import Checkpoint
from vae_core.errors import ConfigError
from vae_core.evaluation import headlines as core
from vae_core.evaluation import worst as places
from vae_core.evaluation.worst import Kind, Place
from vae_core.latent.metric import pullback
from vae_core.models.inputs import model_input
from vae_explorer.library import OpenModel
from vae_explorer.live.known import MAX_KNOWN, find
from vae_explorer.live.models import examples, measures_of

SEED = 0
USUAL = 300  # encoded examples whose median is the usual value
ASIDE = 0.1  # of the encoded codes' spread: so far to either side are the pictures of a cliff

Codes = Float32[np.ndarray, "n latent"]
OnProgress = Callable[[float], None]
Gone = Callable[[], bool]

_kept: OrderedDict[str, dict[str, Any]] = (
    OrderedDict()
)  # model id -> {"headlines": ..., "worst": {kind: ...}}
_lock = threading.Lock()


def headlines(asked: dict[str, Any], tell: OnProgress, gone: Gone) -> dict[str, Any]:
    """Measure the headline figures: flat keys as in a checkpoint's evaluation, and the seconds it took.

    Raises:
        ExplorerError: the model is not open any more.
        Stopped: the reader is gone.
    """
    opened, started = find(asked.get("model")), time.perf_counter()
    found = core.headlines(opened.checkpoint, examples(opened), SEED, tell, gone)
    answer = found.to_evaluation() | {"seconds": time.perf_counter() - started}
    with _lock:
        _of(opened.id)["headlines"] = answer
    return answer


def worst(asked: dict[str, Any], tell: OnProgress, gone: Gone) -> dict[str, Any]:
    """Find one list of worst places: each with the codes of its pictures, and the usual value to compare with.

    Raises:
        ExplorerError: there is no such list, or not for this model, or the model is not open any more.
        Stopped: the reader is gone.
    """
    opened, kind = find(asked.get("model")), _kind(asked.get("kind"))
    checkpoint, images = opened.checkpoint, examples(opened) if kind == "reconstructions" else None
    found = places.find(kind, checkpoint, images, SEED, on_progress=tell, should_stop=gone)
    answer = {
        "kind": kind,
        "typical": _usual(kind, opened, images),
        "places": [
            asdict(place) | {"shown": shown, "percentile": percentile}
            for place, shown, percentile in zip(
                found, _shown(kind, opened, found), _percentiles(checkpoint, found), strict=True
            )
        ],
    }
    with _lock:
        _of(opened.id)["worst"][kind] = answer
    return answer


def kept(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what was found of a model since the server started: {"headlines": ... or None, "worst": {kind: ...}}.

    Raises:
        ConfigError: the model is not open any more.
    """
    opened = find(asked.get("model"))
    with _lock:
        found = _of(opened.id)
        return {"headlines": found["headlines"], "worst": dict(found["worst"])}


def _kind(asked: Any) -> Kind:
    for kind in places.KINDS:
        if asked == kind:
            return kind
    raise ConfigError(
        f"kind = {str(asked)[:40]!r} is no list of worst places; use one of {', '.join(places.KINDS)}."
    )


def _of(model_id: str) -> dict[str, Any]:
    found = _kept.setdefault(model_id, {"headlines": None, "worst": {}})
    _kept.move_to_end(model_id)
    while len(_kept) > MAX_KNOWN:
        _kept.popitem(last=False)
    return found


# --- what is shown of a place -----------------------------------------------------------------------------------


def _shown(kind: Kind, opened: OpenModel, found: list[Place]) -> list[list[list[float]]]:
    """The codes to decode for each place: itself, and what shows what is wrong there.

    A cliff is seen from both sides, a short step along the steepest direction; a drift beside where it leads.
    """
    if not found:
        return []
    codes = _codes(found)
    if kind == "cliffs":
        step = _steps_aside(opened.checkpoint, codes)
        pairs = np.stack([codes - step, codes + step], axis=1)
    elif kind == "drifts":
        pairs = np.stack([codes, codes + measures_of(opened).drift(codes)], axis=1)
    else:
        pairs = codes[:, None]
    shown: list[list[list[float]]] = pairs.tolist()
    return shown


def _steps_aside(checkpoint: Checkpoint, codes: Codes) -> Codes:
    """A short step from each code along the direction in which the image changes most."""
    metric = pullback(lambda z: checkpoint.model.decode(z).mean, torch.from_numpy(codes))
    steepest = torch.linalg.eigh(metric.double()).eigenvectors[..., -1].float()
    reference = checkpoint.reference
    spread = torch.ones(len(codes), 1)
    if reference is not None:
        spread = ((reference.mean - reference.mean.mean(0)) @ steepest.T).std(0, correction=0)[:, None]
    step: np.ndarray = (ASIDE * spread * steepest).numpy()
    return step


def _percentiles(checkpoint: Checkpoint, found: list[Place]) -> list[float]:
    """The share of the prior's mass that is closer to its centre than each place."""
    if not found:
        return []
    shares: list[float] = core.prior_of(checkpoint).percentile(_codes(found)).tolist()
    return shares


def _usual(kind: Kind, opened: OpenModel, images: torch.Tensor | None) -> float | None:
    """The median value of encoded examples; None where there is none, and of holes, whose measure is relative anyway."""
    reference = opened.checkpoint.reference
    if reference is None or kind == "holes":
        return None
    mean = reference.mean[:USUAL]  # reference examples are in random order
    if kind == "reconstructions":
        assert images is not None  # or there would be no list
        with torch.inference_mode():
            wrong = opened.checkpoint.model.decode(mean).mean - model_input(images[:USUAL])
        values = wrong.square().flatten(1).mean(1).numpy()
    elif kind == "cliffs":
        values = measures_of(opened).cliffs(mean.numpy())[0]
    else:
        values = np.linalg.norm(measures_of(opened).drift(mean.numpy()), axis=1)
    return float(np.median(values))


def _codes(found: list[Place]) -> Codes:
    return np.array([place.code for place in found], np.float32)
