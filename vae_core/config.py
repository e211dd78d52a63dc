"""Small frozen settings, validated at birth; they travel inside the checkpoint as JSON.

Each field carries its own explanation (`Field(description=...)`), which the command line's help and
the pages show, so a setting is explained in one place only.
"""

import os
from math import prod
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import from_json

from vae_core.errors import ConfigError

Kind = Literal["vae", "autoencoder", "pca"]
Likelihood = Literal["bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal"]
Architecture = Literal["mlp", "conv", "linear"]

MAX_LATENT_DIM = 256
IMAGE_SIDES = (8, 64)  # the smallest and largest image side that the networks are built for
MAX_CHANNELS = 64  # of a series
SERIES_LENGTHS = (8, 4096)
MAX_COLUMNS = 4096  # of a table


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
        "digits",
        min_length=1,
        max_length=64,
        description="Name of the dataset, for example digits, mnist or sprites.",
    )
    path: str | None = Field(
        None,
        max_length=4096,
        description=(
            "Your own data: a folder or .zip of images, a .npy or .npz array, a .csv or .parquet table; "
            "with window, a .csv time series. If given, name is only what people read."
        ),
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
    side: int | None = Field(
        None,
        ge=IMAGE_SIDES[0],
        le=IMAGE_SIDES[1],
        description="Resize your images to squares of so many pixels a side; if not given, 64 or their own size if smaller.",
    )
    resize: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="How your images become squares: crop the middle, pad with black, or stretch.",
    )
    colour: Literal["auto", "grey", "colour"] = Field(
        "auto", description="Channels of your images: as they are (auto), one (grey) or three (colour)."
    )
    window: int | None = Field(
        None,
        ge=SERIES_LENGTHS[0],
        le=SERIES_LENGTHS[1],
        description="Read your .csv as a time series and cut it into windows of so many rows.",
    )
    stride: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Rows from one window to the next; if not given, a quarter window.",
    )
    storage: Literal["auto", "memory", "stream"] = Field(
        "auto",
        description="memory: load all examples once; stream: read each batch from disk; auto: by size.",
    )

    @field_validator("path", mode="before")
    @classmethod
    def _as_text(cls, path: object) -> object:
        return os.fspath(path) if isinstance(path, os.PathLike) else path


class ModelConfig(Config):
    """What is built: the kind of model, the shape of its data, its latent width and its networks."""

    kind: Kind = Field(
        "vae",
        description="vae: a Gaussian posterior; autoencoder: one point per example, no prior; pca: closed form.",
    )
    data_shape: tuple[int, ...] = Field(
        description=(
            "Shape of one example: (channels, height, width) of an image with sides from 8 to 64, "
            "(channels, length) of a series, (columns,) of a table row."
        )
    )
    latent_dim: int = Field(2, ge=1, le=MAX_LATENT_DIM, description="Width D of the latent code z.")
    architecture: Architecture = Field(
        "mlp",
        description=(
            "mlp: fully connected layers; conv: convolutions that halve the image or series at each step; "
            "linear: one linear map each way, without hidden layers."
        ),
    )
    hidden: tuple[int, ...] = Field(
        (512, 256),
        max_length=8,
        description=(
            "Widths of the encoder's hidden layers (mlp), or channels of its convolutions followed by one "
            "dense width (conv); the decoder mirrors them."
        ),
    )
    likelihood: Likelihood = Field(
        "bernoulli",
        description=(
            "p(x|z): bernoulli per pixel; continuous-bernoulli, a density for grey pixels (Loaiza-Ganem & "
            "Cunningham 2019); gaussian with a fixed variance; gaussian-optimal, with the one variance that "
            "fits best (sigma-VAE, Rybkin et al. 2021)."
        ),
    )
    variance: float = Field(
        0.05, gt=0, le=100, description="Fixed variance c of the gaussian likelihood, in squared pixel units."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_shape()
        if any(not 1 <= units <= 4096 for units in self.hidden):
            raise ValueError(f"hidden is {self.hidden}; every width must be from 1 to 4096")
        if self.kind == "pca":
            self._check_pca()
        elif self.architecture == "mlp" and not self.hidden:
            raise ValueError(
                f"hidden is {self.hidden}; mlp takes at least one width, or choose architecture = linear"
            )
        elif self.architecture == "conv":
            self._check_convolutions()
        if len(self.data_shape) < 3 and "bernoulli" in self.likelihood:
            raise ValueError(
                f"likelihood is {self.likelihood}, which is for pixels in [0, 1]; series and tables take "
                "gaussian or gaussian-optimal"
            )
        return self

    def _check_shape(self) -> None:
        shape = self.data_shape
        if len(shape) == 3:
            channels, height, width = shape
            low, high = IMAGE_SIDES
            if channels not in (1, 3):
                raise ValueError(f"data_shape has {channels} channels; use 1 (grey) or 3 (colour)")
            if not (low <= height <= high and low <= width <= high):
                raise ValueError(f"data_shape is {height}x{width}; both sides must be from {low} to {high}")
        elif len(shape) == 2:
            channels, length = shape
            low, high = SERIES_LENGTHS
            if not 1 <= channels <= MAX_CHANNELS or not low <= length <= high:
                raise ValueError(
                    f"data_shape is {shape}; a series has 1 to {MAX_CHANNELS} channels and {low} to {high} steps"
                )
        elif len(shape) != 1 or not 1 <= shape[0] <= MAX_COLUMNS:
            raise ValueError(
                f"data_shape is {shape}; use (channels, height, width), (channels, length) or (columns,) "
                f"with at most {MAX_COLUMNS} columns"
            )

    def _check_pca(self) -> None:
        if self.likelihood != "gaussian":
            raise ValueError(f"likelihood is {self.likelihood}; pca takes gaussian")
        if self.latent_dim > prod(self.data_shape):
            raise ValueError(
                f"latent_dim is {self.latent_dim}; these data have {prod(self.data_shape)} principal components"
            )

    def _check_convolutions(self) -> None:
        shape, steps = self.data_shape, len(self.hidden) - 1
        if len(shape) == 1:
            raise ValueError("architecture is conv; the columns of a table have no order: use mlp or linear")
        if not 1 <= steps <= 4:
            raise ValueError(f"hidden is {self.hidden}; conv takes 1 to 4 channel counts and one dense width")
        if min(shape[1:]) >> steps == 0:
            size = "x".join(map(str, shape[1:]))
            raise ValueError(f"hidden is {self.hidden}; {size} cannot be halved {steps} times")


class ObjectiveConfig(Config):
    """What is maximised: E_q[log p(x|z)] - beta KL(q(z|x) || p(z)), or a relative of it."""

    objective: Literal["elbo", "tcvae", "mmd", "iwae"] = Field(
        "elbo",
        description=(
            "elbo: reconstruction - beta KL; tcvae: beta weighs the total correlation only (Chen et al. 2018); "
            "mmd: adds the maximum mean discrepancy between codes and prior (WAE, Tolstikhin et al. 2018; "
            "InfoVAE, Zhao et al. 2019); iwae: the importance-weighted bound (Burda et al. 2015)."
        ),
    )
    beta: float = Field(
        1.0, ge=0, le=1000, description="Weight of the KL term; 1 is the ELBO, more favours separate factors."
    )
    warmup_epochs: int = Field(
        0, ge=0, le=100_000, description="Raise beta linearly from 0 over so many epochs (0: no warm-up)."
    )
    cycles: int = Field(
        0,
        ge=0,
        le=1000,
        description="Raise beta from 0 anew so many times, over half of each cycle (Fu et al. 2019; 0: never).",
    )
    free_bits: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Nats per latent dimension that the KL term does not charge for (Kingma et al. 2016).",
    )
    mmd_weight: float = Field(
        10.0, ge=0, le=1e6, description="Weight of the maximum mean discrepancy; used by mmd only."
    )
    samples: int = Field(5, ge=1, le=1000, description="Draws of z per example; used by iwae only.")
    noise: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Denoising: standard deviation of the noise added to what the encoder sees (0: none).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cycles and self.warmup_epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs} and cycles is {self.cycles}; set one of them to 0"
            )
        if self.free_bits and self.objective != "elbo":
            raise ValueError(f"free_bits is {self.free_bits}; it goes with objective = elbo only")
        return self


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
    patience: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Stop early after so many epochs without a better held-out ELBO (0: never).",
    )


class ComputeConfig(Config):
    """Where and how the arithmetic is done; Lightning Fabric carries it out."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Which processor; auto takes a GPU if there is one."
    )
    devices: int = Field(1, ge=1, le=1024, description="Processes on this machine, one device each.")
    num_nodes: int = Field(1, ge=1, le=1024, description="Machines that train together.")
    strategy: Literal["auto", "ddp"] = Field(
        "auto", description="ddp: each process takes a share of every batch; auto: ddp if there are several."
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto",
        description=(
            "32-true: float32; bf16-mixed: matrix products in bfloat16; auto: the faster one of a short trial, "
            "if the ELBO stays within noise."
        ),
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="on: torch.compile the training step; auto: if a short trial shows that it pays."
    )
    products: Literal["auto", "torch", "onednn"] = Field(
        "auto",
        description=(
            "Library that multiplies matrices of float32 on a CPU, torch's own (MKL) or oneDNN; auto: oneDNN where a "
            "short trial shows that it is clearly ahead."
        ),
    )


class ProjectionConfig(Config):
    """How codes become places on a map; fields that a method does not use change nothing."""

    method: Literal["plane", "pca", "umap", "tsne"] = Field(
        "plane",
        description=(
            "plane: two latent dimensions as they are; pca: the two directions of largest variance; umap: "
            "neighbourhoods kept (McInnes et al. 2018); tsne: neighbourhoods kept (van der Maaten & Hinton 2008)."
        ),
    )
    first: int = Field(
        0,
        ge=0,
        lt=MAX_LATENT_DIM,
        description="Latent dimension along the map, counted from 0; used by plane.",
    )
    second: int = Field(
        1, ge=0, lt=MAX_LATENT_DIM, description="Latent dimension up the map, counted from 0; used by plane."
    )
    neighbours: int = Field(
        15,
        ge=2,
        le=500,
        description=(
            "Nearest codes that each code is kept close to by umap (few: fine detail; many: the large shape), "
            "and that place a new code on a map made by umap or tsne."
        ),
    )
    min_dist: float = Field(
        0.1, ge=0, le=1, description="How close umap may pack points (0: tight clumps; 1: spread out)."
    )
    metric: Literal["euclidean", "cosine", "manhattan"] = Field(
        "euclidean", description="Distance between codes that umap keeps."
    )
    perplexity: float = Field(
        30,
        ge=1,
        le=300,
        description="Neighbours that tsne effectively balances; takes three times as many codes.",
    )
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of umap and tsne: the same seed gives the same map."
    )


class MapConfig(Config):
    """Which encoded points a map shows, and how they are laid out."""

    source: Literal["reference", "train", "held-out", "draws"] = Field(
        "reference",
        description=(
            "reference: the codes in the checkpoint; train, held-out: that split of its data, encoded here; "
            "draws: codes drawn from the aggregate posterior q(z), with the labels of the examples they are "
            "drawn around."
        ),
    )
    count: int = Field(70_000, ge=1, le=5_000_000, description="How many codes are drawn; used by draws.")
    projection: ProjectionConfig = ProjectionConfig()
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of the draws; used by draws.")


class GridConfig(Config):
    """Which codes stand on a grid of tiles; fields that a plane does not use change nothing.

    Codes are texts as `walks.code_of` reads them: the number of an encoded item, class:NAME, or the code itself.
    """

    grid: int = Field(20, ge=2, le=40, description="Tiles along each side.")
    columns: int | None = Field(
        None, ge=1, le=200, description="Tiles across, where they are not as many as along each side."
    )
    rows: int | None = Field(
        None, ge=1, le=200, description="Tiles up, where they are not as many as along each side."
    )
    plane: Literal["dimensions", "principal", "through"] = Field(
        "dimensions",
        description=(
            "dimensions: two latent dimensions as they are; principal: the two directions in which the encoded data "
            "vary most; through: the plane of three codes."
        ),
    )
    first: int = Field(
        0, ge=0, lt=MAX_LATENT_DIM, description="Latent dimension across the grid, counted from 0."
    )
    second: int = Field(
        1, ge=0, lt=MAX_LATENT_DIM, description="Latent dimension up the grid, counted from 0."
    )
    through: tuple[str, ...] = Field((), max_length=3, description="Three codes that the plane goes through.")
    base: str | None = Field(
        None,
        max_length=10_000,
        description=(
            "Code that all tiles share but for the plane; if not given, 0 for dimensions and the mean of the encoded "
            "data for principal."
        ),
    )
    spacing: Literal["linear", "quantile"] = Field(
        "linear",
        description=(
            "linear: equal steps; quantile: each tile stands for an equal share of the prior (Kingma & Welling 2014)."
        ),
    )
    extent: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description=(
            "The longer side of the grid reaches as far from its centre to either end; used by linear. If not given, 3 "
            "for dimensions, and for the other planes as far as their codes reach."
        ),
    )
    centre: tuple[float, float] | None = Field(
        None,
        description=(
            "Place in the middle of the grid, u,v: values of the two dimensions, or distances along the plane's axes; "
            "probabilities for quantile. If not given, 0,0; for quantile 0.5,0.5."
        ),
    )
    step: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Distance from a tile to the next, in the units of centre. If not given, what extent asks for.",
    )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows or self.grid, self.columns or self.grid

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.plane == "through" and len(self.through) != 3:
            raise ValueError(f"through names {len(self.through)} codes; a plane goes through three")
        return self


class PathConfig(Config):
    """Which codes a path visits, named as in `GridConfig`, and how it goes from one to the next."""

    ends: tuple[str, ...] = Field(
        min_length=2, max_length=100, description="Codes, in the order of the path."
    )
    path: Literal["linear", "slerp", "geodesic", "data"] = Field(
        "linear",
        description=(
            "linear: the straight line; slerp: an arc about the origin (Shoemake 1985); geodesic: the shortest in what "
            "it changes in the picture (Arvanitidis et al. 2018); data: along encoded data, from neighbour to neighbour."
        ),
    )
    frames: int = Field(60, ge=2, le=10_000, description="Codes on the path, the ends included.")
    equal_steps: bool = Field(
        False, description="Space the codes so that every step changes the picture equally."
    )
    closed: bool = Field(False, description="Go back from the last code to the first.")
    overshoot: float = Field(
        1.0,
        ge=1,
        le=1.5,
        description=(
            "Go on past both ends, up to 1.5 times as far as from one to the other; the codes beyond them add to frames."
        ),
    )
    neighbours: int = Field(
        10, ge=1, le=500, description="Nearest codes that each encoded item is joined to; used by data."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.closed and self.overshoot > 1:
            raise ValueError(
                f"overshoot is {self.overshoot} and closed is on; a closed path has no ends to go past"
            )
        return self


class Experiment(Config):
    """Everything that a training run is made from; what `config.json` in its folder holds."""

    data: DataConfig
    model: ModelConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    compute: ComputeConfig = ComputeConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        kind, objective = self.model.kind, self.objective
        if kind != "vae" and (objective.objective in ("tcvae", "iwae") or objective.free_bits):
            raise ValueError(
                f"kind is {kind}, which has no posterior to spread; {objective.objective} with free_bits = "
                f"{objective.free_bits} takes kind = vae"
            )
        return self


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
