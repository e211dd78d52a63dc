"""What the map's component is told: where points are, and how much of the picture to believe."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core import data, maps
from vae_core.config import MapConfig, ProjectionConfig
from vae_core.maps import MapInfo
from vae_core.models.rendering import render
from vae_explorer import library
from vae_explorer.live import columns
from vae_explorer.map import mount


def asked(method="plane", source="reference", **projection):
    return MapConfig(source=source, count=500, projection=ProjectionConfig(method=method, **projection))


def told(made, chosen, name="mine"):
    """The facts of a map, as they travel: through JSON, from a page's script."""

    def page(opened, chosen):
        import streamlit as st

        from vae_core import maps
        from vae_explorer.live import columns
        from vae_explorer.map import mount

        shown = columns.publish(maps.make(opened.checkpoint, chosen), opened)
        st.session_state["path_ends"] = {opened.name: {"b": [0.5] * opened.checkpoint.model.latent_dim}}
        st.session_state["told"] = mount.facts(opened, shown, chosen)

    opened = library.opened(name, made)
    app = AppTest.from_function(page, args=(opened, chosen), default_timeout=PATIENCE_S)
    app.session_state["arrived_with"] = {}  # the session has begun
    app.session_state["codes"] = {name: [1.0] * made.model.latent_dim}
    app.session_state["current_model"] = name
    app.run()
    assert not app.exception
    return json.loads(json.dumps(app.session_state["told"], allow_nan=False))


@pytest.fixture(scope="module")
def ten():
    return making.make(latent_dim=10, alive=4)


def test_places_and_codes_belong_together(ten):
    for chosen in (asked(first=6, second=2), asked("pca")):
        facts = told(ten, chosen)
        axes, origin = np.array(facts["axes"]), np.array(facts["origin"])
        shown = columns.find(facts["map"])
        np.testing.assert_allclose((shown.map.codes - origin) @ axes.T, shown.map.xy, atol=1e-5)
        assert facts["n"] == len(shown.map) == making.EXAMPLES
        assert facts["latentDim"] == 10


def test_what_is_in_view_comes_with_the_map(ten):
    facts = told(ten, asked(first=6, second=2))
    assert facts["model"] == {"id": ten.id, "name": "mine"}
    assert facts["z"] == [1.0] * 10
    assert facts["ends"] == {"a": None, "b": [0.5] * 10}
    assert facts["dims"] == [6, 2]
    assert facts["axisNames"] == ["z₇", "z₃"]
    assert facts["address"] == {"source": "reference", "projection": "plane", "first": "6", "second": "2"}
    assert facts["classNames"] == list("0123456789")
    assert facts["hasPrior"] is True


def test_pictures_are_as_large_as_the_decoder_makes_them():
    for info in (making.DIGITS, making.COLOURS):
        made = making.make(info=info)
        channels, height, width = told(made, asked())["dataShape"]
        assert render(made.model, np.zeros((1, 2), np.float32)).shape[1:] == (height, width, channels)


@pytest.mark.parametrize(
    ("method", "names"),
    [("pca", ["PC1", "PC2"]), ("umap", ["UMAP 1", "UMAP 2"]), ("tsne", ["t-SNE 1", "t-SNE 2"])],
)
def test_axes_have_names(method, names):
    assert mount._axis_names(method, (0, 1), 5) == names


def test_the_component_knows_which_columns_there_are(ten):
    columns = told(ten, asked())["columns"]
    assert columns["label"] == {"type": "int16"}
    assert {name for name, each in columns.items() if each["type"] == "float32"} == {
        "xy", "codes", "log_variance", "kl", "log_prior", "spread", "error",
    }  # fmt: skip
    of_points = told(making.make(kind="autoencoder"), asked())
    assert "kl" not in of_points["columns"]
    assert of_points["hasPrior"] is False


def test_draws_have_no_original_behind_them(ten):
    drawn = told(ten, asked(source="draws"))
    assert (drawn["n"], drawn["originals"]) == (500, False)
    assert "error" not in drawn["columns"]
    assert told(ten, asked())["originals"] is True


def test_data_that_were_fetched_meanwhile_are_there(ten, monkeypatch):
    here = set()
    monkeypatch.setattr(data, "is_available", here.__contains__)
    facts = told(ten, asked())
    assert facts["originals"] is False
    assert "error" not in facts["columns"]
    here.add("digits")
    facts = told(ten, asked())
    assert facts["originals"] is True
    assert "error" in facts["columns"]


def test_a_model_under_two_names_is_the_one_in_view(ten):
    """A run that is kept becomes a bundled model with the same id."""
    first, second = told(ten, asked(), "run/1"), told(ten, asked(), "kept")
    assert first["map"] == second["map"]
    assert (first["model"]["name"], second["model"]["name"]) == ("run/1", "kept")
    assert second["z"] == [1.0] * 10


# --- how much to believe ------------------------------------------------------------------------------------


def info(method="plane", latent_dim=10, **known):
    config = MapConfig(projection=ProjectionConfig(method=method))
    return MapInfo(
        format=1, checkpoint="0" * 16, config=config, title="X", n=5, latent_dim=latent_dim, **known
    )


def test_variance_that_the_axes_show_is_said(ten):
    found = maps.make(ten, asked("pca"))
    codes = ten.reference.mean.numpy().astype(np.float64)
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    first, second = 100 * values[:2] / values.sum()
    assert mount.belief(found.info) == f"The axes show {first:.0f} + {second:.0f} % of the codes' variance."


def test_a_plane_that_is_the_latent_space_needs_no_word():
    assert mount.belief(maps.make(making.make(), asked()).info) == ""
    assert mount.belief(info(latent_dim=2, explained=(0.5, 0.5), trustworthiness=1.0, continuity=1.0)) == ""


@pytest.mark.parametrize("latent_dim", [2, 10])
@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_folded_maps_say_that_and_how_well_neighbours_are_kept(method, latent_dim):
    said = mount.belief(info(method, latent_dim, trustworthiness=0.9871, continuity=0.9412))
    assert said.startswith("Trustworthiness 0.987, continuity 0.941 (")
    assert "interpolated" in said
    assert said.endswith(".")


def test_points_that_are_left_out_are_counted():
    assert mount.belief(info(left_out=1234)) == "1,234 points are left out, whose codes are NaN or infinite."
