"""What the browser is told of a run's folder. Imports torch, so `vae_explorer.train.routes` imports it at the first request."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vae_core import data
from vae_core.errors import TrainingError
from vae_core.models.rendering import picture_shape
from vae_core.training import film_export, jobs
from vae_core.training import run as runs
from vae_core.training.run import Metrics, Run

LOG_LINES = 12

_WRITERS = {"gif": film_export.write_gif, "mp4": film_export.write_mp4}


def find(run_id: str) -> Run:
    """Return the run with that id.

    Raises:
        TrainingError: there is none, or the id is not one a folder may have.
    """
    return runs.open_run(jobs.root(), run_id)


def facts(run: Run, after: int = -1) -> dict[str, Any]:
    """All that the page shows of a run, as JSON; `metrics` holds a row for each snapshot after an epoch."""
    experiment, status, rows = run.experiment(), run.status(), run.metrics()
    model = experiment.model
    ended_badly = status.state in ("failed", "interrupted")
    return {
        "id": run.id,
        "made": str((run.folder / "config.json").stat().st_mtime_ns),  # an id may come again after a deletion
        "title": run.title(),
        "state": status.state,
        "busy": status.busy,
        "message": status.message,
        "epoch": status.epoch,
        "epochs": status.epochs or (1 if model.kind == "pca" else experiment.training.epochs),
        "examples": status.examples,
        "examples_in_all": status.examples_in_all,
        "images_per_s": _finite(status.images_per_s),
        "remaining_s": _finite(status.remaining_s),
        "chosen": status.chosen,
        "best_epoch": runs.best_epoch(rows),
        "snapshots": film_export.epochs(run),
        "metrics": [_row(row) for row in rows if row.epoch > after],
        "classNames": film_export.class_names(run),
        "latentDim": model.latent_dim,
        "kind": model.kind,
        "dataTitle": _title(run),
        "pictureShape": picture_shape(model.data_shape),
        "log": run.log_tail(LOG_LINES) if ended_badly else [],
    }


def _row(row: Metrics) -> list[Any]:
    """One snapshot: epoch, train reconstruction and KL, held-out reconstruction and KL, KL per dimension."""
    figures = (row.train_reconstruction, row.train_kl, row.held_out_reconstruction, row.held_out_kl)
    return [row.epoch, *map(_finite, figures), [_finite(kl) for kl in row.kl_per_dimension]]


def _finite(value: float | None) -> float | None:
    """Six digits are more than a screen shows; NaN and infinity have no place in JSON."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _title(run: Run) -> str:
    source = run.experiment().data
    return data.info(source).title if source.path is None else source.name


def frame(run: Run, epoch: int | None) -> bytes:
    """The picture of a snapshot, or of what all snapshots share (None), as it is in the file.

    Raises:
        TrainingError: there is none, or it is a link to somewhere else.
    """
    path = run.folder / "film" / "items.safetensors" if epoch is None else run.film(epoch)
    try:
        if not path.resolve(strict=True).is_relative_to(run.folder.resolve()):
            raise FileNotFoundError
        return path.read_bytes()
    except OSError:
        what = "no film" if epoch is None else f"no picture of epoch {epoch}"
        raise TrainingError(f"{run.title()} has {what} yet; wait for a snapshot.") from None


def film(run: Run, suffix: str, should_cancel: Callable[[], bool]) -> bytes:
    """The whole film as the content of a gif or mp4 file; empty if it was cancelled. Leaves nothing on the disk.

    Raises:
        TrainingError: there is no snapshot yet, or no room for a temporary file.
    """
    if should_cancel():
        return b""
    with tempfile.TemporaryDirectory(prefix="film-") as folder:
        path = Path(folder) / f"film.{suffix}"
        return path.read_bytes() if _WRITERS[suffix](path, run, should_cancel) else b""
