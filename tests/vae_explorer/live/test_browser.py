"""Who loads a page is handed one token, which no script of the page can read; what a page loads is handed none."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.vae_explorer.live.conftest import TestClient
from vae_explorer.live.browser import COOKIE, KnowBrowser, is_token, new_token

PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def client():
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("page"))], middleware=[Middleware(KnowBrowser)]
    )
    with TestClient(app) as client:
        yield client


def test_a_browser_is_handed_one_token_and_keeps_it(client):
    first = client.get("/", headers=PAGE)
    assert is_token(first.cookies[COOKIE])
    said = first.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "set-cookie" not in client.get("/", headers=PAGE).headers


def test_what_a_page_loads_is_handed_none(client):
    assert "set-cookie" not in client.get("/", headers={"accept": "image/png"}).headers


@pytest.mark.parametrize("forged", ["x", "a b", "é" * 43, "a" * 42, "a" * 44])
def test_a_token_that_we_did_not_make_is_replaced(client, forged):
    answer = client.get("/", headers=PAGE | {"cookie": f"{COOKIE}={forged}".encode()})
    assert is_token(answer.cookies[COOKIE])


def test_no_two_tokens_are_alike():
    assert len({new_token() for _ in range(100)}) == 100
    assert all(is_token(new_token()) for _ in range(100))
