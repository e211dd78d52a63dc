"""What the browser is told of the maps on screen. Imports torch, so `vae_explorer.map.routes` imports it at the first request."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from vae_core.errors import DataError, DataNotFound, GroupError, MapError
from vae_core.latent import density, groups
from vae_core.latent.faithfulness import Faithfulness, faithfulness
from vae_core.models.rendering import pictures
from vae_explorer.live.columns import Shown, find, rows_of
from vae_explorer.live.splits import split

PER_CLASS, LONELY = 4, 24  # points in a list of the worst
DENSITY_PAIRS = 5_000_000_000  # distances looked at for the outliers of a map: seconds
FAITHFUL_SAMPLE = 500  # points whose neighbourhoods tell how faithful a map is, where it was made at once


def original(shown: Shown, point: int) -> UInt8[np.ndarray, "height width channels"]:
    """The example behind a point, as people see it.

    Raises:
        DataNotFound: there is none on this machine.
    """
    if not shown.has_originals:
        raise DataNotFound(
            "The data behind this map are not on this machine; fetch them to see the originals."
        )
    if point >= len(shown.map):
        raise GroupError(f"point = {point} is not there: choose one from 0 to {len(shown.map) - 1}.")
    dataset = split(shown.opened.checkpoint.description.data, shown.split)
    row = int(rows_of(dataset, np.asarray(shown.map.columns["index"][point : point + 1]))[0])
    if row < 0 or tuple(dataset.examples.shape[1:]) != shown.opened.checkpoint.model.data_shape:
        raise DataError(f"Point {point} is not among the {shown.split} data here, which have changed since.")
    found: UInt8[np.ndarray, "height width channels"] = pictures(dataset.examples[row : row + 1])[0]
    return found


def summary(shown: Shown, body: bytes) -> dict[str, Any]:
    """What a group of points has in common."""
    first, _ = _groups(body)
    labels = shown.labels()
    found = groups.summarise(shown.map.codes, labels, first, "the selection")
    return {
        "count": found.count,
        "classes": [found.classes.get(label, 0) for label in range(len(shown.map.info.class_names))],
        "mean": found.mean.tolist(),
        "deviation": found.deviation.tolist(),
        "radius": found.spread,
    }


def attribute(shown: Shown, body: bytes) -> dict[str, Any]:
    """The direction from the second group to the first, beside what chance gives."""
    found = groups.attribute(shown.map.codes, *_groups(body))
    return {
        "vector": found.vector.tolist(),
        "length": found.length,
        "effect": found.effect,
        "null_length": found.null_length,
        "p_value": found.p_value,
        "smallest_p": 1 / 201,
    }


def inverse(shown: Shown, x: float, y: float) -> dict[str, Any]:
    """The code that UMAP's own inverse finds behind a place, and whether it found one there."""
    if shown.map.info.config.projection.method != "umap":
        raise MapError(
            "Only UMAP has an inverse of its own to ask; other maps say the code behind a place at once."
        )
    codes, found = shown.map.projection.invert(np.array([[x, y]], np.float32))
    return {"code": codes[0].tolist(), "inside": bool(found[0])}


def faithful(shown: Shown) -> dict[str, Any]:
    """How much of a map to believe; estimated from some of its points."""
    found = _faithfulness(shown.id)
    return {"trustworthiness": found.trustworthiness, "continuity": found.continuity, "rows": found.rows}


@lru_cache(maxsize=32)
def _faithfulness(map_id: str) -> Faithfulness:
    shown = find(map_id)
    return faithfulness(shown.map.codes, shown.map.xy, sample=FAITHFUL_SAMPLE)


def worst(shown: Shown) -> list[dict[str, Any]]:
    """The points with the largest reconstruction error, some of each class."""
    if not shown.has_error:
        raise DataNotFound("Reconstruction errors need the data, which are not on this machine; fetch them.")
    known = np.nan_to_num(shown.error, nan=-1.0)
    ranked = density.worst(known, shown.labels(), PER_CLASS if shown.labels() is not None else LONELY)
    return [
        _listed(shown, int(i), f"squared error {known[i]:.4f}")
        for points in ranked.values()
        for i in points
        if known[i] >= 0
    ]


def outliers(shown: Shown) -> list[dict[str, Any]]:
    """The points in the emptiest surroundings of the latent space."""
    if len(shown.map) < 2:
        raise GroupError("One point has no neighbours that it could stand out from; show more points.")
    found = _log_density(shown.id)
    ranked = density.worst(-found, None, LONELY)[None]
    return [_listed(shown, int(i), f"log density {found[i]:.1f} nats") for i in ranked]


def table(shown: Shown, suffix: str) -> tuple[str, bytes]:
    """All points with their codes and what is known of them, as a file; return its name and content."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    info, held = shown.map.info, dict(shown.map.columns)
    columns: dict[str, Any] = {"point": np.arange(len(shown.map))}
    columns |= {name: shown.map.xy[:, i] for i, name in enumerate(("x", "y"))}
    columns |= {f"z{d + 1}": shown.map.codes[:, d] for d in range(info.latent_dim)}
    if "label" in held:
        names = np.array([*info.class_names, ""], dtype=object)  # -1: none
        columns["label"] = names[held.pop("label")]
    if "factors" in held:
        factors = held.pop("factors")
        columns |= {name: factors[:, i] for i, name in enumerate(info.factor_names)}
    if "log_variance" in held:
        variance = held.pop("log_variance")
        columns |= {f"log_variance{d + 1}": variance[:, d] for d in range(info.latent_dim)}
    made = pa.table({name: pa.array(np.asarray(values)) for name, values in (columns | held).items()})
    content = io.BytesIO()
    if suffix == "csv":
        csv.write_csv(made, content)
    else:
        parquet.write_table(made, content)
    return f"{shown.opened.name.replace('/', '-')}-{info.config.projection.method}", content.getvalue()


@lru_cache(maxsize=2)
def _log_density(map_id: str) -> Shaped[np.ndarray, " n"]:
    codes = find(map_id).map.codes
    among = max(DENSITY_PAIRS // len(codes), density.NEIGHBOURS + 1)
    if among < len(codes):  # neighbours are looked for among a sample, so that a million points take seconds
        sample = np.random.default_rng(0).choice(len(codes), among, replace=False)
        return density.log_density(codes[sample], codes)
    return density.log_density(codes, k=min(density.NEIGHBOURS, len(codes) - 1))


def _groups(body: bytes) -> tuple[Int64[np.ndarray, " a"], Int64[np.ndarray, " b"]]:
    """Two groups of points from a request: their first one's count, then all numbers."""
    numbers = np.frombuffer(body, "<u4").astype(np.int64)
    count = int(numbers[0])
    if count > len(numbers) - 1:
        raise GroupError(
            f"The first group has {count} points, but {len(numbers) - 1} were sent; select it again."
        )
    return numbers[1 : 1 + count], numbers[1 + count :]


def _listed(shown: Shown, point: int, words: str) -> dict[str, Any]:
    labels = shown.labels()
    return {"i": point, "label": -1 if labels is None else int(labels[point]), "words": words}
