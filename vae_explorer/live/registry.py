"""Which models the socket may decode with: known by id only, shared by the whole process.

Streamlit's script threads register the model a page shows; the event loop looks it up for each
request. Streamlit runs page scripts again and again but imports this module once, so the registry
outlives every script run.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from vae_explorer.live.protocol import Encoded, Item, Measure, Measured

__all__ = [
    "MAX_MODELS",
    "Encoded",
    "Item",
    "LiveModel",
    "Measure",
    "Measured",
    "Registry",
    "Resolver",
    "get",
    "register",
    "resolve",
    "set_resolver",
]

MAX_MODELS = 32  # a few megabytes of weights each; the one used longest ago goes first

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class LiveModel:
    """What the socket needs of a model.

    `id` is the first 16 hex digits of the checkpoint's id. `decode` takes codes (B, latent_dim) and
    returns uint8 images (B, H, W, C) with C = 1 or 3; `encode` takes one uint8 picture (H, W, C) of any
    size, fits it to the model's data and returns its posterior, or is None for a model with no encoder.
    `item` takes a class (-1: any) and a number n and returns the nth encoded example of that class, or is
    None for a model that came without encoded data. `measure` takes a measure and the rows of its request
    and returns its figures; a measure that the model lacks raises an `ExplorerError`.
    `local` says that it is a file of this machine, and not one that somebody sent.

    `decode` and `encode` are called from one worker thread, one call at a time, `item` from another, and
    `measure` from a third while they run; all with arrays that are theirs to write to.
    """

    id: str
    latent_dim: int
    decode: Callable[[Float32[np.ndarray, "batch dim"]], UInt8[np.ndarray, "batch height width channels"]]
    encode: Callable[[UInt8[np.ndarray, "height width channels"]], Encoded] | None = None
    item: Callable[[int, int], Item] | None = None
    measure: Callable[[Measure, Float32[np.ndarray, "count dim"]], Measured] | None = None
    local: bool = False


Resolver = Callable[[str], LiveModel | None]


class Registry:
    """A bounded, thread-safe table of live models; the one used longest ago is forgotten first."""

    def __init__(self, size: int = MAX_MODELS) -> None:
        self._size = size
        self._models: OrderedDict[str, LiveModel] = OrderedDict()
        self._resolver: Resolver | None = None
        self._lock = threading.Lock()
        self._resolving = threading.Lock()

    def register(self, model_id: str, model: LiveModel) -> None:
        """Make `model` known under `model_id`, replacing what had that id; call it from any thread.

        Raises `ValueError` for an id that is not 16 lowercase hex digits, or is not the model's own.
        """
        if not _ID.fullmatch(model_id) or model.id != model_id:
            raise ValueError(
                f"model_id = {model_id!r} must be 16 lowercase hex digits and equal model.id = {model.id!r}."
            )
        with self._lock:
            self._models[model_id] = model
            self._models.move_to_end(model_id)
            while len(self._models) > self._size:
                self._models.popitem(last=False)

    def get(self, model_id: str) -> LiveModel | None:
        """Return the model with that id, or None; never waits for a model to load."""
        with self._lock:
            model = self._models.get(model_id)
            if model is not None:
                self._models.move_to_end(model_id)
            return model

    def set_resolver(self, resolver: Resolver | None) -> None:
        """Say how an id nobody has registered is looked up, such as after a restart; None for not at all."""
        self._resolver = resolver

    def resolve(self, model_id: str) -> LiveModel | None:
        """Return the model with that id, asking the resolver where nobody has registered it.

        It may read a file, so call it from a worker thread. Several threads asking at once load a model once.
        """
        with self._resolving:
            model = self.get(model_id)
            if model is None and self._resolver is not None:
                model = self._resolver(model_id)
                if model is not None:
                    self.register(model_id, model)
            return model


_SHARED = Registry()
register = _SHARED.register
get = _SHARED.get
resolve = _SHARED.resolve
set_resolver = _SHARED.set_resolver
