"""One table of models for every route: found again after a start, and this machine's own before a copy of it."""

from dataclasses import replace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.vae_explorer import making
from tests.vae_explorer.live.conftest import TestClient
from vae_core import checkpoint
from vae_core.config import DataConfig
from vae_core.errors import ConfigError
from vae_explorer import library, server
from vae_explorer.live import known, models, registry

ASKS = {  # a small request for each route that is asked about a model
    "/walks/path": {"ends": [[0, 0], [1, 1]], "method": "linear", "count": 2},
    "/walks/save": {"frames": [[0, 0], [1, 1]], "as": "png"},
    "/continuity/kept": {},
    "/continuity/headlines": {},
    "/continuity/worst": {"kind": "nothing"},
    "/compare/known": {},
    "/compare/figures": {},
    "/compare/subspaces": {},
    "/compare/reduction": {},
    "/posterior/example": {},
    "/posterior/heat": {},
    "/posterior/exact": {},
    "/posterior/bound": {"samples": 1},
    "/posterior/nuts": {"label": "nothing"},
    "/posterior/gaps": {"label": "nothing"},
    "/equations/marginal": {"draws": 10, "repeats": 1},
    "/equations/evidence": {"cells": 32},
    "/equations/reconstruction": {"cells": 32},
    "/equations/gradients": {"draws": 10},
    "/equations/generation": {"count": 20, "permutations": 20},
}


@pytest.fixture
def started(folder):
    """A server that has just started: nobody has shown a model yet."""
    known.forget()
    registry._SHARED._models.clear()
    yield folder
    known.forget()
    registry._SHARED._models.clear()


@pytest.fixture
def client(started):
    with TestClient(Starlette(routes=server.routes())) as client:
        yield client


def asked_about_models():
    """The routes that take a model's id."""
    mounts = [route for route in server.routes() if isinstance(route, Mount) and route.path in WITH_MODELS]
    return {mount.path + route.path for mount in mounts for route in mount.routes}


WITH_MODELS = {path.rpartition("/")[0] for path in ASKS}


def test_the_list_of_routes_is_whole():
    assert asked_about_models() == set(ASKS)


@pytest.mark.parametrize("path", ASKS)
def test_after_a_start_every_route_finds_the_model_that_a_page_still_shows(client, path):
    digits = checkpoint.load(library.FOLDER / "digits.safetensors").id
    asked = {"model": digits, "models": [digits, digits]} | ASKS[path]
    assert "not open" not in client.post(path, json=asked).text
    other = {"model": "0" * 16, "models": ["0" * 16, "0" * 16]}
    assert "not open" in client.post(path, json=asked | other).text


def test_the_socket_finds_it_too(started):
    digits = checkpoint.load(library.FOLDER / "digits.safetensors").id
    assert models.find_again(digits).id == digits
    assert models.find_again("0" * 16) is None


def test_a_model_is_looked_for_in_files_once_for_as_long_as_they_do_not_change(started, monkeypatch):
    read = []
    content_id = checkpoint.content_id
    monkeypatch.setattr(checkpoint, "content_id", lambda content: read.append(1) or content_id(content))
    for _ in range(5):
        with pytest.raises(ConfigError, match="not open"):
            known.find("0" * 16)
    assert len(read) == len(library.models())


# --- copies of a model of this machine ------------------------------------------------------------------------


@pytest.fixture
def own_data(started, tmp_path):
    """A model of this machine whose data stand in a file that it names, and its content."""
    path = tmp_path / "data.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8))
    made = making.make()
    config = DataConfig(name="digits", path=str(path))
    described = made.description.model_copy(update={"data": config})
    content = checkpoint.to_bytes(replace(made, description=described))
    (started / "mine.safetensors").write_bytes(content)
    return content


def orders():
    return pytest.mark.parametrize(
        "order", [["own", "sent"], ["sent", "own"], ["sent"], ["own", "sent", "sent"]]
    )


@orders()
def test_this_machines_own_file_wins_over_a_copy_that_somebody_sent(own_data, order):
    own = library.open_file("mine", library.models()["mine"])
    sent = library.opened("stolen (opened)", checkpoint.from_bytes(own_data))
    assert own.id == sent.id
    assert library.data_here(own)
    assert not library.data_here(sent)
    for who in order:
        models.publish({"own": own, "sent": sent}[who])
    found = known.find(own.id)
    assert (found.name, found.local, library.data_here(found)) == ("mine", True, True)
    assert registry.get(own.id).local


def test_a_file_that_comes_after_its_copy_wins_too(own_data, started):
    content = own_data
    path = started / "mine.safetensors"
    path.unlink()
    sent = library.opened("theirs", checkpoint.from_bytes(content))
    models.publish(sent)
    assert not known.find(sent.id).local
    assert not registry.get(sent.id).local
    path.write_bytes(content)
    models.publish(library.open_file("mine", path))
    assert known.find(sent.id).local
    assert registry.get(sent.id).local


def test_a_model_that_somebody_sent_is_found_as_it_was_sent(started):
    sent = library.opened("theirs", making.make(latent_dim=4))
    models.publish(sent)
    assert known.find(sent.id) is sent
    assert not known.find(sent.id).local


def test_the_one_used_longest_ago_is_forgotten(started, monkeypatch):
    monkeypatch.setattr(known, "MAX_KNOWN", 2)
    one, two, three = (library.opened("one", making.make(latent_dim=width)) for width in (3, 4, 6))
    known.add(one)
    known.add(two)
    known.find(one.id)
    known.add(three)
    assert known.find(one.id) is one
    with pytest.raises(ConfigError):
        known.find(two.id)


@pytest.mark.parametrize("model_id", [None, 7, [], {}, "x" * 10_000, ""])
def test_what_is_no_id_is_refused(started, model_id):
    with pytest.raises(ConfigError, match="reload"):
        known.find(model_id)
