"""Settings of a map: only what matters is kept, and an address says all of it."""

import pytest

from vae_core.config import MapConfig, ProjectionConfig
from vae_core.errors import ConfigError
from vae_explorer.map import settings


def asked(source="reference", method="plane", **others):
    return {"source": source, "method": method, "count": 70_000} | others


def test_what_nothing_was_said_about_is_at_its_default():
    for method in settings.METHODS:
        assert settings.config(asked(method=method), 5) == MapConfig(
            projection=ProjectionConfig(method=method)
        )


def test_what_a_method_does_not_look_at_makes_no_other_map():
    everything = {
        "first": 3, "second": 2, "neighbours": 7, "min_dist": 0.5, "metric": "cosine", "perplexity": 9.0, "seed": 4,
    }  # fmt: skip
    used = {
        "plane": {"first", "second"},
        "pca": set(),
        "umap": {"neighbours", "min_dist", "metric", "seed"},
        "tsne": {"perplexity", "seed"},
    }
    for method, names in used.items():
        found = settings.config(asked(method=method, **everything), 5).projection
        default = ProjectionConfig()
        for name, value in everything.items():
            assert getattr(found, name) == (value if name in names else getattr(default, name)), (
                method,
                name,
            )


def test_the_number_of_draws_counts_for_draws_only():
    assert settings.config(asked("draws", count=10_000), 2).count == 10_000
    assert settings.config(asked("reference", count=10_000), 2) == MapConfig()


@pytest.mark.parametrize(
    ("latent_dim", "first", "second", "plane"),
    [
        (10, 7, 4, (7, 4)),
        (10, 4, 4, (0, 1)),  # no plane
        (10, 2, 10, (0, 1)),  # of a model with more dimensions
        (2, 1, 0, (1, 0)),
        (2, 7, 4, (0, 1)),
        (1, 0, 1, (0, 0)),
    ],
)
def test_a_plane_is_one_of_the_model(latent_dim, first, second, plane):
    found = settings.config(asked(first=first, second=second), latent_dim).projection
    assert (found.first, found.second) == plane


@pytest.mark.parametrize(
    ("name", "value"), [("neighbours", 1), ("min_dist", -0.5), ("seed", -1), ("metric", "miles")]
)
def test_a_value_out_of_range_is_a_sentence_that_names_it(name, value):
    with pytest.raises(ConfigError, match=name):
        settings.config(asked(method="umap", **{name: value}), 5)


PROJECTIONS = [
    ProjectionConfig(first=3, second=1),
    ProjectionConfig(method="pca"),
    ProjectionConfig(method="umap", neighbours=40, min_dist=0.25, metric="manhattan", seed=3),
    ProjectionConfig(method="tsne", perplexity=12.5, seed=9),
]


@pytest.mark.parametrize("source", settings.SOURCES)
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_an_address_leads_back_to_the_same_map(source, projection):
    count = {"count": 200_000} if source == "draws" else {}
    chosen = MapConfig(source=source, projection=projection, **count)
    said = settings.address(chosen)
    assert all(isinstance(value, str) for value in said.values())
    assert settings.config(asked() | settings._from_address(said), 5) == chosen


@pytest.mark.parametrize(
    "said",
    [
        {"source": "everything", "projection": "globe", "metric": "miles"},
        {"neighbours": "1.5", "seed": "", "first": "one", "second": "0x1", "count": "many"},
        {"min_dist": "nan", "perplexity": "inf", "neighbours": "9" * 5000, "seed": "9" * 400},
        {"view": "1,2,3", "lasso": "x", "model": "digits", "z": "0,0"},
    ],
)
def test_what_cannot_be_read_changes_nothing(said):
    assert settings._from_address(said) == {}


def test_dimensions_are_counted_from_one_on_the_page():
    assert [settings.name(dimension) for dimension in (0, 8, 9, 122)] == ["z₁", "z₉", "z₁₀", "z₁₂₃"]
