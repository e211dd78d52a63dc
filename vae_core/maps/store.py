"""A finished map as a folder on disk: one `.npy` file per column and map.json, which says what it is.

    map.json           `MapInfo`
    xy.npy             (n, 2) float32    place of every point
    codes.npy          (n, D) float32    its latent code: a posterior mean, or a draw
    label.npy          (n,)   int16      position in class_names
    factors.npy        (n, F) float32    true values of factor_names
    index.npy          (n,)   int64      where the example (for draws, the one drawn around) is in its source
    log_variance.npy   (n, D) float32    of q(z|x)
    kl.npy             (n,)   float32    KL(q(z|x) || p(z)) in nats
    log_prior.npy      (n,)   float32    log p(z) of the code, in nats
    spread.npy         (n,)   float32    standard deviation of q(z|x), mean over dimensions
    error.npy          (n,)   float32    squared error per pixel of what the code decodes to

Columns after codes are there where they are known. Columns are mapped into memory, so opening a map reads little.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped
from pydantic import Field

from vae_core.config import Config, MapConfig
from vae_core.errors import ConfigError, MapError
from vae_core.latent.projection import Projection
from vae_core.maps.asked import FORMAT

INFO = "map.json"
MAX_POINTS = 100_000_000

# dtype and width of each column; a width is of `MapInfo` (latent_dim, the number of factors) or 0 for one number a point.
COLUMNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "xy": ("<f4", "2"),
        "codes": ("<f4", "latent"),
        "label": ("<i2", ""),
        "factors": ("<f4", "factors"),
        "index": ("<i8", ""),
        "log_variance": ("<f4", "latent"),
        "kl": ("<f4", ""),
        "log_prior": ("<f4", ""),
        "spread": ("<f4", ""),
        "error": ("<f4", ""),
    }
)


class MapInfo(Config):
    """What map.json says."""

    format: int = Field(ge=FORMAT, le=FORMAT)
    checkpoint: str = Field(max_length=64)  # id of the model
    config: MapConfig
    title: str  # of the data
    n: int = Field(ge=1, le=MAX_POINTS)
    latent_dim: int = Field(ge=1, le=4096)
    left_out: int = Field(0, ge=0)  # points whose codes were NaN or infinite
    explained: tuple[float, ...] = Field((), max_length=2)  # share of the variance along each axis
    axes: tuple[tuple[float, ...], ...] | None = None  # 2 rows of latent_dim, for plane and pca
    origin: tuple[float, ...] | None = None
    trustworthiness: float | None = None  # None: not measured
    continuity: float | None = None
    class_names: tuple[str, ...] = ()
    factor_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # beside xy and codes
    seconds: float = Field(0.0, ge=0)  # that it took to make


@dataclass(frozen=True, eq=False)
class Map:
    """Encoded points with their places; `columns` holds what else is known of them, as listed above."""

    info: MapInfo
    xy: Float32[np.ndarray, "n 2"]
    codes: Float32[np.ndarray, "n latent"]
    columns: Mapping[str, Shaped[np.ndarray, "n ..."]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def projection(self) -> Projection:
        """The map as something that places new codes and finds codes behind places."""
        info = self.info
        return Projection(
            info.config.projection,
            self.codes,
            self.xy,
            info.explained,
            None if info.axes is None else np.array(info.axes, np.float32),
            None if info.origin is None else np.array(info.origin, np.float32),
        )


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a finished map."""
    return (folder / INFO).is_file()


def open_map(folder: str | os.PathLike[str]) -> Map:
    """Open a finished map; columns are mapped into memory, and whatever does not fit is refused.

    Raises:
        MapError: there is none, or its files do not fit together; the message names the file.
    """
    folder = Path(folder)
    try:
        info = MapInfo.from_json((folder / INFO).read_text(encoding="utf-8"))
        os.utime(folder / INFO)  # `clean` removes the map used longest ago
    except FileNotFoundError:
        raise MapError(f"{folder} holds no finished map; compute it first.") from None
    except ConfigError as error:
        raise _broken(folder, f"{INFO}: {error}") from None
    except PermissionError:
        pass  # a map that may be read only
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(folder, f"{INFO} cannot be read: {error}") from None
    _check_info(info, folder)
    arrays = {name: _column(folder, name, info) for name in ("xy", "codes", *info.columns)}
    if not np.isfinite(arrays["xy"]).all():
        raise _broken(folder, "xy.npy holds NaN or infinity")
    if "label" in arrays and not -1 <= arrays["label"].min() <= arrays["label"].max() < len(info.class_names):
        raise _broken(folder, f"label.npy goes beyond its {len(info.class_names)} classes")
    return Map(info, arrays.pop("xy"), arrays.pop("codes"), arrays)


def write(folder: Path, found: Map) -> None:
    """Write a map so that the folder appears whole or not at all; a map that is there already stays.

    Raises:
        MapError: the disk is full, or the folder cannot be written.
    """
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".new", dir=folder.parent))
        temporary.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        for name, values in {"xy": found.xy, "codes": found.codes, **found.columns}.items():
            with (temporary / f"{name}.npy").open("wb") as file:
                np.save(file, np.ascontiguousarray(values, COLUMNS[name][0]), allow_pickle=False)
                _settle(file)
        with (temporary / INFO).open("wb") as file:
            file.write(found.info.to_json().encode())
            _settle(file)
        if not is_complete(folder):
            temporary.rename(folder)
    except OSError as error:
        raise MapError(
            f"{folder} could not be written ({error.strerror}); make room, or choose another folder."
        ) from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a map: first from its name, so that nobody finds half of it."""
    if not folder.is_dir():
        return
    try:
        away = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".new", dir=folder.parent))
        folder.rename(away / "old")
    except FileNotFoundError:  # somebody else was quicker
        pass
    except OSError as error:
        raise MapError(f"{folder} could not be removed ({error.strerror}); remove it by hand.") from None
    shutil.rmtree(away, ignore_errors=True)


def _settle(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _check_info(info: MapInfo, folder: Path) -> None:
    wide = (*(info.axes or ()), *([] if info.origin is None else [info.origin]))
    if any(len(row) != info.latent_dim for row in wide) or (info.axes is None) != (info.origin is None):
        raise _broken(folder, f"{INFO}: axes and origin do not fit {info.latent_dim} dimensions")
    if info.axes is not None and len(info.axes) != 2:
        raise _broken(folder, f"{INFO}: there are {len(info.axes)} axes, not 2")
    known = set(COLUMNS) - {"xy", "codes"}
    if len(set(info.columns)) != len(info.columns) or not set(info.columns) <= known:
        raise _broken(folder, f"{INFO}: columns are {', '.join(info.columns)[:80]}")


def _column(folder: Path, name: str, info: MapInfo) -> Shaped[np.ndarray, "n ..."]:
    dtype, width = COLUMNS[name]
    widths = {"": (), "2": (2,), "latent": (info.latent_dim,), "factors": (len(info.factor_names),)}
    shape = (info.n, *widths[width])
    try:
        found = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError, EOFError, OverflowError) as error:
        raise _broken(
            folder, f"{name}.npy is no array of numbers ({str(error).splitlines()[0][:80]})"
        ) from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise _broken(folder, f"{name}.npy is an archive")
    if found.dtype.str != dtype or found.shape != shape:
        raise _broken(folder, f"{name}.npy is {found.dtype} {found.shape}, not {np.dtype(dtype)} {shape}")
    if not found.flags.c_contiguous:
        raise _broken(folder, f"{name}.npy is not stored row by row")
    return np.asarray(found)


def _broken(folder: Path, what: str) -> MapError:
    return MapError(f"The map in {folder} is broken ({what}); remove the folder and compute it again.")
