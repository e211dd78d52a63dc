"""The headline figures of a model, continuity and completeness, and what supports them.

from vae_core.evaluation.headlines import headlines

found = headlines(checkpoint.load(path), images=None)
found.figures["continuity"], found.missing

Prior: N(0, I) for a VAE. An autoencoder or PCA has none and is given the Gaussian with the mean and covariance of its
encoded codes, the most favourable one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from vae_core.checkpoint import Checkpoint
from vae_core.errors import ExplorerError, MeasureError, Stopped
from vae_core.evaluation.completeness import completeness
from vae_core.evaluation.continuity import continuity
from vae_core.evaluation.realism import prdc
from vae_core.evaluation.steps import OnProgress, ShouldStop, in_chunks, never, silent, within
from vae_core.latent.aggregate import Aggregate, Gaussian
from vae_core.latent.codes import ReferenceCodes
from vae_core.models.inputs import model_input

PARTS = ("continuity", "completeness", "precision")
K = 5  # neighbours that precision, recall, density and coverage reach to
COMPARED = 5000  # images of each kind, at most, that precision, recall, density and coverage are taken of

KEYS = (
    "continuity",
    "continuity_low",
    "continuity_high",
    "completeness",
    "completeness_low",
    "completeness_high",
    "hole_mass",
    "hole_mass_error",
    "realism_against",
    "precision",
    "recall",
    "density",
    "coverage",
    "missing",
)


Figures = dict[str, float | str]


@dataclass(frozen=True)
class Headlines:
    """Figures under flat keys, and for each that is not defined for the model (continuity, completeness, precision) why.

    Keys: continuity, completeness in [0, 1], each with _low and _high of its 95 % confidence interval; hole_mass = 1 -
    completeness, the share of the prior's mass with no data near it, and its Monte Carlo error hole_mass_error;
    precision, recall, density, coverage of images decoded from the prior, k = 5, against the encoded images or
    reconstructions that realism_against names. Decoded images are means, smoother than the data amid which they lie:
    against images, density above 1 and low recall tell of blur; reconstructions are as smooth.
    """

    figures: Figures
    missing: dict[str, str]

    def to_evaluation(self) -> dict[str, Any]:
        """Return one JSON object: the figures, and under `missing` the sentences, if there are any."""
        return {**self.figures, **({"missing": self.missing} if self.missing else {})}


def headlines(
    checkpoint: Checkpoint,
    images: Tensor | None,
    seed: int = 0,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
    names: Sequence[str] = PARTS,
) -> Headlines:
    """Measure all headline figures; some take seconds to minutes.

    Args:
        checkpoint: a model with its reference codes, on the CPU.
        images: the reference codes' examples in their order, (n, *data_shape), as a dataset or as `encode` takes
            them; None when the data are not at hand.
        seed: decides lines, draws of q(z|x) and of the prior.
        on_progress: hears the share that is done, in (0, 1].
        should_stop: asked every few dozen codes.
        names: which of PARTS to measure.

    Raises:
        Stopped: should_stop said so.
    """
    known_parts = {"continuity": _continuity, "completeness": _completeness, "precision": _looks}
    parts = {name: known_parts[name] for name in names}
    figures: Figures = {}
    missing = {}
    for number, (name, part) in enumerate(parts.items()):
        progress = within(on_progress, number / len(parts), (number + 1) / len(parts))
        try:
            figures |= part(checkpoint, images, seed, progress, should_stop)
        except Stopped:
            raise
        except ExplorerError as error:
            missing[name] = str(error)
        progress(1.0)
    return Headlines(figures, missing)


def prior_of(checkpoint: Checkpoint) -> Gaussian:
    """Return N(0, I) for a VAE, the Gaussian of its own encoded codes for a model that has no prior.

    Raises:
        MeasureError: a model without a prior came without encoded data, too.
    """
    if checkpoint.description.model.kind == "vae":
        return Gaussian.standard(checkpoint.model.latent_dim)
    return Gaussian.fitted(known(checkpoint).mean.numpy())


def aggregate_of(checkpoint: Checkpoint, generator: torch.Generator) -> Aggregate:
    """Return the aggregate posterior q(z) of the encoded data against the prior.

    Raises:
        MeasureError: there are no encoded data, or too few.
    """
    codes = known(checkpoint)
    return Aggregate.of(codes.mean, codes.log_variance, prior_of(checkpoint), generator)


def known(checkpoint: Checkpoint) -> ReferenceCodes:
    """Return the reference codes.

    Raises:
        MeasureError: there are none.
    """
    if checkpoint.reference is None:
        raise MeasureError(
            "This model came without encoded data; encode a dataset with it to know where the data are."
        )
    return checkpoint.reference


def mean_images(
    checkpoint: Checkpoint,
    codes: Float32[Tensor, "n latent"],
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> Float32[Tensor, "n pixels"]:
    """Return the decoded mean image of each code, flattened.

    Raises:
        Stopped: should_stop said so.
    """
    with torch.inference_mode():
        return in_chunks(
            lambda part: checkpoint.model.decode(part).mean.flatten(1),
            codes,
            "Decoding",
            on_progress,
            should_stop,
        )


# --- the parts --------------------------------------------------------------------------------------------------


def _continuity(
    checkpoint: Checkpoint, images: Tensor | None, seed: int, on_progress: OnProgress, should_stop: ShouldStop
) -> Figures:
    found = continuity(
        lambda z: checkpoint.model.decode(z).mean,
        known(checkpoint).mean,
        torch.Generator().manual_seed(seed),
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return {"continuity": found.value, "continuity_low": found.low, "continuity_high": found.high}


def _completeness(
    checkpoint: Checkpoint, images: Tensor | None, seed: int, on_progress: OnProgress, should_stop: ShouldStop
) -> Figures:
    generator = torch.Generator().manual_seed(seed)
    found = completeness(
        aggregate_of(checkpoint, generator), generator, on_progress=on_progress, should_stop=should_stop
    )
    return {
        "completeness": found.estimate.value,
        "completeness_low": found.estimate.low,
        "completeness_high": found.estimate.high,
        "hole_mass": found.hole_mass,
        "hole_mass_error": found.monte_carlo_error,
    }


def _looks(
    checkpoint: Checkpoint, images: Tensor | None, seed: int, on_progress: OnProgress, should_stop: ShouldStop
) -> Figures:
    reference, generator = known(checkpoint), torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(reference), generator=generator)[:COMPARED]
    draws = torch.from_numpy(prior_of(checkpoint).draw(len(rows), generator))
    generated = mean_images(checkpoint, draws, within(on_progress, 0.0, 0.3), should_stop)
    if images is None:
        against, real = "reconstructions", mean_images(checkpoint, reference.mean[rows], silent, should_stop)
    else:
        against, real = "images", model_input(images[rows]).flatten(1)
    found = prdc(real, generated, K, within(on_progress, 0.4, 1.0), should_stop)
    return {"realism_against": against, **asdict(found)}
