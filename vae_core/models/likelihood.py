"""p(x|z): what the decoder's numbers mean.

    bernoulli             logits; grey pixels in [0, 1] count as probabilities of being on, which is the usual
                          convention for MNIST (Kingma & Welling 2014, appendix C.1)
    continuous-bernoulli  the natural parameter of a density on [0, 1] (Loaiza-Ganem & Cunningham 2019)
    gaussian              the mean f(z): log p(x|z) = -||x - f(z)||^2 / 2c + const with the fixed variance c
    gaussian-optimal      the same with the variance that fits best, which training finds (sigma-VAE, Rybkin,
                          Daniilidis & Levine 2021)

Pixels, steps or columns are independent given z. `log_likelihood` is what training calls at every step, without
the cost of a distribution object; `likelihood` is the same as a distribution.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.distributions import ContinuousBernoulli as _ContinuousBernoulli
from torch.nn import functional

from vae_core.config import ModelConfig

MIN_VARIANCE = 1e-6  # a perfect reconstruction would have infinite density

Variance = Float[Tensor, ""] | None  # None: the fixed one of the config


def likelihood(
    config: ModelConfig, output: Float[Tensor, "*batch_and_shape"], variance: Variance = None
) -> Distribution:
    """Return p(x|z) over (B, *data_shape) from the decoder's output; `variance` as in `log_likelihood`."""
    # validate_args=False: Bernoulli would refuse grey pixels, and the checks cost time at every step.
    return Independent(_per_pixel(config, output, variance), len(config.data_shape), validate_args=False)


def log_likelihood(
    config: ModelConfig,
    output: Float[Tensor, "*batch_and_shape"],
    x: Float[Tensor, "..."],
    variance: Variance = None,
) -> Float[Tensor, "*batch"]:
    """Return log p(x|z) in nats from the decoder's output.

    Args:
        config: says which likelihood, and the shape of one example.
        output: (..., *data_shape), what the decoder returned.
        x: the data, of a shape that expands to the output's.
        variance: of the gaussian likelihoods, in squared pixel units; None for the config's.
    """
    dims = event_dims(config)
    if config.likelihood == "bernoulli":
        # One pass over the pixels, and exact for large logits.
        target = x.expand_as(output)
        return -functional.binary_cross_entropy_with_logits(output, target, reduction="none").sum(dims)
    if config.likelihood == "continuous-bernoulli":
        return _continuous_log_density(output, x).sum(dims)
    return gaussian(config, squared_error(config, output, x), _variance(config, output, variance))


def squared_error(
    config: ModelConfig, mean: Float[Tensor, "*batch_and_shape"], x: Float[Tensor, "..."]
) -> Float[Tensor, "*batch"]:
    """Return the mean over an example's pixels of (x - mean)^2."""
    return (mean - x).square().mean(event_dims(config))


def gaussian(
    config: ModelConfig, squared: Float[Tensor, "*batch"], variance: Float[Tensor, ""]
) -> Float[Tensor, "*batch"]:
    """Return log N(x; f(z), variance I) in nats from the mean squared error of each example."""
    count = math.prod(config.data_shape)
    return -0.5 * count * (squared / variance + (2 * math.pi * variance).log())


def event_dims(config: ModelConfig) -> tuple[int, ...]:
    """Return the dimensions of one example, counted from the last: (-3, -2, -1) for an image."""
    return tuple(range(-len(config.data_shape), 0))


class ContinuousBernoulli(_ContinuousBernoulli):
    """The density eta e^(eta x) / (e^eta - 1) on [0, 1] (Loaiza-Ganem & Cunningham 2019, equations 6 to 8).

    torch's own, which goes through probabilities in float32, misses the mean by a few thousandths near eta = 0 and
    the density beyond |eta| = 16. Here S(eta) = log(sinh(eta/2) / (eta/2)) and its derivatives do without them:
    log p(x) = eta (x - 1/2) - S(eta), the mean is 1/2 + S'(eta), the variance S''(eta).
    """

    def log_prob(self, value: Tensor) -> Tensor:
        return _continuous_log_density(self.logits, value)

    @property
    def mean(self) -> Tensor:
        eta = self.logits
        near, square, safe = _near_zero(eta)
        series = eta / 12 * (1 - square / 60 * (1 - square / 42))
        return 0.5 + torch.where(near, series, 0.5 / torch.tanh(0.5 * safe) - 1 / safe)

    @property
    def variance(self) -> Tensor:
        near, square, safe = _near_zero(self.logits)
        series = (1 - square / 20 * (1 - square * 5 / 126)) / 12
        return torch.where(near, series, 1 / safe.square() - 0.25 / torch.sinh(0.5 * safe).square())


def _continuous_log_density(eta: Tensor, x: Tensor) -> Tensor:
    near, square, safe = _near_zero(eta)
    size = safe.abs()
    far = 0.5 * size + (-torch.expm1(-size) / size).log()
    series = square / 24 * (1 - square / 120 * (1 - square / 63))
    return eta * (x - 0.5) - torch.where(near, series, far)


def _near_zero(eta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the closed forms lose their digits, eta^2 for the series there, and eta for the forms elsewhere."""
    square = eta.square()
    near = square < 0.25
    return near, square, torch.where(near, 1.0, eta)  # 1: a gradient of 0 times infinity would be NaN


def _per_pixel(config: ModelConfig, output: Tensor, variance: Variance) -> Distribution:
    if config.likelihood == "bernoulli":
        return Bernoulli(logits=output, validate_args=False)
    if config.likelihood == "continuous-bernoulli":
        return ContinuousBernoulli(logits=output, validate_args=False)
    return Normal(output, _variance(config, output, variance).sqrt(), validate_args=False)


def _variance(config: ModelConfig, output: Tensor, variance: Variance) -> Tensor:
    return output.new_full((), config.variance) if variance is None else variance
