"""The process of a run: from its folder, through queue, data and epochs, to the complete checkpoints.

Everything that a viewer sees of it, it writes into the folder (`vae_core.training.run`). After each snapshot the folder holds
all that is needed to go on, so that a kill at any instant loses only what came after it, and a run that goes on
ends with the same weights, bit for bit, as one that was never interrupted.
"""

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from lightning_fabric import Fabric
from torch import Tensor

from vae_core import data, objectives
from vae_core.config import ComputeConfig
from vae_core.data import Dataset
from vae_core.errors import DataNotFound, ExplorerError, Stopped, TrainingError
from vae_core.models import build
from vae_core.models.inputs import model_input
from vae_core.training import choosing, compute, jobs, recording
from vae_core.training.experiment import fit_pca
from vae_core.training.loop import EpochReport, Progress, Trainer
from vae_core.training.recording import Recorder, snapshot_interval
from vae_core.training.run import Run, State, Status
from vae_core.training.stopping import interruptible

STATUS_EVERY_S = 0.5
STREAM_WORKERS = (
    1  # a process that reads ahead: with 20 ms steps, 1.6 times the images per second of a folder
)
ASK_EVERY_S = 0.1

Stop = Callable[[], bool]
Say = Callable[[str], None]


def conduct(run: Run, should_stop: Stop = lambda: False, on_line: Say = lambda line: None) -> State:
    """Train a run to its end, from wherever it stands, and return how it ended: finished or stopped.

    Args:
        run: a folder with a config.json.
        should_stop: asked now and then; so is the folder's `stop` file.
        on_line: called with each line that goes to the log.

    Raises:
        ExplorerError: what keeps it from going on, in one sentence, which the folder holds as well.
    """
    if compute.rank() > 0:
        return Conductor(run, should_stop, on_line, leader=False).train()
    with run.hold():
        conductor = Conductor(run, should_stop, on_line, leader=True)
        try:
            return conductor.train()
        except ExplorerError as error:
            conductor.fail(str(error))
            raise
        except (RuntimeError, MemoryError) as error:
            if not compute.is_out_of_memory(error):
                conductor.fail_unexpectedly(error)
                raise
            sentence = conductor.out_of_memory()
            conductor.fail(sentence)
            raise TrainingError(sentence) from None
        except Exception as error:
            conductor.fail_unexpectedly(error)
            raise


class Conductor:
    """One process of a run. Where several train together, only the leader writes."""

    def __init__(self, run: Run, should_stop: Stop, on_line: Say, *, leader: bool) -> None:
        self.run, self.leader, self._on_line = run, leader, on_line
        self.experiment = run.experiment()
        self.status = Status(epochs=self._epochs())
        self._said = self._asked = 0.0
        self._answer = False
        self._outer_stop = should_stop
        self._due: EpochReport | None = None  # of an epoch whose snapshot was given up for a stop
        self._rate = compute.Rate()

    def train(self) -> State:
        """Go through a run from wherever it stands."""
        if not self.leader:
            return self._train()
        self.run.clear_leftovers()
        place = None if compute.is_launched_from_outside() else jobs.wait_for_turn(self.run, self.should_stop)
        if place is None and self.should_stop():
            return self._end("stopped", "Stopped before its turn came.")
        try:
            return self._train()
        except Stopped:
            return self._end("stopped", f"Stopped while {self.status.state}; it can be resumed.")
        finally:
            if place is not None:
                place.release()

    def _train(self) -> State:
        self.say("preparing", f"Loading {self.experiment.data.name}.")
        self.info = data.info(self.experiment.data)
        with self._interruptible():
            train, held_out = self._load()
        where = "streamed from disk" if isinstance(train.examples, data.Streamed) else "in memory"
        self.log(
            f"{self.info.title}: {len(train):,} examples to train on ({where}), {len(held_out):,} held out."
        )
        if self.experiment.model.kind == "pca":
            return self._fit_pca(train, held_out)
        chosen = self._choose(train, held_out)
        fabric = compute.fabric(chosen)
        fabric.launch()
        try:
            return self._epochs_of(self._trainer(fabric, chosen, train), train, held_out)
        finally:
            compute.part()

    # --- before -------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Dataset, Dataset]:
        """Load both splits; a known dataset that is not here yet is fetched first."""
        config = self.experiment.data
        try:
            return data.load(config, "train"), data.load(config, "held-out")
        except DataNotFound:
            if config.path is not None or not self.leader:
                raise
            data.fetch(config.name, lambda line: self.say("preparing", line))
            return data.load(config, "train"), data.load(config, "held-out")

    def _choose(self, train: Dataset, held_out: Dataset) -> ComputeConfig:
        """Settle how to compute, once for the whole run: what a trial decides by the clock is written down."""
        name = "chosen.json"
        if (self.run.folder / name).is_file():
            before = ComputeConfig.from_json((self.run.folder / name).read_text(encoding="utf-8"))
            chosen, reason = choosing.as_before(before)
        else:
            self.say("preparing", "Trying how to compute.")
            assert isinstance(held_out.examples, Tensor)  # only what is trained on streams
            with self._interruptible():
                chosen, reason = choosing.choose(
                    self.experiment, train.examples, held_out.examples, self.should_stop
                )
            self._require_no_stop()
            if self.leader:
                self.run.write(name, chosen.to_json().encode())
        self.status = self.status.model_copy(update={"chosen": compute.in_words(chosen)})
        self.log(f"Computes on {self.status.chosen}: {reason}.")
        return chosen

    def _trainer(self, fabric: Fabric, chosen: ComputeConfig, train: Dataset) -> Trainer:
        settings = self.experiment
        model = build(settings.model, settings.training.seed)
        trainer = Trainer(
            model,
            train.examples,
            settings.objective,
            settings.training,
            fabric=fabric,
            compiled=chosen.compile == "on",
            multiplied_by=chosen.products,
            workers=STREAM_WORKERS,
        )
        if (state := self.run.resume_state()) is not None:
            trainer.restore(state)
            self._due = recording.due(state)
            self.log(f"Goes on after epoch {trainer.epoch} and {trainer.seen:,} examples.")
        if chosen.compile == "on":
            self.say("preparing", "Compiling.")
            with self._interruptible():
                trainer.compile()
        return trainer

    def _interruptible(self) -> AbstractContextManager[None]:
        """What is done within is given up as soon as the run is asked to stop; several processes would not agree."""
        return interruptible(self.run.stop_requested) if self._is_alone() else nullcontext()

    def _require_no_stop(self) -> None:
        if self._is_alone() and self.should_stop():
            raise Stopped("Stopped on request.")

    def _is_alone(self) -> bool:
        return self.experiment.compute.devices * self.experiment.compute.num_nodes == 1

    # --- the epochs ---------------------------------------------------------------------------------------

    def _epochs_of(self, trainer: Trainer, train: Dataset, held_out: Dataset) -> State:
        recorder = (
            Recorder(self.run, self.experiment, self.info, len(train), held_out) if self.leader else None
        )
        if recorder is not None:
            recorder.begin(trainer.trained(), trainer.epoch)
        self._set_out(trainer)
        interval = snapshot_interval(self._epochs(), len(train))
        over = trainer.fabric.broadcast(recorder is not None and recorder.is_over())
        while (trainer.epoch < self._epochs() and not over) or self._due is not None:
            report, self._due = self._due or trainer.run_epoch(self.progress, self.should_stop), None
            if report.stopped:
                if recorder is not None:
                    recorder.stop(trainer.trained(), report, trainer.state())
                self._stand_at(trainer)
                return self._end("stopped", f"Stopped in epoch {trainer.epoch + 1}; it can be resumed.")
            if trainer.epoch % interval == 0 or trainer.epoch == self._epochs():
                if recorder is not None:
                    self.log(self._snapshot(recorder, trainer, report))
                over = trainer.fabric.broadcast(recorder is not None and recorder.is_over())
            elif recorder is not None:
                recorder.skip(report)
        self._stand_at(trainer)
        return self._finish(recorder, f"Finished after {trainer.epoch} epochs.")

    def _snapshot(self, recorder: Recorder, trainer: Trainer, report: EpochReport) -> str:
        """Write the snapshot of an epoch, or keep what a resumed run needs to write it."""
        try:
            with self._interruptible():
                taken = recorder.take(trainer.trained(), report)
        except Stopped:
            recorder.stop(trainer.trained(), report, trainer.state())
            self._stand_at(trainer)
            raise
        return recorder.write(taken, report, trainer.state())

    def _fit_pca(self, train: Dataset, held_out: Dataset) -> State:
        started = time.perf_counter()
        self.say("training", "Computing the principal components.")
        with self._interruptible():
            model = fit_pca(self.experiment.model, train.examples)
        seconds = time.perf_counter() - started
        first = next(data.batches(train.examples, torch.arange(min(len(train), 1000)), 1000))
        with torch.inference_mode():
            reconstruction = float(objectives.terms(model, model_input(first)).reconstruction.mean())
        report = EpochReport(1, -reconstruction, reconstruction, 0.0, 0.0, 0.0, len(train), seconds, False)
        recorder = Recorder(self.run, self.experiment, self.info, len(train), held_out)
        recorder.begin(None, 0)
        self.log(recorder.snapshot(model, report, {}))
        return self._finish(recorder, f"Finished: {model.latent_dim} principal components.")

    def _finish(self, recorder: Recorder | None, message: str) -> State:
        if recorder is not None:
            self.say("finishing", "Completing the checkpoints.")
            recorder.finish(self._interruptible)
        return self._end("finished", message)

    def _epochs(self) -> int:
        return 1 if self.experiment.model.kind == "pca" else self.experiment.training.epochs

    # --- what others see ----------------------------------------------------------------------------------

    def _set_out(self, trainer: Trainer) -> None:
        total = self._epochs() * len(trainer.examples)
        self.status = self.status.model_copy(update={"examples_in_all": total})
        self.say("training", "Training.")

    def progress(self, progress: Progress) -> None:
        """Say where training is, about twice a second."""
        if not self.leader or time.monotonic() - self._said < STATUS_EVERY_S:
            return
        done = (progress.epoch - 1) * progress.examples_per_epoch + progress.examples
        self._rate.add(done)
        rate = self._rate.per_second()
        left = (self.status.examples_in_all - done) / rate if rate else None
        values = {
            "epoch": done // progress.examples_per_epoch,
            "examples": done,
            "images_per_s": rate,
            "remaining_s": left,
        }
        self.status = self.status.model_copy(update=values)
        self.say("training", "Training.")

    def _stand_at(self, trainer: Trainer) -> None:
        """Note the exact position; `progress` notes it now and then."""
        done = trainer.epoch * len(trainer.examples) + trainer.seen
        self.status = self.status.model_copy(update={"epoch": trainer.epoch, "examples": done})

    def say(self, state: State, message: str) -> None:
        """Tell whoever watches what is under way."""
        if not self.leader:
            return
        self._said = time.monotonic()
        update = {"state": state, "message": message, "updated": time.time()}
        self.status = self.status.model_copy(update=update)
        self.run.say(self.status)

    def log(self, line: str) -> None:
        if self.leader:
            self.run.log(line)
            self._on_line(line)

    def should_stop(self) -> bool:
        """Whether somebody asked this run to stop; looks at the folder now and then."""
        if not self._answer and time.monotonic() - self._asked > ASK_EVERY_S:
            self._asked = time.monotonic()
            self._answer = self.run.stop_requested()
        return self._answer or self._outer_stop()

    def fail(self, sentence: str) -> None:
        """End for a reason; where even the status cannot be written, the exit status and the terminal say it."""
        self.status = self.status.model_copy(update={"remaining_s": None})
        self.log(sentence)
        try:
            self.say("failed", sentence)
        except TrainingError:
            return

    def fail_unexpectedly(self, error: Exception) -> None:
        """End for a reason that nobody thought of: the log gets the traceback."""
        self.run.log("".join(traceback.format_exception(error)))
        fault = str(error).split("\n")[0][:200]
        self.fail(
            f"A fault in this program ended the run ({type(error).__name__}: {fault}); the log has the details."
        )

    def out_of_memory(self) -> str:
        """Say what to do about a lack of memory."""
        batch = self.experiment.training.batch_size
        return (
            f"Out of memory in epoch {self.status.epoch + 1}: choose a smaller batch_size (it was {batch}) or smaller "
            "values for hidden, or close other programs; then resume, or make a new run."
        )

    def _end(self, state: State, message: str) -> State:
        if self.leader:
            self.run.forget_stop()
            self.status = self.status.model_copy(update={"remaining_s": None})
            self.log(message)
            self.say(state, message)
        return state
