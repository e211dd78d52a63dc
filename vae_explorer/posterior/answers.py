"""One x and its posterior for the browser. Imports torch, so `vae_explorer.posterior.routes` imports it at the first request.

x is an example of the data the model was encoded with, or a picture that the model itself decodes: then the model is
asked about x = E p(x|z), which needs no data.
"""

import base64
import time
from typing import Any

import numpy as np
import torch

from vae_core.errors import ConfigError, DataNotFound, PosteriorError
from vae_core.evaluation import gaps as cremer
from vae_core.evaluation import posterior
from vae_core.evaluation.importance import importance
from vae_core.models.rendering import pictures
from vae_explorer.library import OpenModel
from vae_explorer.live.known import find
from vae_explorer.live.subject import SEED, code_of, subject_of
from vae_explorer.live.told import Gone, Tell

MOST_CELLS = 128  # along one side of a heat map
MOST_SAMPLES = 20_000


def example(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what x is, its picture and q(z|x); where there is no x or no posterior, why.

    Raises:
        ExplorerError: the request makes no sense.
    """
    opened = find(asked.get("model"))
    known = _known(opened)
    try:
        subject = subject_of(asked)
    except PosteriorError as error:
        return known | {"lack": str(error)}
    except DataNotFound as error:
        return known | {"absent": str(error)}
    started = time.perf_counter()
    with torch.inference_mode():
        q = subject.model.encode(subject.x)
    seconds = time.perf_counter() - started
    picture = pictures(subject.x)[0]
    height, width, channels = picture.shape
    return known | {
        "of": subject.of,
        "label": subject.label,
        "count": subject.count,
        "mean": q.mean[0].tolist(),
        "std": q.stddev[0].tolist(),
        "seconds": seconds,
        "picture": {"height": height, "width": width, "channels": channels, "pixels": _bytes(picture)},
    }


def heat(asked: dict[str, Any]) -> dict[str, Any]:
    """Return log p(x, z) in nats on square cells around a place.

    Raises:
        ExplorerError: the request makes no sense, or the model has other than one or two latent dimensions.
    """
    subject = subject_of(asked)
    latent = subject.model.latent_dim
    if latent > 2:
        raise ConfigError(
            f"A heat map of p(z|x) takes one or two latent dimensions; this model has {latent}."
        )
    around, reach, cells = code_of(asked.get("around"), latent), asked.get("reach"), asked.get("cells", 64)
    if not isinstance(reach, int | float) or not 0 < reach < 1e6:
        raise ConfigError(f"reach = {str(reach)[:40]} has to be above 0; it is half the side of the map.")
    if type(cells) is not int or not 2 <= cells <= MOST_CELLS:
        raise ConfigError(f"cells = {str(cells)[:40]} has to be from 2 to {MOST_CELLS}.")
    axes = tuple(np.linspace(centre - reach, centre + reach, cells) for centre in around.tolist())
    return _grid(axes, posterior.heat_map(subject.model, subject.x, 0.0, axes))


def exact(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Find p(z|x) by quadrature, and the three figures of log p(x) = ELBO + KL.

    Raises:
        ExplorerError: the request makes no sense, or the model has more than two latent dimensions.
        Stopped: the reader is gone.
    """
    subject, started = subject_of(asked), time.perf_counter()
    found = posterior.exact(subject.model, subject.x, tell, gone)
    figures = posterior.identity(subject.model, subject.x, found)
    return {
        "logEvidence": figures.log_evidence,
        "elbo": figures.elbo,
        "kl": figures.kl_to_true,
        "mean": found.mean.tolist(),
        "covariance": found.covariance.tolist(),
        "grid": _grid(found.axes, found.log_posterior),
        "seconds": time.perf_counter() - started,
    }


def bound(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Find the importance-weighted bound for growing K, from one run of draws.

    Raises:
        ExplorerError: the request makes no sense, or the model has no posterior.
        Stopped: the reader is gone.
    """
    subject, started = subject_of(asked), time.perf_counter()
    samples = asked.get("samples")
    if type(samples) is not int or not 1 <= samples <= MOST_SAMPLES:
        raise ConfigError(f"samples = {str(samples)[:40]} has to be from 1 to {MOST_SAMPLES}.")
    generator = torch.Generator().manual_seed(SEED)
    found = importance(subject.model, subject.x, samples, generator, None, tell, gone)
    return {
        "samples": found.draws.tolist(),
        "bound": found.bound.tolist(),
        "errors": found.error.tolist(),
        "effective": found.effective,
        "seconds": time.perf_counter() - started,
    }


def nuts(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Sample p(z|x) by NUTS.

    Raises:
        ExplorerError: the request makes no sense, or the model has no posterior.
        Stopped: the reader is gone.
    """
    from vae_core.evaluation import sampling  # pyro takes a second or two to import

    subject = subject_of(asked)
    generator = torch.Generator().manual_seed(SEED)
    found = sampling.nuts(subject.model, subject.x, generator, on_progress=tell, should_stop=gone)
    draws = found.samples.reshape(-1, subject.model.latent_dim)
    return {
        "draws": _bytes(draws.astype(np.float32)),
        "count": len(draws),
        "chains": len(found.samples),
        "mean": draws.mean(0, dtype=np.float64).tolist(),
        "std": draws.std(0, dtype=np.float64).tolist(),
        "rHat": _finite(found.r_hat),
        "ess": _finite(found.ess),
        "divergences": found.divergences,
        "acceptance": found.acceptance,
        "seconds": found.seconds,
    }


def gaps(asked: dict[str, Any], tell: Tell, gone: Gone) -> dict[str, Any]:
    """Find what the ELBO loses to its Gaussian family and to its encoder, by fitting the best q to this x alone.

    Raises:
        ExplorerError: the request makes no sense, or the model has no posterior.
        Stopped: the reader is gone.
    """
    subject, generator = subject_of(asked), torch.Generator().manual_seed(SEED)
    found = cremer.gaps(subject.model, subject.x, generator, tell, gone)
    return {
        "evidence": found.log_evidence,
        "exact": found.is_exact,
        "samples": cremer.DRAWS,
        "elbo": found.elbo,
        "bestElbo": found.best_elbo,
        "approximation": found.approximation_gap,
        "approximationError": found.approximation_error,
        "amortization": found.amortization_gap,
        "amortizationError": found.amortization_error,
        "mean": found.best.mean.tolist(),
        "std": found.best.std.tolist(),
        "seconds": found.seconds,
    }


def _known(opened: OpenModel) -> dict[str, Any]:
    """What there is to choose from."""
    info, reference = opened.checkpoint.description.info, opened.checkpoint.reference
    labels = None if reference is None else reference.labels
    counts = [] if labels is None else torch.bincount(labels, minlength=len(info.class_names)).tolist()
    return {"counts": counts, "all": 0 if reference is None else len(reference), "title": info.title}


def _grid(axes: tuple[np.ndarray, ...], values: np.ndarray) -> dict[str, Any]:
    """Values at a grid's places, row by row from below; one axis makes one row."""
    return {
        "left": float(axes[0][0]),
        "bottom": float(axes[1][0]) if len(axes) == 2 else 0.0,
        "cell": float(axes[0][1] - axes[0][0]),
        "columns": len(axes[0]),
        "rows": len(axes[1]) if len(axes) == 2 else 1,
        "values": _bytes(values.T.astype(np.float32)),
    }


def _finite(values: np.ndarray) -> list[float | None]:
    """Numbers for JSON, which knows neither NaN nor infinity."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _bytes(array: np.ndarray) -> str:
    """An array as text: its bytes, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
