"""The HTML page: Streamlit's own, told where its server is."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from vae_explorer.live import front


@pytest.fixture
def client():
    return TestClient(Starlette(routes=front.routes()))


def test_every_page_is_streamlits_with_two_lines_more(client):
    plain = front._STREAMLITS.read_text(encoding="utf-8").splitlines()
    for path in ("/", "/train", "/equations"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-cache"
        lines = answer.text.splitlines()
        server, history = (line for line in lines if line not in plain)
        assert "BACKEND_BASE_URL" in server
        assert "history.pushState" in history
        assert [line for line in lines if line not in (server, history)] == plain
        assert lines.index(history) < next(at for at, line in enumerate(lines) if 'type="module"' in line)


def test_any_other_address_stays_streamlits(client):
    assert client.get("/nowhere").status_code == 404
    assert client.get("/train/more").status_code == 404
