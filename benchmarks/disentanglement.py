"""How long the disentanglement scores of 10,000 codes take: each alone, and `scores`, which is all of them.

The codes and factors are those that the checkpoint sprites-vae-10d keeps. Every round runs each score once, one after
the other, so that whatever slows the machine down slows all of them; figures are medians over the rounds. The first
round, which imports scikit-learn, is not counted.
"""

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.report import Results, show
from benchmarks.server import ROOT
from vae_core import checkpoint
from vae_core.evaluation import disentanglement
from vae_core.evaluation.headlines import known

MODEL = "sprites-vae-10d"
ROUNDS = 5


def run(rounds: int = ROUNDS) -> Results:
    """Measure every score in turn."""
    reference = known(checkpoint.load(ROOT / "checkpoints" / f"{MODEL}.safetensors"))
    codes, factors, labels = reference.mean, reference.factors, reference.labels
    assert factors is not None
    assert labels is not None
    work: dict[str, Callable[[], object]] = {
        "mig": lambda: disentanglement.mig(codes, factors),
        "dci": lambda: disentanglement.dci(codes, factors, torch.Generator().manual_seed(0)),
        "sap": lambda: disentanglement.sap(codes, factors),
        "factor_vae": lambda: disentanglement.factor_vae_score(
            codes, factors, torch.Generator().manual_seed(0)
        ),
        "scores": lambda: disentanglement.scores(codes, factors),
        "knn_accuracy": lambda: disentanglement.knn_accuracy(codes, labels),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, score in work.items():
            start = time.perf_counter()
            score()
            seconds[name].append(time.perf_counter() - start)
    return {f"{MODEL}-{name}": {"p50_s": median(found[1:])} for name, found in seconds.items()}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.disentanglement", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    show("disentanglement", run(options.rounds), as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
