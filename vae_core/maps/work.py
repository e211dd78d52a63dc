"""The work behind a map: gather codes, lay them out, say how faithful that is."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

from vae_core import data, objectives
from vae_core.checkpoint import Checkpoint
from vae_core.config import MapConfig
from vae_core.data import memory
from vae_core.errors import ConfigError, MapError, Stopped
from vae_core.evaluation.encoding import check_fit, encode
from vae_core.latent.codes import ReferenceCodes
from vae_core.latent.faithfulness import faithfulness
from vae_core.latent.projection import Projection, project
from vae_core.maps import asked, store
from vae_core.maps.store import Map, MapInfo

CHUNK = 1 << 18  # draws at a time

Phase = Literal["encoding", "fitting", "measuring"]
Progress = Callable[[Phase, str, float | None], None]  # what is under way, in words, and the share of it done
Stop = Callable[[], bool]
Columns = dict[str, Shaped[np.ndarray, "n ..."]]


def make(checkpoint: Checkpoint, config: MapConfig) -> Map:
    """Return a map that takes no time (`is_instant`); nothing is written. Faithfulness is not measured.

    Raises:
        ConfigError: this map takes a process of its own.
        MapError: the checkpoint has not the codes that are asked for.
        ExplorerError: the codes cannot be laid out.
    """
    if not asked.is_instant(config):
        raise ConfigError(
            f"MapConfig: {config.projection.method} of {config.source} takes its time; use start for it."
        )
    return _mapped(
        checkpoint, asked.plain(config), lambda phase, message, done: None, lambda: False, measured=False
    )


def compute(
    checkpoint: Checkpoint,
    config: MapConfig,
    folder: str | os.PathLike[str],
    on_progress: Progress = lambda phase, message, done: None,
    should_stop: Stop = lambda: False,
) -> Map:
    """Make a map and write its folder, which appears as a whole or not at all.

    Args:
        checkpoint: the model, with its codes.
        config: which points, and how they are laid out.
        folder: what to write; its parent exists. A finished map that is there already stays.
        on_progress: hears what is under way.
        should_stop: asked now and then.

    Raises:
        Stopped: should_stop said so; nothing is written.
        ExplorerError: there are no such codes or data, they cannot be laid out, or the folder cannot be written.
    """
    found = _mapped(checkpoint, asked.plain(config), on_progress, should_stop, measured=True)
    if should_stop():
        raise Stopped("The map was stopped before it was written; start it again for a whole one.")
    folder = Path(folder)
    store.write(folder, found)
    return store.open_map(folder)


def _mapped(
    checkpoint: Checkpoint, config: MapConfig, on_progress: Progress, should_stop: Stop, *, measured: bool
) -> Map:
    started = time.perf_counter()
    points, left_out = _finite(_gather(checkpoint, config, on_progress, should_stop))
    if config.projection.method in ("plane", "pca"):  # the others name their phases
        on_progress("fitting", "Laying out the map.", None)
    projection = project(
        points.codes,
        config.projection,
        lambda phase, done: on_progress("fitting", f"{phase}.", done),
        should_stop,
        points.columns.get("spread") if config.source != "draws" else None,
    )
    trust = (
        _faithfulness(projection, on_progress, should_stop) if measured or _is_isometry(projection) else None
    )
    info = checkpoint.description.info
    described = MapInfo(
        format=asked.FORMAT,
        checkpoint=checkpoint.id,
        config=config,
        title=info.title,
        n=len(points.codes),
        latent_dim=points.codes.shape[1],
        left_out=left_out,
        explained=projection.explained,
        axes=None if projection.axes is None else projection.axes.tolist(),
        origin=None if projection.origin is None else projection.origin.tolist(),
        trustworthiness=None if trust is None else trust[0],
        continuity=None if trust is None else trust[1],
        class_names=info.class_names if "label" in points.columns else (),
        factor_names=info.factor_names if "factors" in points.columns else (),
        columns=tuple(points.columns),
        seconds=time.perf_counter() - started,
    )
    return Map(described, projection.points, points.codes, points.columns)


# --- codes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Points:
    codes: Float32[np.ndarray, "n latent"]
    columns: Columns


def _gather(checkpoint: Checkpoint, config: MapConfig, on_progress: Progress, should_stop: Stop) -> _Points:
    if config.source == "train" or config.source == "held-out":
        return _encoded(checkpoint, config.source, on_progress, should_stop)
    reference = checkpoint.reference
    if reference is None:
        raise MapError(
            f"source = {config.source} needs the reference codes of the checkpoint, which has none; choose "
            "source = held-out, or train the model with this program."
        )
    if config.source == "reference":
        return _of_reference(reference)
    return _drawn(reference, config.count, config.seed, should_stop)


def _encoded(checkpoint: Checkpoint, split: data.Split, on_progress: Progress, should_stop: Stop) -> _Points:
    config = checkpoint.description.data
    on_progress("encoding", f"Loading {config.name}.", None)
    dataset = data.load(config, split)
    check_fit(checkpoint.model, dataset)
    message = f"Encoding {len(dataset):,} examples."
    encoded = encode(
        checkpoint.model, dataset, lambda done: on_progress("encoding", message, done), should_stop
    )
    columns = _posterior_columns(encoded.mean, encoded.log_variance, encoded.kl)
    columns |= _known_columns(encoded.indices, encoded.labels, encoded.factors)
    return _Points(encoded.mean.numpy(), columns | {"error": encoded.error.numpy()})


def _of_reference(reference: ReferenceCodes) -> _Points:
    mean, log_variance = reference.mean.float(), reference.log_variance
    kl = None
    if log_variance is not None:
        kl = objectives.gaussian_kl(mean, (0.5 * log_variance).exp()).sum(-1)
    columns = _posterior_columns(mean, log_variance, kl)
    columns |= _known_columns(reference.indices, reference.labels, reference.factors)
    return _Points(mean.numpy(), columns)


def _drawn(reference: ReferenceCodes, count: int, seed: int, should_stop: Stop) -> _Points:
    """Draw from q(z) = 1/N sum_n q(z|x_n): an example of the reference, then a code of its posterior."""
    if reference.log_variance is None:
        raise MapError(
            "source = draws needs posteriors, and this model encodes to points, which draws would only repeat; "
            "choose source = reference."
        )
    latent = reference.mean.shape[1]
    if count * latent * 16 > (free := memory.budget()):
        raise MapError(
            f"count = {count:,} draws of {latent} dimensions do not fit into {free:,} bytes of memory; "
            "choose fewer."
        )
    mean, std = reference.mean.float().numpy(), (0.5 * reference.log_variance).exp().float().numpy()
    generator = np.random.default_rng(seed)
    rows = generator.integers(len(mean), size=count)
    codes = np.empty((count, latent), np.float32)
    for start in range(0, count, CHUNK):
        if should_stop():
            raise Stopped("Drawing codes was stopped before it was done; start it again.")
        part = rows[start : start + CHUNK]
        noise = generator.standard_normal((len(part), latent), np.float32)
        codes[start : start + CHUNK] = mean[part] + std[part] * noise
    known = _known_columns(reference.indices, reference.labels, reference.factors)
    return _Points(
        codes, {name: values[rows] for name, values in known.items()} | {"log_prior": _log_prior(codes)}
    )


def _posterior_columns(mean: Tensor, log_variance: Tensor | None, kl: Tensor | None) -> Columns:
    """What is known of posteriors; a model that encodes to points has none, and no prior either."""
    if log_variance is None or kl is None:
        return {}
    spread = (0.5 * log_variance).exp().mean(-1)
    return {
        "log_variance": log_variance.float().numpy(),
        "kl": kl.float().numpy(),
        "log_prior": _log_prior(mean.numpy()),
        "spread": spread.float().numpy(),
    }


def _known_columns(indices: Tensor, labels: Tensor | None, factors: Tensor | None) -> Columns:
    columns: Columns = {"index": indices.numpy()}
    if labels is not None:
        columns["label"] = labels.to(torch.int16).numpy()
    if factors is not None and factors.shape[1]:
        columns["factors"] = factors.float().numpy()
    return columns


def _log_prior(codes: Float32[np.ndarray, "n latent"]) -> Float32[np.ndarray, " n"]:
    """Return log N(z; 0, I) in nats."""
    square = np.einsum("nd,nd->n", codes, codes)
    return np.asarray(-0.5 * (square + codes.shape[1] * np.log(2 * np.pi)), np.float32)


def _finite(points: _Points) -> tuple[_Points, int]:
    """Leave out points that have no place on any map; return how many those were."""
    good = np.isfinite(points.codes).all(1)
    if good.all() or not good.any():  # all bad: the projection says what to do
        return points, 0
    kept = _Points(points.codes[good], {name: values[good] for name, values in points.columns.items()})
    return kept, int((~good).sum())


# --- how much of it to believe -----------------------------------------------------------------------------------


def _faithfulness(
    projection: Projection, on_progress: Progress, should_stop: Stop
) -> tuple[float, float] | None:
    """Trustworthiness and continuity; None for fewer points than they are defined for."""
    if _is_isometry(projection):
        return 1.0, 1.0
    if len(projection.points) < 3:
        return None
    message = "Measuring how faithful the map is."
    on_progress("measuring", message, 0.0)
    found = faithfulness(
        projection.codes,
        projection.points,
        on_progress=lambda done: on_progress("measuring", message, done),
        should_stop=should_stop,
    )
    return found.trustworthiness, found.continuity


def _is_isometry(projection: Projection) -> bool:
    """Whether the map only turns two dimensions, so that every neighbour stays one."""
    return projection.axes is not None and projection.codes.shape[1] == 2
