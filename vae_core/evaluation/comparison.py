"""Models of the same data side by side: whether they can be compared, and all figures of one.

from vae_core.evaluation.comparison import check_comparable, compare

check_comparable({name: each.description for name, each in opened.items()})
compare(checkpoint, examples)["rate"]

Figures that the checkpoint's own evaluation has are taken from there, those of codes from its reference codes; only the
rest is measured.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vae_core.checkpoint import Checkpoint, Description
from vae_core.errors import ConfigError, ExplorerError, MeasureError, Stopped
from vae_core.evaluation import disentanglement, likelihood
from vae_core.evaluation.headlines import headlines
from vae_core.evaluation.steps import OnProgress, ShouldStop, never, within
from vae_core.latent.codes import kl_per_dimension

Figures = dict[str, Any]
Tell = Callable[[float, str], None]  # hears the share that is done, in [0, 1], and what is being done

LIKELIHOOD = ("examples", "squared_error", "reconstruction", "distortion")
POSTERIOR = ("elbo", "rate", "kl_per_dimension")
HEADLINES = ("continuity", "completeness")
BOUNDED = tuple(f"{name}_{end}" for name in HEADLINES for end in ("low", "high"))
CLASSES = ("knn_accuracy",)
FACTORS = ("mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "factor_vae")
KEYS = (*LIKELIHOOD, *POSTERIOR, "active_units", *HEADLINES, *CLASSES, *FACTORS)

_SOURCE = ("path", "side", "resize", "colour", "window", "stride")  # settings that decide what an example is
_NO_POSTERIOR = (
    "This model encodes to points, so that it has no KL term and no ELBO, and its rate is infinite."
)
_NO_CODES = "This model came without encoded data; open one that this program has trained."
_NO_CLASSES = "These data have no classes that neighbouring codes could agree on."
_NO_FACTORS = "The factors behind these data are not known; sprites is a dataset that comes with them."
_NO_DATA = "The data of this model are not on this machine, and the checkpoint came without this figure; fetch the data first."


def check_comparable(descriptions: Mapping[str, Description]) -> None:
    """Make sure that models can be put side by side: every figure and picture is then of the same held-out examples.

    Args:
        descriptions: of each model under the name that people read; the first is what the others are held against.

    Raises:
        ConfigError: two differ in their data, or in how these were cut, scaled or split.
    """
    named = list(descriptions.items())
    for other in islice(named, 1, None):
        difference = _difference(named[0][1], other[1])
        if difference:
            raise ConfigError(
                f"{named[0][0]} and {other[0]} cannot be compared: {difference}; choose models of the same data."
            )


def known(checkpoint: Checkpoint) -> Figures:
    """Return the figures that take no measuring, and under `missing` why others are not defined for this model.

    Keys as `compare` returns them; those in neither are still to be measured.
    """
    description, reference = checkpoint.description, checkpoint.reference
    figures, missing = _stored(description)
    if description.model.kind != "vae":
        missing |= dict.fromkeys(POSTERIOR, _NO_POSTERIOR)
    if reference is None:
        missing |= dict.fromkeys((*HEADLINES, *CLASSES, *FACTORS, "active_units"), _NO_CODES)
    else:
        if (kl := kl_per_dimension(reference)) is not None and "kl_per_dimension" not in figures:
            figures |= {"kl_per_dimension": kl.tolist(), "rate": float(kl.double().sum())}
        figures.setdefault("active_units", likelihood.active_units(reference.mean))
        if reference.labels is None:
            missing |= dict.fromkeys(CLASSES, _NO_CLASSES)
        if reference.factors is None:
            missing |= dict.fromkeys(FACTORS, _NO_FACTORS)
    density = description.model.likelihood != "bernoulli"
    return _answer({"likelihood": "density" if density else "bernoulli"} | figures, missing)


def _stored(description: Description) -> tuple[Figures, dict[str, str]]:
    """Figures of the checkpoint's evaluation, and why it has no continuity or completeness.

    Anything may be in a file: what has not the form of a figure is passed over, and is then measured.
    """
    evaluation = description.evaluation
    figures = {
        name: evaluation[name] for name in (*KEYS, *BOUNDED) if isinstance(evaluation.get(name), int | float)
    }
    if "reconstruction" in figures:
        figures["distortion"] = -figures["reconstruction"]
    kl = evaluation.get("kl_per_dimension")
    if isinstance(kl, list) and len(kl) == description.model.latent_dim:
        numbers = all(isinstance(each, int | float) for each in kl)
        figures |= {"kl_per_dimension": kl, "rate": float(sum(kl))} if numbers else {}
    said = evaluation.get("missing")
    missing = {name: str(said[name]) for name in HEADLINES if isinstance(said, dict) and name in said}
    return figures, missing


def to_measure(figures: Figures) -> tuple[str, ...]:
    """Return the keys that are neither known nor known to be missing."""
    return tuple(key for key in KEYS if key not in figures and key not in figures["missing"])


def compare(
    checkpoint: Checkpoint,
    examples: UInt8[Tensor, "n *shape"] | Float32[Tensor, "n *shape"] | None,
    seed: int = 0,
    on_progress: Tell = lambda done, says: None,
    should_stop: ShouldStop = never,
) -> Figures:
    """Return all figures of one model under flat keys.

    Per example: squared_error, the mean over pixels of (x - mean)^2 at one draw of z; reconstruction, elbo, and the
    rate R = KL(q(z|x) || p(z)) and distortion D = -E log p(x|z) of the rate-distortion plane (Alemi et al. 2018), so
    that elbo = -(R + D), all in nats; `examples` says of how many. Of the codes: kl_per_dimension in nats,
    active_units (Burda et al. 2015), continuity and completeness with the _low and _high of their 95 % intervals,
    knn_accuracy, and where factors are known the six scores of `disentanglement.scores`. Log-likelihoods compare only
    between models with the same `likelihood`: "bernoulli" or "density". What is not defined is absent; `missing` says
    why, by key.

    Args:
        checkpoint: a model on the CPU.
        examples: the reference codes' examples in their order, as a dataset or as `encode` takes them; None when they
            are not at hand.
        seed: decides every draw.
        on_progress: hears the share that is done, and what is being done.
        should_stop: asked every few dozen codes.

    Raises:
        Stopped: should_stop said so.
    """
    figures = known(checkpoint)
    wanted, missing = set(to_measure(figures)), figures.pop("missing")
    parts = [part for part in _PARTS if wanted & set(part.keys)]
    bounds = list(accumulate((part.weight for part in parts), initial=0))
    for part, start, end in zip(parts, bounds, bounds[1:], strict=False):
        _check(should_stop, part)
        heard = within(_saying(on_progress, part.says), start / bounds[-1], end / bounds[-1])
        heard(0.0)
        try:
            measured = part.measure(checkpoint, examples, seed, heard, should_stop)
        except Stopped:
            raise
        except ExplorerError as error:
            measured = {"missing": dict.fromkeys(part.keys, str(error))}
        missing |= {key: why for key, why in measured.pop("missing", {}).items() if key in wanted}
        figures |= {key: value for key, value in measured.items() if key not in missing}
    on_progress(1.0, "")
    return _answer(figures, missing)


# --- what is measured -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Figures that are measured together, and how long it takes beside the others."""

    says: str
    keys: tuple[str, ...]
    weight: int
    measure: Callable[[Checkpoint, Tensor | None, int, OnProgress, ShouldStop], Figures]


def _likelihood(
    checkpoint: Checkpoint,
    examples: Tensor | None,
    seed: int,
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Figures:
    if examples is None:
        raise MeasureError(_NO_DATA)
    generator = torch.Generator().manual_seed(seed)
    found = likelihood.evaluate(
        checkpoint.model, examples, generator, on_progress=on_progress, should_stop=should_stop
    )
    found["distortion"] = -found["reconstruction"]
    if "kl" in found:
        found["rate"] = found.pop("kl")
    return found


def _headlines(
    checkpoint: Checkpoint,
    examples: Tensor | None,
    seed: int,
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Figures:
    found = headlines(checkpoint, examples, seed, on_progress, should_stop, HEADLINES)
    kept = {name: found.figures[name] for name in (*HEADLINES, *BOUNDED) if name in found.figures}
    return kept | {"missing": found.missing}


def _neighbours(
    checkpoint: Checkpoint,
    examples: Tensor | None,
    seed: int,
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Figures:
    reference = checkpoint.reference
    assert reference is not None  # or `known` would have said so
    assert reference.labels is not None
    return {"knn_accuracy": disentanglement.knn_accuracy(reference.mean, reference.labels)}


def _factors(
    checkpoint: Checkpoint,
    examples: Tensor | None,
    seed: int,
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Figures:
    reference = checkpoint.reference
    assert reference is not None  # or `known` would have said so
    assert reference.factors is not None
    return dict(disentanglement.scores(reference.mean, reference.factors, seed, on_progress, should_stop))


# Weights: about the seconds for mnist-vae-2d (for sprites-vae-10d with its factors) on two cores.
_PARTS = (
    _Part("Reconstructing held-out data", (*LIKELIHOOD, *POSTERIOR, "active_units"), 2, _likelihood),
    _Part("Measuring continuity and completeness", HEADLINES, 12, _headlines),
    _Part("Asking each code's neighbours", CLASSES, 1, _neighbours),
    _Part("Comparing codes with the factors", FACTORS, 6, _factors),
)


def _saying(tell: Tell, says: str) -> OnProgress:
    return lambda done: tell(done, says)


def _check(should_stop: ShouldStop, part: _Part) -> None:
    if should_stop():
        raise Stopped(f"{part.says} was stopped; nothing of it is kept.")


def _answer(figures: Figures, missing: dict[str, str]) -> Figures:
    """Put figures and sentences together; a figure that is no number is missing, too."""
    bad = {key for key, value in figures.items() if not all(map(_is_fine, _each(value)))}
    missing = missing | dict.fromkeys(bad, "This figure came out as NaN or infinity; train the model again.")
    return {key: value for key, value in figures.items() if key not in missing} | {"missing": missing}


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_fine(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _difference(a: Description, b: Description) -> str:
    """What keeps two models from being compared; empty if nothing does."""
    if a.info.name != b.info.name or a.data.path != b.data.path:
        titles = a.info.title, b.info.title
        if titles[0] == titles[1]:
            return f"their data are both called {titles[0]}, but come from two places"
        return f"their data are {titles[0]} and {titles[1]}"
    if a.info.data_shape != b.info.data_shape:
        sizes = [" x ".join(map(str, each.info.data_shape)) for each in (a, b)]
        return f"their examples are {sizes[0]} and {sizes[1]}"
    for name in _SOURCE:
        mine, theirs = getattr(a.data, name), getattr(b.data, name)
        if mine != theirs:
            return f"their data were made with {name} = {mine} and {name} = {theirs}"
    if a.data.split_seed != b.data.split_seed:
        seeds = f"split_seed = {a.data.split_seed} and {b.data.split_seed}"
        return (
            f"their data were split differently ({seeds}), so that one may have seen what the other has not"
        )
    if (a.info.centre, a.info.scale) != (b.info.centre, b.info.scale):
        return "their data were standardised differently"
    return ""
