"""The JavaScript's own route: the kit and the rooms' web folders, and nothing beside them."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from vae_explorer.live import assets


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[assets.route()]))


def files():
    return sorted(
        path for path in assets.FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(assets.FOLDER).as_posix())
def test_only_the_kit_and_the_web_folders_are_served_under_the_addresses_that_they_have(client, path):
    name = path.relative_to(assets.FOLDER).as_posix()
    served = (name.startswith("kit/") or "web" in name.split("/")[1:2]) and not name.endswith(".test.js")
    answer = client.get(f"{assets.PATH}/{name}")
    assert answer.status_code == (200 if served else 404)
    if served:
        assert answer.content == path.read_bytes()
        assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["../library.py", "kit/../library.py", "map/web/../routes.py", "map/web", "kit"]
)
def test_nothing_is_reached_by_way_of_them(client, name):
    assert client.get(f"{assets.PATH}/{name}").status_code == 404
    assert client.get(f"{assets.PATH}/{name.replace('..', '%2e%2e')}").status_code == 404
