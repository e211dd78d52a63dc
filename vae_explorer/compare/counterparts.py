"""The models that a comparison wants beside one of them: on the same data, as wide, made and trained as it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vae_core.checkpoint import Description
from vae_core.config import Experiment, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_explorer.compare.kinds import kind_name
from vae_explorer.train.form import architectures, likelihoods, suggested_hidden
from vae_explorer.train.presets import PRESETS

BETA = 4.0
NOISE = 0.3  # standard deviation, where pixels are from 0 to 1

Made = tuple[ModelConfig, ObjectiveConfig]  # what decides which counterpart a model is


@dataclass(frozen=True)
class Counterpart:
    """One that is not there yet: what people call it, and what trains it."""

    name: str
    experiment: Experiment


def missing(like: Description, there: Iterable[Made]) -> list[Counterpart]:
    """Return the counterparts of a model that are not among `there`, as PCA, linear AE, AE, denoising AE, VAE, beta-VAE.

    They have its data, latent width, networks and training; the linear autoencoder learns as its preset does, which
    takes it all the way to the principal components.
    """
    there = [each for each in there if each[0].latent_dim == like.model.latent_dim]
    found = []
    for is_one, make in _KINDS:
        if not any(is_one(*each) for each in there):
            experiment = make(like)
            found.append(Counterpart(kind_name(experiment.model, experiment.objective), experiment))
    return found


def with_betas(like: Description, betas: Iterable[float], there: Iterable[Made]) -> list[Counterpart]:
    """Return the VAEs with these weights of the KL term that are not among `there`; 0 stands for the autoencoder."""
    weights = [weight for each in there if (weight := beta_of(*each, like=like)) is not None]
    found = []
    for beta in betas:
        if beta not in weights:
            experiment = _curved(like, "vae", beta=beta) if beta else _curved(like, "autoencoder")
            found.append(Counterpart(kind_name(experiment.model, experiment.objective), experiment))
    return found


def beta_of(model: ModelConfig, objective: ObjectiveConfig, like: Description) -> float | None:
    """Return the weight of the KL term of a model as wide as `like`, 0 of an autoencoder; None of other kinds."""
    if model.latent_dim != like.model.latent_dim:
        return None
    if _is_autoencoder(model, objective):
        return 0.0
    return objective.beta if _is_curved(model, objective, "vae") else None


# --- what tells them apart ----------------------------------------------------------------------------------------


def _is_pca(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return model.kind == "pca"


def _is_linear(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return model.kind == "autoencoder" and model.architecture == "linear"


def _is_autoencoder(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return _is_curved(model, objective, "autoencoder") and objective.noise == 0


def _is_denoising(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return _is_curved(model, objective, "autoencoder") and objective.noise > 0


def _is_vae(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return _is_curved(model, objective, "vae") and objective.beta == 1


def _is_beta_vae(model: ModelConfig, objective: ObjectiveConfig) -> bool:
    return _is_curved(model, objective, "vae") and objective.beta > 1


def _is_curved(model: ModelConfig, objective: ObjectiveConfig, kind: str) -> bool:
    return model.kind == kind and model.architecture != "linear" and objective.objective == "elbo"


# --- how each is trained ------------------------------------------------------------------------------------------


def _pca(like: Description) -> Experiment:
    model = _straight(like, kind="pca", architecture="mlp")
    return Experiment(data=like.data, model=model, training=like.training)


def _linear(like: Description) -> Experiment:
    preset = next(each.settings for each in PRESETS if each.settings.get("architecture") == "linear")
    kept = {name: value for name, value in preset.items() if name in TrainingConfig.model_fields}
    # On few examples an epoch has few steps, so that the preset's are not enough of them.
    kept["epochs"] = max(kept["epochs"], like.training.epochs)
    training = like.training.model_copy(update=kept | {"averaging": 0.0, "patience": 0})
    model = _straight(like, kind="autoencoder", architecture="linear")
    return Experiment(data=like.data, model=model, training=training)


def _straight(like: Description, **given: Any) -> ModelConfig:
    return ModelConfig(
        data_shape=like.model.data_shape,
        latent_dim=like.model.latent_dim,
        hidden=(),
        likelihood="gaussian",
        **given,
    )


def _curved(like: Description, kind: str, **objective: Any) -> Experiment:
    """The networks of `like`, or those that suit the data where it has none."""
    shape, model = like.model.data_shape, like.model
    settings = model.model_dump() | {"kind": kind}
    if model.kind == "pca" or model.architecture == "linear":
        best = architectures(shape)[0]
        hidden = tuple(int(part) for part in suggested_hidden(best, shape).split(","))
        settings |= {"architecture": best, "hidden": hidden, "likelihood": likelihoods(kind, shape)[0]}
    return Experiment(
        data=like.data,
        model=ModelConfig(**settings),
        objective=ObjectiveConfig(**objective),
        training=like.training,
    )


_KINDS: tuple[
    tuple[Callable[[ModelConfig, ObjectiveConfig], bool], Callable[[Description], Experiment]], ...
] = (
    (_is_pca, _pca),
    (_is_linear, _linear),
    (_is_autoencoder, lambda like: _curved(like, "autoencoder")),
    (_is_denoising, lambda like: _curved(like, "autoencoder", noise=NOISE)),
    (_is_vae, lambda like: _curved(like, "vae")),
    (_is_beta_vae, lambda like: _curved(like, "vae", beta=BETA)),
)
