"""Files and folders are named as Python's own `open` takes them: by a string, a Path, or anything with __fspath__."""

import inspect
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.making import experiment
from vae_core import checkpoint, data, maps, movies, walks
from vae_core.config import DataConfig, GridConfig, MapConfig, ProjectionConfig
from vae_core.errors import CheckpointError, ConfigError
from vae_core.maps import jobs as map_jobs
from vae_core.training import film, film_export, run
from vae_core.training.conduct import conduct

BUNDLED = Path(__file__).parents[1] / "checkpoints" / "digits-vae-2d.safetensors"
PLANE = MapConfig(projection=ProjectionConfig(method="plane"))
CODES = np.zeros((2, 2), np.float32)
FRAMES = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)
PICTURES = [Image.fromarray(frame[..., 0]) for frame in FRAMES]


class Own:
    """A path of somebody else's making."""

    def __init__(self, path):
        self.path = str(path)

    def __fspath__(self):
        return self.path


@pytest.fixture(params=[str, Path, Own], ids=["str", "Path", "PathLike"])
def named(request):
    return request.param


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(BUNDLED)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch."""
    made = run.create(tmp_path_factory.mktemp("runs"), experiment(epochs=1))
    assert conduct(made) == "finished"
    return made


def taking_files():
    """Every function for use from outside that names a file or a folder, by its full name."""
    public = {
        **{f"walks.{name}": getattr(walks, name) for name in walks.__all__},
        **{f"maps.{name}": getattr(maps, name) for name in maps.__all__},
        **{f"data.{name}": getattr(data, name) for name in data.__all__},
        "maps.jobs.conduct": map_jobs.conduct,
        "Run": run.Run.__init__,
        "Items.from_file": film.Items.from_file,
        "Frame.from_file": film.Frame.from_file,
    }
    for module in (checkpoint, movies, run, film, film_export):
        here = inspect.getmembers(module, inspect.isfunction)
        public |= {
            f"{module.__name__.removeprefix('vae_core.')}.{name}": function
            for name, function in here
            if function.__module__ == module.__name__ and not name.startswith("_")
        }
    for name, function in public.items():
        if not callable(function):
            continue
        for parameter in inspect.signature(function).parameters.values():
            if re.search(r"\bPath(Like)?\b", str(parameter.annotation)):
                yield name, parameter.annotation


def test_every_function_says_that_it_takes_them():
    found = dict(taking_files())
    assert {"checkpoint.load", "walks.save", "maps.open_map", "Run", "training.film_export.write_gif"} <= set(
        found
    )
    narrow = [
        name
        for name, takes in found.items()
        if takes not in (str | os.PathLike[str], str | os.PathLike[str] | None)
    ]
    assert narrow == []


def test_checkpoints(named, digits, tmp_path):
    path = tmp_path / "copy.safetensors"
    saved = checkpoint.save(named(path), digits)
    assert checkpoint.load(named(path)).id == saved.id
    assert checkpoint.describe(named(path)) == digits.description
    assert checkpoint.find(named(tmp_path)) == [path]
    checkpoint.write_atomically(named(path), b"other")
    assert path.read_bytes() == b"other"
    for read in (checkpoint.load, checkpoint.describe):
        with pytest.raises(CheckpointError, match=r"copy\.safetensors is not a \.safetensors file"):
            read(named(path))
        with pytest.raises(CheckpointError, match=f"{tmp_path / 'none'} could not be read"):
            read(named(tmp_path / "none"))
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'no' / 'file'} could not be written"):
        checkpoint.save(named(tmp_path / "no" / "file"), digits)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("sheet.png", partial(walks.write_contact_sheet, tiles=FRAMES[None])),
        ("walk.gif", partial(walks.write_gif, frames=FRAMES)),
        ("walk.mp4", partial(walks.write_mp4, frames=FRAMES)),
        ("walk.npz", partial(walks.write_npz, codes=CODES, frames=FRAMES)),
        ("film.gif", partial(movies.write_gif, pictures=PICTURES, milliseconds=[100, 100])),
        ("film.mp4", partial(movies.write_mp4, pictures=PICTURES, total=2, fps=10)),
    ],
)
def test_pictures(named, tmp_path, name, write):
    write(named(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with movies.appearing(named(tmp_path / name)) as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / name).read_bytes() == b"new"


def test_walks(named, digits, tmp_path):
    out = tmp_path / "grid.npz"
    walks.save(named(out), walks.make(digits, GridConfig(grid=2)))
    assert np.load(out)["frames"].shape[:2] == (2, 2)
    walks.check_out(named(out), 30, is_grid=True)
    with pytest.raises(ConfigError, match=r"grid\.tar ends in \.tar"):
        walks.check_out(named(tmp_path / "grid.tar"), 30, is_grid=True)


def test_maps(named, digits, tmp_path):
    folder = tmp_path / "map"
    maps.compute(digits, PLANE, named(folder))
    assert maps.open_map(named(folder)).info.config == PLANE
    assert maps.status(named(folder)).state == "finished"
    maps.stop(named(folder))
    maps.clean(keep=named(folder))
    maps.forget(named(folder))
    assert not folder.exists()
    assert map_jobs.conduct(named(BUNDLED), PLANE, named(folder)) == folder
    kept = map_jobs.conduct(named(BUNDLED), PLANE)
    assert maps.start(named(BUNDLED), PLANE) == kept
    maps.clean(max_bytes=0, keep=named(kept))
    assert maps.status(named(kept)).state == "finished"


def test_runs(named, tmp_path, trained):
    made = run.create(named(tmp_path), experiment())
    assert run.find(named(tmp_path)) == [made] == [run.open_run(named(tmp_path), made.id)]
    assert run.Run(named(made.folder)) == made
    assert run.prepare(named(tmp_path / "other"), experiment()).id == "other"
    assert run.promote(trained, named(tmp_path), "chosen") == tmp_path / "chosen.safetensors"
    assert film.Items.from_file(named(trained.folder / "film" / "items.safetensors")).labels.ndim == 1
    assert film.Frame.from_file(named(trained.film(1))).points.shape[1] == 2
    for name, write in {"film.gif": film_export.write_gif, "film.mp4": film_export.write_mp4}.items():
        assert write(named(tmp_path / name), trained)
        assert (tmp_path / name).is_file()


def test_own_data(named, tmp_path):
    path = tmp_path / "own.npy"
    np.save(path, np.arange(100 * 8 * 8, dtype=np.uint8).reshape(100, 8, 8))
    config = DataConfig(name="own", path=named(path))
    assert config.path == str(path)
    assert config == DataConfig.from_json(config.to_json())
    assert data.is_available(config)
    assert data.load(config, "train").examples.shape[1:] == (1, 8, 8)
