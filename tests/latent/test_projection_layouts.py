"""UMAP and t-SNE: the libraries' own maps, the same every time, heard while they run, stopped when asked."""

import logging
import threading
import warnings

import numpy as np
import pytest

from tests.patience import PATIENCE_S
from vae_core.config import ProjectionConfig
from vae_core.errors import ProjectionError, Stopped
from vae_core.latent import layouts
from vae_core.latent.faithfulness import faithfulness
from vae_core.latent.projection import project

UMAP = ProjectionConfig(method="umap", neighbours=10, min_dist=0.2, seed=3)
TSNE = ProjectionConfig(method="tsne", perplexity=10, seed=3)


def clusters(n=240, seed=0):
    """Three blobs in four dimensions, far apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return (rng.normal(size=(n, 4)) + 12 * np.eye(4)[labels]).astype(np.float32), labels


@pytest.fixture(scope="module", params=[UMAP, TSNE], ids=lambda config: config.method)
def made(request):
    heard = []
    codes, labels = clusters()
    return project(codes, request.param, lambda *said: heard.append(said)), labels, heard


def test_the_map_is_that_of_the_library_called_directly(made):
    projection, _, _ = made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if projection.config.method == "umap":
            import umap

            bare = umap.UMAP(n_neighbors=10, min_dist=0.2, random_state=3).fit_transform(projection.codes)
        else:
            import openTSNE

            bare = openTSNE.TSNE(perplexity=10, random_state=3).fit(projection.codes)
    np.testing.assert_array_equal(projection.points, np.asarray(bare, np.float32))


def test_the_same_seed_gives_the_same_map_and_another_seed_another(made):
    projection, _, _ = made
    again = project(projection.codes, projection.config)
    np.testing.assert_array_equal(again.points, projection.points)
    if projection.config.method == "umap":
        other = project(projection.codes, projection.config.model_copy(update={"seed": 4}))
        assert not np.array_equal(other.points, projection.points)


def test_planted_clusters_stay_apart(made):
    projection, labels, _ = made
    centres = np.stack([projection.points[labels == label].mean(0) for label in range(3)])
    nearest = np.linalg.norm(projection.points[:, None] - centres, axis=2).argmin(1)
    assert (nearest == labels).all()
    assert faithfulness(projection.codes, projection.points).trustworthiness > 0.8
    assert projection.explained == ()
    assert projection.axes is projection.origin is None


def test_every_step_of_the_layout_is_heard(made):
    projection, _, heard = made
    phases = list(dict.fromkeys(phase for phase, _ in heard))
    assert phases[1:] == ["Finding nearest neighbours", "Laying out", "Done"]
    shares = [done for phase, done in heard if phase == "Laying out"]
    assert len(shares) == (500 if projection.config.method == "umap" else 75)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_new_codes_of_a_cluster_are_placed_in_it(made):
    projection, labels, _ = made
    new, their = clusters(30, seed=1)
    places = projection.transform(new)
    nearest = np.linalg.norm(places[:, None] - projection.points, axis=2).argmin(1)
    assert (labels[nearest] == their).all()


@pytest.mark.filterwarnings("ignore")
def test_new_codes_are_placed_where_umap_starts_them():
    import umap

    codes, _ = clusters()
    new, _ = clusters(30, seed=1)
    bare = umap.UMAP(n_neighbors=10, min_dist=0.2, random_state=3, n_jobs=1).fit(codes)
    bare._initial_alpha = 0.0  # it moves new points after it placed them, by steps of this size
    np.testing.assert_allclose(project(codes, UMAP).transform(new), bare.transform(new), atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_the_inverse_is_that_of_umap_inside_and_interpolated_outside():
    import umap

    codes, _ = clusters()
    made = project(codes, UMAP)
    bare = umap.UMAP(n_neighbors=10, min_dist=0.2, random_state=3, n_jobs=1).fit(codes)
    inside = made.points[:3].mean(0, keepdims=True)
    places = np.concatenate([inside, made.points.max(0, keepdims=True) + 5])
    found, inverted = made.invert(places)
    assert inverted.tolist() == [True, False]
    np.testing.assert_allclose(found[0], bare.inverse_transform(inside)[0], atol=1e-4)
    np.testing.assert_array_equal(found[1], made.lift(places)[0][1])


def test_other_maps_have_no_inverse_of_their_own():
    made = project(clusters()[0], ProjectionConfig(method="pca"))
    with pytest.raises(ProjectionError, match="made by pca, and only umap has an inverse"):
        made.invert(made.points)


@pytest.mark.parametrize("config", [UMAP, TSNE], ids=lambda config: config.method)
def test_it_stops_between_two_steps_and_leaves_no_trace(config):
    import numba

    numba.set_num_threads(before := max(1, numba.get_num_threads()))
    codes, _ = clusters()
    heard = []
    with pytest.raises(Stopped, match="stopped before it was ready"):
        project(codes, config, lambda *said: heard.append(said), lambda: len(heard) >= 5)
    assert len(heard) == 5
    assert numba.get_num_threads() == before
    worker = threading.Thread(target=project, args=(codes, config))
    worker.start()
    worker.join(PATIENCE_S)
    assert not worker.is_alive()  # nothing was left locked


def test_it_stops_before_it_begins():
    with pytest.raises(Stopped):
        project(clusters()[0], UMAP, should_stop=lambda: True)


@pytest.mark.parametrize("config", [UMAP, TSNE], ids=lambda config: config.method)
@pytest.mark.parametrize("codes", [clusters()[0][np.arange(240) % 2], clusters()[0][:, :1]])
def test_the_libraries_stay_silent_on_awkward_codes(config, codes, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        points = project(codes, config).points
    assert np.isfinite(points).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("n", "config"),
    [
        (3, ProjectionConfig(method="umap", neighbours=2)),
        (5, ProjectionConfig(method="umap", neighbours=2)),
        (4, ProjectionConfig(method="tsne", perplexity=1)),
    ],
)
def test_the_fewest_points_that_are_allowed_have_a_map(n, config):
    made = project(np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32), config)
    assert np.isfinite(made.points).all()
    np.testing.assert_allclose(made.transform(made.codes), made.points, rtol=1e-5)
    assert np.isfinite(made.lift(np.zeros((1, 2)))[0]).all()


def test_codes_without_a_place_are_counted(monkeypatch):
    codes, _ = clusters()
    lost = np.zeros((240, 2), np.float32)
    lost[:3] = np.nan
    monkeypatch.setattr(layouts, "umap_layout", lambda *_: lost)
    with pytest.raises(ProjectionError, match="umap found no place for 3 of 240 codes"):
        project(codes, UMAP)
