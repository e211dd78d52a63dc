"""The gradient of E_q[h(z)] by the mean m and the standard deviation s of q = N(m, diag(s^2)), from draws of q.

    reparameterization   z = m + s xi, xi ~ N(0, I):    dh/dz  and  dh/dz xi      (Kingma & Welling 2014, section 2.4)
    score function       h(z) d log q(z):    h xi / s  and  h (xi^2 - 1) / s      (Williams 1992, REINFORCE)

Both are unbiased, draw by draw. The first uses the slope of h, the second only its value, so a constant added to h
makes the second noisier and leaves the first alone; the mean of the other draws taken off as a *baseline* helps
(Mohamed et al. 2020, section 7).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from vae_core.errors import ConfigError, PosteriorError
from vae_core.evaluation.posterior import Encoded

Function = Callable[[Float[Tensor, "n latent"]], Float64[Tensor, " n"]]  # h; gradients flow through it

REACH = 6.0  # standard deviations of q
SIDES = (24, 48, 96)  # points a side, until the gradient settles
CLOSE = 1e-3  # of the largest component


@dataclass(frozen=True, eq=False)
class Estimates:
    """Gradients draw by draw, parameters in the order m_1, m_2, ..., s_1, s_2, ..."""

    draws: Float64[np.ndarray, "n parameters"]

    @property
    def mean(self) -> Float64[np.ndarray, " parameters"]:
        found: Float64[np.ndarray, " parameters"] = self.draws.mean(0)
        return found

    @property
    def variance(self) -> Float64[np.ndarray, " parameters"]:
        """Of one draw."""
        found: Float64[np.ndarray, " parameters"] = self.draws.var(0, ddof=1)
        return found

    @property
    def error(self) -> Float64[np.ndarray, " parameters"]:
        """Standard error of the mean."""
        found: Float64[np.ndarray, " parameters"] = np.sqrt(self.variance / len(self.draws))
        return found


@dataclass(frozen=True)
class Gradients:
    """The same draws of q, made use of in three ways."""

    reparameterized: Estimates
    score: Estimates
    baseline: Estimates  # the score function's, with the mean of the other draws' h taken off


def estimates(h: Function, q: Encoded, draws: int, generator: torch.Generator) -> Gradients:
    """Return the gradients of E_q[h] that each of `draws` draws of q gives.

    Raises:
        ConfigError: there are fewer than 2 draws.
    """
    if draws < 2:
        raise ConfigError(f"draws = {draws} has to be at least 2, or there is no variance to see.")
    noise = torch.randn(draws, len(q.mean), generator=generator)
    with torch.inference_mode(False), torch.enable_grad():
        z = (q.mean + q.std * noise).detach().requires_grad_()
        values = h(z)
        (slope,) = torch.autograd.grad(values.sum(), z)
    values, slope, noise, std = values.detach().double(), slope.double(), noise.double(), q.std.double()
    score = torch.cat((noise / std, (noise**2 - 1) / std), 1)
    others = (values.sum() - values) / (draws - 1)
    return Gradients(
        Estimates(torch.cat((slope, slope * noise), 1).numpy()),
        Estimates((values[:, None] * score).numpy()),
        Estimates(((values - others)[:, None] * score).numpy()),
    )


def exact(h: Function, q: Encoded) -> Float64[np.ndarray, " parameters"]:
    """Return the gradient of E_q[h] by the trapezoid rule in q's own axes, for one or two latent dimensions.

    Raises:
        PosteriorError: there are more dimensions.
    """
    if len(q.mean) > 2:
        raise PosteriorError(
            f"q has {len(q.mean)} dimensions; the exact gradient takes at most 2: trust the mean of many draws."
        )
    before = np.full(2 * len(q.mean), np.inf)
    for side in SIDES:
        found = _quadrature(h, q, side)
        if np.abs(found - before).max() <= CLOSE * np.abs(found).max():
            break
        before = found
    return found


def _quadrature(h: Function, q: Encoded, side: int) -> Float64[np.ndarray, " parameters"]:
    line = torch.linspace(-REACH, REACH, side, dtype=torch.float64)
    noise = torch.cartesian_prod(*[line] * len(q.mean)).reshape(-1, len(q.mean))
    weights = torch.softmax(-0.5 * noise.square().sum(1), 0)
    std = q.std.double()
    with torch.inference_mode():
        values = h((q.mean.double() + std * noise).to(q.mean.dtype))
    # A constant changes nothing but the rounding: the score's own mean is 0.
    values = values.double() - (weights * values).sum()
    score = torch.cat((noise / std, (noise**2 - 1) / std), 1)
    found: Float64[np.ndarray, " parameters"] = ((weights * values) @ score).numpy()
    return found
