"""Other models of the same data, and the headline figures that are stored in their files."""

import math
from typing import Any

from vae_core.config import DataConfig
from vae_explorer import library
from vae_explorer.library import OpenModel

FIGURES = ("continuity", "completeness")
MOST = 6  # that are shown; bundled ones come first


def peers(opened: OpenModel) -> list[dict[str, Any]]:
    """Return {"name", "continuity", "completeness"} of models of the same held-out data, at most `MOST` of them.

    Only models with at least one stored figure, in [0, 1], are there; a figure that is not stored is None. Of each
    file the header is read, once for as long as the file does not change.
    """
    data, found = _held_out(opened.checkpoint.description.data), []
    for name, path in library.models().items():
        known = None if name == opened.name else library.described(path)
        if known is None or _held_out(known.data) != data:
            continue
        figures = {figure: _share(known.evaluation.get(figure)) for figure in FIGURES}
        if any(value is not None for value in figures.values()):
            found.append({"name": name} | figures)
    return found[:MOST]


def _held_out(config: DataConfig) -> DataConfig:
    """What tells held-out data apart: how many examples were trained on does not."""
    return config.model_copy(update={"train_size": None})


def _share(value: Any) -> float | None:
    """A figure from a file, which may hold anything."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) and 0 <= value <= 1 else None
