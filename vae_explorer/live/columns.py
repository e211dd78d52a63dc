"""The maps that pages show, and their columns as they travel: a map by its id, shared by the whole process. Imports torch."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from vae_core import maps
from vae_core.data import Dataset, Split
from vae_core.errors import MapError
from vae_core.evaluation.encoding import encode
from vae_core.maps import Map
from vae_explorer import library
from vae_explorer.library import OpenModel
from vae_explorer.live.splits import split

MAX_SHOWN = 16  # maps that can be asked about; the one used longest ago goes first


@dataclass(frozen=True, eq=False)
class Shown:
    """A map on some page, and the model that it is of."""

    id: str
    map: Map
    opened: OpenModel

    @cached_property
    def error(self) -> Float32[np.ndarray, " n"]:
        """Squared error per pixel of every example shown; worked out when first wanted."""
        column = self.map.columns.get("error")
        if column is not None:
            return np.asarray(column)
        dataset = split(self.opened.checkpoint.description.data, "held-out")
        encoded = encode(self.opened.checkpoint.model, dataset)
        rows = rows_of(dataset, np.asarray(self.map.columns["index"]))
        values = np.where(rows >= 0, encoded.error.numpy()[rows], np.nan)
        return values.astype(np.float32)

    @property
    def has_error(self) -> bool:
        asked = self.map.info.config.source
        return "error" in self.map.columns or (asked == "reference" and self.has_originals)

    @property
    def has_originals(self) -> bool:
        """Whether the example behind each point can be shown; a draw is behind none. Data may be fetched meanwhile."""
        source = self.map.info.config.source
        return source != "draws" and "index" in self.map.columns and library.data_here(self.opened)

    @property
    def split(self) -> Split:
        return "train" if self.map.info.config.source == "train" else "held-out"

    def labels(self) -> Shaped[np.ndarray, " n"] | None:
        return self.map.columns.get("label")


_shown: OrderedDict[str, Shown] = OrderedDict()
_lock = threading.Lock()


def publish(found: Map, opened: OpenModel) -> Shown:
    """Make a map known to the routes; return it under its id."""
    map_id = maps.key(opened.id, found.info.config, opened.checkpoint.description.data)
    with _lock:
        held = _shown.get(map_id)
        # The same model may have been sent before; only a file of this machine may say where its data are.
        if held is None or (opened.local and not held.opened.local):
            _shown[map_id] = Shown(map_id, found, opened)
        _shown.move_to_end(map_id)
        while len(_shown) > MAX_SHOWN:
            _shown.popitem(last=False)
        return _shown[map_id]


def find(map_id: str) -> Shown:
    """Return the map with that id.

    Raises:
        MapError: no page has shown it lately.
    """
    with _lock:
        found = _shown.get(map_id)
    if found is None:
        raise MapError("This map is not open any more; reload the page.")
    return found


def types(shown: Shown) -> dict[str, dict[str, str]]:
    """The columns of a map and the type of their numbers, as the browser names it."""
    held = {"xy": shown.map.xy, "codes": shown.map.codes, **shown.map.columns}
    found = {name: {"type": str(values.dtype)} for name, values in held.items()}
    return found | ({"error": {"type": "float32"}} if shown.has_error else {})


def column(shown: Shown, name: str) -> bytes:
    """A column as it travels: little-endian, row after row."""
    if name not in types(shown):
        raise MapError(f"This map has no column {name[:40]!r}; use one of {', '.join(types(shown))}.")
    if name == "error":
        return shown.error.astype("<f4").tobytes()
    values = {"xy": shown.map.xy, "codes": shown.map.codes, **shown.map.columns}[name]
    return np.ascontiguousarray(values).tobytes()


def rows_of(dataset: Dataset, indices: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    """Where the examples with these indices are in a split; -1 for those that are not."""
    known = dataset.indices.numpy()
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known, indices, sorter=order), len(known) - 1)
    return np.where(known[order[at]] == indices, order[at], -1)
