"""Why the ELBO falls short of log p(x), in two parts (Cremer, Li & Duvenaud 2018).

    log p(x) - ELBO(q)  =  [log p(x) - ELBO(q*)]  +  [ELBO(q*) - ELBO(q)]
                            approximation gap          amortization gap

q is what the encoder says; q* is the best diagonal Gaussian for this x alone, found by optimising its mean and standard
deviations. The first gap is the price of the family, the second that of one encoder for all examples.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from vae_core.errors import Stopped
from vae_core.evaluation.importance import bounds, likely, log_weights
from vae_core.evaluation.posterior import Encoded, elbo, encoded, exact, log_likelihood
from vae_core.models import LatentModel
from vae_core.objectives import gaussian_kl

SIDE = 9  # Gauss-Hermite nodes a dimension while q* is sought, for one and two dimensions
FIXED = 128  # draws of N(0, I) while q* is sought, for more
STEPS = 100  # of L-BFGS, for each start
SETTLED = 1e-4  # nats by which the bound still rises when q* counts as found
DRAWS = (
    5000  # for figures that are estimates: the bound of log p(x), and the ELBOs in more than two dimensions
)


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps of one example in nats; both are at least 0 but for estimation."""

    log_evidence: float  # log p(x), or the importance-weighted bound of it, in place of it
    is_exact: bool  # False: a bound stands for log p(x), so the approximation gap is too small if anything
    elbo: float  # of the encoder's q
    best_elbo: float  # of q*
    amortization_error: float  # standard errors: 0 where figures are by quadrature
    approximation_error: float
    best: Encoded  # q*
    seconds: float  # that finding q* took

    @property
    def approximation_gap(self) -> float:
        return self.log_evidence - self.best_elbo

    @property
    def amortization_gap(self) -> float:
        return self.best_elbo - self.elbo


def gaps(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    generator: torch.Generator,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
    log_evidence: float | None = None,
) -> Gaps:
    """Return approximation gap and amortization gap of one example.

    With one or two latent dimensions every figure is by quadrature. With more, log p(x) is replaced by the
    importance-weighted bound with DRAWS draws of q*, and each ELBO is a mean over DRAWS draws.

    Args:
        model: any with a posterior; its decoder must have gradients.
        x: one example.
        generator: where draws come from.
        on_progress, should_stop: told the share that is done, and asked, at every step.
        log_evidence: log p(x), if `posterior.exact` has found it already; only for one or two latent dimensions.
    """
    begun = time.perf_counter()
    q = encoded(model, x)
    best = best_gaussian(model, x, generator, lambda done: on_progress(0.6 * done), should_stop)
    seconds = time.perf_counter() - begun
    if model.latent_dim <= 2:
        if log_evidence is None:
            log_evidence = exact(
                model, x, lambda done: on_progress(0.6 + 0.4 * done), should_stop
            ).log_evidence
        of_q, of_best = elbo(model, x, q), elbo(model, x, best)
        if of_best < of_q:  # no better one was found
            best, of_best = q, of_q
        return Gaps(log_evidence, True, of_q, of_best, 0.0, 0.0, best, seconds)
    drawn = [
        log_weights(model, x, q, DRAWS, generator, lambda done: on_progress(0.6 + 0.2 * done), should_stop),
        log_weights(
            model, x, best, DRAWS, generator, lambda done: on_progress(0.8 + 0.2 * done), should_stop
        ),
    ]
    of_q, of_best = (float(weights.mean()) for weights in drawn)
    errors = [float(weights.std(ddof=1)) / math.sqrt(DRAWS) for weights in drawn]
    bound = bounds(drawn[1])
    return Gaps(
        float(bound.bound[-1]),
        False,
        of_q,
        of_best,
        math.hypot(*errors),
        math.hypot(errors[1], float(bound.error[-1])),
        best,
        seconds,
    )


def best_gaussian(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    generator: torch.Generator,
    on_progress: Callable[[float], None] = lambda done: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Encoded:
    """Return q*, the diagonal Gaussian of highest ELBO for this example, from two starts: q, and a likely code.

    The ELBO's expectation is taken at fixed points of N(0, I), so that it is a function like any other, which L-BFGS
    maximises (Nocedal & Wright 2006, chapter 7).
    """
    q = encoded(model, x)
    starts = (q, Encoded(likely(model, x, q, 1, generator)[0], q.std))
    asked, best, highest = 0, q, -math.inf

    def look() -> None:
        nonlocal asked
        if should_stop():
            raise Stopped(
                f"Finding the best q for this example was stopped after {asked} steps; start it again."
            )
        asked += 1
        on_progress(min(1.0, asked / (len(starts) * STEPS)))

    with torch.inference_mode(False), torch.enable_grad():
        points, weights = _points(len(q.mean), generator)
        for start in starts:
            found, value = _climb(model, x.clone(), start, points.to(x.device), weights.to(x.device), look)
            if value > highest:
                best, highest = found, value
    on_progress(1.0)
    return best


def _climb(
    model: LatentModel,
    x: Float[Tensor, "1 *shape"],
    start: Encoded,
    points: Float64[Tensor, "n latent"],
    weights: Float64[Tensor, " n"],
    look: Callable[[], None],
) -> tuple[Encoded, float]:
    """The best Gaussian met on the way up from `start`, and its ELBO at the fixed points."""
    mean, std = start.mean.double(), start.std.double()
    best, highest = start, -math.inf
    moves = torch.zeros(2, len(mean), dtype=torch.float64, device=mean.device, requires_grad=True)
    climber = torch.optim.LBFGS(
        [moves], max_iter=STEPS, max_eval=STEPS, line_search_fn="strong_wolfe", tolerance_change=SETTLED
    )

    def loss() -> Tensor:
        nonlocal best, highest
        look()
        there, spread = mean + std * moves[0], std * moves[1].exp()
        kl = gaussian_kl(there[None], spread[None]).sum()
        bound = weights @ log_likelihood(model, x, there + spread * points) - kl
        (slope,) = torch.autograd.grad(bound, moves)  # of the codes alone: the model's weights get none
        moves.grad = -slope
        if bound.item() > highest:
            highest = bound.item()
            best = Encoded(there.detach().to(x.dtype), spread.detach().to(x.dtype))
        return -bound.detach()

    climber.step(loss)
    return best, highest


def _points(
    latent: int, generator: torch.Generator
) -> tuple[Float64[Tensor, "n latent"], Float64[Tensor, " n"]]:
    """Points and weights for expectations under N(0, I)."""
    if latent <= 2:
        side, weight = (torch.from_numpy(each) for each in np.polynomial.hermite_e.hermegauss(SIDE))
        weight = weight / weight.sum()
        points = torch.cartesian_prod(*[side] * latent).reshape(-1, latent)
        return points, torch.cartesian_prod(*[weight] * latent).reshape(-1, latent).prod(1)
    seed = int(torch.randint(2**31, (), generator=generator))
    even = torch.quasirandom.SobolEngine(latent, scramble=True, seed=seed).draw(
        FIXED // 2, dtype=torch.float64
    )
    half = torch.special.ndtri(even.clamp(1e-9, 1 - 1e-9))
    points = torch.cat((half, -half))  # so that their mean is 0, as it should be
    points = points / points.square().mean(0).sqrt()  # and their variance 1
    return points, points.new_full((FIXED,), 1 / FIXED)
