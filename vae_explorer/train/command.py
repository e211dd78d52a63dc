"""An experiment as the command that runs it."""

import shlex
from typing import Any

from vae_core.config import Config, Experiment

DERIVED = ("name", "path", "data_shape")  # said in another way, or found in the data


def command_line(experiment: Experiment, folder: str) -> str:
    """Return the command that trains `experiment` into a run's folder; settings at their defaults are left out."""
    words = ["python", "-m", "vae_core", "train", *_data(experiment)]
    parts = (experiment.data, experiment.model, experiment.objective, experiment.training, experiment.compute)
    for part in parts:
        words += _options(part)
    return " ".join((*map(shlex.quote, words), "--run", shlex.quote(folder)))


def _data(experiment: Experiment) -> list[str]:
    data = experiment.data
    if data.path is None:
        return ["--data", data.name]
    return ["--path", data.path, "--data", data.name]


def _options(part: Config) -> list[str]:
    words = []
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name not in DERIVED and value != field.default:
            words += ["--" + name.replace("_", "-"), _text(value)]
    return words


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
