"""What training maximises: the evidence lower bound and its relatives, in named parts, per example.

`elbo` has the two terms of the bound for any `LatentModel`; `training` has every objective that `ObjectiveConfig`
names, as a function of explicit noise; the others hold what single objectives are made of.
"""

from vae_core.objectives.decomposition import Decomposition, decompose
from vae_core.objectives.discrepancy import mmd
from vae_core.objectives.elbo import Terms, gaussian_kl, kl_to_prior, reparameterize, terms, terms_given
from vae_core.objectives.schedule import beta_at
from vae_core.objectives.training import Draws, Parts, draw, parts

__all__ = [
    "Decomposition",
    "Draws",
    "Parts",
    "Terms",
    "beta_at",
    "decompose",
    "draw",
    "gaussian_kl",
    "kl_to_prior",
    "mmd",
    "parts",
    "reparameterize",
    "terms",
    "terms_given",
]
