"""A run from its folder to its end: what it leaves, stopping and going on, ending early, and failing with a sentence."""

import math

import pytest
import torch
from safetensors.torch import load_file

from tests.training import making
from vae_core import checkpoint, data
from vae_core.config import DataConfig
from vae_core.errors import DataError, NonFiniteLoss, TrainingError
from vae_core.evaluation import likelihood
from vae_core.training import compute, recording
from vae_core.training import run as runs
from vae_core.training.conduct import conduct
from vae_core.training.recording import snapshot_interval, snapshot_size
from vae_core.training.run import RESUME

HELD_OUT = data.load(DataConfig(name="digits"), "held-out")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = making.make(tmp_path_factory.mktemp("runs"), title="Six epochs")
    lines = []
    assert conduct(run, on_line=lines.append) == "finished"
    return run, lines


class After:
    """Asks to stop after so many questions."""

    def __init__(self, questions):
        self.left = questions

    def __call__(self):
        self.left -= 1
        return self.left < 0


# --- what a run leaves ----------------------------------------------------------------------------------------


def test_every_epoch_is_a_loadable_checkpoint_with_a_picture_and_a_row(finished):
    run, _ = finished
    assert run.snapshots() == [1, 2, 3, 4, 5, 6]
    assert [row.epoch for row in run.metrics()] == run.snapshots()
    for epoch in run.snapshots():
        loaded = checkpoint.load(run.checkpoint(epoch))
        assert loaded.description.epoch == epoch
        assert run.film(epoch).is_file()
    assert run.film(0).is_file()


def test_status_and_log_say_how_it_ended(finished):
    run, lines = finished
    status = run.status()
    assert (status.state, status.epoch, status.epochs) == ("finished", 6, 6)
    assert status.examples == status.examples_in_all == 6 * 1437
    assert status.remaining_s is None
    said = run.log_tail(100)
    assert [line.split(" ", 2)[2] for line in said] == lines
    assert "1,437 examples to train on (in memory), 360 held out" in lines[0]
    assert not run.is_alive()


def test_the_figures_are_those_of_the_checkpoint(finished):
    run, _ = finished
    for row in run.metrics():
        model = checkpoint.load(run.checkpoint(row.epoch)).model
        expected = likelihood.evaluate(model, HELD_OUT.examples, torch.Generator().manual_seed(0))
        assert math.isclose(row.held_out_elbo, expected["elbo"], rel_tol=1e-6)
        assert row.kl_per_dimension == pytest.approx(expected["kl_per_dimension"], rel=1e-6)


def test_best_and_last_checkpoints_know_all_held_out_data(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "FEWEST_HELD_OUT", 50)
    run = making.make(tmp_path)
    conduct(run)
    seen = {
        epoch: checkpoint.describe(run.checkpoint(epoch)).evaluation["examples"] for epoch in run.snapshots()
    }
    complete = {run.best_epoch(), 6}
    assert {epoch for epoch, examples in seen.items() if examples == 360} == complete
    assert {examples for epoch, examples in seen.items() if epoch not in complete} == {50}


def test_training_improves_the_held_out_elbo(finished):
    rows = finished[0].metrics()
    assert rows[-1].held_out_elbo > rows[0].held_out_elbo + 2


def test_items_and_noise_stay_the_same_and_reconstructions_get_closer(finished):
    run, _ = finished
    originals = load_file(run.folder / "film/items.safetensors")["originals"].float()
    frames = [load_file(run.film(epoch)) for epoch in range(7)]
    errors = [float((frame["reconstructions"].float() - originals).square().mean()) for frame in frames]
    assert errors[-1] < 0.9 * errors[0]
    assert all(frame["points"].shape == (360, 2) for frame in frames)


def test_snapshots_are_bounded_and_depend_on_sizes_only():
    for epochs, examples in [(1, 10), (30, 60_000), (400, 1437), (1000, 60_000), (3, 100), (100_000, 50)]:
        count = epochs // snapshot_interval(epochs, examples)
        assert count <= 100
        assert count >= min(epochs, 18)
    assert snapshot_interval(30, 60_000) == 1
    assert snapshot_size(60_000, 10_000) == 2000
    assert snapshot_size(1437, 360) == 360


# --- stopping and going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("questions", [3, 15, 40, 77])
def test_stopped_within_an_epoch_and_resumed_is_as_never_stopped(questions, finished, tmp_path):
    run = making.make(tmp_path)
    assert conduct(run, After(questions)) == "stopped"
    assert run.status().state == "stopped"
    stopped = checkpoint.load(run.latest())
    assert stopped.description.epoch == len(run.snapshots())
    assert conduct(run) == "finished"
    expected = load_file(finished[0].folder / RESUME)
    resumed = load_file(run.folder / RESUME)
    for name, tensor in expected.items():
        assert torch.equal(resumed[name], tensor), name
    for row, same in zip(run.metrics(), finished[0].metrics(), strict=True):
        assert row.held_out_elbo == same.held_out_elbo
        assert (row.loss, row.train_kl) == pytest.approx(
            (same.loss, same.train_kl), rel=1e-5
        )  # added in two parts


def test_a_stop_file_stops_it(tmp_path):
    run = making.make(tmp_path, epochs=100_000)
    run.request_stop()
    assert conduct(run) == "stopped"
    assert not run.stop_requested()  # else it could not go on


def test_early_stopping_ends_at_a_pure_function_of_the_figures(tmp_path):
    few = {"train_size": 40}  # soon learned by heart
    run = making.make(tmp_path, data=few, epochs=400, patience=40, averaging=0.0, learning_rate=0.01)
    assert conduct(run) == "finished"
    rows = run.metrics()
    assert rows[-1].epoch < 400
    elbos = [row.held_out_elbo for row in rows]
    assert rows[-1].epoch - run.best_epoch() >= 40
    assert max(elbos) == elbos[[row.epoch for row in rows].index(run.best_epoch())]
    assert run.status().epoch == rows[-1].epoch
    assert run.status().state == "finished"


# --- other kinds of models --------------------------------------------------------------------------------------


def test_pca_is_trained_by_the_same_command(tmp_path):
    from sklearn.decomposition import PCA

    run = making.make(
        tmp_path, model={"kind": "pca", "likelihood": "gaussian", "hidden": (), "latent_dim": 3}
    )
    assert conduct(run) == "finished"
    model = checkpoint.load(run.checkpoint(1)).model
    train = data.load(DataConfig(name="digits"), "train").examples.flatten(1).double().numpy() / 255
    x = HELD_OUT.examples / 255
    expected = PCA(3).fit(train)
    again = expected.inverse_transform(expected.transform(x.flatten(1).double().numpy()))
    found = model.decode(model.encode(x).mean).mean.flatten(1)
    torch.testing.assert_close(found, torch.from_numpy(again).float(), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("model", "objective"),
    [
        ({"kind": "autoencoder"}, {}),
        ({"kind": "autoencoder"}, {"noise": 0.3}),
        ({"kind": "autoencoder"}, {"objective": "mmd"}),
        ({"kind": "autoencoder", "architecture": "linear", "hidden": (), "likelihood": "gaussian"}, {}),
        ({"likelihood": "continuous-bernoulli"}, {"cycles": 2}),
        ({"likelihood": "gaussian-optimal"}, {"warmup_epochs": 2}),
        ({"latent_dim": 1}, {"free_bits": 0.1}),
        ({"latent_dim": 2}, {"objective": "tcvae", "beta": 4.0}),
        ({"architecture": "conv", "hidden": (8, 16, 12)}, {"objective": "iwae", "samples": 3}),
    ],
)
def test_every_kind_trains_stops_and_resumes(model, objective, tmp_path):
    run = making.make(tmp_path, model=model, objective=objective, epochs=2)
    assert conduct(run, After(20)) == "stopped"
    assert conduct(run) == "finished"
    first, last = (checkpoint.load(run.checkpoint(epoch)) for epoch in (1, 2))
    assert last.description.evaluation["reconstruction"] != first.description.evaluation["reconstruction"]
    if model.get("likelihood") == "gaussian-optimal":
        error = last.description.evaluation["squared_error"]
        assert float(last.model.variance) == pytest.approx(error, rel=0.2)


# --- failing ------------------------------------------------------------------------------------------------------


def assert_failed(run, sentence):
    status = run.status()
    assert status.state == "failed"
    assert sentence in status.message
    assert sentence in run.log_tail(1)[0]


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(tmp_path, monkeypatch):
    run = making.make(tmp_path, epochs=4, schedule="constant")
    assert conduct(run, After(35)) == "stopped"  # in the third epoch
    good = run.checkpoint(2).read_bytes()
    settings = run.experiment().model_dump()
    settings["training"]["learning_rate"] = 1.0
    settings["training"]["batch_size"] = 1
    run.write("config.json", type(run.experiment())(**settings).to_json().encode())
    monkeypatch.setattr("vae_core.objectives.gaussian_kl", lambda mean, std: mean * math.nan, raising=False)
    monkeypatch.setattr("vae_core.objectives.training.gaussian_kl", lambda mean, std: mean * math.nan)
    with pytest.raises(NonFiniteLoss):
        conduct(run)
    assert_failed(run, "The loss became NaN or infinite in epoch 3")
    assert run.checkpoint(2).read_bytes() == good
    checkpoint.load(run.latest())


def test_a_full_disk(tmp_path, monkeypatch):
    import resource

    run = making.make(tmp_path)
    assert conduct(run, After(20)) == "stopped"
    good = run.checkpoint(1).read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))  # what fits into less is still written
    try:
        with pytest.raises((TrainingError, checkpoint.CheckpointError)) as raised:
            conduct(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "could not be written (File too large)" in str(raised.value)
    assert_failed(run, "could not be written (File too large)")
    assert run.checkpoint(1).read_bytes() == good
    assert conduct(run) == "finished"  # once there is room


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="choose a folder that can be written"):
        making.make(tmp_path / "file" / "runs")


def test_a_folder_that_is_gone_stays_gone_and_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "vae_core.training.conduct.STATUS_EVERY_S", 0.0
    )  # as on a machine that is slow enough
    run = making.make(tmp_path)

    def remove():
        import shutil

        if run.status().state == "training":
            shutil.rmtree(run.folder)
        return False

    with pytest.raises(
        (TrainingError, checkpoint.CheckpointError), match=r"could not be written|cannot be written"
    ):
        conduct(run, remove)
    assert not (run.folder / "config.json").exists()
    assert not (run.folder / "status.json").exists()


def test_data_that_vanished(tmp_path):
    import numpy as np

    path = tmp_path / "digits.npy"
    np.save(path, HELD_OUT.examples[:, 0].numpy())
    run = making.make(tmp_path / "runs", data={"name": "mine", "path": str(path)})
    assert conduct(run, After(5)) == "stopped"
    path.unlink()
    with pytest.raises(DataError):
        conduct(run)
    assert_failed(run, "digits.npy")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 bytes")],
)
def test_too_little_memory(error, tmp_path, monkeypatch):
    run = making.make(tmp_path)

    def fail(*_):
        raise error

    monkeypatch.setattr("vae_core.objectives.parts", fail)
    with pytest.raises(TrainingError):
        conduct(run)
    assert_failed(run, "Out of memory in epoch 1: choose a smaller batch_size (it was 100)")


def test_what_torch_says_when_memory_is_short_is_understood():
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        torch.empty(2**60)
    assert compute.is_out_of_memory(raised.value)
    assert not compute.is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_fault_of_this_program_leaves_its_traceback(tmp_path, monkeypatch):
    run = making.make(tmp_path)

    def fail(*_):
        raise ZeroDivisionError("unthinkable")

    monkeypatch.setattr("vae_core.objectives.parts", fail)
    with pytest.raises(ZeroDivisionError):
        conduct(run)
    assert run.status().state == "failed"
    assert "ZeroDivisionError: unthinkable" in run.status().message
    assert any("Traceback" in line for line in run.log_tail(100))


def test_two_processes_cannot_train_one_run(tmp_path):
    run = making.make(tmp_path)
    with run.hold():
        assert run.is_alive()
        with pytest.raises(TrainingError, match="trained by another process"):
            conduct(runs.Run(run.folder))
