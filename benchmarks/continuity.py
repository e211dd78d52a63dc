"""How long a map of cliffs, holes, drift or realism takes: refined, in this program, and live, over a server's socket.

    CHECKPOINT MAP          64 x 64 cells, asked for in frames of 1024 codes as the Continuity page does, in a process of
                            its own: `ready_s` is the first answer (it draws from q(z) or reads the images to compare
                            with), `refined_s` the median of all 4096 cells after that, `peak_bytes` the most memory held
                            at a time beyond the loaded model
    CHECKPOINT MAP RIVAL    the same figure by what one writes first, each in a process of its own too: the full Jacobian
                            by torch.func.jacfwd or jacrev under vmap, and scikit-learn's NearestNeighbors. Timed on
                            `measured_codes` codes; `refined_s` is scaled from these to 4096
    CHECKPOINT MAP live     16 x 16 cells through the socket of a running server, one request at a time, each of another
                            place: from the request's first byte to the answer's last
    CHECKPOINT trust live   every figure at one code with the nearest image, likewise
    CHECKPOINT decode live  one code to its image while nothing else is asked, and while another connection asks without a
                            pause for trust read-outs (`beside_trust_*`) or for live maps (`beside_maps_*`)

`against_images` is 1 where realism compares with the data's own images, 0 where these are not on this machine and
reconstructions stand for them.
"""

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from websockets.sync.client import ClientConnection, connect

from benchmarks import server
from benchmarks.report import Results, percentile, show, spread

CHECKPOINTS = ("mnist-vae-2d", "sprites-vae-10d")
MAPS = ("cliffs", "cliffs_in_plane", "ratio", "drift", "realism")
RIVALS = (("cliffs", "jacfwd"), ("cliffs", "jacrev"), ("ratio", "scikit-learn"), ("realism", "scikit-learn"))
# Codes that a rival is timed on: as many as take a few seconds.
RIVAL_CODES = {"jacfwd": 64, "jacrev": 8, "scikit-learn": 512}

REFINED, COARSE, FRAME = 64, 16, 1024  # cells across a refined and a live map; codes in a frame
REACH = 3.0  # of a map's window, from its middle
ROUNDS, SECONDS = 7, 20.0  # of refined maps, at most
LIVE_ROUNDS, LIVE_SECONDS, WARM_UP = 100, 8.0, 3
FIRST_ANSWER_S = 120  # a model, and the images to compare with, may have to be read first


def window(cells: int, latent: int, shift: float = 0.0) -> np.ndarray:
    """Return the codes (cells^2, latent) of a square map of the first two dimensions, the others 0."""
    steps = np.linspace(-REACH, REACH, cells, dtype=np.float32)
    codes = np.zeros((cells * cells, latent), np.float32)
    codes[:, 0], codes[:, 1] = np.tile(steps + shift, cells), np.repeat(steps, cells)
    return codes


def rows(name: str, codes: np.ndarray) -> np.ndarray:
    """Return the rows of a request for a map of these codes."""
    axes = np.eye(2, codes.shape[1], dtype=np.float32)
    return np.vstack((axes, codes)) if name == "cliffs_in_plane" else codes


# --- in a process of their own ------------------------------------------------------------------------------------


def refined(checkpoint: str, name: str) -> dict[str, float]:
    """Time a refined map."""
    from vae_explorer import library
    from vae_explorer.live.models import live, measures_of
    from vae_explorer.live.protocol import Measure

    opened = library.open_file(checkpoint, _file(checkpoint))
    model = live(opened)
    assert model.measure is not None
    measure = partial(model.measure, Measure[name.upper()])
    codes = window(REFINED, model.latent_dim)
    model.decode(codes[:FRAME].copy())
    before = memory("VmRSS")
    ready = _seconds(partial(measure, rows(name, codes[:1])))
    frames = [rows(name, codes[start : start + FRAME]) for start in range(0, len(codes), FRAME)]
    figures = {
        "ready_s": ready,
        "refined_s": _median(lambda: [measure(each) for each in frames]),
    }
    figures["peak_bytes"] = max(memory("VmHWM") - before, 0)
    if name == "realism":
        figures["against_images"] = int(measures_of(opened).against == "images")
    return figures


def rival(checkpoint: str, name: str, way: str) -> dict[str, float]:
    """Time a rival on fewer codes, and scale."""
    count = RIVAL_CODES[way]
    work = {"cliffs": _jacobian, "ratio": _neighbours, "realism": _nearest_images}[name](
        checkpoint, way, count
    )
    before = memory("VmRSS")
    work()
    seconds = _median(work) * REFINED**2 / count
    return {"refined_s": seconds, "measured_codes": count, "peak_bytes": max(memory("VmHWM") - before, 0)}


def _jacobian(checkpoint: str, way: str, count: int) -> Callable[[], object]:
    """The largest singular value of the full Jacobian at each code."""
    import torch
    from torch.func import jacfwd, jacrev, vmap

    from vae_core import checkpoint as checkpoints
    from vae_core.latent.metric import make_forward_mode_ready

    make_forward_mode_ready()
    model = checkpoints.load(_file(checkpoint)).model
    codes = torch.from_numpy(_some(model.latent_dim, count))

    def mean(z: torch.Tensor) -> torch.Tensor:
        picture: torch.Tensor = model.decode(z[None]).mean.flatten()
        return picture

    jacobian = jacfwd(mean) if way == "jacfwd" else jacrev(mean, chunk_size=256)

    def work() -> object:
        with torch.no_grad():
            return torch.linalg.svdvals(vmap(jacobian)(codes))

    return work


def _neighbours(checkpoint: str, way: str, count: int) -> Callable[[], object]:
    """The 16th nearest of the draws from q(z)."""
    from sklearn.neighbors import NearestNeighbors

    from vae_core import checkpoint as checkpoints

    reference = checkpoints.load(_file(checkpoint)).reference
    assert reference is not None
    search = NearestNeighbors(n_neighbors=16).fit(reference.mean.numpy())
    return partial(search.kneighbors, _some(reference.mean.shape[1], count))


def _nearest_images(checkpoint: str, way: str, count: int) -> Callable[[], object]:
    """The nearest of the images that realism compares with, for images that are decoded already."""
    import torch
    from sklearn.neighbors import NearestNeighbors

    from vae_core import checkpoint as checkpoints
    from vae_core.evaluation.measures import GALLERY_NUMBERS

    loaded = checkpoints.load(_file(checkpoint))
    assert loaded.reference is not None
    with torch.inference_mode():
        some = loaded.reference.mean[: GALLERY_NUMBERS // int(np.prod(loaded.model.data_shape))]
        images = torch.cat([loaded.model.decode(part).mean.flatten(1) for part in some.split(64)])
        decoded = loaded.model.decode(torch.from_numpy(_some(loaded.model.latent_dim, count))).mean.flatten(1)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(images.numpy())
    return partial(search.kneighbors, decoded.numpy())


def memory(field: str) -> int:
    """Return a size of this process in bytes as Linux tells it (VmRSS: held now, VmHWM: at most); 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


def _some(latent: int, count: int) -> np.ndarray:
    """So many cells of the refined map, spread over it."""
    codes = window(REFINED, latent)
    chosen: np.ndarray = codes[np.linspace(0, len(codes) - 1, count).astype(int)]
    return chosen


def _median(work: Callable[[], object]) -> float:
    taken: list[float] = []
    deadline = time.perf_counter() + SECONDS
    while len(taken) < ROUNDS and (len(taken) < 2 or time.perf_counter() < deadline):
        taken.append(_seconds(work))
    return percentile(taken, 50)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# --- over the socket ----------------------------------------------------------------------------------------------


class Client:
    """A page's socket: one request at a time."""

    def __init__(self, connection: ClientConnection, model: str, latent: int) -> None:
        self._connection, self._model, self._latent = connection, model, latent
        self._places = itertools.cycle(np.linspace(-0.5, 0.5, 17))

    def map(self, name: str) -> float:
        """Ask for a live map of another place; return the milliseconds to its answer."""
        codes = window(COARSE, self._latent, float(next(self._places)))
        return self._measure(name, rows(name, codes))

    def trust(self) -> float:
        """Ask for every figure at another code."""
        return self._measure("trust", self._code())

    def decode(self) -> float:
        """Ask for the image of another code."""
        from vae_explorer.live.protocol import pack_decode_request

        return self._ask(pack_decode_request(1, self._model, self._code()))

    def _code(self) -> np.ndarray:
        return np.full((1, self._latent), next(self._places), np.float32)

    def _measure(self, name: str, codes: np.ndarray) -> float:
        from vae_explorer.live.protocol import Measure, pack_measure_request

        return self._ask(pack_measure_request(1, self._model, Measure[name.upper()], codes))

    def _ask(self, frame: bytes) -> float:
        start = time.perf_counter()
        self._connection.send(frame)
        answer = self._connection.recv(FIRST_ANSWER_S)
        if isinstance(answer, str):
            raise server.ServerFailed(f"The server refused a request: {answer}")
        return 1000 * (time.perf_counter() - start)


def live_figures(url: str, checkpoint: str) -> Results:
    """Ask a running server for every live map, for trust, and for images beside them."""
    from vae_core import checkpoint as checkpoints

    loaded = checkpoints.load(_file(checkpoint))
    address = url.replace("http", "ws", 1) + "/live"

    @contextmanager
    def client() -> Iterator[Client]:
        with connect(address, max_size=None) as connection:
            yield Client(connection, loaded.id, loaded.model.latent_dim)

    with client() as asker, client() as other:
        results = {f"{checkpoint} {name} live": spread(_asked(partial(asker.map, name))) for name in MAPS}
        results[f"{checkpoint} trust live"] = spread(_asked(asker.trust))
        alone = spread(_asked(asker.decode))
        turns = itertools.cycle(MAPS)
        with _busy(other.trust):
            beside = spread(_asked(asker.decode), prefix="beside_trust_")
        with _busy(lambda: other.map(next(turns))):
            beside |= spread(_asked(asker.decode), prefix="beside_maps_")
        return results | {f"{checkpoint} decode live": alone | beside}


@contextmanager
def _busy(work: Callable[[], object]) -> Iterator[None]:
    """Do something again and again until the block ends."""
    done = threading.Event()

    def again() -> None:
        while not done.is_set():
            work()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _asked(ask: Callable[[], float]) -> list[float]:
    for _ in range(WARM_UP):
        ask()
    taken: list[float] = []
    deadline = time.perf_counter() + LIVE_SECONDS
    while len(taken) < LIVE_ROUNDS and time.perf_counter() < deadline:
        taken.append(ask())
    return taken


def _file(checkpoint: str) -> Path:
    return server.ROOT / "checkpoints" / f"{checkpoint}.safetensors"


def run(names: list[str]) -> Results:
    """Measure every checkpoint that is here."""
    results: Results = {}
    for name in names:
        if not _file(name).is_file():
            print(f"continuity: {name} is skipped, because its file is not there.", file=sys.stderr)
            continue
        # One process for each: what one of them allocates is not counted for another.
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            for each in MAPS:
                results[f"{name} {each}"] = pool.submit(refined, name, each).result()
            for each, way in RIVALS:
                results[f"{name} {each} {way}"] = pool.submit(rival, name, each, way).result()
        with server.running(server.APP) as running:
            results |= live_figures(running.url, name)
    return results


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.continuity", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--cases", nargs="+", choices=CHECKPOINTS, default=list(CHECKPOINTS), help="checkpoints"
    )
    options = parser.parse_args()
    try:
        results = run(options.cases)
    except server.ServerFailed as error:
        print(f"continuity: {error}", file=sys.stderr)
        return 1
    if not results:
        print("continuity: nothing could be measured.", file=sys.stderr)
        return 1
    show("continuity", results, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
