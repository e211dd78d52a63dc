"""UMAP and t-SNE of codes: the libraries' own results, with progress, a way to stop, and no idle talk.

Both run on one thread: their parallel versions give another map each time.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from vae_core.config import ProjectionConfig
from vae_core.errors import Stopped

Progress = Callable[[str, float | None], None]  # a phase in words, and the share of it done (None: unknown)
Stop = Callable[[], bool]

SMALL = 10_000  # UMAP's own: up to so many points it takes more epochs
EPOCHS_SMALL, EPOCHS_LARGE = 500, 200
TSNE_ITERATIONS = 250, 500  # openTSNE's own: under early exaggeration, then without
TSNE_STEP = 10  # iterations between two reports
LOADING, NEIGHBOURS, LAYING_OUT = (
    "Loading",
    "Finding nearest neighbours",
    "Laying out",
)  # phases, in this order


def umap_layout(
    codes: Float32[np.ndarray, "n latent"],
    config: ProjectionConfig,
    on_progress: Progress,
    should_stop: Stop,
) -> Float32[np.ndarray, "n 2"]:
    """Lay codes out with UMAP (McInnes et al. 2018): what umap-learn gives for this `random_state`.

    Progress comes after every epoch of the layout, and stopping is possible there; the neighbour search
    before it reports only its beginning. Raises `Stopped`.
    """
    on_progress(f"{LOADING} UMAP", None)
    with _quiet():
        import numba
        import umap

    _check(should_stop)
    mapper = umap.UMAP(
        n_neighbors=config.neighbours,
        min_dist=config.min_dist,
        metric=config.metric,
        random_state=config.seed,
        n_jobs=1,
        init="random" if len(codes) < 5 else "spectral",  # too few for eigenvectors
    )
    heard = _HeardEpochs(len(codes), on_progress, should_stop)
    embed = mapper._fit_embed_data  # umap-learn says that it may be replaced
    mapper._fit_embed_data = lambda data, _, *others, **named: embed(data, heard, *others, **named)
    threads = numba.get_num_threads()
    on_progress(NEIGHBOURS, None)
    try:
        with _quiet():
            return np.asarray(mapper.fit_transform(codes), np.float32)
    finally:
        numba.set_num_threads(threads)  # umap-learn forgets to when it is interrupted


def umap_inverse(
    codes: Float32[np.ndarray, "n latent"],
    points: Float32[np.ndarray, "n 2"],
    place: Float64[np.ndarray, " 2"],
    config: ProjectionConfig,
) -> Float32[np.ndarray, " latent"]:
    """Return umap-learn's own `inverse_transform` of one place among the given points of a map.

    It interpolates within the triangle of points around the place, then optimises the code so that it is
    tied to its neighbours as the place is; a place outside of the points' convex hull has no triangle.
    """
    with _quiet():
        import umap

        mapper = umap.UMAP(
            n_neighbors=min(config.neighbours, len(codes) - 1),
            min_dist=config.min_dist,
            metric=config.metric,
            random_state=config.seed,
            n_jobs=1,
            n_epochs=0,  # only the ties between codes are wanted: the layout is there
            init="random",
        ).fit(codes)
        mapper.embedding_, mapper.n_epochs = points, None
        inverse = np.asarray(mapper.inverse_transform(place[None]), np.float32)
    return inverse.reshape(-1)


def tsne_layout(
    codes: Float32[np.ndarray, "n latent"],
    config: ProjectionConfig,
    on_progress: Progress,
    should_stop: Stop,
) -> Float32[np.ndarray, "n 2"]:
    """Lay codes out with t-SNE (van der Maaten & Hinton 2008; Poličar et al. 2024 for openTSNE).

    Progress comes every few iterations, and stopping is possible there. Raises `Stopped`.
    """
    on_progress(f"{LOADING} t-SNE", None)
    with _quiet():
        from openTSNE import TSNE
        from openTSNE.affinity import PerplexityBasedNN

    _check(should_stop)
    on_progress(NEIGHBOURS, None)
    with _quiet():
        affinities = PerplexityBasedNN(codes, config.perplexity, random_state=config.seed)
        _check(should_stop)
        layout = TSNE(
            perplexity=config.perplexity,
            early_exaggeration_iter=TSNE_ITERATIONS[0],
            n_iter=TSNE_ITERATIONS[1],
            random_state=config.seed,
            initialization="pca" if codes.shape[1] > 1 else "spectral",
            callbacks=_iterations(on_progress, should_stop),
            callbacks_every_iters=TSNE_STEP,
        )
        return np.asarray(layout.fit(codes, affinities=affinities), np.float32)


def epochs(points: int) -> int:
    """How many epochs umap-learn gives so many points."""
    return EPOCHS_SMALL if points <= SMALL else EPOCHS_LARGE


class _HeardEpochs(list[int]):
    """The epochs to keep a copy of, as umap-learn takes them, which hears when it is asked about one.

    umap-learn offers no callback, and an exception out of its progress bar would leave the bar's lock
    taken. Its layout asks after each epoch whether that epoch is on the list: a clean place to report and
    to stop. The list holds only the number of epochs, so nothing is copied.
    """

    def __init__(self, points: int, on_progress: Progress, should_stop: Stop) -> None:
        self.total = epochs(points)
        super().__init__([self.total])
        self.on_progress, self.should_stop = on_progress, should_stop

    def __contains__(self, epoch: object) -> bool:
        assert isinstance(epoch, int)
        _check(self.should_stop)
        self.on_progress(LAYING_OUT, (epoch + 1) / self.total)
        return False


def _iterations(on_progress: Progress, should_stop: Stop) -> Callable[[int, float, Any], bool]:
    """Return openTSNE's callback; it counts for itself, as openTSNE starts again after the first phase."""
    done = 0

    def heard(iteration: int, error: float, places: Any) -> bool:
        nonlocal done
        _check(should_stop)
        done += TSNE_STEP
        on_progress(LAYING_OUT, done / sum(TSNE_ITERATIONS))
        return False

    return heard


def _check(should_stop: Stop) -> None:
    if should_stop():
        raise Stopped("The map was stopped before it was ready; start it again for a whole one.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries say to their developers off the screen; what matters is checked by us."""
    log = logging.getLogger("openTSNE")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
