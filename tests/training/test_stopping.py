"""Stop is obeyed wherever a run is, seen at once by whoever watches, and what was learned goes on as if never stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file

from tests.training import making
from vae_core import data
from vae_core.errors import Stopped
from vae_core.evaluation import likelihood
from vae_core.training import choosing, jobs, stopping
from vae_core.training import run as runs
from vae_core.training.conduct import conduct
from vae_core.training.loop import Trainer
from vae_core.training.run import RESUME, Run, Status
from vae_core.training.stopping import interruptible

FOREVER_S = 100.0  # a test that waits for it is ended by its own time limit


def hang(*_, **__):
    time.sleep(FOREVER_S)


# --- work that does not ask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "work", [hang, lambda: threading.Event().wait(FOREVER_S), lambda: subprocess.run(["sleep", "100"])]
)
def test_work_that_does_not_ask_is_given_up(work):
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(Stopped), interruptible(lambda: True):
        work()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_what_catches_every_error_does_not_catch_it():
    def work():  # as compilers do
        with suppress(Exception):
            hang()
        return "went on"

    with pytest.raises(Stopped), interruptible(lambda: True):
        assert not work()


def test_without_a_request_work_is_done():
    with interruptible(lambda: False):
        time.sleep(3 * stopping.LOOK_S)
    with pytest.raises(ZeroDivisionError), interruptible(lambda: False):
        _ = 1 / 0


def test_in_another_thread_work_is_done_to_its_end():
    done = []

    def work():
        with interruptible(lambda: True):
            time.sleep(3 * stopping.LOOK_S)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


# --- wherever a run is ----------------------------------------------------------------------------------------


def stop_when(run, begun):
    """Ask the run to stop once that has begun; note what watchers are told from then on."""
    seen = []

    def ask():
        begun.wait()
        before = run.status().state
        run.request_stop()
        seen.extend((before, run.status().state))

    thread = threading.Thread(target=ask)
    thread.start()
    return seen, thread


@pytest.fixture
def stuck(monkeypatch):
    """Let something never end, the first time; returns an event that says it has begun."""

    def let(owner, name, when=lambda *_, **__: True):
        begun, real = threading.Event(), getattr(owner, name)

        def slow(*arguments, **named):
            if begun.is_set() or not when(*arguments, **named):
                return real(*arguments, **named)
            begun.set()
            return hang()

        monkeypatch.setattr(owner, name, slow)
        return begun

    return let


@pytest.mark.parametrize(
    ("owner", "name", "state", "settings"),
    [
        (data, "load", "preparing", {}),
        (choosing, "choose", "preparing", {}),
        (Trainer, "compile", "preparing", {"compute": making.PLAIN.model_copy(update={"compile": "on"})}),
        (
            "vae_core.training.conduct",
            "fit_pca",
            "training",
            {"model": {"kind": "pca", "likelihood": "gaussian", "hidden": ()}},
        ),
        (likelihood, "evaluate", "training", {}),
    ],
)
def test_a_run_stops_in_the_middle_of_what_does_not_ask(
    owner, name, state, settings, stuck, monkeypatch, tmp_path
):
    run = making.make(tmp_path, epochs=2, **settings)
    owner = sys.modules[owner] if isinstance(owner, str) else owner
    seen, thread = stop_when(run, stuck(owner, name))
    monkeypatch.setattr(torch, "compile", lambda step, **_: lambda *arguments: step(*arguments))
    assert conduct(run) == "stopped"
    thread.join()
    assert seen == [state, "stopping"]
    assert run.status().state == "stopped"
    monkeypatch.undo()
    monkeypatch.setattr(torch, "compile", lambda step, **_: lambda *arguments: step(*arguments))
    assert conduct(run) == "finished"
    assert run.snapshots()[-1] == run.status().epochs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = making.make(tmp_path_factory.mktemp("runs"), epochs=3)
    assert conduct(run) == "finished"
    return run


def assert_as(run, finished):
    assert conduct(run) == "finished"
    assert run.snapshots() == finished.snapshots()
    for path in finished.folder.rglob("*.safetensors"):
        found, expected = load_file(run.folder / path.relative_to(finished.folder)), load_file(path)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), path.name
    for row, same in zip(run.metrics(), finished.metrics(), strict=True):
        assert (row.loss, row.train_kl, row.held_out_elbo) == (same.loss, same.train_kl, same.held_out_elbo)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_snapshot_that_was_given_up_is_taken_when_the_run_goes_on(
    epoch, finished, stuck, monkeypatch, tmp_path
):
    run, looks = making.make(tmp_path, epochs=3), []
    begun = stuck(likelihood, "evaluate", when=lambda *_, **__: looks.append(1) or len(looks) == epoch)
    _, thread = stop_when(run, begun)
    assert conduct(run) == "stopped"
    thread.join()
    assert run.snapshots() == list(range(1, epoch))
    assert run.latest().name == runs.STOPPED
    monkeypatch.undo()
    assert_as(run, finished)


def test_a_run_that_is_trained_but_not_complete_is_completed_when_it_goes_on(stuck, monkeypatch, tmp_path):
    from vae_core.training import recording

    monkeypatch.setattr(recording, "FEWEST_HELD_OUT", 50)
    early = {"epochs": 60, "patience": 1, "learning_rate": 0.05, "data": {"train_size": 60}}
    reference, run = (making.make(tmp_path, **early) for _ in range(2))
    assert conduct(reference) == "finished"
    assert reference.snapshots()[-1] < 60
    begun = stuck(likelihood, "evaluate", when=lambda model, examples, *_: len(examples) > 50)
    seen, thread = stop_when(run, begun)
    assert conduct(run) == "stopped"
    thread.join()
    assert seen == ["finishing", "stopping"]
    monkeypatch.undo()
    monkeypatch.setattr(recording, "FEWEST_HELD_OUT", 50)
    assert_as(run, reference)  # early stopping has ended it: no epoch more


def test_stopped_in_the_first_epoch_the_film_still_begins_before_it(finished, tmp_path):
    run, asked = making.make(tmp_path, epochs=3), []
    assert conduct(run, lambda: asked.append(1) or len(asked) > 6) == "stopped"
    assert run.snapshots() == []
    assert conduct(run) == "finished"
    first, same = (load_file(each.film(0)) for each in (run, finished))
    assert all(torch.equal(first[name], same[name]) for name in same)


def test_compiling_first_changes_nothing(monkeypatch):
    """Steps are compiled before the first one, so that a stop need not wait for it."""
    monkeypatch.setattr(torch, "compile", lambda step, **_: lambda *arguments: step(*arguments))
    settings = making.experiment(model={"likelihood": "gaussian-optimal"})
    examples = data.load(settings.data, "train").examples
    first, then = (
        Trainer(
            choosing.build(settings.model), examples, settings.objective, settings.training, compiled=True
        )
        for _ in range(2)
    )
    before = torch.get_rng_state()
    first.compile()
    assert torch.equal(torch.get_rng_state(), before)
    for trainer in (first, then):
        trainer.run_epoch()
    state = then.state()
    assert all(torch.equal(tensor, state[name]) for name, tensor in first.state().items())


# --- what watchers see ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["starting", "queued", "preparing", "training", "finishing"])
def test_watchers_see_the_request_without_waiting_for_the_process(state, tmp_path):
    run = making.make(tmp_path)
    run.say(Status(state=state, epoch=3, remaining_s=5.0))
    with run.hold():
        run.request_stop()
        status = run.status()
        assert (status.state, status.epoch, status.remaining_s) == ("stopping", 3, None)
        assert status.busy
    run.say(Status(state="finished"))
    assert run.status().state == "finished"


def test_a_run_that_is_still_starting_is_stopped_at_once(tmp_path):
    run = making.make(tmp_path)
    run.say(Status(state="starting"))
    jobs.stop(run)
    assert run.status().state == "stopped"
    assert conduct(run) == "stopped"  # its process, when it comes
    assert not run.snapshots()
    assert conduct(run) == "finished"  # and the next one goes on


def test_a_request_that_comes_while_a_resumed_run_starts_is_not_forgotten(tmp_path):
    run = making.make(tmp_path)
    asked = []
    assert conduct(run, lambda: asked.append(1) or len(asked) > 20) == "stopped"
    run.request_stop()
    command = [sys.executable, "-m", "vae_core", "resume", run.folder]
    done = subprocess.run([*command, "--started"], env=os.environ, capture_output=True, check=False)
    assert done.returncode == 130
    assert Run(run.folder).status().state == "stopped"
    run.request_stop()  # one from before somebody typed the command
    assert subprocess.run(command, env=os.environ, capture_output=True, check=False).returncode == 0
    assert (run.folder / RESUME).is_file()
