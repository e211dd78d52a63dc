"""The routes under `/compare/`: figures of models side by side, subspaces of linear ones, and errors against width.

Each request is POST and JSON; a model is its id, known only while a page shows it (`vae_explorer.live.models.publish`).

    POST /compare/known      {"models": [id, ...]}: what is known without measuring; answers at once
        "figures"      {id: figures} as below: of the checkpoint's own evaluation, of its codes, or measured before
        "complete"     {id: whether nothing is left to measure}

    POST /compare/figures    {"model": id}: all of it; answers as `vae_explorer.live.told` says, the figures last. What was
                             measured is kept while the server runs, and is then answered at once
        "examples"            how many held-out examples the next four figures are averages of
        "squared_error"       mean over pixels of (x - mean)^2, one draw of z per example
        "reconstruction"      E log p(x|z), "elbo": reconstruction - rate, both in nats
        "rate", "distortion"  KL(q(z|x) || p(z)) and -E log p(x|z) in nats (Alemi et al. 2018): ELBO = -(R + D)
        "likelihood"          "bernoulli" or "density": reconstruction, elbo and distortion compare within one only
        "active_units", "kl_per_dimension"  [nats, ...] in the order of the latent dimensions
        "continuity", "completeness"        in [0, 1], each with "_low" and "_high" of its 95 % interval
        "knn_accuracy"        share of codes whose 15 nearest other codes vote for their class
        "mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "sap", "factor_vae"  in [0, 1]
        "missing"             {key: sentence} for each that is not defined for this model, and only for those
        "seconds"             that it took; only in what was measured

    POST /compare/subspaces  {"models": [a, b]}: two models with linear decoders; answers at once, or status 404 and a
                             sentence where a decoder is curved or the data differ
        "angles"       [degrees, ...] rising: the principal angles between what the two decoders span
        "bases"        [[picture, ...] of a, [picture, ...] of b]: what each latent dimension adds to the image
        "aligned"      the same for the principal vectors: the i-th of a is angles[i] away from the i-th of b
        A picture is {"height", "width", "channels", "pixels": base64 of uint8}: 128 is zero, 1 and 255 are the largest
        magnitude. Series are one row per channel, table rows one row.

    POST /compare/reduction  {"model": id}: reconstruction error against latent_dim on the held-out data of this model;
                             answers as `vae_explorer.live.told` says
        "pca"          [[d, error], ...] for d = 0, 1, 2, ... or null where the data are not on this machine
        "models"       [{"name", "title", "latent", "error", "kind", "architecture", "beta", "noise"}, ...]: every
                       trained model of the same data; name as in `vae_explorer.library`
        "examples"     how many held-out examples were decoded from the mean of q(z|x); null where each model's own
                       evaluation (one draw of z) is shown instead
        "fitted"       how many training examples the PCA was fitted to; "pixels": numbers in one example
        "says"         a sentence where something is not as it should be, else ""
        Errors are means over pixels of (x - mean)^2.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vae_explorer.live.guard import checked
from vae_explorer.live.told import Gone, Tell, body, told

PATH = "/compare"
_FRESH = {"Cache-Control": "no-store"}

# One model is measured at a time, which takes both cores of a small laptop; errors need not wait for that.
_MEASURES = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compare")
_REDUCTIONS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reduction")


def route() -> BaseRoute:
    """Return the routes to hand to `streamlit.App(routes=[...])`."""
    return Mount(
        PATH,
        routes=[
            Route("/known", checked(_known), methods=["POST"]),
            Route("/figures", checked(_figures), methods=["POST"]),
            Route("/subspaces", checked(_subspaces), methods=["POST"]),
            Route("/reduction", checked(_reduction), methods=["POST"]),
        ],
    )


async def _known(request: Request) -> Response:
    asked = await body(request)

    def look() -> dict[str, Any]:
        from vae_explorer.compare import answers

        return answers.known(asked)

    return JSONResponse(await run_in_threadpool(look), headers=_FRESH)


async def _figures(request: Request) -> Response:
    asked = await body(request)

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.compare import answers

        return answers.figures(asked, tell, gone)

    return told(work, _MEASURES)


async def _subspaces(request: Request) -> Response:
    asked = await body(request)

    def look() -> dict[str, Any]:
        from vae_explorer.compare import answers

        return answers.subspaces(asked)

    return JSONResponse(await run_in_threadpool(look), headers=_FRESH)


async def _reduction(request: Request) -> Response:
    asked = await body(request)

    def work(tell: Tell, gone: Gone) -> dict[str, Any]:
        from vae_explorer.compare import answers

        return answers.reduction(asked, tell, gone)

    return told(work, _REDUCTIONS)
