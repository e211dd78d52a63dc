"""Which of the JavaScript's files a browser is given."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.live import assets


@pytest.fixture(scope="module")
def client():
    return TestClient(Starlette(routes=[assets.route()]))


def test_modules_and_sheets_are_served_and_asked_about_each_time(client):
    for name in ("map-view.js", "map.css"):
        response = client.get(f"{assets.PATH}/{name}")
        assert response.status_code == 200
        assert response.text == (assets.FOLDER / name).read_text(encoding="utf-8")
        assert response.headers["Cache-Control"] == "no-cache"


def test_the_modules_own_tests_are_not_served(client):
    tests = sorted(path.name for path in assets.FOLDER.glob("*.test.js"))
    assert "map-view.test.js" in tests
    for name in tests:
        assert client.get(f"{assets.PATH}/{name}").status_code == 404
