"""Maps of encoded data: made at once or by a process of its own, kept on disk by what was asked.

    from vae_core import maps

    found = maps.make(checkpoint, config)        # a latent plane or PCA of the checkpoint's codes: at once
    folder = maps.start(path, config)            # everything else: a process of its own
    maps.sentence(maps.status(folder))           # what it is doing, and how long that may take
    found = maps.open_map(folder)                # once it is finished
    found.xy, found.codes, found.columns["kl"]

`<cache>/maps/<key>/` holds a finished map and appears as a whole or not at all; `.<key>.work/` beside it holds what the
process that makes it says. The cache is VAE_CACHE_DIR, or the user's own cache folder.
"""

from vae_core.maps.asked import MAX_AT_ONCE, is_instant, key, plain
from vae_core.maps.cache import clean, folder, forget, root
from vae_core.maps.jobs import start, stop
from vae_core.maps.said import sentence, share
from vae_core.maps.store import COLUMNS, Map, MapInfo, open_map
from vae_core.maps.work import compute, make
from vae_core.maps.workplace import State, Status, status

__all__ = [
    "COLUMNS",
    "MAX_AT_ONCE",
    "Map",
    "MapInfo",
    "State",
    "Status",
    "clean",
    "compute",
    "folder",
    "forget",
    "is_instant",
    "key",
    "make",
    "open_map",
    "plain",
    "root",
    "sentence",
    "share",
    "start",
    "status",
    "stop",
]
