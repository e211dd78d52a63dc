"""How real decoded images look: how far they are from encoded ones, and how well both sets cover each other.

All distances are Euclidean over pixels (steps, columns): no feature network stands in between, so that an image that
is moved by two pixels is far away. Squared distances come from matrix products in float32, a block at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from vae_core.data import Dataset
from vae_core.data.streaming import Streamed
from vae_core.errors import MeasureError, Stopped
from vae_core.evaluation.steps import OnProgress, ShouldStop, never, silent
from vae_core.latent.codes import ReferenceCodes
from vae_core.models.inputs import model_input

BLOCK = 2**22  # squared distances held at a time (16 MiB)
SAMPLE = 1000  # images that set the unit and the directions of a search
DIRECTIONS = 256
CANDIDATES = 8  # images measured in full for each picture
ROUNDING = 1e-3  # by so much a bound may be wrong, relative to the squared distance that it bounds


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images to compare others with. `unit` is the median distance of one of them to its nearest other one.

    A search is exact and yet quick: in an orthonormal basis of some directions, p being what lies in them and r the
    length of what does not, |q - x|^2 >= |p_q - p_x|^2 + (r_q - r_x)^2. The few images of the lowest bounds are measured
    in full; where that leaves out one whose bound is no higher than what was found, so are all such ones.

    Images of bytes stay bytes, a quarter of what they take as numbers; a pixel is a byte / 255, as in `model_input`.
    """

    images: UInt8[Tensor, "n pixels"] | Float32[Tensor, "n pixels"]
    unit: float
    centre: Float32[Tensor, " pixels"]
    norms: Float32[Tensor, " n"]  # squared, from the centre
    basis: Float32[Tensor, "pixels directions"]  # orthonormal: those in which the images vary most
    inside: Float32[Tensor, "n directions"]
    outside: Float32[Tensor, " n"]

    @classmethod
    def of(
        cls, images: UInt8[Tensor, "n pixels"] | Float32[Tensor, "n pixels"], generator: torch.Generator
    ) -> Self:
        """Prepare at least two images, which are kept as they are; 1000 of them at most, drawn at random, set the unit.

        Raises:
            MeasureError: there is one image only, NaN or infinity in them, or most are equal to another one.
        """
        if len(images) < 2 or not images.isfinite().all():
            raise MeasureError(
                f"Realism compares with at least two finite images; these are {len(images)}: encode more examples."
            )
        chosen = torch.randperm(len(images), generator=generator)[:SAMPLE]
        with torch.inference_mode():
            centre = model_input(images).mean(0)
            sample = model_input(images[chosen])
            basis = _directions(sample - centre)
            placed = [_placed(model_input(part) - centre, basis) for part in torch.split(images, SAMPLE)]
            norms, inside = (torch.cat(parts) for parts in zip(*placed, strict=True))
            outside = (norms - inside.square().sum(1)).clamp_min_(0).sqrt_()
            unprepared = cls(images, 0.0, centre, norms, basis, inside, outside)
            everywhere = torch.arange(len(images))
            unit = float(unprepared._search(sample, everywhere, chosen)[0].median())
        if unit <= 0:
            raise MeasureError(
                "Most of the encoded images are equal to another one, so that there is no unit of realism; "
                "choose data without copies."
            )
        return replace(unprepared, unit=unit)

    def nearest(
        self, pictures: Float32[Tensor, "m pixels"]
    ) -> tuple[Float32[Tensor, " m"], Int64[Tensor, " m"]]:
        """Return how far each picture is from its nearest image (Euclidean; divide by `unit`), and which one that is.

        Of images that are equally far, but for rounding, any may be named.
        """
        with torch.inference_mode():
            rows = min(_rows(len(self.images)), _rows(CANDIDATES * self.images.shape[1]))
            found = [self._nearest(part) for part in pictures.split(rows)]
            return torch.cat([distance for distance, _ in found]), torch.cat([index for _, index in found])

    def _nearest(
        self, pictures: Float32[Tensor, "m pixels"]
    ) -> tuple[Float32[Tensor, " m"], Int64[Tensor, " m"]]:
        offsets = pictures - self.centre
        norms, inside = offsets.square().sum(1), offsets @ self.basis
        outside = (norms - inside.square().sum(1)).clamp_min_(0).sqrt_()
        # The bounds, less |q|^2, which is the same for all images.
        bounds = torch.addmm(self.norms, inside, self.inside.T, alpha=-2).addr_(
            outside, self.outside, alpha=-2
        )
        lowest, candidates = bounds.topk(min(CANDIDATES + 1, len(self.images)), largest=False)
        near = model_input(self.images[candidates[:, :CANDIDATES]])
        measured = (near - pictures[:, None]).square_().sum(2)
        best, place = measured.min(1)
        index = candidates.gather(1, place[:, None])[:, 0]
        doubtful = best > lowest[:, -1] + norms
        distance = best.sqrt()
        if len(self.images) > CANDIDATES and doubtful.any():
            reach = (best * (1 + ROUNDING) - norms)[doubtful, None]
            plausible = (bounds[doubtful] <= reach).any(0).nonzero()[:, 0]
            distance[doubtful], index[doubtful] = self._search(pictures[doubtful], plausible)
        return distance, index

    def _search(
        self,
        pictures: Float32[Tensor, "m pixels"],
        among: Int64[Tensor, " k"],
        besides: Int64[Tensor, " m"] | None = None,
    ) -> tuple[Float32[Tensor, " m"], Int64[Tensor, " m"]]:
        """As `nearest`, measuring all of some images; `besides` says which of them is left out for each picture."""
        distances, indices = [], []
        rows = _rows(len(among))
        for start in range(0, len(pictures), rows):
            part = pictures[start : start + rows]
            # |x - c|^2 - 2 (q - c).x is |q - x|^2 but for a number that is the same for all images x.
            offsets = part - self.centre
            scores = torch.cat([self._scores(offsets, some) for some in among.split(SAMPLE)], 1)
            if besides is not None:
                scores[torch.arange(len(part)), besides[start : start + rows]] = torch.inf
            found = among[scores.argmin(1)]
            distances.append((part - model_input(self.images[found])).norm(dim=1))
            indices.append(found)
        return torch.cat(distances), torch.cat(indices)

    def _scores(
        self, offsets: Float32[Tensor, "m pixels"], some: Int64[Tensor, " k"]
    ) -> Float32[Tensor, "m k"]:
        return torch.addmm(self.norms[some], offsets, model_input(self.images[some]).T, alpha=-2)


def _placed(
    offsets: Float32[Tensor, "n pixels"], basis: Float32[Tensor, "pixels directions"]
) -> tuple[Float32[Tensor, " n"], Float32[Tensor, "n directions"]]:
    """Squared norms, and coordinates in the basis."""
    return offsets.square().sum(1), offsets @ basis


@dataclass(frozen=True)
class Coverage:
    """Of a decoder's images: do they look like data, and do they look like all of the data?

    Args:
        precision: share of generated images within the k-th nearest neighbour's distance of a real one
            (Kynkäänniemi et al. 2019).
        recall: share of real images within that distance of a generated one.
        density: as precision, but it counts by how many real images' balls each one is held, divided by k, so that
            one outlier among the real images counts once; 1 if both sets are drawn alike, may be above 1
            (Naeem et al. 2020).
        coverage: share of real images whose ball holds a generated one.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(
    real: Float32[Tensor, "n pixels"],
    generated: Float32[Tensor, "m pixels"],
    k: int = 5,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> Coverage:
    """Return precision, recall, density and coverage; a ball reaches to the k-th nearest other image of its own set.

    Raises:
        MeasureError: a set has not more than k images, or holds NaN or infinity.
        Stopped: should_stop said so.
    """
    for name, images in (("real", real), ("generated", generated)):
        if len(images) <= k or not images.isfinite().all():
            raise MeasureError(
                f"Precision and recall take more than k = {k} finite {name} images; these are {len(images)}."
            )
    with torch.inference_mode():
        centre = real.mean(0)
        real, generated = real - centre, generated - centre
        watch = _Watch(2 * len(real) + len(generated), on_progress, should_stop)
        real_reach, generated_reach = _reach(real, k, watch), _reach(generated, k, watch)
        held = torch.zeros(len(generated), dtype=torch.int64)
        recalled, covered = [], []
        for part, squares in _blocks(real, generated, watch):
            within = squares <= real_reach[part, None]
            held += within.sum(0)
            covered.append(within.any(1))
            recalled.append((squares <= generated_reach).any(1))
    return Coverage(
        precision=_share(held > 0),
        recall=_share(torch.cat(recalled)),
        density=float(held.double().mean()) / k,
        coverage=_share(torch.cat(covered)),
    )


def examples_of(
    reference: ReferenceCodes, dataset: Dataset
) -> UInt8[Tensor, "n *shape"] | Float32[Tensor, "n *shape"] | None:
    """Return the examples whose codes a checkpoint keeps, in that order, as the dataset holds them.

    They are the dataset's own memory where they are its first ones, in its order; else a copy. None where the dataset,
    usually the held-out split, lacks one of them.
    """
    if isinstance(dataset.examples, Streamed) or not len(dataset):
        return None
    if torch.equal(dataset.indices[: len(reference)], reference.indices):
        return dataset.examples[: len(reference)]
    indices, order = dataset.indices.sort()
    places = torch.searchsorted(indices, reference.indices).clamp_max(len(indices) - 1)
    if not torch.equal(indices[places], reference.indices):
        return None
    return dataset.examples[order[places]]


class _Watch:
    """Counts rows that are done, tells of them, and asks whether to go on."""

    def __init__(self, rows: int, on_progress: OnProgress, should_stop: ShouldStop) -> None:
        self._rows, self._done = rows, 0
        self._on_progress, self._should_stop = on_progress, should_stop

    def begin(self) -> None:
        if self._should_stop():
            raise Stopped("Comparing images was stopped; nothing of it is kept.")

    def end(self, rows: int) -> None:
        self._done += rows
        self._on_progress(self._done / self._rows)


def _blocks(
    left: Float32[Tensor, "n pixels"], right: Float32[Tensor, "m pixels"], watch: _Watch
) -> Iterator[tuple[slice, Float32[Tensor, "rows m"]]]:
    """Squared distances of some rows of `left` at a time to all of `right`."""
    norms, step = right.square().sum(1), _rows(len(right))
    for start in range(0, len(left), step):
        watch.begin()
        part = slice(start, min(start + step, len(left)))
        yield part, _squares(left[part], right, norms)
        watch.end(part.stop - part.start)


def _squares(
    left: Float32[Tensor, "n pixels"], right: Float32[Tensor, "m pixels"], norms: Float32[Tensor, " m"]
) -> Float32[Tensor, "n m"]:
    squares = torch.addmm(norms, left, right.T, alpha=-2)
    return squares.add_(left.square().sum(1, keepdim=True)).clamp_min_(0)


def _reach(images: Float32[Tensor, "n pixels"], k: int, watch: _Watch) -> Float32[Tensor, " n"]:
    """Squared distance of each image to its k-th nearest other one."""
    found = []
    for part, squares in _blocks(images, images, watch):
        squares[torch.arange(part.stop - part.start), torch.arange(part.start, part.stop)] = torch.inf
        found.append(squares.topk(k, largest=False).values[:, -1])
    return torch.cat(found)


def _directions(offsets: Float32[Tensor, "n pixels"]) -> Float32[Tensor, "pixels directions"]:
    """An orthonormal basis of the directions in which the images vary most."""
    count = min(DIRECTIONS, *offsets.shape)
    _, weights = torch.linalg.eigh(offsets @ offsets.T)
    basis: Tensor = torch.linalg.qr(offsets.T @ weights[:, -count:])[0]
    return basis


def _rows(columns: int) -> int:
    return max(1, BLOCK // columns)


def _share(found: Bool[Tensor, " n"]) -> float:
    return float(found.double().mean())
