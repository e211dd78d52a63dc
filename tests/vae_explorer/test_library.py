"""Models are found by name and by id, opened once, and opened again when their file changes."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training import making as training
from tests.vae_explorer import making
from vae_core.config import DataConfig
from vae_core.errors import CheckpointError
from vae_core.training.run import Metrics, Status
from vae_explorer import library


def test_bundled_models_are_listed_by_name_the_first_to_open_first(folder):
    assert list(library.bundled()) == ["digits", "wide"]
    (folder / f"{library.FIRST}.safetensors").write_bytes(making.content())
    assert list(library.bundled()) == [library.FIRST, "digits", "wide"]


def test_without_a_folder_there_are_no_models(folder, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", folder / "nowhere")
    assert library.bundled() == {}


def test_an_unchanged_file_is_loaded_once(folder):
    path = library.bundled()["digits"]
    assert library.open_file("digits", path) is library.open_file("digits", path)


def test_a_changed_file_is_loaded_again(folder):
    path = library.bundled()["digits"]
    before = library.open_file("digits", path)
    path.write_bytes(making.content(latent_dim=3))
    after = library.open_file("digits", path)
    assert (before.checkpoint.model.latent_dim, after.checkpoint.model.latent_dim) == (2, 3)
    assert before.id != after.id


def test_a_file_that_is_gone_is_named(folder):
    with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
        library.open_file("gone", folder / "gone.safetensors")


def test_dimensions_come_sorted_by_information_the_dead_ones_last(folder):
    dimensions = library.open_file("wide", library.bundled()["wide"]).dimensions
    assert sorted(each.index for each in dimensions) == list(range(5))
    assert [each.active for each in dimensions] == [True] * 3 + [False] * 2
    kls = [each.kl for each in dimensions]
    assert kls == sorted(kls, reverse=True)


def test_a_model_without_reference_codes_has_dimensions_too():
    opened = library.opened("bare", making.make(latent_dim=3, with_reference=False))
    assert [(each.index, each.low, each.high) for each in opened.dimensions] == [(i, -3, 3) for i in range(3)]


def test_a_bundled_model_is_found_by_its_id(folder):
    wide = library.open_file("wide", library.bundled()["wide"])
    assert library.by_id(wide.id) is wide
    assert library.by_id("0" * 16) is None


def test_a_broken_file_hides_no_other_from_its_id(folder):
    (folder / "a-broken.safetensors").write_bytes(b"nothing")
    wide = library.open_file("wide", library.bundled()["wide"])
    assert library.by_id(wide.id) is wide


def test_data_are_here_only_where_the_dataset_is_known_and_present():
    assert library.data_here(library.opened("digits", making.make()))
    assert not library.data_here(library.opened("colours", making.make(info=making.COLOURS)))


def of_own_data(path):
    made = making.make()
    config = DataConfig(name="digits", path=str(path))
    described = made.description.model_copy(update={"data": config})
    return replace(made, description=described)


def test_a_path_is_followed_only_for_a_file_of_this_machine(tmp_path):
    """A checkpoint that somebody sent must not make the server read what it names."""
    path = tmp_path / "secret.npy"
    np.save(path, np.zeros((4, 8, 8), np.uint8))
    made = of_own_data(path)
    assert library.data_here(library.opened("mine", made, local=True))
    assert not library.data_here(library.opened("sent", made))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A run with three epochs, of which the second is the best."""
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    run = training.make(tmp_path / "runs", "Mine")
    run.say(Status(state="training"))
    for epoch in (1, 2, 3):
        run.checkpoint(epoch).write_bytes(making.content(loud=float(epoch)))
    run.write_metrics([_row(1, -3.0), _row(2, -1.0), _row(3, -2.0)])
    return run


def _row(epoch, elbo):
    return Metrics(epoch, 1.0, 1.0, 0.1, 1.0, 1.0, -1.0, 0.0, elbo, 0.0, 0.1, (0.0, 0.0))


def test_a_run_is_a_model_of_its_newest_epoch_and_once_finished_of_its_best(trained):
    name = f"run/{trained.id}"
    assert library.of_runs() == {name: trained.checkpoint(3)}
    assert library.title(name) == "Mine"
    assert library.run_of(name) == trained
    trained.say(Status(state="finished"))
    assert library.models()[name] == trained.checkpoint(2)
    opened = library.open_file(name, library.models()[name])
    assert opened.local
    assert library.by_id(opened.id) is opened


def test_a_run_without_a_snapshot_is_no_model_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    training.make(tmp_path / "runs")
    assert library.of_runs() == {}
