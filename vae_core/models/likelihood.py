"""p(x|z): what the decoder's numbers mean."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from vae_core.config import ModelConfig


def likelihood(config: ModelConfig, output: Float[Tensor, "batch channels height width"]) -> Distribution:
    """Return p(x|z) over (B, C, H, W) from the decoder's output, pixels independent given z.

    bernoulli: the output holds logits; grey pixels in [0, 1] count as probabilities of being on, which is
    the usual convention for MNIST (Kingma & Welling 2014, appendix C.1). gaussian: the output holds the
    mean f(z), and log p(x|z) = -||x - f(z)||^2 / 2c + const with the fixed variance c.
    """
    # validate_args=False: Bernoulli would refuse grey pixels, and the checks cost time at every step.
    if config.likelihood == "bernoulli":
        return Independent(Bernoulli(logits=output, validate_args=False), 3, validate_args=False)
    scale = output.new_full((), config.variance**0.5)
    return Independent(Normal(output, scale, validate_args=False), 3, validate_args=False)
