"""Snapshots of a run: figures, checkpoint, picture, and the state to go on from.

A snapshot is written in the order in which a reader or a process that resumes needs it: the state comes last, so
whatever a kill leaves half done is simply done again.
"""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from vae_core import checkpoint
from vae_core.checkpoint import Checkpoint
from vae_core.config import Experiment
from vae_core.data import DataInfo, Dataset
from vae_core.models import Model
from vae_core.training.experiment import reference_codes, summarise
from vae_core.training.film import Camera, Frame
from vae_core.training.loop import EpochReport
from vae_core.training.run import RESUME, STOPPED, Metrics, Run, best_epoch

SNAPSHOTS = 100  # at most, of a run with that many epochs or more
SNAPSHOT_EXAMPLES = 10_000  # trained on, at least, between two snapshots, as long as there are
FEWEST_SNAPSHOTS = 20
HELD_OUT_SHARE = 30  # a snapshot looks at one held-out example for so many training examples
FEWEST_HELD_OUT = 1000
DUE = "due"  # in the state to resume from: the report of an epoch whose snapshot is yet to be taken


def snapshot_interval(epochs: int, examples: int) -> int:
    """How many epochs lie between snapshots; depends on nothing else, so that a run that goes on repeats itself."""
    by_examples = min(-(-SNAPSHOT_EXAMPLES // examples), epochs // FEWEST_SNAPSHOTS)
    return max(1, -(-epochs // SNAPSHOTS), by_examples)


def snapshot_size(examples: int, held_out: int) -> int:
    """How many held-out examples a snapshot looks at: few enough that looking costs little beside training."""
    return min(held_out, max(FEWEST_HELD_OUT, examples // HELD_OUT_SHARE))


@dataclass(frozen=True)
class Snapshot:
    """What there is to write of an epoch."""

    checkpoint: Checkpoint
    frame: Frame


def due(state: dict[str, Tensor]) -> EpochReport | None:
    """The report of the epoch that a state to resume from ends with, if its snapshot is yet to be taken."""
    if DUE not in state:
        return None
    epoch, loss, reconstruction, kl, beta, rate, examples, seconds = state[DUE].tolist()
    return EpochReport(
        int(epoch), loss, reconstruction, kl, beta, rate, int(examples), seconds, stopped=False
    )


class Recorder:
    """Writes the snapshots of one run; only the first of several processes has one."""

    def __init__(
        self, run: Run, experiment: Experiment, info: DataInfo, train_size: int, held_out: Dataset
    ) -> None:
        self.run, self.experiment, self.info, self.held_out = run, experiment, info, held_out
        self.size = snapshot_size(train_size, len(held_out))
        self.camera = Camera(held_out, experiment.model.latent_dim)
        self.rows: list[Metrics] = []
        self._points: Tensor | None = None  # of the film's newest frame, which the next one follows
        self._seconds = 0.0  # of training since the newest snapshot

    def begin(self, model: Model | None, epoch: int) -> None:
        """Take up the run where it stands: after `epoch` epochs, with that model (None: there is none before)."""
        self.rows = [row for row in self.run.metrics() if row.epoch <= epoch]
        self.run.forget_after(epoch)
        newest = self.run.film(self.rows[-1].epoch if self.rows else 0)
        if newest.is_file():  # of epoch 0 too: whoever stopped within the first one has it from before that
            self._points = Frame.from_file(newest).points
            return
        self.run.write("film/items.safetensors", self.camera.items.to_bytes())
        if model is not None:
            model = _on_cpu(model)
            codes = reference_codes(model, self.held_out, self.held_out.examples[: self.size])
            self._keep(0, self.camera.shoot(model, codes, self._points))

    def snapshot(self, model: Model, report: EpochReport, state: dict[str, Tensor]) -> str:
        """Take and write the snapshot of an epoch that just ended, and return it as a line for the log."""
        return self.write(self.take(model, report), report, state)

    def take(self, model: Model, report: EpochReport) -> Snapshot:
        """Look at the model of an epoch that just ended; writes nothing."""
        made = self._summarise(model, report.epoch, self.size)
        assert made.reference is not None
        return Snapshot(made, self.camera.shoot(made.model, made.reference, self._points))

    def write(self, taken: Snapshot, report: EpochReport, state: dict[str, Tensor]) -> str:
        """Write a snapshot, and return it as a line for the log."""
        made = taken.checkpoint
        checkpoint.save(self.run.checkpoint(report.epoch), made)
        self._keep(report.epoch, taken.frame)
        self.rows.append(self._row(report, made.description.evaluation))
        self.run.write_metrics(self.rows)
        self.run.write(RESUME, save_tensors(state))
        (self.run.folder / STOPPED).unlink(missing_ok=True)
        self._seconds = 0.0
        return in_words(self.rows[-1], self.experiment.model.kind)

    def stop(self, model: Model, report: EpochReport, state: dict[str, Tensor]) -> None:
        """Keep the weights and the position of a run that stops within an epoch, or before its snapshot is taken."""
        quick = min(self.size, FEWEST_HELD_OUT)
        checkpoint.save(self.run.folder / STOPPED, self._summarise(model, report.epoch, quick))
        if not report.stopped:
            *figures, _ = astuple(report)
            state = state | {DUE: torch.tensor(figures, dtype=torch.float64)}
        self.run.write(RESUME, save_tensors(state))

    def skip(self, report: EpochReport) -> None:
        """Take note of an epoch that has no snapshot."""
        self._seconds += report.seconds

    def is_over(self) -> bool:
        """Whether the held-out ELBO has not become better for as long as the run is patient."""
        patience, best = self.experiment.training.patience, best_epoch(self.rows)
        return bool(patience) and best is not None and self.rows[-1].epoch - best >= patience

    def finish(self, interruptible: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """Let the best and the last checkpoint know all held-out data, not only a snapshot's share.

        Looking at them happens `interruptible`, writing does not.
        """
        for epoch in {best_epoch(self.rows), self.rows[-1].epoch} - {None}:
            path = self.run.checkpoint(int(epoch or 0))
            kept = checkpoint.load(path)
            if kept.description.evaluation.get("examples") != len(self.held_out):
                with interruptible():
                    complete = self._summarise(kept.model, kept.description.epoch, None)
                checkpoint.save(path, complete)

    def _summarise(self, model: Model, epoch: int, limit: int | None) -> Checkpoint:
        made = summarise(model, self.experiment, self.info, epoch, self.held_out, limit)
        return Checkpoint(_on_cpu(made.model), made.description, made.reference)

    def _keep(self, epoch: int, frame: Frame) -> None:
        self.run.write(f"film/{self.run.film(epoch).name}", frame.to_bytes(), durable=False)
        self._points = frame.points

    def _row(self, report: EpochReport, figures: dict[str, Any]) -> Metrics:
        before = self.rows[-1].seconds if self.rows else 0.0
        return Metrics(
            epoch=report.epoch,
            seconds=before + self._seconds + report.seconds,
            images_per_s=report.examples / report.seconds,
            learning_rate=report.learning_rate,
            beta=report.beta,
            loss=report.loss,
            train_reconstruction=report.reconstruction,
            train_kl=report.kl,
            held_out_reconstruction=figures["reconstruction"],
            held_out_kl=figures.get("kl", 0.0),
            held_out_squared_error=figures["squared_error"],
            kl_per_dimension=tuple(figures.get("kl_per_dimension", ())),
        )


def in_words(row: Metrics, kind: str) -> str:
    """Return a snapshot's figures as one line."""
    if kind != "vae":
        terms = f"reconstruction {row.train_reconstruction:.2f}, held-out {row.held_out_reconstruction:.2f}"
    else:
        terms = f"ELBO {row.train_elbo:.2f}, held-out {row.held_out_elbo:.2f}, KL {row.held_out_kl:.2f}"
    return f"epoch {row.epoch}: {terms}, {row.images_per_s:,.0f} images/s"


def _on_cpu(model: Model) -> Model:
    on_cpu = all(tensor.device.type == "cpu" for tensor in model.state_dict().values())
    return model if on_cpu else copy.deepcopy(model).cpu()
