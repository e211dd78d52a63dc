"""What was asked, so that the same question finds the same map again."""

import hashlib
import json
import os
from pathlib import Path

from vae_core.config import DataConfig, MapConfig, ProjectionConfig
from vae_core.errors import CheckpointError

FORMAT = 1  # of a map's folder, and of how maps are made; another number makes every map anew
MAX_AT_ONCE = 1_000_000  # draws

# Options of the command line that are not called as their fields are.
OPTIONS = {"method": "projection"}

# Fields that a method does not look at; any other field tells two maps apart.
_IDLE: dict[str, tuple[str, ...]] = {
    "plane": ("neighbours", "min_dist", "metric", "perplexity", "seed"),
    "pca": ("first", "second", "neighbours", "min_dist", "metric", "perplexity", "seed"),
    "umap": ("first", "second", "perplexity"),
    "tsne": ("first", "second", "min_dist", "metric"),
}


def plain(config: MapConfig) -> MapConfig:
    """Return the same question with every field that does not matter to it at its default."""
    asked, projection = config.model_dump(), config.projection.model_dump()
    for name in _IDLE[config.projection.method]:
        del projection[name]
    if config.source != "draws":
        del asked["count"], asked["seed"]
    return MapConfig(**(asked | {"projection": ProjectionConfig(**projection)}))


def is_instant(config: MapConfig) -> bool:
    """Whether `make` answers at once: a plane or PCA of codes that need no encoding."""
    quick = config.projection.method in ("plane", "pca")
    return quick and (
        config.source == "reference" or (config.source == "draws" and config.count <= MAX_AT_ONCE)
    )


def key(checkpoint_id: str, config: MapConfig, data: DataConfig) -> str:
    """Return 32 hex digits that belong to this map: the same for the same question, others for any other.

    Args:
        checkpoint_id: of the model that encodes.
        config: which points, and how they are laid out.
        data: the data of the checkpoint; looked at where the map shows a split of them.

    Raises:
        CheckpointError: the model was never saved, so nothing tells it from others.
    """
    if not checkpoint_id:
        raise CheckpointError(
            "This model has no id, by which its maps are kept; save it as a checkpoint first."
        )
    split = config.source in ("train", "held-out")
    asked = {
        "format": FORMAT,
        "checkpoint": checkpoint_id,
        "config": plain(config).model_dump(),
        "data": [data.model_dump(), _contents(data.path)] if split else None,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def _contents(path: str | None) -> str:
    """Stand for the bytes of own data by names, sizes and times; data known by name never change."""
    if path is None:
        return ""
    top = Path(path).expanduser()
    digest = hashlib.sha256()
    files = (
        [top] if top.is_file() else sorted(Path(at, name) for at, _, names in os.walk(top) for name in names)
    )
    for file in files:
        try:
            found = file.stat()
            digest.update(f"{file.name}\0{file.parent}\0{found.st_size} {found.st_mtime_ns}\n".encode())
        except (OSError, UnicodeEncodeError):  # a name that is not text, a link to nowhere
            digest.update(os.fsencode(file))
    return digest.hexdigest()


def arguments(config: MapConfig) -> list[str]:
    """Return the options of `python -m vae_core map` that ask the same."""
    asked = {**config.model_dump(exclude={"projection", "seed"}), "draw_seed": config.seed}
    asked |= {OPTIONS.get(name, name): value for name, value in config.projection.model_dump().items()}
    return [text for name, value in asked.items() for text in (f"--{name.replace('_', '-')}", str(value))]
