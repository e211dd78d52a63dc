"""How fast codes become pixels, in this process and without a browser.

The explorer's way is `vae_core.models.rendering.render`, on a model as `vae_explorer.live.models.live` prepares it. Its
rivals do the same work, from float32 codes to uint8 pixels channels last: `bare-eager` is what one writes first
(the whole batch at once under `no_grad`), the others change one setting of ours each. 19 codes are an image with
two traversal strips, 91 an image with ten. Every round runs each way once, one after the other, so that whatever
slows the machine down slows all of them; the figures are the medians over the rounds.

Cases are CHECKPOINT-CODES, with the rival's name behind it. A checkpoint that is not there is replaced by the same
architecture with random weights, which takes the same time.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import Results, percentile, show
from benchmarks.server import ROOT
from vae_core import checkpoint
from vae_core.config import ModelConfig
from vae_core.models import Model, build
from vae_core.models.rendering import CHUNK, render

SETTINGS: dict[str, dict[str, Any]] = {
    "mnist-vae-2d": {"data_shape": (1, 28, 28), "latent_dim": 2, "hidden": (400, 256, 128)},
    "sprites-vae-10d": {
        "data_shape": (1, 64, 64),
        "latent_dim": 10,
        "architecture": "conv",
        "hidden": (32, 32, 64, 64, 192),
    },
}
MODELS = {name: ModelConfig(**settings) for name, settings in SETTINGS.items()}
COUNTS = (1, 19, 91, 400)
CHUNKS = (16, 32, 64, 128)
THREADS = (1, 2)
MANY = 1_000_000  # more than any batch: all of it at once
ROUNDS, SECONDS = 100, 4.0  # at most, for each model and count of codes
WARM_UP = 3
PAUSE_S = 0.005  # between two calls, as between two pointer moves; the last call's threads fall asleep

Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Way:
    """One way to decode: what is called, and with how many threads."""

    decode: Decode
    threads: int


def ways(name: str) -> dict[str, Way]:
    """Return the explorer's way (named "") and its rivals for a checkpoint."""
    first, last, threads = _model(name), _model(name), torch.get_num_threads()
    # As vae_explorer.live.models.live does; torch's types leave this argument out.
    last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ours = partial(render, last)
    rivals: dict[str, Decode] = {
        "bare-eager": partial(bare, first),
        "inference-mode": partial(chunked, first, size=MANY),
        "channels-first": partial(chunked, first, size=CHUNK),
        "whole-batch": partial(chunked, last, size=MANY),
        "floats": partial(floats, last, size=CHUNK),  # without the step to uint8
    }
    rivals |= {f"chunk-{size}": partial(chunked, last, size=size) for size in CHUNKS if size != CHUNK}
    found = {rival: Way(decode, threads) for rival, decode in rivals.items()}
    found |= {f"{count}-threads": Way(ours, count) for count in THREADS if count != threads}
    return {"": Way(ours, threads), **found}


def bare(model: Model, codes: np.ndarray) -> np.ndarray:
    """Decode the whole batch at once, as a notebook would."""
    with torch.no_grad():
        return pixels(model.decode(torch.from_numpy(codes)).mean).numpy()


def chunked(model: Model, codes: np.ndarray, size: int) -> np.ndarray:
    """Decode as `render` does, so many codes at a time."""
    with torch.inference_mode():
        return torch.cat([pixels(model.decode(z).mean) for z in torch.from_numpy(codes).split(size)]).numpy()


def floats(model: Model, codes: np.ndarray, size: int) -> np.ndarray:
    """Decode, but leave the picture as float32 (B, C, H, W): the rest is what uint8 costs."""
    with torch.inference_mode():
        return torch.cat([model.decode(z).mean for z in torch.from_numpy(codes).split(size)]).numpy()


def pixels(mean: Tensor) -> Tensor:
    """From [0, 1] to 0..255, channels last."""
    return (mean * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def medians(contestants: dict[str, Way], codes: np.ndarray) -> dict[str, dict[str, float]]:
    """Time every way in turn, round after round."""
    for way in contestants.values():
        for _ in range(WARM_UP):
            _time(way, codes)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    deadline = time.perf_counter() + SECONDS
    for _ in range(ROUNDS):
        for name, way in contestants.items():
            times[name].append(_time(way, codes))
        if time.perf_counter() > deadline:
            break
    return {name: _figures(taken, len(codes)) for name, taken in times.items()}


def run(names: list[str]) -> Results:
    """Measure every model with every count of codes."""
    results: Results = {}
    generator = np.random.default_rng(0)
    for name in names:
        contestants = ways(name)
        for count in COUNTS:
            codes = generator.standard_normal((count, MODELS[name].latent_dim)).astype(np.float32)
            for rival, figures in medians(contestants, codes).items():
                results[f"{name}-{count} {rival}".rstrip()] = figures
    return results


def _figures(seconds: list[float], count: int) -> dict[str, float]:
    middle = percentile(seconds, 50)
    return {"p50_ms": 1000 * middle, "p95_ms": 1000 * percentile(seconds, 95), "images_per_s": count / middle}


def _time(way: Way, codes: np.ndarray) -> float:
    time.sleep(PAUSE_S)
    with _threads(way.threads):
        start = time.perf_counter()
        way.decode(codes)
        return time.perf_counter() - start


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)


def _model(name: str) -> Model:
    """Load a checkpoint anew, or build its architecture with random weights."""
    path = ROOT / "checkpoints" / f"{name}.safetensors"
    if path.is_file():
        return checkpoint.load(path).model
    print(
        f"decode: {path.name} is not there; its architecture is timed with random weights.", file=sys.stderr
    )
    return build(MODELS[name])


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=MODELS, default=list(MODELS), help="checkpoints")
    options = parser.parse_args()
    show("decode", run(options.cases), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
