"""The command line as people use it: what it prints, where, and with which exit status."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.patience import PATIENCE_S
from vae_core import checkpoint, data
from vae_core.__main__ import main
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import NonFiniteLoss
from vae_core.evaluation import disentanglement
from vae_core.training.loop import Trainer

ROOT = Path(__file__).parents[1]
FEW = ("--train-size", "100", "--held-out-size", "50", "--hidden", "8", "--epochs", "1")
FLAT = {"elbo", "reconstruction", "kl", "kl_per_dimension", "active_units"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint trained through the command line, kept as it is."""
    path = tmp_path_factory.mktemp("trained") / "digits.safetensors"
    arguments = (
        "train",
        "--data",
        "digits",
        "--latent-dim",
        "3",
        "--epochs",
        "2",
        "--hidden",
        "16",
        "--seed",
        "5",
    )
    assert main([*arguments, "--out", str(path), "--json"]) == 0
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, since a file without a folder goes there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "vae_core", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """Run a command that fails; return its only line on stderr."""
    capsys.readouterr()
    try:
        found = main(arguments)
    except SystemExit as stop:
        found = stop.code
    out, err = capsys.readouterr()
    assert found == status, err
    assert out == ""
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


# --- train --------------------------------------------------------------------------------------------------


def test_training_writes_a_file_that_says_how_it_was_made(trained):
    loaded = checkpoint.load(trained)
    description = loaded.description
    assert description.model == ModelConfig(data_shape=(1, 8, 8), latent_dim=3, hidden=(16,))
    assert description.data == DataConfig(name="digits")
    assert description.training == TrainingConfig(epochs=2, seed=5)
    assert description.epoch == 2
    assert description.evaluation.keys() >= FLAT
    assert len(loaded.reference) == 360
    assert loaded.model.encode(torch.zeros(1, 1, 8, 8)).mean.shape == (1, 3)


def test_training_reports_the_file_and_its_figures(capsys, folder):
    assert main(["train", *FEW, "--out", "model.safetensors", "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert err == ""
    assert report.keys() >= FLAT
    assert report["checkpoint"] == "model.safetensors"
    assert report["id"] == checkpoint.load(folder / "model.safetensors").id


def test_the_same_command_writes_the_same_bytes(folder):
    for name in ("a", "b"):
        assert main(["train", *FEW, "--out", f"{name}.safetensors", "--json"]) == 0
    assert main(["train", *FEW, "--seed", "1", "--out", "c.safetensors", "--json"]) == 0
    a, b, c = ((folder / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("options", "name"),
    [((), "digits-vae-2d"), (("--kind", "autoencoder", "--latent-dim", "5"), "digits-autoencoder-5d")],
)
def test_without_out_the_file_is_named_after_what_it_is(folder, options, name):
    assert main(["train", *FEW, *options, "--json"]) == 0
    assert [path.name for path in folder.iterdir()] == [f"{name}.safetensors"]
    checkpoint.load(folder / f"{name}.safetensors")


def test_every_setting_reaches_the_checkpoint(folder):
    options = {
        "split-seed": "4",
        "train-size": "90",
        "held-out-size": "40",
        "kind": "autoencoder",
        "latent-dim": "3",
        "architecture": "conv",
        "hidden": "4,6,16",
        "likelihood": "gaussian",
        "variance": "0.2",
        "beta": "2.5",
        "warmup-epochs": "1",
        "epochs": "2",
        "batch-size": "30",
        "learning-rate": "0.002",
        "schedule": "constant",
        "averaging": "0.5",
        "seed": "9",
        "patience": "3",
        "objective": "mmd",
        "cycles": "0",
        "free-bits": "0",
        "mmd-weight": "4",
        "samples": "2",
        "noise": "0.25",
        "side": "32",
        "resize": "pad",
        "colour": "grey",
        "window": "16",
        "stride": "4",
        "storage": "memory",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    plain = ["--precision", "32-true", "--compile", "off", "--accelerator", "cpu"]  # not kept in a checkpoint
    assert main(["train", *arguments, *plain, "--out", "all.safetensors", "--json"]) == 0
    found = checkpoint.describe(folder / "all.safetensors")
    assert found.data == DataConfig(
        name="digits",
        split_seed=4,
        train_size=90,
        held_out_size=40,
        side=32,
        resize="pad",
        colour="grey",
        window=16,
        stride=4,
        storage="memory",
    )
    assert found.model == ModelConfig(
        kind="autoencoder",
        data_shape=(1, 8, 8),
        latent_dim=3,
        architecture="conv",
        hidden=(4, 6, 16),
        likelihood="gaussian",
        variance=0.2,
    )
    assert found.objective == ObjectiveConfig(
        objective="mmd", beta=2.5, warmup_epochs=1, mmd_weight=4, samples=2, noise=0.25
    )
    assert found.training == TrainingConfig(
        epochs=2, batch_size=30, learning_rate=0.002, schedule="constant", averaging=0.5, seed=9, patience=3
    )
    fields = {
        name for config in (found.data, found.model, found.objective, found.training) for name in vars(config)
    }
    assert fields - {"name", "path", "data_shape"} == {name.replace("-", "_") for name in options}


def test_a_loss_that_breaks_is_one_line_after_a_loadable_checkpoint(capsys, folder, monkeypatch):
    def break_down(self, *arguments, **options):
        raise NonFiniteLoss("The loss became NaN or infinite in epoch 1.")

    monkeypatch.setattr(Trainer, "run_epoch", break_down)
    assert main(["train", *FEW, "--out", "kept.safetensors"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "vae_core train: The loss became NaN or infinite in epoch 1."
    ]
    checkpoint.load(folder / "kept.safetensors")


# --- evaluate -----------------------------------------------------------------------------------------------


def test_evaluate_prints_flat_figures(capsys, trained):
    assert main(["evaluate", str(trained), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures.keys() >= FLAT
    assert len(figures["kl_per_dimension"]) == 3
    assert figures["examples"] == 360
    # The same weights, the same seed: the figures that training wrote down.
    stored = checkpoint.describe(trained).evaluation
    assert figures.keys() == stored.keys()
    assert all(figures[name] == pytest.approx(stored[name]) for name in figures)


def test_evaluate_for_people_names_every_figure(capsys, trained):
    assert main(["evaluate", str(trained), "--limit", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= FLAT
    assert "20" in next(line for line in lines if line.startswith("examples"))


def test_evaluate_with_draws_reports_a_tighter_bound(capsys, trained):
    assert main(["evaluate", str(trained), "--json", "--samples", "20", "--limit", "100"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["importance_samples"] == 20
    assert figures["importance_weighted_bound"] > figures["elbo"]


def test_evaluate_writes_into_the_file_only_when_told_to(capsys, trained, folder):
    copy = folder / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert main(["evaluate", str(copy), "--limit", "30", "--json"]) == 0
    assert copy.read_bytes() == trained.read_bytes()
    assert main(["evaluate", str(copy), "--limit", "30", "--json", "--save"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    saved, original = checkpoint.load(copy), checkpoint.load(trained)
    assert saved.description.evaluation == figures
    assert saved.id != original.id
    assert torch.equal(saved.reference.mean, original.reference.mean)
    assert (
        saved.description.model_copy(update={"evaluation": original.description.evaluation})
        == original.description
    )


HEADLINES = {"continuity", "continuity_low", "continuity_high", "completeness", "hole_mass", "coverage"}


@pytest.mark.parametrize("asked", [[], ["--continuity"], ["--disentanglement"], ["--samples", "2"]])
def test_measuring_changes_no_file(capsys, trained, folder, asked):
    copy = folder / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    copy.chmod(0o444)
    before = copy.stat()
    assert main(["evaluate", str(copy), "--json", "--limit", "30", *asked]) == 0
    assert copy.read_bytes() == trained.read_bytes()
    assert (copy.stat().st_ino, copy.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in folder.iterdir()] == [copy.name]


def test_continuity_is_stored_when_told_to_with_everything_else_as_it_was(capsys, trained, folder):
    copy = folder / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert main(["evaluate", str(copy), "--continuity", "--json", "--limit", "30", "--save"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures.keys() >= FLAT | HEADLINES
    assert figures["examples"] == 30
    saved, original = checkpoint.load(copy), checkpoint.load(trained)
    kept = saved.description.evaluation
    assert {name: kept[name] for name in figures} == figures
    before = original.description.model_copy(update={"evaluation": kept})
    assert saved.description == before
    for name, tensor in original.model.state_dict().items():
        assert torch.equal(tensor, saved.model.state_dict()[name])
    for name, tensor in vars(original.reference).items():
        assert tensor is None or torch.equal(tensor, getattr(saved.reference, name))
    assert main(["describe", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"] == kept
    # Once more: the same figures, the same bytes; and --save alone does not forget them.
    content = copy.read_bytes()
    assert main(["evaluate", str(copy), "--continuity", "--json", "--limit", "30", "--save"]) == 0
    assert copy.read_bytes() == content
    assert main(["evaluate", str(copy), "--save", "--limit", "30"]) == 0
    assert checkpoint.describe(copy).evaluation == kept


def test_a_file_that_is_read_only_keeps_its_content_and_the_figures_are_printed(capsys, trained, folder):
    copy = folder / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    copy.chmod(0o444)
    assert main(["evaluate", str(copy), "--continuity", "--json", "--limit", "30", "--save"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out).keys() >= FLAT | HEADLINES
    assert "is read-only, so the figures were not stored in it" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert copy.read_bytes() == trained.read_bytes()


def test_continuity_needs_no_data_at_hand(capsys, trained, folder):
    loaded = checkpoint.load(trained)
    described = loaded.description.model_copy(
        update={
            "data": loaded.description.data.model_copy(update={"name": "attic"}),
            "info": replace(loaded.description.info, name="attic"),
        }
    )
    path = folder / "attic.safetensors"
    checkpoint.save(path, replace(loaded, description=described))
    assert main(["evaluate", str(path), "--json"]) == 1
    capsys.readouterr()
    assert main(["evaluate", str(path), "--continuity", "--json", "--save"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert figures["realism_against"] == "reconstructions"
    assert figures.keys() >= HEADLINES
    assert "elbo" not in figures
    assert "'attic', which is not one of" in printed.err
    assert checkpoint.describe(path).evaluation["elbo"] == loaded.description.evaluation["elbo"]


def test_a_model_without_encoded_data_says_why_it_has_no_continuity(capsys, trained, folder):
    path = folder / "bare.safetensors"
    checkpoint.save(path, replace(checkpoint.load(trained), reference=None))
    assert main(["evaluate", str(path), "--continuity", "--json", "--limit", "10"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert figures["missing"].keys() == {"continuity", "completeness", "precision"}
    assert figures.keys() & HEADLINES == set()
    assert printed.err.count("without encoded data") == 1


def test_classes_are_measured_where_they_are_known_and_factors_are_a_sentence(capsys, trained, folder):
    copy = folder / "scored.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert main(["evaluate", str(copy), "--disentanglement", "--json", "--limit", "30"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert 0.1 < figures["knn_accuracy"] <= 1
    assert "mig" not in figures
    assert figures["missing"].keys() == {"mig"}
    assert figures["missing"]["mig"] in printed.err
    assert "sprites" in printed.err
    assert copy.read_bytes() == trained.read_bytes()
    # Kept when told to, and then by whatever else is stored.
    assert main(["evaluate", str(copy), "--disentanglement", "--json", "--limit", "30", "--save"]) == 0
    assert main(["evaluate", str(copy), "--json", "--save"]) == 0
    evaluation = checkpoint.describe(copy).evaluation
    assert evaluation["knn_accuracy"] == figures["knn_accuracy"]
    assert evaluation.keys() == checkpoint.describe(trained).evaluation.keys() | {"knn_accuracy"}


def test_factors_are_measured_without_the_data_at_hand(capsys, trained, folder):
    loaded = checkpoint.load(trained)
    described = loaded.description.model_copy(
        update={
            "data": loaded.description.data.model_copy(update={"name": "attic"}),
            "info": replace(loaded.description.info, name="attic", factor_names=("a", "b", "c")),
        }
    )
    known = replace(loaded.reference, factors=loaded.reference.mean.flip(1), labels=None)
    path = folder / "factors.safetensors"
    checkpoint.save(path, replace(loaded, description=described, reference=known))
    assert main(["evaluate", str(path), "--disentanglement", "--json"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert figures["sap"] > 0.5
    assert figures["factor_vae"] > 0.9
    assert figures.keys() == {*disentanglement.KEYS, "missing"} - {"knn_accuracy"}
    assert figures["missing"].keys() == {"knn_accuracy"}
    assert "'attic', which is not one of" in printed.err
    assert main(["evaluate", str(path), "--disentanglement"]) == 0
    assert "dci_completeness" in capsys.readouterr().out
    checkpoint.save(path, replace(loaded, reference=None))
    assert main(["evaluate", str(path), "--disentanglement", "--json", "--limit", "10"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["missing"].keys() == {"knn_accuracy", "mig"}
    assert printed.err.count("without encoded data") == 1


def test_an_autoencoder_can_be_evaluated_and_described(capsys, folder):
    assert main(["train", *FEW, "--kind", "autoencoder", "--out", "ae.safetensors", "--json"]) == 0
    assert main(["evaluate", "ae.safetensors", "--json"]) == 0
    assert main(["describe", "ae.safetensors", "--json"]) == 0
    trained, evaluated, described = map(json.loads, capsys.readouterr().out.splitlines())
    assert evaluated.keys() == {"examples", "reconstruction", "active_units", "squared_error"}
    assert described["model"]["kind"] == "autoencoder"
    assert trained["reconstruction"] == pytest.approx(evaluated["reconstruction"])


# --- describe -----------------------------------------------------------------------------------------------


def test_describe_prints_the_description(capsys, trained):
    assert main(["describe", str(trained), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(checkpoint.describe(trained).to_json())
    assert main(["describe", str(trained)]) == 0
    out = capsys.readouterr().out
    for word in ("latent_dim", "digits", "elbo", "learning_rate", "format", "torch"):
        assert word in out


# --- bad arguments ------------------------------------------------------------------------------------------

BAD = {
    "no command": ((), "train"),
    "unknown command": (("sing",), "sing"),
    "unknown option": (("train", "--volume", "11"), "--volume"),
    "option without a value": (("train", "--epochs"), "--epochs"),
    "unknown dataset": (("train", "--data", "cats"), "cats"),
    "bad number": (("train", "--epochs", "many"), "many"),
    "bad fraction": (("train", "--learning-rate", "1,5"), "1,5"),
    "bad widths": (("train", "--hidden", "64,x"), "64,x"),
    "out of range": (("train", "--latent-dim", "257"), "257"),
    "not finite": (("train", "--beta", "nan"), "beta"),
    "unknown choice": (("train", "--kind", "gan"), "gan"),
    "impossible together": (("train", "--architecture", "conv", "--hidden", "8"), "hidden"),
    "too many halvings": (("train", "--architecture", "conv", "--hidden", "8,8,8,8,8"), "hidden"),
    "more data than there is": (("train", "--train-size", "2000"), "train_size = 2000"),
    "more held-out data than there is": (("train", "--held-out-size", "2000"), "held_out_size = 2000"),
    "missing folder": (("train", "--out", "nowhere/model.safetensors"), "nowhere"),
    "nothing to evaluate": (("evaluate",), "checkpoint"),
    "no limit": (("evaluate", "x.safetensors", "--limit", "0"), "--limit"),
    "negative draws": (("evaluate", "x.safetensors", "--samples", "-3"), "--samples"),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD.keys())
def test_a_bad_argument_is_one_line_and_status_2(capsys, folder, arguments, named):
    assert named in complaint(capsys, *arguments)
    assert list(folder.iterdir()) == []


def test_an_unknown_dataset_is_answered_with_the_known_ones(capsys):
    message = complaint(capsys, "train", "--data", "cats")
    assert all(name in message for name in data.known())


def test_a_complaint_holds_no_name_from_the_code(capsys):
    assert not re.search(r"\b_\w+", complaint(capsys, "train", "--hidden", "64,x"))


def test_an_out_that_is_a_folder_is_refused_before_training(capsys, folder):
    complaint(capsys, "train", *FEW, "--out", str(folder))


def test_a_seed_beyond_64_bits_is_a_bad_argument(capsys, trained):
    assert "--seed" in complaint(capsys, "evaluate", str(trained), "--seed", str(2**70))


# --- broken checkpoints -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["evaluate", "describe"])
@pytest.mark.parametrize(
    "spoil",
    [lambda content: b"", lambda content: content[:100], lambda content: b"PK\x03\x04" + content[4:]],
    ids=["empty", "cut", "other"],
)
def test_a_broken_checkpoint_is_one_line_and_status_1(capsys, trained, folder, command, spoil):
    path = folder / "broken.safetensors"
    path.write_bytes(spoil(trained.read_bytes()))
    assert "broken.safetensors" in complaint(capsys, command, str(path), status=1)
    assert "nowhere.safetensors" in complaint(capsys, command, "nowhere.safetensors", status=1)
    assert str(folder) in complaint(capsys, command, str(folder), status=1)


def edited(trained: Path, out: Path, **data_settings: object) -> str:
    loaded = checkpoint.load(trained)
    other = loaded.description.data.model_copy(update=data_settings)
    description = loaded.description.model_copy(update={"data": other})
    out.write_bytes(checkpoint.to_bytes(checkpoint.Checkpoint(loaded.model, description, loaded.reference)))
    return str(out)


@pytest.mark.parametrize("name", ["cats", "sprites"])
def test_a_checkpoint_of_data_that_do_not_fit_is_one_line_and_status_1(capsys, trained, folder, name):
    path = edited(trained, folder / "other.safetensors", name=name)
    complaint(capsys, "evaluate", path, "--limit", "2", status=1)


# --- help ---------------------------------------------------------------------------------------------------


def test_help_explains_every_setting_with_its_own_words(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--help"])
    assert stop.value.code == 0
    shown = "".join(capsys.readouterr().out.split())  # lines are wrapped, also at hyphens
    for config in (DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig):
        for name, field in config.model_fields.items():
            if name not in ("name", "data_shape"):  # --data; and the shape follows from the data
                assert "--" + name.replace("_", "-") in shown
                assert "".join(field.description.split()) in shown, name


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("train", "evaluate", "describe"))


# --- as a process -------------------------------------------------------------------------------------------


def test_processes_keep_stdout_for_the_answer_and_stderr_for_complaints(folder):
    done = run("train", *FEW, "--out", "model.safetensors", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["checkpoint"] == "model.safetensors"
    checkpoint.load(folder / "model.safetensors")

    bad = run("train", "--epochs", "0")
    assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)
    assert "epochs = 0" in bad.stderr


def test_ctrl_c_leaves_a_loadable_checkpoint(folder):
    screen, theirs = pty.openpty()  # progress is shown on terminals only,
    termios.tcsetwinsize(theirs, (24, 100))  # and only if they are wide enough
    command = [sys.executable, "-m", "vae_core", "train", "--hidden", "8", "--epochs", "100000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = ["--out", "stopped.safetensors"]
    with subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        try:
            read(screen, until=b"ELBO=")  # shown once the first epoch is over
            process.send_signal(signal.SIGINT)
            last_words = read(screen)
            out, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            os.close(screen)
    assert process.returncode == 130
    assert b"Traceback" not in last_words
    assert "stopped.safetensors" in out
    loaded = checkpoint.load(folder / "stopped.safetensors")
    assert 1 <= loaded.description.epoch < 100_000
    assert loaded.description.evaluation.keys() >= FLAT
    assert [path.name for path in folder.iterdir()] == ["stopped.safetensors"]


def read(screen: int, until: bytes | None = None) -> bytes:
    """Read a terminal until something shows up on it, or until nobody writes to it any more."""
    seen, deadline = b"", time.monotonic() + PATIENCE_S
    while until is None or until not in seen:
        assert select.select([screen], [], [], max(0.0, deadline - time.monotonic()))[0], seen
        try:
            seen += os.read(screen, 4096)
        except OSError:  # how Linux says that the other side is closed
            assert until is None, seen
            break
    return seen
