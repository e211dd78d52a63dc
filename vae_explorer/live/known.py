"""The models that every route may be asked about, by id: one table for the whole process.

A page makes the models it shows known (`vae_explorer.live.models.publish`). What nobody has shown since the server started is
looked for among the files of this machine, so that a page that was open before goes on.
"""

import threading
from collections import OrderedDict
from typing import Any

from vae_core.errors import ConfigError
from vae_explorer import library
from vae_explorer.library import OpenModel

MAX_KNOWN = 16  # the one used longest ago goes first; one of this machine is found again

_known: OrderedDict[str, OpenModel] = OrderedDict()
_lock = threading.Lock()


def add(opened: OpenModel) -> OpenModel:
    """Make a model known, and return what is known by its id from now on.

    That is this machine's own file where somebody has sent a copy of it: only such a file may say where its data are,
    and nobody else should see it change.
    """
    if not opened.local:
        opened = library.by_id(opened.id) or opened
    with _lock:
        held = _known.get(opened.id)
        if held is None or opened.local or not held.local:
            _known[opened.id] = opened
        _known.move_to_end(opened.id)
        while len(_known) > MAX_KNOWN:
            _known.popitem(last=False)
        return _known[opened.id]


def look_up(model_id: str) -> OpenModel | None:
    """Return the model with that id: one that a page has shown, or a file of this machine, which it then reads."""
    with _lock:
        found = _known.get(model_id)
        if found is not None:
            _known.move_to_end(model_id)
            return found
    on_disk = library.by_id(model_id)
    return None if on_disk is None else add(on_disk)


def find(model_id: Any) -> OpenModel:
    """Return the model with that id, which a browser sent.

    Raises:
        ConfigError: no page has shown it lately, and it is no file of this machine.
    """
    found = look_up(model_id) if isinstance(model_id, str) else None
    if found is None:
        raise ConfigError("This model is not open any more; reload the page, or open its file again.")
    return found


def forget() -> None:
    """Know no model, as after a start."""
    with _lock:
        _known.clear()
