"""Maps: what is asked for is what is kept, whole or not at all, whatever happens to the process that makes it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch.distributions import Independent, Normal, kl_divergence

from tests.patience import PATIENCE_S
from vae_core import checkpoint, data, maps, processes
from vae_core.__main__ import main
from vae_core.config import (
    DataConfig,
    MapConfig,
    ModelConfig,
    ObjectiveConfig,
    ProjectionConfig,
    TrainingConfig,
)
from vae_core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DataNotFound,
    ExplorerError,
    MapError,
    Stopped,
)
from vae_core.evaluation.encoding import encode
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import build
from vae_core.training.experiment import reference_codes

ROOT = Path(__file__).parents[1]
HELD_OUT = MapConfig(source="held-out", projection=ProjectionConfig(method="pca"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "cache"))
    yield maps.root()
    for child in processes.children:
        child.wait(PATIENCE_S)


def saved(folder, kind="vae", latent_dim=3, seed=0, config=None, **settings):
    """A model that was never trained, with the codes of 120 digits, as a file."""
    config = config or DataConfig(name="digits", held_out_size=120)
    model = build(
        ModelConfig(kind=kind, data_shape=(1, 8, 8), latent_dim=latent_dim, hidden=(16,), **settings), seed
    ).eval()
    info = replace(data.info("digits"), name=config.name)
    described = checkpoint.describe_new(model.config, config, info, ObjectiveConfig(), TrainingConfig())
    split = data.load(DataConfig(name="digits", held_out_size=120), "held-out")
    path = folder / f"model-{kind}-{latent_dim}-{seed}.safetensors"
    codes = reference_codes(model, split, split.examples)
    return path, checkpoint.save(path, checkpoint.Checkpoint(model, described, codes))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture
def path(stored):
    return stored[0]


@pytest.fixture
def loaded(stored):
    return stored[1]


def until(condition, folder):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, maps.status(folder)
        time.sleep(0.02)


def leftovers(folder):
    return [each.name for each in folder.parent.glob(f".{folder.name}*")]


def asked(source="reference", count=70_000, draw_seed=0, **projection):
    return MapConfig(source=source, count=count, seed=draw_seed, projection=ProjectionConfig(**projection))


# --- at once ------------------------------------------------------------------------------------------------


def test_a_plane_of_the_reference_codes_is_those_codes(loaded):
    found = maps.make(loaded, asked(first=2, second=0))
    mean = loaded.reference.mean.numpy()
    assert np.array_equal(found.xy, mean[:, [2, 0]])
    assert np.array_equal(found.codes, mean)
    assert np.array_equal(found.columns["label"], loaded.reference.labels)
    assert np.array_equal(found.columns["index"], loaded.reference.indices)
    assert found.info.class_names == tuple("0123456789")
    assert found.info.columns == tuple(found.columns)
    assert len(found) == found.info.n == 120
    assert not maps.root().exists()


def test_figures_of_the_posteriors_are_those_of_torch(loaded):
    columns = maps.make(loaded, asked(method="pca")).columns
    mean, std = loaded.reference.mean, (0.5 * loaded.reference.log_variance).exp()
    prior = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
    posterior = Independent(Normal(mean, std), 1)
    np.testing.assert_allclose(columns["kl"], kl_divergence(posterior, prior), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(columns["log_prior"], prior.log_prob(mean), rtol=1e-5)
    np.testing.assert_allclose(columns["spread"], std.mean(1), rtol=1e-5)


def test_draws_come_from_the_mixture_of_posteriors(tmp_path, loaded):
    """Three posteriors far apart: a draw lies near its own, with its label, and spreads as it does."""
    mean = torch.tensor([[-10.0, 0, 0], [0, 10, 0], [10, 0, 5]])
    std = torch.tensor([[0.1, 1, 0.5]]).expand(3, 3)
    codes = ReferenceCodes(mean, 2 * std.log(), torch.tensor([7, 8, 9]), torch.tensor([4, 5, 6]))
    found = maps.make(replace(loaded, reference=codes), asked("draws", 30_000))
    label = found.columns["label"]
    assert np.array_equal(found.columns["index"], label + 3)
    for row, name in enumerate((4, 5, 6)):
        own = found.codes[label == name]
        assert abs(len(own) - 10_000) < 500
        np.testing.assert_allclose(own.mean(0), mean[row], atol=0.05)
        np.testing.assert_allclose(own.std(0), std[row], rtol=0.05)
    expected = Independent(Normal(torch.zeros(3), torch.ones(3)), 1).log_prob(torch.from_numpy(found.codes))
    np.testing.assert_allclose(found.columns["log_prior"], expected, rtol=1e-5)
    assert set(found.columns) == {"index", "label", "log_prior"}


def test_draws_repeat_with_their_seed(loaded):
    first, same, other = (maps.make(loaded, asked("draws", 500, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.codes, same.codes)
    assert not np.array_equal(first.codes, other.codes)


def test_a_million_draws_are_at_once_and_more_are_not(loaded):
    assert maps.is_instant(asked("draws", 1_000_000))
    for slow in (asked("draws", 1_000_001), asked("train"), asked(method="umap")):
        assert not maps.is_instant(slow)
        with pytest.raises(ConfigError, match="takes its time"):
            maps.make(loaded, slow)


def test_models_that_encode_to_points_have_codes_and_no_draws(tmp_path):
    _, points = saved(tmp_path, "autoencoder")
    assert set(maps.make(points, asked()).columns) == {"index", "label"}
    with pytest.raises(MapError, match="encodes to points"):
        maps.make(points, asked("draws"))


def test_no_reference_codes_are_one_sentence(loaded):
    with pytest.raises(MapError, match="has none; choose"):
        maps.make(replace(loaded, reference=None), asked())


def test_draws_that_do_not_fit_into_memory_are_one_sentence(loaded, monkeypatch):
    monkeypatch.setenv("VAE_MEMORY_BYTES", "1000000")
    with pytest.raises(MapError, match="choose fewer"):
        maps.make(loaded, asked("draws", 500_000))


def test_one_dimension_stands_at_its_spread(tmp_path):
    _, flat = saved(tmp_path, latent_dim=1)
    found = maps.make(flat, asked())
    assert np.array_equal(found.xy[:, 1], found.columns["spread"])


def test_codes_without_a_place_are_left_out_and_counted(loaded):
    mean = loaded.reference.mean.clone()
    mean[5, 1] = float("nan")
    found = maps.make(replace(loaded, reference=replace(loaded.reference, mean=mean)), asked())
    assert (found.info.left_out, len(found)) == (1, 119)
    assert np.array_equal(found.columns["index"], np.delete(loaded.reference.indices.numpy(), 5))


def test_the_projection_of_a_map_goes_both_ways(loaded):
    found = maps.make(loaded, asked(method="pca"))
    np.testing.assert_allclose(found.projection.transform(found.codes), found.xy, atol=1e-5)
    places = np.array([[0.3, -0.2]], np.float32)
    codes, _ = found.projection.lift(places, found.codes[0])
    np.testing.assert_allclose(found.projection.transform(codes), places, atol=1e-5)


# --- keys ---------------------------------------------------------------------------------------------------


def test_the_same_question_has_the_same_key_and_any_other_another():
    digits = DataConfig(name="digits")
    questions = [
        asked(), asked(first=2), asked(second=2), asked(method="pca"), asked("train"), asked("held-out"),
        asked("draws"), asked("draws", 5), asked("draws", draw_seed=1), asked(method="umap"),
        asked(method="umap", neighbours=5), asked(method="umap", min_dist=0.5), asked(method="umap", seed=3),
        asked(method="umap", metric="cosine"), asked(method="tsne"), asked(method="tsne", perplexity=5),
        asked(method="tsne", seed=3),
    ]  # fmt: skip
    keys = [maps.key("one", each, digits) for each in questions]
    keys += [maps.key("two", each, digits) for each in questions]
    keys.append(maps.key("one", asked("train"), DataConfig(name="digits", split_seed=1)))
    assert len(set(keys)) == len(keys)
    again = [maps.key("one", MapConfig.from_json(each.to_json()), digits) for each in questions]
    assert again == keys[: len(questions)]


def test_what_a_question_does_not_look_at_changes_nothing():
    digits = DataConfig(name="digits")
    for one, other in (
        (asked(), asked(neighbours=9, perplexity=4, seed=2)),
        (asked(), asked(count=5, draw_seed=8)),
        (asked(method="tsne"), asked(method="tsne", min_dist=0.7, first=4)),
    ):
        assert maps.key("one", one, digits) == maps.key("one", other, digits)
        assert maps.plain(one) == maps.plain(other)


def test_own_data_that_changed_make_another_map(tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "a").mkdir(parents=True)
    (pictures / "a" / "one.png").write_bytes(b"one")
    config = DataConfig(name="mine", path=str(pictures))
    before = maps.key("one", HELD_OUT, config)
    of_codes = maps.key("one", asked(), config)
    assert maps.key("one", HELD_OUT, config) == before
    (pictures / "a" / "two.png").write_bytes(b"two")
    after = maps.key("one", HELD_OUT, config)
    os.utime(pictures / "a" / "one.png", (1, 1))
    assert len({before, after, maps.key("one", HELD_OUT, config)}) == 3
    assert maps.key("one", asked(), config) == of_codes


def test_a_model_that_was_never_saved_has_no_key(loaded):
    with pytest.raises(CheckpointError, match="save it"):
        maps.folder(replace(loaded, id=""), asked())


# --- on disk ------------------------------------------------------------------------------------------------


def test_a_map_of_a_split_goes_to_disk_and_comes_back(loaded, tmp_path):
    heard = []
    made = maps.compute(loaded, HELD_OUT, tmp_path / "map", lambda *what: heard.append(what))
    found = maps.open_map(tmp_path / "map")
    split = data.load(loaded.description.data, "held-out")
    encoded = encode(loaded.model, split)
    assert np.array_equal(found.codes, encoded.mean)
    for name in ("kl", "error", "log_variance"):
        assert np.array_equal(found.columns[name], getattr(encoded, name)), name
    assert np.array_equal(found.columns["label"], split.labels)
    assert np.array_equal(found.columns["index"], split.indices)
    assert np.array_equal(found.xy, made.xy)
    assert found.info == made.info
    assert found.info.n == 120
    assert 0.5 < found.info.trustworthiness <= 1
    assert 0.5 < found.info.continuity <= 1
    assert found.info.title == data.info("digits").title
    assert len(found.info.explained) == 2
    assert [phase for phase, _, done in heard if done == 1.0] == ["encoding", "fitting", "measuring"]
    assert leftovers(tmp_path / "map") == []
    assert isinstance(found.xy.base, np.memmap)


def test_a_turned_plane_of_two_dimensions_is_faithful(tmp_path):
    _, flat = saved(tmp_path, latent_dim=2)
    for method in ("plane", "pca"):
        info = maps.make(flat, asked(method=method)).info
        assert (info.trustworthiness, info.continuity) == (1.0, 1.0)


def test_a_stopped_map_leaves_nothing(loaded, tmp_path):
    with pytest.raises(Stopped):
        maps.compute(loaded, HELD_OUT, tmp_path / "map", should_stop=lambda: True)
    assert list(tmp_path.glob("**/*map*")) == []


def test_data_that_are_not_here_are_one_sentence(tmp_path):
    _, other = saved(tmp_path, config=DataConfig(name="mnist"))
    with pytest.raises(DataNotFound, match="get it once"):
        maps.compute(other, HELD_OUT, tmp_path / "map")
    gone = DataConfig(name="mine", path=str(tmp_path / "gone"))
    _, other = saved(tmp_path, config=gone, seed=1)
    with pytest.raises(DataError, match="gone"):
        maps.compute(other, HELD_OUT, tmp_path / "map")
    assert not (tmp_path / "map").exists()


def test_data_of_another_shape_are_one_sentence(tmp_path):
    np.save(tmp_path / "photos.npy", np.arange(30 * 144, dtype=np.uint8).reshape(30, 12, 12))
    _, other = saved(tmp_path, config=DataConfig(name="photos", path=str(tmp_path / "photos.npy")))
    with pytest.raises(DataError, match="1 x 12 x 12, but this model takes 1 x 8 x 8"):
        maps.compute(other, HELD_OUT, tmp_path / "map")


@pytest.fixture
def folder(loaded, tmp_path):
    maps.compute(loaded, HELD_OUT, tmp_path / "map")
    return tmp_path / "map"


def replaced(name, values):
    def change(folder):
        np.save(folder / f"{name}.npy", values, allow_pickle=True)

    return change


def told(**changed):
    def change(folder):
        info = json.loads((folder / "map.json").read_text())
        (folder / "map.json").write_text(json.dumps(info | changed))

    return change


def cut(folder):
    (folder / "codes.npy").write_bytes((folder / "codes.npy").read_bytes()[:-10])


def archived(folder):
    with (folder / "xy.npy").open("wb") as file:
        np.savez(file, a=np.zeros(3))


HOSTILE = {
    "too short": replaced("xy", np.zeros((119, 2), np.float32)),
    "too wide": replaced("codes", np.zeros((120, 4), np.float32)),
    "of another kind": replaced("kl", np.zeros(120, np.float64)),
    "by columns": replaced("codes", np.asfortranarray(np.ones((120, 3), np.float32))),
    "pickled": replaced("kl", np.array([print] * 120, object)),
    "not finite": replaced("xy", np.full((120, 2), np.nan, np.float32)),
    "labels beyond": replaced("label", np.full(120, 10, np.int16)),
    "labels below": replaced("label", np.full(120, -2, np.int16)),
    "cut off": cut,
    "empty": lambda folder: (folder / "xy.npy").write_bytes(b""),
    "text": lambda folder: (folder / "xy.npy").write_text("hello"),
    "archive": archived,
    "gone": lambda folder: (folder / "codes.npy").unlink(),
    "an odd number of points": told(n=119),
    "a huge number of points": told(n=99_999_999),
    "no points": told(n=0),
    "an odd dimension": told(latent_dim=4),
    "a column elsewhere": told(columns=["../secret"]),
    "an unknown column": told(columns=["secret"]),
    "a column twice": told(columns=["kl", "kl"]),
    "axes that do not fit": told(axes=[[1.0, 0.0], [0.0, 1.0]]),
    "one axis": told(axes=[[1.0, 0.0, 0.0]]),
    "axes without an origin": told(origin=None),
    "another format": told(format=2),
    "unknown words": told(surprise=1),
    "no JSON": lambda folder: (folder / "map.json").write_text("{"),
    "no text": lambda folder: (folder / "map.json").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_folder_that_does_not_fit_is_refused(change, folder):
    change(folder)
    with pytest.raises(MapError, match="is broken") as error:
        maps.open_map(folder)
    assert "\n" not in str(error.value)


def test_there_is_no_map_where_there_is_none(tmp_path):
    with pytest.raises(MapError, match="no finished map"):
        maps.open_map(tmp_path)
    assert maps.status(tmp_path / "none").state == "new"


def test_maps_used_longest_ago_make_room(loaded, cache):
    cache.mkdir(parents=True)
    made = []
    for seed in range(3):
        config = asked("draws", 1000, seed)
        made.append(maps.folder(loaded, config))
        maps.compute(loaded, config, made[-1])
        os.utime(made[-1] / "map.json", (1000 + seed, 1000 + seed))
    maps.open_map(made[0])  # used again
    (cache / "models").mkdir()
    (cache / ".dead.abc.new").mkdir()
    size = sum(each.stat().st_size for each in made[0].iterdir())
    assert maps.clean(10 * size) == 0
    assert not (cache / ".dead.abc.new").exists()
    assert maps.clean(2 * size + 100) > 0.9 * size
    assert [each.exists() for each in made] == [True, False, True]
    assert maps.clean(0, keep=made[0]) > 0
    assert [each.exists() for each in made] == [True, False, False]
    assert maps.clean(0) > 0
    assert not any(each.exists() for each in made)
    assert (cache / "models").is_dir()


# --- processes ----------------------------------------------------------------------------------------------


def test_a_map_is_made_by_a_process_and_found_again(path, loaded):
    folder = maps.start(path, HELD_OUT)
    assert folder == maps.folder(loaded, HELD_OUT)
    assert maps.status(folder).busy
    started = len(processes.children)
    assert maps.start(path, HELD_OUT) == folder  # under way
    until(lambda: maps.status(folder).state == "finished", folder)
    assert maps.open_map(folder).info.config == HELD_OUT
    maps.start(path, HELD_OUT)  # finished
    assert len(processes.children) == started
    until(lambda: leftovers(folder) == [], folder)
    maps.forget(folder)
    assert maps.status(folder).state == "new"


def test_a_map_can_be_stopped_and_started_again(path, loaded, cache):
    cache.mkdir(parents=True)
    with FileLock(cache / ".at-work.lock"):  # somebody else's turn
        folder = maps.start(path, HELD_OUT)
        until(lambda: "another map" in maps.status(folder).message, folder)
        maps.stop(folder)
        until(lambda: maps.status(folder).state == "stopped", folder)
        assert not folder.exists()
    maps.start(path, HELD_OUT)
    until(lambda: maps.status(folder).state == "finished", folder)


def test_a_process_stopped_before_it_began_ends_by_itself(path):
    folder = maps.start(path, HELD_OUT)
    maps.stop(folder)
    until(lambda: maps.status(folder).state == "stopped", folder)
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stopping_ends_a_process_that_is_too_busy_to_listen(path):
    """Before it has loaded its libraries, or deep in one of them, a process hears nobody."""
    folder = maps.start(path, HELD_OUT)
    child = processes.children[-1]
    os.kill(child.pid, signal.SIGSTOP)
    maps.stop(folder)
    assert child.wait(PATIENCE_S) != 0
    assert maps.status(folder).state == "stopped"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_process_leaves_no_map_and_can_be_started_again(path, cache):
    cache.mkdir(parents=True)
    with FileLock(cache / ".at-work.lock"):
        folder = maps.start(path, HELD_OUT)
        until(lambda: "another map" in maps.status(folder).message, folder)
        assert maps.status(folder).state == "waiting"
        os.kill(processes.children[-1].pid, signal.SIGKILL)
        until(lambda: maps.status(folder).state == "failed", folder)
    assert "died" in maps.status(folder).message
    assert not folder.exists()
    (cache / f".{folder.name}.xyz.new").mkdir()  # as if it had been killed while it wrote
    maps.start(path, HELD_OUT)
    until(lambda: maps.status(folder).state == "finished", folder)
    assert not (cache / f".{folder.name}.xyz.new").exists()


def test_a_reason_to_fail_is_said(path, tmp_path):
    other, _ = saved(tmp_path, config=DataConfig(name="mnist"))
    folder = maps.start(other, HELD_OUT)
    until(lambda: not maps.status(folder).busy, folder)
    assert maps.status(folder).state == "failed"
    assert "get it once" in maps.status(folder).message
    maps.forget(folder)
    assert maps.status(folder).state == "new"


def test_what_cannot_be_started_is_one_sentence(path, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError):
        maps.start(tmp_path / "gone.safetensors", HELD_OUT)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ExplorerError, match="VAE_CACHE_DIR"):
        maps.start(path, HELD_OUT)


# --- the command line ---------------------------------------------------------------------------------------


def test_the_command_makes_a_map(path, tmp_path, capsys):
    out = tmp_path / "map"
    arguments = ["map", str(path), "--source", "held-out", "--projection", "tsne", "--perplexity", "8"]
    assert main([*arguments, "--seed", "3", "--out", str(out), "--json"]) == 0
    said, complaint = capsys.readouterr()
    assert json.loads(said)["n"] == 120
    assert complaint == ""
    assert maps.open_map(out).info.config == asked("held-out", method="tsne", perplexity=8, seed=3)
    assert leftovers(out) == []
    assert main([*arguments, "--seed", "3", "--out", str(out)]) == 0  # it is there already
    assert main([*arguments, "--seed", "4", "--out", str(out)]) == 2
    assert "holds another map" in capsys.readouterr().err


def test_the_command_puts_maps_into_the_cache(path, loaded, capsys):
    assert main(["map", str(path), "--source", "draws", "--count", "50", "--draw-seed", "7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["map"]) == maps.folder(loaded, asked("draws", 50, 7))


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--projection", "umap", "--neighbours", "1"], 2, "neighbours = 1"),
        (["--source", "elsewhere"], 2, "source = 'elsewhere'"),
        (["--count", "5000001"], 2, "count = 5000001"),
        (["--projection", "umap", "--neighbours", "400"], 1, "fewer neighbours"),
        (["--first", "9"], 1, "first is dimension 9"),
    ],
)
def test_the_command_refuses_with_a_sentence(arguments, status, sentence, path, tmp_path, capsys):
    out = tmp_path / "map"
    assert main(["map", str(path), *arguments, "--out", str(out), "--json"]) == status
    said, complaint = capsys.readouterr()
    assert said == ""
    assert sentence in complaint
    assert len(complaint.splitlines()) == 1
    assert leftovers(out) == []
    assert not out.exists()


def test_the_command_leaves_what_is_in_the_way(path, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["map", str(path), "--out", str(tmp_path)]) == 2
    assert "is no map" in capsys.readouterr().err
    assert main(["map", str(path), "--out", str(tmp_path / "no" / "where")]) == 2
    assert main(["map", str(tmp_path / "gone"), "--out", str(tmp_path / "map")]) == 1
    assert [each.name for each in tmp_path.iterdir() if each.name != "cache"] == ["mine.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_nothing(path, tmp_path):
    out = tmp_path / "map"
    command = [sys.executable, "-m", "vae_core", "map", str(path), "--source", "held-out"]
    command += ["--projection", "umap", "--out", str(out)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    # A shell that put these tests into the background has made them, and so the child, deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    assert child.stderr is not None
    assert any("Encoding" in line for line in child.stderr)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 130
    assert complaint.splitlines()[-1].startswith("vae_core map: stopped")
    assert not out.exists()
    assert leftovers(out) == []
