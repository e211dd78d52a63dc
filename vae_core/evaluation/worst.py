"""Find the worst for me: where a model's latent space fails most, as ranked lists of places that differ.

- cliffs: where the decoded image changes most for each unit of z (largest singular value of the decoder's Jacobian);
- holes: codes drawn from the prior with the fewest data around them for each that the prior promises;
- drifts: codes whose own decoded image is encoded farthest away, |z' - z|;
- reconstructions: for each class, the examples that their posterior mean decodes back worst.

Places are looked for among encoded codes and draws from the prior; cliffs are then climbed a few steps further.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from vae_core.checkpoint import Checkpoint
from vae_core.errors import ConfigError, MeasureError
from vae_core.evaluation.completeness import HOLE
from vae_core.evaluation.headlines import aggregate_of, known, prior_of
from vae_core.evaluation.steps import OnProgress, ShouldStop, in_chunks, never, silent, within
from vae_core.latent.aggregate import Aggregate, Gaussian
from vae_core.latent.codes import DEAD_VARIANCE, ReferenceCodes
from vae_core.latent.metric import Decode, Tangents, largest_stretch, pullback
from vae_core.models.inputs import model_input
from vae_core.models.tangents import tangents_of

Kind = Literal["cliffs", "holes", "drifts", "reconstructions"]
KINDS: tuple[Kind, ...] = get_args(Kind)

COUNT = 8  # places in a list
PER_CLASS = 2  # worst reconstructions
ENCODED, DRAWN = 1500, 1500  # candidates
APART = 0.5  # prior standard deviations for each root of the dimensions: how far places are from each other at least
INSIDE = 0.99  # of the prior's mass: a climb leads no farther out
ROUNDS, PROPOSALS, REACH = 10, 8, 0.3  # of a climb: steps, tries at each, first reach in standard deviations
FLAT = 1e-6  # largest stretch that is rounding, relative to the image for each unit of z

Codes = Float32[np.ndarray, "n latent"]


@dataclass(frozen=True)
class Place:
    """One entry of a list.

    Args:
        code: where it is.
        value: the figure that it is ranked by. cliffs: change of the image (Euclidean, over pixels in [0, 1]) for each
            unit of z; holes: data ratio, the lower the worse; drifts: |z' - z| in latent units; reconstructions: mean
            squared error per pixel.
        label: class of the encoded example at this very code; None elsewhere, or without classes.
        index: position of that example among the reference codes; None elsewhere.
    """

    code: tuple[float, ...]
    value: float
    label: int | None = None
    index: int | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """Codes to look among; index and label are -1 where a code is not one of the encoded ones, or has no class."""

    codes: Codes
    index: Int64[np.ndarray, " n"]
    label: Int64[np.ndarray, " n"]

    @classmethod
    def drawn(cls, codes: Codes) -> "Candidates":
        """Return codes that no example was encoded to."""
        nothing = np.full(len(codes), -1, np.int64)
        return cls(codes, nothing, nothing)

    def places(self, values: Float64[np.ndarray, " n"], order: list[int]) -> list[Place]:
        """Return the entries of a list in this order."""
        return [
            Place(
                tuple(map(float, self.codes[i])),
                float(values[i]),
                None if self.label[i] < 0 else int(self.label[i]),
                None if self.index[i] < 0 else int(self.index[i]),
            )
            for i in order
        ]


def find(
    kind: str,
    checkpoint: Checkpoint,
    images: Tensor | None,
    seed: int = 0,
    count: int = COUNT,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> list[Place]:
    """Return one ranked list of a model, the worst place first (reconstructions: class by class).

    Args:
        kind: which list, one of KINDS.
        checkpoint: a model with its reference codes.
        images: the reference codes' examples in their order, or None; only reconstructions take them.
        seed: decides what is drawn.
        count: places in the list at most; not for reconstructions, of which each class has PER_CLASS.
        on_progress: hears the share that is done, in (0, 1].
        should_stop: asked every few dozen codes.

    Raises:
        ConfigError: there is no such list.
        MeasureError: the list is not defined for this model, or what it takes is not there; the message says why.
        Stopped: should_stop said so.
    """
    if kind not in KINDS:
        raise ConfigError(f"kind = {kind!r} is no list of worst places; use one of {', '.join(KINDS)}.")
    model, reference = checkpoint.model, checkpoint.reference
    generator = torch.Generator().manual_seed(seed)

    def decode(z: Tensor) -> Tensor:
        return model.decode(z).mean

    if kind == "reconstructions":
        return reconstructions(decode, known(checkpoint), images, PER_CLASS, on_progress, should_stop)
    prior = prior_of(checkpoint)
    draws = Candidates.drawn(_living(prior.draw(DRAWN, generator), reference))
    if kind == "holes":
        # The draws of q(z) that every figure with this seed counts, whatever was drawn before.
        aggregate = aggregate_of(checkpoint, torch.Generator().manual_seed(seed))
        return holes(aggregate, prior, draws, count, on_progress, should_stop)
    candidates = draws if reference is None else _joined(_some(reference, generator), draws)
    if kind == "cliffs":
        return cliffs(
            decode, candidates, prior, generator, count, on_progress, should_stop, tangents_of(model)
        )
    if not hasattr(model, "encode"):
        raise MeasureError("This model has no encoder, so that no image has a way back to a code.")

    def there_and_back(z: Tensor) -> Tensor:
        return model.encode(decode(z)).mean

    return drifts(there_and_back, candidates, prior, count, on_progress, should_stop)


def cliffs(
    decode: Decode,
    candidates: Candidates,
    prior: Gaussian,
    generator: torch.Generator,
    count: int = COUNT,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    tangents: Tangents | None = None,
) -> list[Place]:
    """Return the steepest places; those with no neighbour steeper are climbed to, within 99 % of the prior's mass.

    `tangents` as `latent.metric.pullback` takes them.

    Raises:
        MeasureError: the decoded image is the same everywhere.
        Stopped: should_stop said so.
    """

    def stretch(codes: Codes, progress: OnProgress) -> Float64[np.ndarray, " n"]:
        def steepness(part: Tensor) -> Tensor:
            return largest_stretch(pullback(decode, part, tangents=tangents))

        return _values(steepness, codes, "Looking for cliffs", progress, should_stop)

    values = stretch(candidates.codes, within(on_progress, 0.0, 0.6))
    with torch.inference_mode():
        brightness = float(decode(torch.from_numpy(candidates.codes[:256])).flatten(1).norm(dim=1).max())
    if values.max() <= FLAT * brightness:
        raise MeasureError(
            "There are no cliffs: the decoded image is the same everywhere; "
            "train a model whose latent dimensions are active."
        )
    chosen = _distinct(candidates.codes, values, prior, 2 * count)
    start = Candidates(candidates.codes[chosen], candidates.index[chosen], candidates.label[chosen])
    top, heights = _climbed(stretch, start, values[chosen], prior, generator, within(on_progress, 0.6, 1.0))
    return top.places(heights, _distinct(top.codes, heights, prior, count))


def holes(
    aggregate: Aggregate,
    prior: Gaussian,
    candidates: Candidates,
    count: int = COUNT,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> list[Place]:
    """Return the places with the lowest data ratio, all below 1/2; the list is empty where there is no hole.

    Raises:
        Stopped: should_stop said so.
    """

    def ratio(codes: Tensor) -> Tensor:
        return torch.from_numpy(aggregate.ratio(codes.numpy()))

    values = _values(ratio, candidates.codes, "Looking for holes", on_progress, should_stop)
    empty = np.flatnonzero(values < HOLE)
    chosen = _distinct(candidates.codes[empty], -values[empty], prior, count)
    return candidates.places(values, [int(empty[i]) for i in chosen])


def drifts(
    there_and_back: Callable[[Tensor], Tensor],
    candidates: Candidates,
    prior: Gaussian,
    count: int = COUNT,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> list[Place]:
    """Return the places farthest from where `there_and_back`, z -> E q(z|x = E p(x|z)), brings them.

    Raises:
        Stopped: should_stop said so.
    """

    def length(codes: Tensor) -> Tensor:
        with torch.inference_mode():
            moved: Tensor = (there_and_back(codes) - codes).norm(dim=1)
            return moved

    values = _values(length, candidates.codes, "Looking for drifts", on_progress, should_stop)
    return candidates.places(values, _distinct(candidates.codes, values, prior, count))


def reconstructions(
    decode: Decode,
    reference: ReferenceCodes,
    images: Tensor | None,
    per_class: int = PER_CLASS,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> list[Place]:
    """Return the worst reconstructed examples of each class, class by class; of all where there are no classes.

    Raises:
        MeasureError: there are no images.
        Stopped: should_stop said so.
    """
    if images is None:
        raise MeasureError(
            "Reconstructions are compared with the encoded examples, which are not on this machine; "
            "get the data that the model was trained on."
        )
    position = torch.arange(len(reference))

    def error(rows: Tensor) -> Tensor:
        rows = rows[:, 0].long()
        with torch.inference_mode():
            decoded = decode(reference.mean[rows])
            return (decoded - model_input(images[rows])).square().flatten(1).mean(1)

    values = in_chunks(
        error, position[:, None].float(), "Looking for reconstructions", on_progress, should_stop
    )
    labels = torch.full_like(position, -1) if reference.labels is None else reference.labels
    found = Candidates(reference.mean.numpy(), position.numpy(), labels.numpy())
    errors = values.double().numpy()
    order: list[int] = []
    for label in np.unique(found.label):
        mine = np.flatnonzero(found.label == label)
        order += [int(i) for i in mine[np.argsort(-errors[mine], kind="stable")][:per_class]]
    return found.places(errors, order)


# --- candidates -------------------------------------------------------------------------------------------------


def _some(reference: ReferenceCodes, generator: torch.Generator) -> Candidates:
    """Encoded codes, drawn at random."""
    rows = torch.randperm(len(reference), generator=generator)[:ENCODED]
    labels = torch.full_like(rows, -1) if reference.labels is None else reference.labels[rows]
    return Candidates(reference.mean[rows].numpy(), rows.numpy(), labels.numpy())


def _joined(some: Candidates, others: Candidates) -> Candidates:
    return Candidates(
        np.concatenate([some.codes, others.codes]),
        np.concatenate([some.index, others.index]),
        np.concatenate([some.label, others.label]),
    )


def _living(codes: Codes, reference: ReferenceCodes | None) -> Codes:
    """Put a VAE's draws at the data's mean in every dead dimension, where all places decode alike."""
    if reference is None or reference.log_variance is None:
        return codes
    mean, variance = reference.mean.mean(0).numpy(), reference.mean.var(0, correction=0).numpy()
    return np.where(variance > DEAD_VARIANCE, codes, mean).astype(np.float32)


# --- ranking ----------------------------------------------------------------------------------------------------


def _distinct(codes: Codes, values: Float64[np.ndarray, " n"], prior: Gaussian, count: int) -> list[int]:
    """The rows of the highest values, highest first, each far enough from those before it."""
    white = prior.whiten(codes)
    least = APART * white.shape[1] ** 0.5
    chosen: list[int] = []
    for row in np.argsort(-values, kind="stable"):
        if len(chosen) == count:
            break
        if all(np.linalg.norm(white[row] - white[other]) >= least for other in chosen):
            chosen.append(int(row))
    return chosen


def _climbed(
    stretch: Callable[[Codes, OnProgress], Float64[np.ndarray, " n"]],
    start: Candidates,
    values: Float64[np.ndarray, " n"],
    prior: Gaussian,
    generator: torch.Generator,
    on_progress: OnProgress,
) -> tuple[Candidates, Float64[np.ndarray, " n"]]:
    """Random local search from each place: the reach halves where no try is steeper."""
    codes, values, n = start.codes.copy(), values.copy(), len(start.codes)
    outermost = np.maximum(prior.percentile(codes), INSIDE)
    reach, moved = np.full(n, REACH), np.zeros(n, bool)
    for step in range(ROUNDS):
        offsets = prior.draw(PROPOSALS * n, generator) - prior.draw(PROPOSALS * n, generator)
        offsets = offsets.reshape(PROPOSALS, n, -1) * (reach[:, None] / 2**0.5)  # of variance reach^2
        tries = (codes + offsets).astype(np.float32).reshape(PROPOSALS * n, -1)
        progress = within(on_progress, step / ROUNDS, (step + 1) / ROUNDS)
        heights = stretch(tries, progress).reshape(PROPOSALS, n)
        heights[prior.percentile(tries).reshape(PROPOSALS, n) > outermost] = -np.inf
        best = heights.argmax(0)
        better: Bool[np.ndarray, " n"] = heights[best, np.arange(n)] > values
        codes[better] = tries.reshape(PROPOSALS, n, -1)[best, np.arange(n)][better]
        values[better] = heights[best, np.arange(n)][better]
        reach[~better] /= 2
        moved |= better
    return Candidates(codes, np.where(moved, -1, start.index), np.where(moved, -1, start.label)), values


def _values(
    figure: Callable[[Tensor], Tensor],
    codes: Codes,
    name: str,
    on_progress: OnProgress,
    should_stop: ShouldStop,
) -> Float64[np.ndarray, " n"]:
    found = in_chunks(figure, torch.from_numpy(codes), name, on_progress, should_stop, chunk=256)
    return found.double().numpy()
