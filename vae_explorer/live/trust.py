"""What the trust read-out of a page must know of a model beside the measures themselves."""

from typing import Any

import torch
from torch import Tensor

from vae_explorer.library import OpenModel

_CODES, _NUMBERS = (
    64,
    1024,
)  # codes at which the model's usual figures are taken, fewer of them where a code is long
_FEWEST = 8


def facts(opened: OpenModel) -> dict[str, Any]:
    """Codes at which a page takes the model's usual stretch and drift."""
    return {"usual": [[round(value, 4) for value in code] for code in _sample(opened).tolist()]}


def _sample(opened: OpenModel) -> Tensor:
    """Encoded codes, evenly spread over the reference codes; without those, draws from N(0, I)."""
    latent_dim = opened.checkpoint.model.latent_dim
    count = max(_FEWEST, min(_CODES, _NUMBERS // latent_dim))
    reference = opened.checkpoint.reference
    if reference is None or len(reference) == 0:
        return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(0))
    return reference.mean[torch.linspace(0, len(reference) - 1, min(count, len(reference))).long()]
