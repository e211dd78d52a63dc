"""From examples as datasets hold them to what an encoder takes."""

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor


def model_input(
    examples: UInt8[Tensor, "batch *shape"] | Float32[Tensor, "batch *shape"],
) -> Float32[Tensor, "batch *shape"]:
    """Return x for `encode`: bytes become values in [0, 1]; floats (series, tables) are standardised already."""
    return examples.float().div_(255) if examples.dtype == torch.uint8 else examples
