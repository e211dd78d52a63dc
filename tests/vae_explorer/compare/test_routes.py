"""The routes of models side by side: what they tell is what the core says, and whom and what they refuse."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from starlette.applications import Starlette

from tests.vae_explorer import making
from tests.vae_explorer.live.conftest import TestClient
from vae_core import checkpoint, data
from vae_core.checkpoint import Checkpoint, describe_new
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import Stopped
from vae_core.evaluation import comparison
from vae_core.latent.subspaces import basis_of, directions_of, pca_errors, principal_angles
from vae_core.models import PCA, build
from vae_core.models.inputs import model_input
from vae_core.training.experiment import reference_codes
from vae_explorer import library
from vae_explorer.compare import answers as compare_answers
from vae_explorer.compare import routes
from vae_explorer.continuity import answers as continuity_answers
from vae_explorer.live import known, models
from vae_explorer.live.models import examples

REPOSITORY = library.Path(library.__file__).parents[1]
DATA = DataConfig(name="digits")
TRAIN = data.load(DATA, "train")
HELD_OUT = data.load(DATA, "held-out")


def linear_model(kind, name, latent_dim=2, info=None, **settings):
    """A PCA, or an untrained linear autoencoder, of digits, opened."""
    info = info or data.info("digits")
    config = ModelConfig(
        kind=kind,
        data_shape=info.data_shape,
        latent_dim=latent_dim,
        architecture="linear",
        likelihood="gaussian",
        **settings,
    )
    x = model_input(TRAIN.examples)
    model = PCA.fit(config, x) if kind == "pca" else build(config, 0).eval()
    described = describe_new(config, DATA, info, ObjectiveConfig(noise=0.25), TrainingConfig())
    with torch.no_grad():
        made = Checkpoint(model, described, reference_codes(model, HELD_OUT, HELD_OUT.examples))
    made = replace(made, id=checkpoint.content_id(checkpoint.to_bytes(made)))
    return library.opened(name, made, local=True)


@pytest.fixture(scope="module")
def vae():
    return library.open_file("digits-vae-2d", REPOSITORY / "checkpoints" / "digits-vae-2d.safetensors")


@pytest.fixture(scope="module")
def pca():
    return linear_model("pca", "pca", 3)


@pytest.fixture(scope="module")
def autoencoder():
    return linear_model("autoencoder", "linear")


@pytest.fixture(autouse=True)
def shown(vae, pca, autoencoder):
    for opened in (vae, pca, autoencoder):
        models.publish(opened)
    yield
    for kept in (
        known._known,
        continuity_answers._kept,
        compare_answers._figures,
        compare_answers._errors,
        compare_answers._curves,
    ):
        kept.clear()


@pytest.fixture
def client():
    with TestClient(Starlette(routes=[routes.route()])) as client:
        yield client


def ask(client, path, **settings):
    answer = client.post(f"/compare/{path}", json=settings)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def last(client, path, **settings):
    return ask(client, path, **settings)[-1]


# --- figures --------------------------------------------------------------------------------------------------------


def test_figures_are_the_cores_and_are_kept(client, vae, monkeypatch):
    asked = []

    def measured(loaded, images, seed, on_progress, should_stop):
        asked.append((loaded.id, len(images), seed))
        on_progress(0.5, "Counting")
        return dict.fromkeys(comparison.KEYS, 0.5) | {"missing": {}}

    monkeypatch.setattr(comparison, "compare", measured)
    assert not last(client, "known", models=[vae.id])["complete"][vae.id]
    before, found = ask(client, "figures", model=vae.id)
    assert before == {"done": 0.5, "says": "Counting"}
    assert found["mig"] == 0.5
    assert found["seconds"] >= 0
    assert ask(client, "figures", model=vae.id) == [found]
    assert asked == [(vae.id, 360, 0)]
    assert last(client, "known", models=[vae.id]) == {"figures": {vae.id: found}, "complete": {vae.id: True}}


def test_real_figures_close(client, vae):
    found = last(client, "figures", model=vae.id)
    evaluation = vae.checkpoint.description.evaluation
    assert found["elbo"] == evaluation["elbo"]
    assert found["elbo"] == pytest.approx(-(found["rate"] + found["distortion"]))
    assert found["continuity_low"] <= found["continuity"] <= found["continuity_high"]
    assert 0.5 < found["knn_accuracy"] <= 1
    assert "mig" in found["missing"]


def test_what_is_stored_or_follows_from_codes_is_known_at_once(client, vae, autoencoder):
    found = last(client, "known", models=[vae.id, autoencoder.id])
    assert found["figures"][vae.id]["squared_error"] == vae.checkpoint.description.evaluation["squared_error"]
    assert found["figures"][autoencoder.id]["active_units"] == 2
    assert "rate" in found["figures"][autoencoder.id]["missing"]
    assert found["complete"] == {vae.id: False, autoencoder.id: False}


def test_what_the_continuity_page_found_is_not_measured_again(client, vae):
    measured = {"continuity": 0.125, "completeness": 0.25, "precision": 1.0, "missing": {}}
    continuity_answers._of(vae.id)["headlines"] = measured
    found = last(client, "known", models=[vae.id])["figures"][vae.id]
    assert (found["continuity"], found["completeness"]) == (0.125, 0.25)
    assert "precision" not in found


def test_what_was_measured_of_models_seen_longest_ago_is_forgotten(vae):
    for number in range(known.MAX_KNOWN + 1):
        compare_answers._keep(compare_answers._figures, str(number), {}, known.MAX_KNOWN)
    assert list(compare_answers._figures) == [str(n) for n in range(1, known.MAX_KNOWN + 1)]


def test_a_reader_who_leaves_ends_the_measuring(vae):
    with pytest.raises(Stopped):
        compare_answers.figures({"model": vae.id}, lambda done, says="": None, lambda: True)
    assert vae.id not in compare_answers._figures


# --- subspaces ------------------------------------------------------------------------------------------------------


def pixels(picture):
    size = picture["height"], picture["width"], picture["channels"]
    return np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8).reshape(size).astype(float)


def basis(opened, what=basis_of):
    model = opened.checkpoint.model
    return what(lambda z: model.decode(z).mean, model.latent_dim)


def test_angles_are_those_between_the_decoders(client, pca, autoencoder):
    found = last(client, "subspaces", models=[pca.id, autoencoder.id])
    np.testing.assert_allclose(found["angles"], principal_angles(basis(pca), basis(autoencoder)))
    assert [len(found[name][side]) for name in ("bases", "aligned") for side in (0, 1)] == [3, 2, 2, 2]


def test_pictures_show_what_each_dimension_adds(client, pca, autoencoder):
    found = last(client, "subspaces", models=[pca.id, autoencoder.id])
    for picture, column in zip(found["bases"][0], basis(pca, directions_of).T, strict=True):
        image = pixels(picture)
        assert image.shape == (8, 8, 1)
        assert max(image.max() - 128, 128 - image.min()) == 127
        np.testing.assert_allclose((image.ravel() - 128) / 127, column / np.abs(column).max(), atol=0.005)


def test_a_model_and_itself_are_at_no_angle(client, pca):
    found = last(client, "subspaces", models=[pca.id, pca.id])
    assert max(found["angles"]) < 1e-4
    assert found["aligned"][0] == found["aligned"][1]


def test_columns_of_tables_are_one_row():
    (picture,) = compare_answers._signed(np.array([[1.0], [-2.0], [0.0]]), (3,))
    assert (picture["height"], picture["width"], picture["channels"]) == (1, 3, 1)
    np.testing.assert_array_equal(pixels(picture).ravel(), [192, 1, 128])


def test_colours_and_series_keep_their_places():
    image = np.arange(2 * 3 * 4, dtype=float)
    (picture,) = compare_answers._signed(np.tile(image[:, None], (1, 1)), (2, 3, 4))
    np.testing.assert_array_equal(
        pixels(picture).transpose(2, 0, 1).ravel(), (128 + 127 * image / image.max()).round()
    )
    (picture,) = compare_answers._signed(image[:, None], (6, 4))
    assert (picture["height"], picture["width"], picture["channels"]) == (6, 4, 1)


def test_a_curved_decoder_is_refused_by_name(client, pca, vae):
    answer = client.post("/compare/subspaces", json={"models": [pca.id, vae.id]})
    assert answer.status_code == 404
    assert answer.text.startswith("digits-vae-2d: This decoder is curved")


def test_models_of_other_data_are_refused(client, pca):
    other = library.opened("other", making.make(info=making.COLOURS))
    models.publish(other)
    answer = client.post("/compare/subspaces", json={"models": [pca.id, other.id]})
    assert answer.status_code == 404
    assert answer.text.startswith("pca and other cannot be compared")


# --- errors against width -------------------------------------------------------------------------------------------


@pytest.fixture
def listed(monkeypatch, tmp_path, vae, pca, autoencoder):
    """A library of three models of digits, one of other data and a broken file."""
    files = {opened.name: tmp_path / f"{opened.name}.safetensors" for opened in (pca, autoencoder)}
    for opened in (pca, autoencoder):
        checkpoint.save(files[opened.name], opened.checkpoint)
    other, broken = tmp_path / "other.safetensors", tmp_path / "broken.safetensors"
    other.write_bytes(making.content(info=making.COLOURS))
    broken.write_bytes(b"nothing")
    paths = {vae.name: library.bundled()[vae.name], **files, "other": other, "broken": broken}
    monkeypatch.setattr(library, "models", lambda: paths)
    return paths


def test_errors_are_those_of_pca_and_of_all_models_of_the_same_data(client, listed, vae, pca):
    *before, found = ask(client, "reduction", model=vae.id)
    assert [line["done"] for line in before] == sorted(line["done"] for line in before)
    assert [each["name"] for each in found["models"]] == ["digits-vae-2d", "pca", "linear"]
    assert (found["examples"], found["fitted"], found["pixels"], found["says"]) == (360, 1437, 64, "")
    errors = pca_errors(model_input(TRAIN.examples), model_input(HELD_OUT.examples), 64)
    np.testing.assert_array_equal([width for width, _ in found["pca"]], range(65))
    np.testing.assert_allclose([error for _, error in found["pca"]], errors, atol=1e-9)
    # The trained PCA lies on its own curve.
    point = found["models"][1]
    assert point["latent"] == 3
    assert point["error"] == pytest.approx(errors[3], rel=1e-4)


@pytest.mark.parametrize(("train_size", "asked"), [(None, 1000), (1200, 1000), (300, 300)])
def test_no_more_training_data_are_made_ready_than_pca_is_fitted_to(monkeypatch, train_size, asked):
    config, sizes, load = DataConfig(name="digits", train_size=train_size), [], data.load
    monkeypatch.setattr(
        data, "load", lambda config, split: sizes.append(config.train_size) or load(config, split)
    )
    found = compare_answers._train(config, 1000)
    assert sizes == [asked]
    assert torch.equal(found.examples, TRAIN.examples[:asked])


def test_points_say_what_they_are(client, listed, vae):
    vae_point, _, linear = last(client, "reduction", model=vae.id)["models"]
    assert (vae_point["kind"], vae_point["architecture"], vae_point["beta"]) == ("vae", "mlp", 1.0)
    assert (linear["kind"], linear["architecture"], linear["beta"], linear["noise"]) == (
        "autoencoder",
        "linear",
        None,
        0.25,
    )
    model, x = vae.checkpoint.model, model_input(examples(vae))
    with torch.no_grad():
        wrong = model.decode(model.encode(x).mean).mean - x
    assert vae_point["error"] == pytest.approx(float(wrong.square().mean()), rel=1e-5)


def test_what_was_found_is_kept(client, listed, vae, monkeypatch):
    first = last(client, "reduction", model=vae.id)
    monkeypatch.setattr(compare_answers, "pca_errors", None)  # would break if it were called
    assert last(client, "reduction", model=vae.id) == first


def test_a_model_that_is_no_file_of_the_library_is_there_too(client, listed):
    sent = library.opened("sent", linear_model("pca", "sent", 4).checkpoint)
    models.publish(sent)
    found = last(client, "reduction", model=sent.id)
    assert [each["name"] for each in found["models"]] == ["sent", "digits-vae-2d", "pca", "linear"]


def test_without_data_stored_errors_are_shown(client, listed, vae, monkeypatch):
    monkeypatch.setattr(compare_answers, "examples", lambda opened, count: None)
    found = last(client, "reduction", model=vae.id)
    assert (found["pca"], found["examples"], found["fitted"]) == (None, None, None)
    assert "not on this machine" in found["says"]
    stored = vae.checkpoint.description.evaluation["squared_error"]
    assert [(each["name"], each["error"]) for each in found["models"]] == [("digits-vae-2d", stored)]


def test_a_reader_who_leaves_ends_the_comparison(vae, listed):
    with pytest.raises(Stopped):
        compare_answers.reduction({"model": vae.id}, lambda done, says="": None, lambda: True)


# --- who and what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["figures", "reduction"])
def test_a_model_that_no_page_shows_is_refused_in_the_last_line(client, path):
    assert "not open any more" in last(client, path, model="0" * 16)["error"]


@pytest.mark.parametrize(
    ("path", "models"),
    [
        ("known", []),
        ("known", "all"),
        ("known", ["x"]),
        ("known", [[1]]),
        ("subspaces", ["x"]),
        ("known", None),
    ],
)
def test_requests_that_make_no_sense_are_refused(client, path, models):
    answer = client.post(f"/compare/{path}", json={"models": models})
    assert answer.status_code == 404
    assert answer.text.endswith(".")


@pytest.mark.parametrize("path", ["known", "figures", "subspaces", "reduction"])
def test_pages_of_other_sites_are_refused(client, vae, path):
    answer = client.post(
        f"/compare/{path}", json={"model": vae.id}, headers={"Origin": "http://elsewhere.example"}
    )
    assert answer.status_code == 403
