"""What `.streamlit/config.toml` promises, held against the server as people start it."""

import json
import socket
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from streamlit import config
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.browser.server import Server
from tests.patience import PATIENCE_S
from tests.vae_explorer.making import COLOURS, make
from vae_core import checkpoint
from vae_core.config import MAX_LATENT_DIM
from vae_core.data.found import MAX_CLASSES
from vae_core.latent.codes import ReferenceCodes
from vae_explorer import library
from vae_explorer.compare import choose
from vae_explorer.compare import mount as compare
from vae_explorer.live import protocol

pytestmark = pytest.mark.browser

OWN = ["localhost", "127.0.0.1", "[::1]"]
# A page of somebody else's whose name leads here (DNS rebinding): its Origin and its Host are the same.
FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example@localhost",
    "192.0.2.7",
]
SOCKETS = ["/live", "/_stcore/stream"]
PAGES = [
    ("GET", "/"),
    ("GET", "/train"),
    ("GET", "/live-js/explore/web/explore.js"),
    ("GET", "/_stcore/host-config"),
    ("POST", "/continuity/kept"),
    ("PUT", "/_stcore/upload_file/session/file"),
]


def status_of(server, method, path, host) -> int:
    """What the server answers to somebody whose browser thinks that it is called `host`."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        body = b"{}" if method == "POST" else None
        connection.request(method, path, body, {"Host": host, "Origin": f"http://{host}"})
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def talking(server, path, host):
    """A WebSocket to the server under that name, from a page under the same name."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as reached,
        connect(
            f"ws://{host}{path}",
            sock=reached,
            origin=f"http://{host}",
            open_timeout=PATIENCE_S,
            close_timeout=PATIENCE_S,
            max_size=None,
            compression=None,
        ) as opened,
    ):
        yield opened


@pytest.mark.parametrize("port", ["", ":8501", "own"])
@pytest.mark.parametrize("host", OWN)
def test_this_machines_own_names_are_let_in(server, host, port):
    name = host + (f":{server.port}" if port == "own" else port)
    assert status_of(server, "GET", "/", name) == 200
    assert status_of(server, "GET", "/live-js/explore/web/explore.js", name) == 200
    assert status_of(server, "POST", "/continuity/kept", name) in (400, 404)  # it was read
    for path in SOCKETS:
        with talking(server, path, name):
            pass


@pytest.mark.parametrize("host", FOREIGN)
def test_a_page_of_another_name_gets_nothing(server, host):
    name = f"{host}:{server.port}"
    assert {path: status_of(server, method, path, name) for method, path in PAGES} == {
        path: 403 for _, path in PAGES
    }


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("host", [name for name in FOREIGN if "@" not in name])
def test_a_socket_of_another_name_is_not_opened(server, path, host):
    with pytest.raises(InvalidStatus) as refused, talking(server, path, f"{host}:{server.port}"):
        pass
    assert refused.value.response.status_code == 403


def test_whoever_is_refused_reads_how_to_be_let_in(server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/", headers={"Host": f"laptop.lan:{server.port}"})
    said = connection.getresponse().read().decode()
    connection.close()
    assert "laptop.lan" in said
    assert "--server.allowedHosts laptop.lan" in said
    assert "\n" not in said


def test_it_can_be_shown_to_others_as_the_readme_says(tmp_path):
    shared = Server(
        tmp_path / "log.txt",
        options=[
            "--server.address",
            "0.0.0.0",
            "--server.allowedHosts",
            "localhost",
            "--server.allowedHosts",
            "lab.lan",
        ],
    )
    shared.start()
    try:
        for host in ("localhost", "lab.lan"):
            assert status_of(shared, "GET", "/", f"{host}:{shared.port}") == 200
            for path in SOCKETS:
                with talking(shared, path, f"{host}:{shared.port}"):
                    pass
        assert status_of(shared, "GET", "/", f"evil.example:{shared.port}") == 403
    finally:
        shared.stop()


# --- how large a message may be ---------------------------------------------------------------------------------


def limit() -> int:
    return int(config.get_option("server.maxMessageSize")) * 10**6


@pytest.mark.parametrize("path", SOCKETS)
def test_a_message_that_never_ends_is_cut_off(server, path):
    pieces = iter(range(200))  # of a megabyte each; Streamlit's own limit is reached with all of them
    with pytest.raises(ConnectionClosed), talking(server, path, f"localhost:{server.port}") as opened:
        opened.send(bytes(10**6) for _ in pieces)
    sent = next(pieces, 200)
    assert limit() / 10**6 < sent < 150  # some are on their way while the server closes


def test_the_largest_request_of_ours_is_read(server):
    codes = np.zeros((protocol.MAX_CODES, MAX_LATENT_DIM), np.float32)
    with talking(server, "/live", f"localhost:{server.port}") as opened:
        for request in (
            protocol.pack_decode_request(1, "f" * 16, codes),
            protocol.pack_measure_request(1, "f" * 16, protocol.Measure.CLIFFS, codes),
            bytes(protocol.MAX_FRAME_BYTES),
        ):
            opened.send(request)
            assert "error" in json.loads(
                opened.recv(timeout=PATIENCE_S)
            )  # there is no such model, but it was read


def largest_model():
    """A checkpoint as large as one may be in what a page must know of it: its names fill nearly all of its header."""
    names = tuple(f"{number:04d}".ljust(900, ".") for number in range(MAX_CLASSES))
    info = replace(COLOURS, class_names=names)
    made = make(latent_dim=MAX_LATENT_DIM, info=replace(info, class_names=()))
    labels = torch.arange(MAX_CLASSES)
    mean = torch.randn(MAX_CLASSES, MAX_LATENT_DIM, generator=torch.Generator().manual_seed(0))
    codes = ReferenceCodes(
        mean=mean, log_variance=torch.zeros_like(mean), indices=labels.clone(), labels=labels
    )
    return replace(made, description=made.description.model_copy(update={"info": info}), reference=codes)


def test_what_the_largest_page_is_told_fits_into_a_message():
    opened = library.opened("largest", largest_model())
    told = json.dumps(compare.facts([opened] * choose.MOST))
    assert len(told) < 0.9 * limit()  # the rest of the page is far below a megabyte


def test_the_largest_model_is_walked_in(visit):
    visitor = visit()
    visitor.open("")
    visitor.open_model("largest", checkpoint.to_bytes(largest_model()))
    visitor.page.get_by_role("link", name="Walk", exact=True).click()
    visitor.page.locator(".walk-grid").hover()
    expect(visitor.page.locator(".place")).to_contain_text("z₁")


# --- what a bug shows -------------------------------------------------------------------------------------------


def test_a_bug_shows_neither_path_nor_code_and_goes_to_the_log(browser, tmp_path):
    server = Server(tmp_path / "log.txt", script="tests/browser/failing_page.py")
    server.start()
    try:
        page = browser.new_page()
        page.goto(server.url)
        shown = page.get_by_test_id("stException")
        expect(shown).to_be_visible()
        text = page.locator("body").inner_text()
        for secret in ("Traceback", "KeyError", "secret", "failing_page", "/"):
            assert secret not in text
        assert "KeyError" in server.said()
        assert "failing_page.py" in server.said()
        page.close()
    finally:
        server.stop()
