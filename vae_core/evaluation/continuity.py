"""Continuity of a decoder: do images change at an even rate, or do they stand still and then jump?

On a straight line between two encoded codes let f(t) be the decoded mean image, t from 0 to 1. Its length and energy

    L = integral of |df/dt| dt          E = integral of |df/dt|^2 dt

obey L^2 <= E (Cauchy & Schwarz), with equality where the image changes at a constant rate. The line's evenness is
L^2 / E in (0, 1]: all change within a share w of the line gives about w. *Continuity* is the mean over lines between
random pairs of encoded codes. A linear decoder (PCA) has 1. It has no unit: stretched codes or brighter images change
nothing, so that models are compared whatever their scale.
"""

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from vae_core.errors import MeasureError, Stopped
from vae_core.evaluation.estimate import Estimate, estimate
from vae_core.evaluation.steps import CHUNK, OnProgress, ShouldStop, never, silent
from vae_core.latent.metric import Decode

LINES, STEPS = 500, 256
ROUNDING = 4 * torch.finfo(torch.float32).eps  # of an image, relative, from one step to the next


def continuity(
    decode: Decode,
    codes: Float32[Tensor, "n latent"],
    generator: torch.Generator,
    lines: int = LINES,
    steps: int = STEPS,
    on_progress: OnProgress = silent,
    should_stop: ShouldStop = never,
) -> Estimate:
    """Return the mean evenness L^2 / E of straight lines between random pairs of codes, with its 95 % interval.

    Args:
        decode: codes to their mean images.
        codes: of encoded data; each is the end of one line at most.
        generator: draws the pairs.
        lines: how many; at most half as many as there are codes.
        steps: chords that stand for each line.
        on_progress: hears the share that is done, in (0, 1].
        should_stop: asked before each line.

    Raises:
        MeasureError: fewer than four codes, or no line along which the image changes.
        Stopped: should_stop said so.
    """
    lines = min(lines, len(codes) // 2)
    if lines < 2:
        raise MeasureError(
            f"Continuity takes at least 4 encoded codes, and there are {len(codes)}; encode more examples."
        )
    pairs = codes[torch.randperm(len(codes), generator=generator)[: 2 * lines]].reshape(lines, 2, -1)
    shares = torch.linspace(0, 1, steps + 1)[:, None]
    found = []
    for line, (start, end) in enumerate(pairs):
        if should_stop():
            raise Stopped(f"Measuring continuity was stopped after {line} of {lines} lines.")
        even = evenness(decode, torch.lerp(start, end, shares))
        if even is not None:
            found.append(even)
        on_progress((line + 1) / lines)
    if len(found) < 2:
        raise MeasureError(
            "Continuity is not defined where the decoded image is the same everywhere; "
            "train a model whose latent dimensions are active."
        )
    values = torch.stack(found)
    return estimate(float(values.mean()), float(values.std() / len(found) ** 0.5))


def evenness(decode: Decode, line: Float32[Tensor, "n latent"]) -> Float64[Tensor, ""] | None:
    """Return L^2 / E of codes along a line in equal steps; None where the image does not change but for rounding."""
    with torch.inference_mode():
        images = torch.cat([decode(part).flatten(1) for part in line.split(CHUNK)])
        chords = images.diff(dim=0).norm(dim=1).double()
        length, scale = chords.sum(), images.norm(dim=1).max()
        if length <= ROUNDING * len(chords) * scale:
            return None
        even: Tensor = length.square() / (len(chords) * chords.square().sum())
        return even.clamp_max(1)
