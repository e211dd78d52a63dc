"""Small frozen settings, validated at birth; they travel inside the checkpoint as JSON.

Each field carries its own explanation (`Field(description=...)`), which the command line's help and
the pages show, so a setting is explained in one place only.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from vae_core.errors import ConfigError

Likelihood = Literal["bernoulli", "gaussian"]
Architecture = Literal["mlp", "conv"]

MAX_LATENT_DIM = 256
IMAGE_SIDES = (8, 64)  # the smallest and largest image side that the networks are built for


class Config(BaseModel):
    """A frozen group of settings with a JSON round trip; unknown names and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_one_sentence(type(self).__name__, error)) from None

    def to_json(self) -> str:
        """Return the settings as one JSON object."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read settings back; unknown names, wrong types and values out of range raise `ConfigError`."""
        try:
            values = from_json(text, allow_inf_nan=False)  # refuses whatever to_json could not write again
        except ValueError:
            raise ConfigError(f"{cls.__name__} is not valid JSON; rewrite it with to_json().") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{cls.__name__} must be a JSON object, not {type(values).__name__}.")
        return cls(**values)


class DataConfig(Config):
    """Which data, and how it is split. Splits are seeded, disjoint, and independent of training."""

    name: str = Field(
        "digits", max_length=64, description="Name of the dataset, for example digits, mnist or sprites."
    )
    split_seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of the split into training and held-out data."
    )
    train_size: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Use only so many training examples; if not given, all (of sprites 60,000).",
    )
    held_out_size: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Use only so many held-out examples; if not given, all (of sprites 10,000).",
    )


class ModelConfig(Config):
    """What is built: the kind of model, the shape of its data, its latent width and its networks."""

    kind: Literal["vae", "autoencoder"] = Field(
        "vae", description="vae: a Gaussian posterior; autoencoder: one point per image, no prior."
    )
    data_shape: tuple[int, int, int] = Field(
        description="Channels, height, width of one image; sides from 8 to 64, 1 or 3 channels."
    )
    latent_dim: int = Field(2, ge=1, le=MAX_LATENT_DIM, description="Width D of the latent code z.")
    architecture: Architecture = Field(
        "mlp",
        description="mlp: fully connected layers; conv: convolutions that halve the image at each step.",
    )
    hidden: tuple[int, ...] = Field(
        (512, 256),
        min_length=1,
        max_length=8,
        description=(
            "Widths of the encoder's hidden layers (mlp), or channels of its convolutions followed by one "
            "dense width (conv); the decoder mirrors them."
        ),
    )
    likelihood: Likelihood = Field(
        "bernoulli", description="p(x|z): bernoulli per pixel, or gaussian with a fixed variance."
    )
    variance: float = Field(
        0.05, gt=0, le=100, description="Fixed variance c of the gaussian likelihood, in squared pixel units."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        channels, height, width = self.data_shape
        low, high = IMAGE_SIDES
        if channels not in (1, 3):
            raise ValueError(f"data_shape has {channels} channels; use 1 (grey) or 3 (colour)")
        if not (low <= height <= high and low <= width <= high):
            raise ValueError(f"data_shape is {height}x{width}; both sides must be from {low} to {high}")
        if any(not 1 <= units <= 4096 for units in self.hidden):
            raise ValueError(f"hidden is {self.hidden}; every width must be from 1 to 4096")
        if self.architecture == "conv" and not 2 <= len(self.hidden) <= 5:
            raise ValueError(f"hidden is {self.hidden}; conv takes 1 to 4 channel counts and one dense width")
        if self.architecture == "conv" and min(height, width) >> (len(self.hidden) - 1) == 0:
            raise ValueError(
                f"hidden is {self.hidden}; {height}x{width} cannot be halved {len(self.hidden) - 1} times"
            )
        return self


class ObjectiveConfig(Config):
    """What is maximised: E_q[log p(x|z)] - beta KL(q(z|x) || p(z))."""

    beta: float = Field(
        1.0, ge=0, le=1000, description="Weight of the KL term; 1 is the ELBO, more favours separate factors."
    )
    warmup_epochs: int = Field(
        0, ge=0, le=100_000, description="Raise beta linearly from 0 over so many epochs (0: no warm-up)."
    )


class TrainingConfig(Config):
    """How it is trained."""

    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training data.")
    batch_size: int = Field(128, ge=1, le=1_000_000, description="Examples per step.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's step size.")
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="cosine lets the learning rate fall smoothly to zero; constant keeps it."
    )
    averaging: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay per step of an exponential moving average of the weights, which is what is kept (0: off).",
    )
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of the initial weights, the order of examples and the noise."
    )


def _one_sentence(owner: str, error: ValidationError) -> str:
    """Turn pydantic's report into one sentence that names the field, the value and the rule."""
    first = error.errors()[0]
    if isinstance(nested := first.get("ctx", {}).get("error"), ConfigError):
        return str(nested)  # a group of settings within this one has said what is wrong in it
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{owner}: {name} is missing."
    rule = first["msg"].removeprefix("Value error, ")
    if not name:
        return f"{owner}: {rule}."
    value = repr(first["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    return f"{owner}: {name} = {shown} is not allowed: {rule}."
