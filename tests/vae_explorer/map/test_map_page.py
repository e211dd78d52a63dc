"""The Map page: choosing points and projection, waiting for a map, going on to other pages."""

import time

import numpy as np
import pytest
import streamlit as st

from tests.vae_explorer import making
from vae_core import data, maps
from vae_core.config import MapConfig, ProjectionConfig
from vae_core.errors import MapError
from vae_core.maps import Status
from vae_explorer import library
from vae_explorer.map import settings

PCA_OF_HELD_OUT = MapConfig(source="held-out", projection=ProjectionConfig(method="pca"))


def box(app, name):
    return app.selectbox(key=f"map:{name}")


def button(app, label):
    return next(each for each in app.button if each.label == label)


def load(folder, name):
    return library.open_file(name, folder / f"{name}.safetensors").checkpoint


# --- what there is to see -----------------------------------------------------------------------------------


def test_without_a_model_the_page_says_how_to_get_one(visit, component, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", tmp_path / "nowhere")
    app = visit()
    assert "Train page" in app.info[0].value
    assert not component.told


def test_the_codes_in_the_checkpoint_come_first_in_their_own_plane(visit, component):
    app = visit(model="digits")
    assert (component.facts["n"], component.facts["dims"]) == (making.EXAMPLES, (0, 1))
    assert not app.error
    assert (box(app, "source").value, box(app, "method").value) == ("reference", "plane")
    assert not [each for each in app.selectbox if each.key in ("map:first", "map:count")]


@pytest.mark.parametrize("model", ["digits", "ten"])
@pytest.mark.parametrize("method", ["plane", "pca"])
@pytest.mark.parametrize(("source", "n"), [("reference", making.EXAMPLES), ("draws", 70_000)])
def test_maps_that_take_no_time_are_there_at_once(visit, component, model, method, source, n):
    app = visit(model=model)
    box(app, "source").select(source).run()
    box(app, "method").select(method).run()
    assert not app.exception
    assert (component.facts["n"], component.facts["method"]) == (n, method)
    assert component.facts["address"]["source"] == source


def test_more_draws_on_request(visit, component):
    app = visit(model="digits", source="draws")
    box(app, "count").select(200_000).run()
    assert component.facts["n"] == 200_000
    assert component.facts["address"]["count"] == "200000"


def test_the_bundled_model_of_digits_has_its_map(visit, component, monkeypatch):
    monkeypatch.setattr(library, "FOLDER", library.Path(library.__file__).parents[1] / "checkpoints")
    app = visit(model="digits-vae-2d")
    assert not app.error
    assert component.facts["n"] == making.EXAMPLES
    assert component.facts["classNames"] == tuple("0123456789")


def test_only_points_that_the_model_has_are_offered(visit, monkeypatch):
    offered = [settings.SOURCES[name] for name in ("reference", "held-out", "train", "draws")]
    assert box(visit(model="digits"), "source").options == offered
    assert box(visit(model="points"), "source").options == offered[:3]  # a point has nothing to draw from
    monkeypatch.setattr(data, "is_available", lambda name: False)
    assert box(visit(model="digits"), "source").options == [offered[0], offered[3]]


def test_a_model_that_came_alone_and_whose_data_are_not_here_is_explained(
    visit, folder, component, monkeypatch
):
    (folder / "bare.safetensors").write_bytes(making.content(with_reference=False))
    monkeypatch.setattr(data, "is_available", lambda name: False)
    app = visit(model="bare")
    assert len(app.error) == 1
    assert "reference codes" in app.error[0].value
    assert not component.told
    assert button(app, "Fetch Digits (8x8)")


def test_an_address_that_asks_for_data_that_are_not_here_shows_what_there_is(visit, component, monkeypatch):
    monkeypatch.setattr(data, "is_available", lambda name: False)
    app = visit(model="digits", source="train")
    assert box(app, "source").value == "reference"
    assert component.facts["n"] == making.EXAMPLES
    assert component.facts["originals"] is False


@pytest.mark.parametrize("method", ["plane", "pca"])
def test_a_single_dimension_is_shown_over_its_spread(visit, folder, component, method):
    (folder / "one.safetensors").write_bytes(making.content(latent_dim=1))
    app = visit(model="one", projection=method, first="3", second="8")
    assert not app.error
    assert (component.facts["n"], component.facts["dims"]) == (
        making.EXAMPLES,
        (0, 0 if method == "plane" else 1),
    )
    assert component.facts["axisNames"] == ["z₁", "spread"]


# --- dimensions of a plane ----------------------------------------------------------------------------------


def test_a_plane_of_ten_dimensions_starts_with_the_most_informative(visit, component, folder):
    app = visit(model="ten")
    order = [each.index for each in library.open_file("ten", folder / "ten.safetensors").dimensions]
    assert component.facts["dims"] == tuple(order[:2])
    assert box(app, "first").options == [f"across: {settings.name(i)}" for i in order]
    assert box(app, "second").options == [f"up: {settings.name(i)}" for i in order if i != order[0]]


def test_any_two_dimensions_make_a_plane(visit, component, folder):
    app = visit(model="ten")
    box(app, "first").select(7).run()
    box(app, "second").select(9).run()
    assert component.facts["dims"] == (7, 9)
    box(app, "first").select(9).run()  # cannot be both
    assert not app.error
    first, second = component.facts["dims"]
    assert (first, box(app, "second").value) == (9, second)
    assert second != 9


def test_each_model_starts_with_dimensions_of_its_own(visit, component, folder):
    other = making.make(latent_dim=10, alive=10)
    other.reference.mean[:, :8] *= 0.01
    library.checkpoint.save(folder / "other.safetensors", other)
    app = visit(model="ten", first="7", second="9")
    assert component.facts["dims"] == (7, 9)
    app.selectbox(key="model_select").select("other").run()
    informative = library.open_file("other", folder / "other.safetensors").dimensions[:2]
    assert component.facts["dims"] == tuple(each.index for each in informative)


# --- the address --------------------------------------------------------------------------------------------


def test_an_address_restores_the_settings(visit, component):
    app = visit(model="ten", source="draws", count="200000", projection="plane", first="3", second="8")
    assert (component.facts["n"], component.facts["dims"]) == (200_000, (3, 8))
    assert (box(app, "first").value, box(app, "second").value) == (3, 8)
    said = component.facts["address"]
    visit(model="ten", **said)
    assert component.facts["address"] == said


@pytest.mark.parametrize(
    "query",
    [
        {"source": "everything", "projection": "globe"},
        {"source": "draws", "count": "3"},
        {"first": "40", "second": "-2"},
        {"first": "x", "second": "9" * 5000},
        {"view": "nan", "lasso": "((", "colour": "<b>"},
    ],
)
def test_a_senseless_address_still_shows_a_map(visit, component, query):
    app = visit(model="ten", **query)
    assert not app.error
    assert len(component.told) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"neighbours": "1"},
        {"neighbours": "99999999999999999999"},
        {"min_dist": "7"},
        {"seed": "-1"},
    ],
)
def test_a_value_out_of_range_is_explained_and_can_be_changed(visit, component, work, query):
    ((name, value),) = query.items()
    app = visit(model="ten", projection="umap", **query)
    assert len(app.error) == 1
    assert f"{name} = {value}" in app.error[0].value
    assert not work.started
    default = ProjectionConfig.model_fields[name].default
    app.number_input(key=f"map:{name}").set_value(default).run()
    assert not app.error
    assert len(work.started) == 1


@pytest.mark.parametrize("query", [{"metric": "miles"}, {"min_dist": "nan"}, {"seed": "9" * 400}])
def test_a_value_that_no_control_can_hold_is_the_default(visit, work, query):
    app = visit(model="ten", projection="umap", **query)
    assert not app.error
    assert work.started[0][1].projection == ProjectionConfig(method="umap")


# --- maps that take their time ------------------------------------------------------------------------------


class Work:
    """Processes that make maps, played by the test."""

    def __init__(self):
        self.said = Status()
        self.started, self.stopped, self.forgotten = [], [], []

    def start(self, path, config):
        self.started.append((path, config))
        self.said = Status(state="waiting", message="Waiting.")

    def stop(self, folder):
        self.stopped.append(folder)

    def forget(self, folder):
        if self.said.busy:
            raise MapError("It is under way.")
        self.forgotten.append(folder)
        self.said = Status()


@pytest.fixture
def work(monkeypatch):
    work = Work()
    for name in ("start", "stop", "forget"):
        monkeypatch.setattr(maps, name, getattr(work, name))
    monkeypatch.setattr(maps, "status", lambda folder: work.said)
    return work


@pytest.mark.parametrize(
    ("source", "method"),
    [(source, method) for source in settings.SOURCES for method in ("umap", "tsne")]
    + [(source, method) for source in ("held-out", "train") for method in ("plane", "pca")],
)
def test_all_other_maps_are_started_once(visit, folder, component, work, source, method):
    app = visit(model="ten", source=source, projection=method)
    app.run()
    ((path, config),) = work.started
    assert path == folder / "ten.safetensors"
    assert (config.source, config.projection.method) == (source, method)
    # Until it is there, the plane of the codes in the checkpoint is; the address is that of what was asked for.
    assert (component.facts["method"], component.facts["n"]) == ("plane", making.EXAMPLES)
    assert component.facts["dimmed"]
    assert (component.facts["address"]["source"], component.facts["address"]["projection"]) == (
        source,
        method,
    )


def test_settings_of_the_projection_go_with_it(visit, work):
    app = visit(model="ten", projection="umap")
    app.number_input(key="map:neighbours").set_value(40).run()
    app.number_input(key="map:min_dist").set_value(0.5).run()
    box(app, "metric").select("cosine").run()
    wanted = ProjectionConfig(method="umap", neighbours=40, min_dist=0.5, metric="cosine")
    work.said = Status()
    app.run()
    assert work.started[-1][1].projection == wanted


@pytest.mark.parametrize("method", ["plane", "pca"])
def test_the_map_that_was_there_stays_until_the_new_one_is_made(visit, component, work, method):
    app = visit(model="ten", projection=method, source="draws")
    before = component.facts
    assert (before["note"], before["dimmed"]) == ("", False)
    box(app, "method").select("umap").run()
    now = component.facts
    assert (now["map"], now["dims"]) == (before["map"], before["dims"])
    assert now["dimmed"]
    assert "until the new map is made" in now["note"]
    assert now["address"]["projection"] == "umap"
    box(app, "method").select(method).run()
    assert (component.facts["note"], component.facts["dimmed"]) == ("", False)


def test_another_model_does_not_keep_the_map_of_the_one_before(visit, component, work):
    app = visit(model="ten", projection="pca")
    box(app, "method").select("umap").run()
    app.selectbox(key="model_select").select("digits").run()
    assert (component.facts["model"]["name"], component.facts["method"]) == ("digits", "plane")


def test_a_stopped_map_leaves_the_one_that_was_there(visit, component, work):
    app = visit(model="ten", projection="pca")
    before = component.facts
    box(app, "method").select("umap").run()
    button(app, "Stop").click().run()
    assert (component.facts["map"], component.facts["dimmed"]) == (before["map"], False)
    assert "was not made" in component.facts["note"]


def test_settings_that_make_no_map_leave_the_one_that_was_there(visit, component, work):
    app = visit(model="ten", projection="pca")
    before = component.facts
    box(app, "method").select("umap")
    app.session_state["map_settings"]["neighbours"] = 1
    app.run()
    assert "neighbours = 1" in app.error[0].value
    assert component.facts["map"] == before["map"]
    assert "make no map" in component.facts["note"]


def test_without_codes_in_the_checkpoint_there_is_a_sentence_until_the_map_is_made(
    visit, folder, component, work
):
    (folder / "bare.safetensors").write_bytes(making.content(with_reference=False))
    app = visit(model="bare", source="held-out")
    assert not component.told
    assert "appears here" in " ".join(each.value for each in app.caption)


def test_progress_is_said_in_words(visit, work):
    app = visit(model="ten", projection="umap")
    work.said = Status(
        state="fitting", message="Laying out.", done=0.5, step=4, steps=5, began=time.time() - 600
    )
    app.run()
    (bar,) = app.get("progress")
    assert bar.proto.value == 70
    assert bar.proto.text == "Step 4 of 5 · Laying out · 10 min so far, no estimate yet"
    assert not app.exception


def test_an_estimate_that_changes_takes_no_progress_back(visit, work):
    app = visit(model="ten", projection="umap")
    for done in (0.5, 0.1):
        work.said = Status(state="fitting", message="Laying out.", done=done, step=4, steps=5)
        app.run()
    (bar,) = app.get("progress")
    assert bar.proto.value == 70


def test_a_process_that_is_stopped_can_be_started_again(visit, work):
    app = visit(model="ten", projection="umap")
    button(app, "Stop").click().run()
    assert len(work.stopped) == 1
    assert app.warning[0].value == "Stopped."
    work.said = Status(state="stopped", message="Stopped.")
    button(app, "Try again").click().run()
    assert not app.exception
    assert work.forgotten == work.stopped
    assert len(work.started) == 2
    assert not app.warning


def test_trying_again_before_the_process_has_ended_waits_for_its_end(visit, work):
    app = visit(model="ten", projection="umap")
    button(app, "Stop").click().run()
    button(app, "Try again").click().run()
    assert not app.exception
    assert len(work.started) == 1
    work.said = Status(state="stopped", message="Stopped.")
    app.run()
    button(app, "Try again").click().run()
    assert len(work.started) == 2


def test_a_process_that_failed_says_why(visit, work):
    app = visit(model="ten", projection="tsne")
    work.said = Status(state="failed", message="perplexity is 300, which takes more codes.")
    app.run()
    assert app.warning[0].value == "perplexity is 300, which takes more codes."
    assert len(work.started) == 1  # not again and again
    button(app, "Try again").click().run()
    assert len(work.started) == 2


def test_no_process_is_started_where_there_is_no_room(visit, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "file"))
    app = visit(model="ten", projection="umap")
    assert len(app.error) == 1
    assert "VAE_CACHE_DIR" in app.error[0].value


def test_data_that_went_away_meanwhile_are_missed_in_a_sentence(visit, component, work, monkeypatch):
    monkeypatch.setattr(library, "data_here", lambda opened: False)  # the settings asked before
    app = visit(model="digits", source="held-out")
    assert "not on this machine" in app.error[0].value
    assert not work.started


@pytest.fixture
def finished(folder, tmp_path, monkeypatch):
    """The held-out digits by PCA, as a process has left them."""
    monkeypatch.setenv("VAE_CACHE_DIR", str(tmp_path / "cache"))
    loaded = load(folder, "digits")
    place = maps.folder(loaded, PCA_OF_HELD_OUT)
    place.parent.mkdir(parents=True)
    return maps.compute(loaded, PCA_OF_HELD_OUT, place), place


def test_a_finished_map_is_shown(visit, component, finished):
    found, _ = finished
    app = visit(model="digits", source="held-out", projection="pca")
    assert not app.error
    assert component.facts["n"] == len(found) == len(data.load(data.DataConfig(name="digits"), "held-out"))
    assert component.facts["columns"]["error"] == {"type": "float32"}
    np.testing.assert_allclose(component.facts["axes"], found.info.axes)
    assert component.facts["originals"] is True


def test_the_page_goes_on_by_itself_when_the_map_is_finished(visit, component, finished, work, monkeypatch):
    said = iter([Status(state="measuring"), Status(state="finished"), Status(state="finished")])
    monkeypatch.setattr(maps, "status", lambda folder: next(said))
    visit(model="digits", source="held-out", projection="pca")
    assert component.facts["method"] == "pca"
    assert not work.started


def test_a_broken_map_can_be_made_again(visit, component, finished, work):
    _, place = finished
    np.save(place / "xy.npy", np.zeros((3, 2), np.float32))
    work.said = Status(state="finished")
    app = visit(model="digits", source="held-out", projection="pca")
    assert "xy.npy" in app.warning[0].value
    assert (component.facts["method"], component.facts["dimmed"]) == ("plane", False)
    button(app, "Try again").click().run()
    assert work.forgotten == [place]
    assert len(work.started) == 1


def test_a_file_that_was_sent_is_put_where_the_process_finds_it(visit, work):
    app = visit(model="digits")
    box(app, "method").select("umap")
    content = making.content(latent_dim=4)
    app.file_uploader[0].upload("mine.safetensors", content, "application/octet-stream").run()
    assert not app.exception
    path, _ = work.started[-1]
    assert path.read_bytes() == content


def test_a_file_that_was_sent_is_not_taken_for_one_of_the_same_name(visit, folder, work):
    app = visit(model="digits")
    box(app, "method").select("umap")
    content = making.content(latent_dim=4)
    app.file_uploader[0].upload("mine.safetensors", content, "application/octet-stream").run()
    (folder / "mine.safetensors").write_bytes(making.content(latent_dim=5))
    work.said = Status()
    app.run()
    path, _ = work.started[-1]
    assert path.read_bytes() == content


# --- other pages --------------------------------------------------------------------------------------------


@pytest.fixture
def went(monkeypatch):
    went = []
    monkeypatch.setattr(st, "switch_page", went.append)
    return went


def test_a_code_is_sent_to_explore(visit, component, folder, went):
    app = visit(model="digits")
    component.sends = {"explore": {"model": load(folder, "digits").id, "values": [0.25, -1.5]}}
    app.run()
    assert not app.exception
    assert went == ["pages/explore.py"]
    assert app.session_state["codes"]["digits"] == [0.25, -1.5]
    app.run()
    assert went == ["pages/explore.py"]
    assert component.facts["z"] == [0.25, -1.5]


def test_ends_of_a_path_are_set_one_by_one(visit, component, folder, went):
    app = visit(model="digits")
    wish = {"model": load(folder, "digits").id}
    component.sends = {"a": wish | {"values": [1, 2]}}
    app.run()
    component.sends = {"b": wish | {"values": [-1.0, 0.5]}}
    app.run()
    app.run()
    assert component.facts["ends"] == {"a": [1.0, 2.0], "b": [-1.0, 0.5]}
    assert app.session_state["path_ends"] == {"digits": {"a": [1.0, 2.0], "b": [-1.0, 0.5]}}
    assert not went
    app.selectbox(key="model_select").select("ten").run()
    assert component.facts["ends"] == {"a": None, "b": None}


def test_what_another_model_was_asked_for_is_not_taken(visit, component, went):
    app = visit(model="digits")
    wish = {"model": "0" * 16, "values": [1.0, 2.0]}
    for name in ("explore", "a", "b"):
        component.sends = {name: wish}
        app.run()
    assert not app.exception
    assert not went
    assert component.facts["z"] == [0.0, 0.0]
    assert component.facts["ends"] == {"a": None, "b": None}
