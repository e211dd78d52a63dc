"""Settings are checked at birth, never change, and come back from JSON as they were."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vae_core.config import (
    ComputeConfig,
    Config,
    DataConfig,
    Experiment,
    ModelConfig,
    ObjectiveConfig,
    ProjectionConfig,
    TrainingConfig,
)
from vae_core.errors import ConfigError

IMAGE = {"data_shape": (1, 28, 28)}
CONFIGS = (DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig, ComputeConfig, ProjectionConfig)
DEFAULTS = (
    DataConfig(),
    ModelConfig(**IMAGE),
    ObjectiveConfig(),
    TrainingConfig(),
    ComputeConfig(),
    ProjectionConfig(),
)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def model_configs(draw: st.DrawFn) -> ModelConfig:
    architecture = draw(st.sampled_from(["mlp", "conv"]))
    shape = (draw(st.sampled_from([1, 3])), draw(st.integers(8, 64)), draw(st.integers(8, 64)))
    depth = (
        st.integers(1, 8)
        if architecture == "mlp"
        else st.integers(2, min(5, int(math.log2(min(shape[1:]))) + 1))
    )
    return ModelConfig(
        kind=draw(st.sampled_from(["vae", "autoencoder"])),
        data_shape=shape,
        latent_dim=draw(st.integers(1, 256)),
        architecture=architecture,
        hidden=tuple(draw(st.integers(1, 4096)) for _ in range(draw(depth))),
        likelihood=draw(
            st.sampled_from(["bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal"])
        ),
        variance=draw(st.floats(0, 100, exclude_min=True)),
    )


@st.composite
def configs(draw: st.DrawFn) -> Config:
    sizes = st.none() | st.integers(1, 10_000_000)
    return draw(
        st.one_of(
            model_configs(),
            st.builds(
                DataConfig,
                name=st.text(min_size=1, max_size=64),
                path=st.none() | st.text(max_size=80),
                split_seed=SEEDS,
                train_size=sizes,
                held_out_size=sizes,
                side=st.none() | st.integers(8, 64),
                resize=st.sampled_from(["crop", "pad", "stretch"]),
            ),
            st.builds(
                ObjectiveConfig,
                objective=st.sampled_from(["elbo", "tcvae", "mmd", "iwae"]),
                beta=st.floats(0, 1000),
                warmup_epochs=st.integers(0, 100_000),
                noise=st.floats(0, 10),
            ),
            st.builds(ObjectiveConfig, cycles=st.integers(0, 1000), free_bits=st.floats(0, 100)),
            st.builds(
                ComputeConfig,
                devices=st.integers(1, 1024),
                precision=st.sampled_from(["auto", "32-true", "bf16-mixed"]),
                compile=st.sampled_from(["auto", "on", "off"]),
            ),
            st.builds(
                ProjectionConfig,
                method=st.sampled_from(["plane", "pca", "umap", "tsne"]),
                first=st.integers(0, 255),
                neighbours=st.integers(2, 500),
                min_dist=st.floats(0, 1),
                metric=st.sampled_from(["euclidean", "cosine", "manhattan"]),
                perplexity=st.floats(1, 300),
                seed=SEEDS,
            ),
            st.builds(
                TrainingConfig,
                epochs=st.integers(1, 100_000),
                batch_size=st.integers(1, 1_000_000),
                learning_rate=st.floats(0, 1, exclude_min=True),
                schedule=st.sampled_from(["constant", "cosine"]),
                averaging=st.floats(0, 1, exclude_max=True),
                seed=SEEDS,
            ),
        )
    )


def complaint(config: type[Config], **values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(**values)
    return str(caught.value)


@given(configs())
def test_a_config_comes_back_from_json_as_it_was(config):
    again = type(config).from_json(config.to_json())
    assert again == config
    assert json.loads(config.to_json()).keys() == type(config).model_fields.keys()


@pytest.mark.parametrize("config", DEFAULTS, ids=lambda c: type(c).__name__)
def test_no_field_can_be_set_afterwards(config):
    for name in type(config).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config, name, getattr(config, name))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_says_what_it_is(config):
    for name, field in config.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize("config", CONFIGS)
def test_an_unknown_field_is_named(config):
    required = IMAGE if config is ModelConfig else {}
    message = complaint(config, **required, latent_dims=3)
    assert "latent_dims" in message
    assert config.__name__ in message


REFUSED = [
    (DataConfig, "name", "x" * 65),
    (DataConfig, "name", 7),
    (DataConfig, "split_seed", -1),
    (DataConfig, "split_seed", 2**32),
    (DataConfig, "train_size", 0),
    (DataConfig, "held_out_size", 0),
    (DataConfig, "held_out_size", 10_000_001),
    (DataConfig, "train_size", "many"),
    (ModelConfig, "kind", "gan"),
    (ModelConfig, "data_shape", (1, 7)),
    (ModelConfig, "data_shape", (65, 28)),
    (ModelConfig, "data_shape", (0,)),
    (ModelConfig, "data_shape", (4097,)),
    (ModelConfig, "data_shape", ()),
    (ModelConfig, "data_shape", (1, 1, 28, 28)),
    (ModelConfig, "data_shape", (2, 28, 28)),
    (ModelConfig, "data_shape", (1, 7, 28)),
    (ModelConfig, "data_shape", (1, 28, 65)),
    (ModelConfig, "data_shape", None),
    (ModelConfig, "latent_dim", 0),
    (ModelConfig, "latent_dim", 257),
    (ModelConfig, "latent_dim", 2.5),
    (ModelConfig, "latent_dim", [2]),
    (ModelConfig, "architecture", "transformer"),
    (ModelConfig, "hidden", ()),
    (ModelConfig, "hidden", (8,) * 9),
    (ModelConfig, "hidden", (8, 0)),
    (ModelConfig, "hidden", (4097,)),
    (ModelConfig, "hidden", 8),
    (ModelConfig, "likelihood", "poisson"),
    (ModelConfig, "variance", 0.0),
    (ModelConfig, "variance", 100.5),
    (ModelConfig, "variance", math.nan),
    (ObjectiveConfig, "beta", -0.1),
    (ObjectiveConfig, "beta", 1000.1),
    (ObjectiveConfig, "beta", math.inf),
    (ObjectiveConfig, "warmup_epochs", -1),
    (ObjectiveConfig, "objective", "gan"),
    (ObjectiveConfig, "cycles", -1),
    (ObjectiveConfig, "free_bits", -0.5),
    (ObjectiveConfig, "samples", 0),
    (ObjectiveConfig, "noise", -1.0),
    (ComputeConfig, "devices", 0),
    (ComputeConfig, "precision", "16-mixed"),
    (DataConfig, "name", ""),
    (DataConfig, "side", 7),
    (DataConfig, "window", 7),
    (TrainingConfig, "patience", -1),
    (TrainingConfig, "epochs", 0),
    (TrainingConfig, "epochs", None),
    (TrainingConfig, "batch_size", 0),
    (TrainingConfig, "learning_rate", 0.0),
    (TrainingConfig, "learning_rate", 1.5),
    (TrainingConfig, "learning_rate", "fast"),
    (TrainingConfig, "schedule", "step"),
    (TrainingConfig, "averaging", 1.0),
    (TrainingConfig, "averaging", math.nan),
    (TrainingConfig, "seed", -1),
    (ProjectionConfig, "method", "isomap"),
    (ProjectionConfig, "first", -1),
    (ProjectionConfig, "second", 256),
    (ProjectionConfig, "neighbours", 1),
    (ProjectionConfig, "min_dist", 1.5),
    (ProjectionConfig, "metric", "hamming"),
    (ProjectionConfig, "perplexity", math.nan),
    (ProjectionConfig, "seed", -1),
]


@pytest.mark.parametrize(("config", "field", "value"), REFUSED)
def test_a_bad_value_is_one_sentence_that_names_class_field_and_value(config, field, value):
    required = IMAGE if config is ModelConfig else {}
    message = complaint(config, **(required | {field: value}))
    assert message.startswith(f"{config.__name__}: {field}")
    if field != "data_shape":  # whose complaints name the part that is wrong
        assert str(value)[:50] in message
    assert message.endswith(".")
    assert not message.endswith("..")
    assert "\n" not in message


def test_a_missing_field_is_called_missing():
    message = complaint(ModelConfig)
    assert "data_shape" in message
    assert "missing" in message.lower() or "required" in message.lower()
    assert "{}" not in message  # nobody gave {}


@pytest.mark.parametrize("side", [8, 9, 15, 16, 31, 32, 64])
def test_conv_takes_no_more_halvings_than_the_image_has(side):
    shape = (1, side, 64)
    most = min(4, int(math.log2(side)))  # channel counts, before the dense width
    ModelConfig(data_shape=shape, architecture="conv", hidden=(4,) * (most + 1))
    message = complaint(ModelConfig, data_shape=shape, architecture="conv", hidden=(4,) * (most + 2))
    assert "hidden" in message


def test_conv_needs_a_channel_count_and_a_dense_width():
    assert "hidden" in complaint(ModelConfig, **IMAGE, architecture="conv", hidden=(8,))


TOGETHER = [
    (ModelConfig, {"data_shape": (4,), "architecture": "conv", "likelihood": "gaussian"}, "no order"),
    (ModelConfig, {"data_shape": (4,)}, "likelihood"),
    (ModelConfig, {"data_shape": (2, 64), "likelihood": "continuous-bernoulli"}, "likelihood"),
    (ModelConfig, {**IMAGE, "kind": "pca"}, "pca takes gaussian"),
    (
        ModelConfig,
        {"data_shape": (4,), "kind": "pca", "likelihood": "gaussian", "latent_dim": 5},
        "latent_dim is 5",
    ),
    (ObjectiveConfig, {"warmup_epochs": 3, "cycles": 2}, "warmup_epochs"),
    (ObjectiveConfig, {"objective": "iwae", "free_bits": 0.5}, "free_bits"),
]


@pytest.mark.parametrize(("config", "values", "said"), TOGETHER)
def test_settings_that_contradict_each_other_are_refused(config, values, said):
    assert said in complaint(config, **values)


@pytest.mark.parametrize("kind", ["autoencoder", "pca"])
@pytest.mark.parametrize("objective", [{"objective": "tcvae"}, {"objective": "iwae"}, {"free_bits": 1.0}])
def test_what_needs_a_posterior_takes_a_vae(kind, objective):
    def experiment(kind):
        model = ModelConfig(**IMAGE, kind=kind, likelihood="gaussian")
        return Experiment(data=DataConfig(), model=model, objective=ObjectiveConfig(**objective))

    assert experiment("vae").objective == ObjectiveConfig(**objective)
    with pytest.raises(ConfigError, match="takes kind = vae"):
        experiment(kind)


def test_an_experiment_comes_back_from_json_as_it_was():
    made = Experiment(
        data=DataConfig(path="photos.zip", name="photos"),
        model=ModelConfig(**IMAGE, hidden=(8, 16), architecture="conv"),
        objective=ObjectiveConfig(objective="tcvae", beta=6),
        training=TrainingConfig(patience=4),
        compute=ComputeConfig(devices=2),
    )
    assert Experiment.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "3",
        "null",
        '"epochs"',
        "[" * 100_000,
        '{"epochs": 1' + "0" * 5000 + "}",
        '{"self": 1}',
        '{"seed": NaN}',
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.parametrize("config", CONFIGS)
def test_text_that_holds_no_such_config_is_a_config_error(config, text):
    with pytest.raises(ConfigError) as caught:
        config.from_json(text)
    assert config.__name__ in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    st.lists,
)


@given(JSON)
def test_any_json_for_a_field_is_a_valid_value_or_a_config_error(value):
    for config in CONFIGS:
        for field in config.model_fields:
            text = json.dumps((IMAGE if config is ModelConfig else {}) | {field: value})
            try:
                read = config.from_json(text)
            except ConfigError:
                with pytest.raises(ConfigError, match=field):
                    config.from_json(text)
            else:
                assert config.from_json(read.to_json()) == read
