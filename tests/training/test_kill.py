"""A run that is killed at any instant and resumed ends as one that was never interrupted, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.patience import PATIENCE_S
from tests.training import dying, making
from vae_core.training.run import Run

TIMES = {"seconds", "images_per_s"}


def files(run):
    """All that has to be the same: every tensor of every file, and every figure that is not a time."""
    tensors = {
        str(path.relative_to(run.folder)): load_file(path) for path in run.folder.rglob("*.safetensors")
    }
    rows = [{name: v for name, v in vars(row).items() if name not in TIMES} for row in run.metrics()]
    return tensors, rows


def assert_same(run, reference):
    tensors, rows = files(run)
    expected, expected_rows = files(reference)
    assert tensors.keys() == expected.keys()
    for name, content in expected.items():
        assert tensors[name].keys() == content.keys(), name
        for key, tensor in content.items():
            assert torch.equal(tensors[name][key], tensor), f"{name}: {key}"
    assert rows == expected_rows
    assert not list(run.folder.rglob("*.tmp"))
    assert run.status().state == "finished"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run that was never interrupted."""
    run = making.make(tmp_path_factory.mktemp("runs"))
    finish(run)
    return run


def finish(run):
    process = dying.process(dying.train, run.folder)
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def test_the_reference_is_reproduced_by_another_whole_run(reference, tmp_path):
    run = making.make(tmp_path)
    finish(run)
    assert_same(run, reference)


@pytest.mark.parametrize("moment", ["half", "before", "after"])
@pytest.mark.parametrize("nth", [2, 9, 12, 13, 14, 15, 16, 30])
def test_killed_in_the_middle_of_a_write(nth, moment, reference, tmp_path):
    run = making.make(tmp_path)
    process = dying.process(dying.train_and_die_writing, run.folder, nth, moment)
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL
    assert run.status().state == "interrupted"
    finish(run)
    assert_same(run, reference)


def test_killed_at_random_instants_until_it_is_through(reference, tmp_path):
    run = making.make(tmp_path)
    instants = random.Random(0)
    for _ in range(12):
        process = dying.process(dying.train, run.folder)
        process.start()
        process.join(instants.uniform(0.01, 0.5))
        process.kill()
        process.join()
    if run.status().state != "finished":
        finish(run)
    assert_same(run, reference)


def test_killed_and_resumed_from_the_command_line(reference, tmp_path):
    """As people meet it: a real process, killed after its first snapshot, and the resume command."""
    run = making.make(tmp_path)
    command = [sys.executable, "-m", "vae_core"]
    with subprocess.Popen([*command, "train", "--run", run.folder], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not run.snapshots() and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert run.snapshots()
    subprocess.run([*command, "resume", run.folder], check=True, env=os.environ, timeout=PATIENCE_S)
    assert_same(Run(run.folder), reference)
