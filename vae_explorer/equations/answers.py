"""The numbers of the Equations page. Imports torch, so `vae_explorer.equations.routes` imports it at the first request.

What each function is asked and returns is said in `vae_explorer.equations.routes`. Each raises an `ExplorerError` where the request
makes no sense or the model lacks something, and `Stopped` where its reader has left.
"""

import base64
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vae_core.equations import evidence as plane
from vae_core.equations import generation as two_samples
from vae_core.equations import gradients as estimators
from vae_core.equations import marginal as by_draws
from vae_core.equations import reconstruction as by_error
from vae_core.errors import ConfigError, DataError, MeasureError, PosteriorError, Stopped
from vae_core.evaluation import posterior
from vae_core.evaluation.importance import importance
from vae_core.evaluation.posterior import Encoded, Exact
from vae_core.models import PointMass
from vae_core.models.inputs import model_input
from vae_core.models.rendering import pictures
from vae_core.objectives import gaussian_kl
from vae_explorer.live import models
from vae_explorer.live.known import find
from vae_explorer.live.subject import SEED, Subject, subject_of
from vae_explorer.live.told import Gone, Tell

MOST_DRAWS, MOST_REPEATS, MOST_IN_ALL = 200_000, 50, 400_000  # of the prior: a few seconds
BOUND_DRAWS = 5000  # of q, for the bound that stands for log p(x) beyond two latent dimensions
PICTURES = 24
VARIANCES = np.geomspace(1e-3, 30, 46)  # c, in squared pixel units
HELD = (30.0, 1.0, 0.03)  # the largest c of each plane: a smaller one needs a finer plane of less


def marginal(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return running estimates of log p(x) from draws of the prior."""
    subject, started = subject_of(asked), time.perf_counter()
    repeats = _whole(asked, "repeats", 10, 1, MOST_REPEATS)
    planar = subject.model.latent_dim <= 2
    draws = _whole(asked, "draws", 10_000 if planar else 2000, 10, MOST_DRAWS)
    if repeats * draws > MOST_IN_ALL:
        raise ConfigError(f"{repeats} x {draws:,} draws are too many at once; take at most {MOST_IN_ALL:,}.")
    q, generator = posterior.encoded(subject.model, subject.x), _generator(asked)
    reference = _evidence(subject, asked, gone)
    codes, values = by_draws.prior_draws(
        subject.model, subject.x, repeats, draws, generator, lambda done: tell(0.1 + 0.9 * done), gone
    )
    found = by_draws.running(values)
    needed = by_draws.needed(subject.model, subject.x, _exact(subject, asked, gone)) if planar else None
    return {
        "counts": found.counts.tolist(),
        "estimates": found.estimates.tolist(),
        "effective": found.effective.tolist(),
        "spread": None if found.spread is None else found.spread.tolist(),
        "evidence": {"value": reference, "exact": planar},
        "needed": needed,
        "settled": found.settled(reference),
        "codes": _bytes(codes[0].numpy()),
        "logLikelihood": _bytes(values[0]),
        "heavy": by_draws.heavy(values[0]),
        **_moments(q),
        "seconds": time.perf_counter() - started,
    }


def evidence(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return log p(x, z) on a grid, and ELBO and KL of the encoder's q and of the best ones."""
    subject, started = subject_of(asked), time.perf_counter()
    _check_planar(subject)
    cells = None if asked.get("cells") is None else _whole(asked, "cells", 0, 32, plane.MOST_CELLS)
    q, exact = posterior.encoded(subject.model, subject.x), _exact(subject, asked, gone)
    tell(0.6)
    grid = plane.grid(subject.model, subject.x, exact, q, cells)
    mean, std = q.mean.double().numpy(), q.std.double().numpy()
    first = (mean, np.diag(std**2))
    starts = (first, (exact.mean, exact.covariance))

    def best(full: bool) -> tuple[np.ndarray, np.ndarray]:
        found = [plane.best(grid, centre, spread, full) for centre, spread in starts]
        return max(found, key=lambda each: grid.bound(*each).elbo)

    return {
        "grid": _plane(grid.left, grid.bottom, grid.cell, grid.log_joint),
        "logEvidence": exact.log_evidence,
        "gridEvidence": grid.log_evidence,
        "posterior": {"mean": exact.mean.tolist(), "covariance": exact.covariance.tolist()},
        "encoder": _gaussian(grid, *first),
        "best": _gaussian(grid, *best(full=False)),
        "full": _gaussian(grid, *best(full=True)),
        "seconds": time.perf_counter() - started,
    }


def reconstruction(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return ||x - f(z)||^2 on a latent plane, and what c trades."""
    subject, started = subject_of(asked), time.perf_counter()
    _check_planar(subject)
    cells = _whole(asked, "cells", 128, 32, plane.MOST_CELLS)
    model, x, q = subject.model, subject.x, posterior.encoded(subject.model, subject.x)
    planes = []
    for done, c in enumerate(HELD, 1):
        planes.append(_errors(subject, by_error.window(model, x, q, c, gone), cells))
        if gone():
            raise Stopped("The squared errors were stopped before they were shown.")
        tell(done / len(HELD))
    noise = torch.randn(1000, 2, generator=_generator(asked))
    at_mean = by_error.squared_errors(model, x, q.mean[None])
    return {
        "grids": [
            {"c": c}
            | _plane(
                float(each.points[0, 0, 0]),
                float(each.points[0, 0, 1]),
                float(each.points[0, 1, 0] - each.points[0, 0, 0]),
                each.squared,
            )
            for c, each in zip(HELD, planes, strict=True)
        ],
        "count": x.numel(),
        **_moments(q),
        "squared": float(at_mean),
        "expected": float(by_error.squared_errors(model, x, q.mean + q.std * noise).mean()),
        "rate": float(gaussian_kl(q.mean[None], q.std[None]).sum()),
        "x": _picture(x),
        "decoded": _picture(_decoded(model, q.mean[None])),
        "variance": _variance(subject),
        "curve": _curve(planes, x.numel()),
        "seconds": time.perf_counter() - started,
    }


def gradients(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Return per-draw gradients of E_q[log p(x|z)] by two estimators, one of them with a baseline too."""
    subject, started = subject_of(asked), time.perf_counter()
    draws = _whole(asked, "draws", 1000, 10, 5000)
    q = posterior.encoded(subject.model, subject.x)

    def h(codes: Float[Tensor, "n latent"]) -> Float[Tensor, " n"]:
        if gone():
            raise Stopped("The gradients were stopped before they were shown.")
        return posterior.log_likelihood(subject.model, subject.x, codes)

    found = estimators.estimates(h, q, draws, _generator(asked))
    dimensions = range(1, subject.model.latent_dim + 1)
    exact = estimators.exact(h, q).tolist() if len(dimensions) <= 2 else None
    small = found.reparameterized.variance
    return {
        "parameters": [f"m{d}" for d in dimensions] + [f"s{d}" for d in dimensions],
        **{name: _estimates(getattr(found, name)) for name in ("reparameterized", "score", "baseline")},
        "exact": exact,
        "ratio": _ratio(found.score.variance, small),
        "baselineRatio": _ratio(found.baseline.variance, small),
        **_moments(q),
        "seconds": time.perf_counter() - started,
    }


def generation(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Compare draws of the prior, decoded, with data, by MMD and its null distribution."""
    opened, started = find(asked.get("model")), time.perf_counter()
    model, reference = opened.checkpoint.model, opened.checkpoint.reference
    wanted = _whole(asked, "count", 500, 20, 1000)
    permutations = _whole(asked, "permutations", 500, 20, 2000)
    generator = _generator(asked)
    if reference is None:
        raise DataError(
            f"{opened.name} came without encoded examples, so there is no data to compare with; choose another model."
        )
    if len(reference) < 8:
        raise DataError(f"{opened.name} came with {len(reference)} encoded examples; MMD takes at least 8.")
    half = min(wanted, len(reference) // 2)
    count = min(wanted, len(reference))
    images = models.examples(opened, count + half)
    tell(0.2)
    reconstructed = _decoded(model, reference.mean[: count + half])
    images = None if images is None else model_input(images)
    data = reconstructed if images is None else images
    with torch.inference_mode():
        is_point = isinstance(model.encode(data[:1]), PointMass)
    codes, samples = two_samples.decoded_draws(model, count, generator, reference.mean if is_point else None)
    if not samples.isfinite().all():
        raise MeasureError(f"{opened.name} decodes some draws of the prior to NaN or infinity.")
    tell(0.4)

    def compared(a: Tensor, b: Tensor, done: float) -> two_samples.TwoSample:
        if gone():
            raise Stopped("The comparison was stopped before it was done; start it again.")
        found = two_samples.two_sample(a, b, permutations, generator)
        tell(done)
        return found

    main = compared(samples, data[:count], 0.6)
    halves = compared(data[:half], data[half : 2 * half], 0.7)
    blurred = None if images is None else compared(reconstructed[:half], images[half : 2 * half], 0.8)
    normal = None
    if is_point:
        normal = compared(two_samples.decoded_draws(model, count, generator)[1], data[:count], 0.9)
    of = "reconstructions" if images is None else "images"
    drawn = "of the Gaussian fitted to the codes" if is_point else "of N(0, I)"
    title = opened.checkpoint.description.info.title
    return {
        "mmd": main.mmd,
        "null": main.null.tolist(),
        "limit": main.limit,
        "p": main.p,
        "bandwidth": main.bandwidth,
        "baseline": _compared(halves),
        "reconstructed": _compared(blurred),
        "prior": "fitted" if is_point else "normal",
        "normal01": _compared(normal),
        "of": of,
        "says": f"{count} draws {drawn}, decoded, against {count} {of} of {title}.",
        "samples": [_picture(each[None]) for each in samples[:PICTURES]],
        "data": [_picture(each[None]) for each in data[:PICTURES]],
        "codes": codes[:PICTURES].tolist(),
        "count": count,
        "seconds": time.perf_counter() - started,
    }


# --- what several of them need ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """An x by what names it."""

    name: str
    subject: Subject = field(compare=False)
    gone: Gone = field(compare=False)


def _exact(subject: Subject, asked: dict[str, Any], gone: Gone) -> Exact:
    """p(z|x) by quadrature; steps about the same x share it."""
    named = [asked.get(name) for name in ("label", "nth", "decoded", "code")]
    return _computed(_Key(f"{subject.opened.id} {subject.of} {named}", subject, gone))


@lru_cache(maxsize=8)
def _computed(key: _Key) -> Exact:
    return posterior.exact(key.subject.model, key.subject.x, should_stop=key.gone)


def _evidence(subject: Subject, asked: dict[str, Any], gone: Gone) -> float:
    """Log p(x), or the importance-weighted bound of it beyond two latent dimensions."""
    if subject.model.latent_dim <= 2:
        return _exact(subject, asked, gone).log_evidence
    generator = torch.Generator().manual_seed(SEED)
    found = importance(subject.model, subject.x, BOUND_DRAWS, generator, should_stop=gone)
    return float(found.bound[-1])


def _check_planar(subject: Subject) -> None:
    latent = subject.model.latent_dim
    if latent != 2:
        raise PosteriorError(
            f"{subject.opened.name} has {latent} latent dimensions; this picture is of a latent plane: choose a "
            "model with 2."
        )


@dataclass(frozen=True, eq=False)
class _Errors:
    """||x - f(z)||^2 at the points of a latent plane, row by row from below."""

    points: np.ndarray  # (rows, columns, 2)
    squared: np.ndarray  # (rows, columns)


def _errors(subject: Subject, corners: tuple[np.ndarray, np.ndarray], cells: int) -> _Errors:
    across, up = (np.linspace(low, high, cells) for low, high in zip(*corners, strict=True))
    points = np.stack(np.meshgrid(across, up), -1)
    squared = by_error.squared_errors(subject.model, subject.x, torch.from_numpy(points.reshape(-1, 2)))
    return _Errors(points, squared.reshape(cells, cells).numpy())


def _curve(planes: list[_Errors], count: int) -> list[dict[str, float]]:
    """Rate and error of every c, on the finest plane that holds its posterior, as far as that tells it."""
    found = []
    for c in VARIANCES.tolist():
        errors = planes[sum(c <= held for held in HELD) - 1]
        each = by_error.tradeoff(errors.squared, errors.points, count, c)
        if each.cells >= by_error.RESOLVED:
            found.append(
                {"c": c, "logEvidence": each.log_evidence, "squared": each.squared_error, "rate": each.rate}
            )
    return found


def _variance(subject: Subject) -> float | None:
    config = subject.model.config
    if not config.likelihood.startswith("gaussian"):
        return None
    return float(getattr(subject.model, "variance", config.variance))


def _decoded(model: Any, codes: Float[Tensor, "n latent"]) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model.decode(part).mean for part in codes.split(posterior.CHUNK)])


def _gaussian(grid: plane.Grid, mean: np.ndarray, covariance: np.ndarray) -> dict[str, Any]:
    bound = grid.bound(mean, covariance)
    return {"mean": mean.tolist(), "covariance": covariance.tolist(), "elbo": bound.elbo, "kl": bound.kl}


def _estimates(found: estimators.Estimates) -> dict[str, Any]:
    return {
        "draws": _bytes(found.draws),
        "mean": found.mean.tolist(),
        "variance": found.variance.tolist(),
        "error": found.error.tolist(),
    }


def _ratio(large: np.ndarray, small: np.ndarray) -> list[float | None]:
    return [float(a / b) if b > 0 else None for a, b in zip(large, small, strict=True)]


def _compared(found: two_samples.TwoSample | None) -> dict[str, float] | None:
    return None if found is None else {"mmd": found.mmd, "p": found.p}


def _moments(q: Encoded) -> dict[str, list[float]]:
    return {"mean": q.mean.tolist(), "std": q.std.tolist()}


def _plane(left: float, bottom: float, cell: float, values: np.ndarray) -> dict[str, Any]:
    """Values at a grid's points, row by row from below."""
    rows, columns = values.shape
    place = {"left": left, "bottom": bottom, "cell": cell, "columns": columns, "rows": rows}
    return place | {"values": _bytes(values)}


def _picture(x: Tensor) -> dict[str, Any]:
    picture = pictures(x)[0]
    height, width, channels = picture.shape
    pixels = base64.b64encode(np.ascontiguousarray(picture).tobytes()).decode()
    return {"height": height, "width": width, "channels": channels, "pixels": pixels}


def _bytes(array: np.ndarray) -> str:
    """An array as text: float32, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _whole(asked: dict[str, Any], name: str, usual: int, least: int, most: int) -> int:
    value = asked.get(name, usual)
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(
            f"{name} = {str(value)[:40]} has to be a whole number from {least} to {most:,}; choose another."
        )
    return value


def _generator(asked: dict[str, Any]) -> torch.Generator:
    return torch.Generator().manual_seed(_whole(asked, "seed", 0, 0, 2**31))
