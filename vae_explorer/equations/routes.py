"""The routes under `/equations/`: the numbers of the Equations page, of one open model.

Each request is POST, JSON, and holds "model", the id of an open model. All but `generation` are about one x, named as
`vae_explorer.posterior.routes` does: {"label", "nth", "decoded"} for the nth encoded example of a class (-1: of all), or what its
code decodes to if `decoded`; {"code"} for what a code decodes to. Its picture and q(z|x) come from /posterior/example.
Each answers as `vae_explorer.live.told` says: one JSON object per line, {"done": share} while it works, the result last, or
{"error": sentence}. Figures are in nats. `bytes` are float32, little-endian, in base64; pictures are {"height",
"width", "channels", "pixels": base64 of uint8}. Work ends when its reader leaves; the same request gives the same
figures again.

    POST /equations/marginal {"repeats": 10, "draws": 10000, "seed": 0}     (2000 draws beyond two latent dimensions)
        log p(x) from draws of the prior: log (1/n) sum_i p(x|z_i), z_i ~ p(z)
        "counts"       [n, ...] rising from 1 to draws, evenly on a log axis
        "estimates"    [[log p(x) from the first n draws, for each of counts], ... for each repeat]
        "effective"    [[effective sample size of the first n draws], ...] likewise
        "spread"       standard deviation over the repeats at each of counts; null with one repeat
        "evidence"     {"value", "exact"}: log p(x), by quadrature where exact, else the importance-weighted bound
        "needed"       draws until the relative error of p(x) is 10 %, from the exact E[p(x|z)^2] / p(x)^2; or null
        "settled"      the first of counts from which on every repeat stays within 0.1 nats of evidence; null: not yet
        "codes"        bytes (draws, latent): the first repeat's draws, "logLikelihood" bytes (draws): log p(x|z)
        "heavy"        how many of the first repeat's draws hold 90 % of its sum
        "mean", "std"  q(z|x) of the encoder: where the draws that matter should lie
        "seconds"

    POST /equations/evidence {"cells": 96}
        log p(x, z) around the posterior, for models with two latent dimensions (else {"error"}); without "cells" as
        many a side as the posterior's narrowest direction needs
        "grid"         {"left", "bottom", "cell", "columns", "rows", "values": bytes}: log p(x, z) at the centres
                       (left + column cell, bottom + row cell), row by row from below
        "logEvidence"  log p(x) by adaptive quadrature; "gridEvidence" the same summed over the grid and between its points
        "posterior"    {"mean": [2], "covariance": [[2], [2]]} of p(z|x)
        "encoder", "best", "full"  {"mean": [2], "covariance", "elbo", "kl"}: the encoder's q(z|x), the best diagonal
                       Gaussian and the best of any covariance; ELBO and KL(q||p(z|x)) as computed here
        "seconds"
        For any other q = N(m, L L^T), dragged in the browser, `vae_core.equations.evidence.Grid.bound` says how: the
        trapezoid rule at z = m + L u over u in [-5, 5]^2 (SIDE = 41 points a side, weights exp(-|u|^2 / 2) made to
        sum to 1), log p(x, z) between the grid's points by Catmull-Rom cubics,
            ELBO = sum w (log p(x, z) + log 2 pi + |z|^2 / 2) - KL(q || N(0, I)) in closed form
            KL   = sum w (log q(z) - log p(x, z)) + gridEvidence
        and log p(x) = logEvidence, so that the difference logEvidence - ELBO - KL is a true check. q is too narrow
        for the grid where its smallest standard deviation is below cell / 2, and too far where more than 0.001 of its
        weight lies outside of the grid.

    POST /equations/reconstruction {"cells": 128}
        ||x - f(z)||^2 on a latent plane, for models with two latent dimensions (else {"error"}), so that with any c
        log N(x; f(z), c I) = -squared / (2 c) - (count / 2) log(2 pi c) is known everywhere
        "grids"        [as above, with "values": ||x - f(z)||^2, summed over all numbers of x, and "c": it holds the
                       posterior of that c, so that of any smaller one, ...] c falling: the last with at least the c
                       in question is the finest that holds its posterior
        "count"        numbers in x
        "mean", "std"  q(z|x); "squared": ||x - f(m)||^2 at its mean m; "expected": E_q ||x - f(z)||^2; "rate":
                       KL(q || N(0, I))
        "x", "decoded" pictures of x and f(m)
        "variance"     the c of the model's own Gaussian likelihood; null with another likelihood
        "curve"        [{"c", "logEvidence", "squared", "rate"}, ...] of the true posterior under N(f(z), c I), c
                       rising, from the smallest c that the grid can tell
        "seconds"

    POST /equations/gradients {"draws": 1000, "seed": 0}
        the gradient of E_q[log p(x|z)] by the mean and the standard deviation of q(z|x) = N(m, s^2), draw by draw
        "parameters"   ["m1", "m2", ..., "s1", "s2", ...]; every array below is in this order
        "reparameterized", "score", "baseline"  {"draws": bytes (draws, parameters), "mean", "variance", "error"}:
                       per-draw gradients by z = m + s xi; by log p(x|z) grad log q(z); the latter with the mean of the
                       other draws' log p(x|z) taken off as a baseline. "error" is the standard error of the mean
        "exact"        the gradient by quadrature; null beyond two latent dimensions
        "ratio"        variance of "score" over that of "reparameterized", per parameter; "baselineRatio" likewise
        "seconds"

    POST /equations/generation {"count": 500, "permutations": 500, "seed": 0}     (no x)
        draws of the prior, decoded, against data: MMD^2 in pixels and its null distribution
        "mmd"          MMD^2, unbiased; "null": [what it is when both are shuffled, ... permutations, rising]
        "limit"        95 % of null lies below; "p": the share of null that is at least mmd
        "baseline"     {"mmd", "p"} of one half of the data against the other: inside its null
        "reconstructed" {"mmd", "p"} of data against reconstructions of other data: what the decoder alone changes
        "prior"        "normal" for draws of N(0, I), "fitted" for those of a Gaussian fitted to the codes (a model
                       without a prior); "normal01": {"mmd", "p"} of N(0, I) there all the same, else null
        "of"           "images", or "reconstructions" where the data are not on this machine (then "reconstructed" is
                       null); "says": what was compared, in a sentence
        "samples", "data"  [picture, ... 24], the first of what was compared; "codes": [[...], ... 24] of the samples
        "count"        how many of each; "bandwidth": of the kernel, in pixel units
        "seconds"
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import checked
from vae_explorer.live.told import Gone, Tell, body, told

PATH = "/equations"
NAMES = ("marginal", "evidence", "reconstruction", "gradients", "generation")

# Quick looks wait for each other only, not for what takes a second or more.
_LOOKS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="equations")
_LONG = ThreadPoolExecutor(max_workers=1, thread_name_prefix="equations-long")


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(PATH, routes=[Route(f"/{name}", checked(_told(name)), methods=["POST"]) for name in NAMES])


def _told(name: str) -> Callable[[Request], Any]:
    pool = _LONG if name in ("marginal", "generation") else _LOOKS

    async def answer(request: Request) -> Response:
        asked = await body(request)

        def work(tell: Tell, gone: Gone) -> dict[str, Any]:
            from vae_explorer.equations import answers

            found: dict[str, Any] = getattr(answers, name)(asked, tell, gone)
            return found

        return told(work, pool)

    return answer
