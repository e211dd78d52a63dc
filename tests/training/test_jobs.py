"""Processes: a run starts, outlives its starter, waits for its turn, stops, and goes on."""

import os
import subprocess
import sys
import threading
import time

import pytest

from tests.patience import PATIENCE_S
from tests.training import making
from vae_core import processes
from vae_core.errors import ConfigError, TrainingError
from vae_core.training import jobs
from vae_core.training.run import Status


@pytest.fixture(autouse=True)
def _no_process_is_left():
    yield
    for child in processes.children:
        child.wait(PATIENCE_S)


def until(condition, run):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, (run.status(), run.log_tail())
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a matter of niceness")
@pytest.mark.parametrize(("asked", "policy"), [("idle", "SCHED_IDLE"), ("normal", "SCHED_OTHER")])
def test_a_process_leaves_the_processor_to_whoever_drags(asked, policy, monkeypatch):
    monkeypatch.setenv("VAE_PRIORITY", asked)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        processes.give_way(process.pid)
        assert os.sched_getscheduler(process.pid) == getattr(os, policy)
        process.communicate()
    processes.give_way(process.pid)  # it has ended


def test_a_run_is_started_stopped_and_resumed_as_a_process_of_its_own(tmp_path):
    run = making.make(tmp_path, epochs=600, batch_size=20)
    jobs.start(run)
    with pytest.raises(TrainingError, match="already; stop it first"):
        jobs.start(run)
    until(run.snapshots, run)
    assert run.status().busy
    assert run.is_alive()
    jobs.stop(run)
    until(lambda: run.status().state == "stopped", run)
    until(lambda: not run.is_alive(), run)
    epoch = run.status().epoch
    assert epoch >= 1

    jobs.start(run)  # goes on, not from the beginning
    until(lambda: run.status().state == "training" and run.status().epoch > epoch, run)
    assert run.metrics()[0].epoch == run.snapshots()[0]
    jobs.stop(run)
    until(lambda: run.status().state == "stopped" and not run.is_alive(), run)


def test_a_process_that_cannot_even_begin_is_failed_with_a_sentence(tmp_path):
    run = making.make(tmp_path, data={"name": "mine", "path": str(tmp_path / "gone.npy")})
    jobs.start(run)
    until(lambda: not run.status().busy, run)
    assert run.status().state == "failed"
    assert "gone.npy" in run.status().message


def test_a_finished_run_is_not_started_again(tmp_path):
    run = making.make(tmp_path)
    run.say(Status(state="finished"))
    with pytest.raises(TrainingError, match="is finished"):
        jobs.start(run)


def test_runs_wait_for_their_turn_first_come_first_served(tmp_path):
    """Three processes' worth of waiting, in threads: one place, taken in the order of arrival."""
    order, waiting = [], [making.make(tmp_path) for _ in range(3)]
    first = jobs.wait_for_turn(making.make(tmp_path), lambda: False)
    assert first is not None

    def wait(run):
        with run.hold():
            place = jobs.wait_for_turn(run, lambda: False)
            order.append(run.id)
            run.say(Status(state="finished"))
            place.release()

    threads = []
    for run in waiting:
        threads.append(threading.Thread(target=wait, args=(run,)))
        threads[-1].start()
        until(lambda run=run: run.status().state == "queued", run)
    assert order == []
    first.release()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [run.id for run in waiting]


def test_a_run_that_waits_can_be_stopped(tmp_path):
    run = making.make(tmp_path)
    place = jobs.wait_for_turn(making.make(tmp_path), lambda: False)
    assert jobs.wait_for_turn(run, lambda: True) is None
    place.release()


def test_as_many_at_once_as_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_AT_ONCE", "2")
    runs = [making.make(tmp_path) for _ in range(2)]
    places = [jobs.wait_for_turn(run, lambda: False) for run in runs]
    assert None not in places
    for place in places:
        place.release()


@pytest.mark.parametrize("text", ["0", "-1", "many", "65", ""])
def test_how_many_at_once_must_be_a_number(text, tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_AT_ONCE", text)
    with pytest.raises(ConfigError, match="VAE_RUNS_AT_ONCE"):
        jobs.wait_for_turn(making.make(tmp_path), lambda: False)


def test_the_folder_of_runs_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path))
    assert jobs.root() == tmp_path
    monkeypatch.delenv("VAE_RUNS_DIR")
    assert jobs.root().name == "runs"
