"""A run's folder: what it says, renaming, deleting, promoting, and what is made of broken ones."""

import errno
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import making
from vae_core.errors import ConfigError, TrainingError
from vae_core.training import run as runs
from vae_core.training.run import Metrics, Run, Status, best_epoch

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def row(epoch, elbo=-1.0, kl=()):
    return Metrics(epoch, 1.0, 2.0, 0.1, 1.0, 3.0, -3.0, 0.5, elbo + 0.25, 0.25, 0.01, kl)


def test_runs_are_named_after_what_they_train_and_never_share_a_folder(tmp_path):
    first, second = (making.make(tmp_path) for _ in range(2))
    assert (first.id, second.id) == ("digits-vae-3d-1", "digits-vae-3d-2")
    assert first.experiment() == making.experiment()
    assert first.status().state == "new"


@pytest.mark.parametrize("name", ["../../etc", "Ünïcode näme", "a/b\\c", "...", "x" * 64])
def test_a_data_name_makes_a_harmless_folder(name, tmp_path):
    run = making.make(tmp_path / "runs", data={"name": name, "path": "x.zip"})
    assert run.folder.parent == tmp_path / "runs"
    assert runs.open_run(tmp_path / "runs", run.id) == run


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", "../runs", "a/b", "/etc", "A", "x" * 81, "no-such-run", "a\n"]
)
def test_only_ids_of_runs_can_be_opened(run_id, tmp_path):
    with pytest.raises(TrainingError, match="There is no run named"):
        runs.open_run(tmp_path, run_id)


def test_the_newest_run_comes_first_and_other_folders_do_not_count(tmp_path):
    import os

    made = [making.make(tmp_path) for _ in range(3)]
    for age, run in enumerate(made):
        os.utime(run.folder / "config.json", (age, age))
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert runs.find(tmp_path) == made[::-1]
    assert runs.find(tmp_path / "nowhere") == []


@given(st.lists(FINITE, min_size=10, max_size=10), st.lists(FINITE, max_size=12), st.integers(1, 4))
def test_figures_come_back_as_they_were(tmp_path_factory, numbers, per_dimension, count):
    run = Run(tmp_path_factory.mktemp("run"))
    table = [Metrics(epoch, *numbers, tuple(per_dimension)) for epoch in range(1, count + 1)]
    run.write_metrics(table)
    assert run.metrics() == table


def test_no_figures_before_the_first_snapshot(tmp_path):
    run = making.make(tmp_path)
    assert run.metrics() == []
    assert run.best_epoch() is None
    assert run.latest() is None
    run.write_metrics([])
    assert run.metrics() == []


def test_the_best_epoch_is_the_earliest_of_the_highest():
    assert best_epoch([row(1, -5.0), row(2, -3.0), row(3, -4.0), row(4, -3.0)]) == 2


def test_renaming_changes_the_title_only(tmp_path):
    run = making.make(tmp_path, "First try")
    assert run.title() == "First try"
    run.rename("  Second\n try ")
    assert run.title() == "Second try"
    assert runs.find(tmp_path) == [run]
    for bad in ["", "   ", "x" * 81, "a\0b"]:
        with pytest.raises(ConfigError, match="title"):
            run.rename(bad)
    assert run.title() == "Second try"


def test_a_folder_holds_one_run(tmp_path):
    run = making.make(tmp_path)
    with pytest.raises(TrainingError, match="holds a run already"):
        runs.prepare(run.folder, making.experiment())


@pytest.mark.parametrize("title", ["x" * 81, "a\0b", "\u200b"])
def test_a_title_that_is_not_allowed_makes_no_folder(title, tmp_path):
    root = tmp_path / "runs"
    with pytest.raises(ConfigError, match="title"):
        making.make(root, title)
    with pytest.raises(ConfigError, match="title"):
        runs.prepare(root / "mine", making.experiment(), title)
    assert not root.exists()


def test_a_full_disk_leaves_no_half_made_run(tmp_path, monkeypatch):
    def full(path, content, **_):
        if path.name == "config.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(runs, "write_atomically", full)
    with pytest.raises(TrainingError, match="No space left on device"):
        making.make(tmp_path, "A title")
    for folder in ("mine", "there"):
        (tmp_path / "there").mkdir(exist_ok=True)
        with pytest.raises(TrainingError, match="No space left on device"):
            runs.prepare(tmp_path / folder, making.experiment(), "A title")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_an_empty_folder_of_a_run_is_no_run_and_the_next_run_takes_its_place(tmp_path):
    (tmp_path / "digits-vae-3d-1").mkdir()
    (tmp_path / "digits-vae-3d-2").mkdir()
    (tmp_path / "digits-vae-3d-2" / "notes.txt").write_text("somebody's own")
    (tmp_path / "digits-vae-3d-3").write_text("not even a folder")
    assert runs.find(tmp_path) == []
    assert [making.make(tmp_path).id for _ in range(2)] == ["digits-vae-3d-1", "digits-vae-3d-4"]
    assert [path.name for path in (tmp_path / "digits-vae-3d-2").iterdir()] == ["notes.txt"]


def test_a_run_without_a_title_is_called_by_its_id(tmp_path):
    assert making.make(tmp_path).title() == "digits-vae-3d-1"
    assert runs.prepare(tmp_path / ("long" * 30), making.experiment()).title() == "long" * 30


def test_deleting_removes_everything_but_not_while_it_runs(tmp_path):
    run = making.make(tmp_path)
    with run.hold(), pytest.raises(TrainingError, match="still running; stop it"):
        runs.delete(run)
    runs.delete(run)
    assert not run.folder.exists()


@pytest.mark.parametrize("state", runs.BUSY)
def test_a_busy_run_whose_process_is_gone_is_interrupted(state, tmp_path):
    run = making.make(tmp_path)
    run.log("epoch 3: ELBO -2.0")
    said = Status(state=state, epoch=3, remaining_s=5.0, updated=time.time() - 3600)
    run.say(said)
    status = run.status()
    assert status.state == "interrupted"
    assert "epoch 3: ELBO -2.0" in status.message
    assert status.epoch == 3
    assert status.remaining_s is None
    with run.hold():
        assert run.status() == said


@pytest.mark.parametrize("state", ["new", "finished", "stopped", "failed"])
def test_a_run_that_ended_stays_what_it_is(state, tmp_path):
    run = making.make(tmp_path)
    run.say(Status(state=state, updated=1.0))
    assert run.status().state == state


def test_a_run_that_was_just_started_is_given_time(tmp_path):
    run = making.make(tmp_path)
    run.say(Status(state="starting"))
    assert run.status().state == "starting"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"state": "singing"}', b'{"epoch": "x"}'])
def test_a_broken_status_is_a_new_run(content, tmp_path):
    run = making.make(tmp_path)
    (run.folder / "status.json").write_bytes(content)
    assert run.status().state == "new"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"model": {}}', b"null"])
def test_a_broken_config_is_one_sentence(content, tmp_path):
    run = making.make(tmp_path)
    (run.folder / "config.json").write_bytes(content)
    with pytest.raises((ConfigError, TrainingError)):
        run.experiment()


def test_a_broken_state_to_resume_from_is_one_sentence(tmp_path):
    run = making.make(tmp_path)
    (run.folder / runs.RESUME).write_bytes(b"not tensors")
    with pytest.raises(TrainingError, match="delete it to begin again"):
        run.resume_state()


def test_promoting_copies_the_best_epoch_and_never_overwrites(tmp_path):
    run = making.make(tmp_path / "runs")
    target = tmp_path / "checkpoints"
    target.mkdir()
    with pytest.raises(TrainingError, match="let it train first"):
        runs.promote(run, target, "mine")
    for epoch in (1, 2, 3):
        run.checkpoint(epoch).write_bytes(f"epoch {epoch}".encode())
    run.write_metrics([row(1, -3.0), row(2, -1.0), row(3, -2.0)])
    assert runs.promote(run, target, "mine").read_bytes() == b"epoch 2"
    assert runs.promote(run, target, "first", epoch=1).read_bytes() == b"epoch 1"
    with pytest.raises(TrainingError, match="exists already"):
        runs.promote(run, target, "mine")
    for name in ("", "../mine", "Mine", "a b", ".mine"):
        with pytest.raises(TrainingError, match="name"):
            runs.promote(run, target, name)
    with pytest.raises(TrainingError, match="could not be written"):
        runs.promote(run, tmp_path / "nowhere", "mine")


def test_the_log_has_times_and_a_tail(tmp_path):
    run = making.make(tmp_path)
    assert run.log_tail() == []
    for number in range(30):
        run.log(f"line {number}")
    assert [line.split(" ", 2)[2] for line in run.log_tail(3)] == ["line 27", "line 28", "line 29"]
    Run(tmp_path / "nowhere").log("nobody hears this")
