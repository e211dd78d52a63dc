"""The route, over starlette's test client, over bare ASGI, and over a real server."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
import uvicorn
from starlette.websockets import WebSocketDisconnect
from streamlit import config
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.patience import PATIENCE_S
from tests.vae_explorer.live.helpers import Decoder, model_of, wait_until
from vae_core.errors import CheckpointError, CodeError
from vae_explorer.live import registry
from vae_explorer.live.protocol import (
    MAX_CODES,
    MAX_FRAME_BYTES,
    DecodeAnswer,
    EncodeAnswer,
    Encoded,
    Item,
    ItemAnswer,
    Measure,
    MeasureAnswer,
    Measured,
    pack_decode_request,
    pack_encode_request,
    pack_item_request,
    pack_measure_request,
    parse_answer,
)
from vae_explorer.live.registry import LiveModel
from vae_explorer.live.socket import MAX_IN_FLIGHT, PATH, origin_allowed

UNKNOWN = "f" * 16


def ask(model_id: str, value: float = 1, request_id: int = 1, count: int = 1, width: int = 2) -> bytes:
    return pack_decode_request(request_id, model_id, np.full((count, width), value, np.float32))


def measure_at(model_id: str, width: int) -> bytes:
    return pack_measure_request(1, model_id, Measure.CLIFFS, np.zeros((1, width), np.float32))


def answer(ws) -> tuple[int, int]:
    """The id and the grey value of the next answer."""
    received = parse_answer(ws.receive_bytes())
    assert isinstance(received, DecodeAnswer)
    return received.request_id, int(received.pixels[0, 0, 0, 0])


def registered(*args, **kwargs) -> LiveModel:
    model = model_of(*args, **kwargs)
    registry.register(model.id, model)
    return model


@pytest.fixture
def ws(client) -> Iterator:
    with client.websocket_connect(PATH) as ws:
        yield ws


# What is asked is answered


def test_codes_come_back_as_their_pictures(ws, model, decoder) -> None:
    codes = np.array([[3, 0], [250, 1], [7, 2]], np.float32)
    ws.send_bytes(pack_decode_request(2**32 - 1, model.id, codes))
    received = parse_answer(ws.receive_bytes())
    assert received.request_id == 2**32 - 1
    np.testing.assert_array_equal(received.pixels, decoder.paint(codes))


def test_each_id_gets_the_answer_to_its_own_codes_in_order(ws, model, decoder) -> None:
    decoder.hold()
    for request_id in range(MAX_IN_FLIGHT):
        ws.send_bytes(ask(model.id, value=100 - request_id, request_id=request_id))
    decoder.release()
    answers = [answer(ws) for _ in range(MAX_IN_FLIGHT)]
    assert answers == [(request_id, 100 - request_id) for request_id in range(MAX_IN_FLIGHT)]


@pytest.mark.parametrize("std", [None, np.array([0.5, 0.25], np.float32)], ids=["point", "posterior"])
def test_a_drawing_is_encoded(ws, decoder, std) -> None:
    drawn = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    seen = []

    def encode(picture: np.ndarray) -> Encoded:
        seen.append(picture)
        return Encoded(np.array([1.5, -2.5], np.float32), std, picture[:1, ::2])

    ws.send_bytes(pack_encode_request(5, registered(decoder, encode).id, drawn))
    received = parse_answer(ws.receive_bytes())
    assert isinstance(received, EncodeAnswer)
    assert received.request_id == 5
    np.testing.assert_array_equal(seen[0], drawn)
    np.testing.assert_array_equal(received.encoded.mean, [1.5, -2.5])
    np.testing.assert_array_equal(received.encoded.picture, drawn[:1, ::2])
    if std is None:
        assert received.encoded.std is None
    else:
        np.testing.assert_array_equal(received.encoded.std, std)


def test_an_item_of_the_data_is_found(ws, decoder) -> None:
    def item(label: int, nth: int) -> Item:
        if nth == 9:
            raise CodeError("item = 9 is not there: choose one from 0 to 8.")
        encoded = Encoded(np.array([1, 2], np.float32), None, np.zeros((0, 0, 0), np.uint8))
        return Item(100 + nth, label, encoded)

    model = registered(decoder, item=item)
    ws.send_bytes(pack_item_request(1, model.id, 3, 4))
    received = parse_answer(ws.receive_bytes())
    assert isinstance(received, ItemAnswer)
    assert (received.request_id, received.item.position, received.item.label) == (1, 104, 3)
    np.testing.assert_array_equal(received.item.encoded.mean, [1, 2])
    ws.send_bytes(pack_item_request(2, model.id, -1, 9))
    assert ws.receive_json() == {"id": 2, "error": "item = 9 is not there: choose one from 0 to 8."}


def test_figures_are_measured_at_codes(ws, decoder) -> None:
    def measure(asked: Measure, codes: np.ndarray) -> Measured:
        if asked == Measure.DRIFT:
            raise CodeError("This model has no encoder.")
        values = np.column_stack([codes.sum(1), np.full(len(codes), np.nan), codes[:, 0]]).astype(np.float32)
        return Measured(values, np.full((1, 2, 3), int(asked), np.uint8))

    model, codes = registered(decoder, measure=measure), np.array([[1, 2], [3, 4]], np.float32)
    ws.send_bytes(pack_measure_request(8, model.id, Measure.RATIO, codes))
    received = parse_answer(ws.receive_bytes())
    assert isinstance(received, MeasureAnswer)
    assert received.request_id == 8
    np.testing.assert_array_equal(received.measured.values, [[3, np.nan, 1], [7, np.nan, 3]])
    np.testing.assert_array_equal(received.measured.picture, np.full((1, 2, 3), Measure.RATIO, np.uint8))
    ws.send_bytes(pack_measure_request(9, model.id, Measure.DRIFT, codes))
    assert ws.receive_json() == {"id": 9, "error": "This model has no encoder."}


def test_decodes_and_items_do_not_wait_for_a_measure(ws, decoder) -> None:
    entered, go = threading.Event(), threading.Event()

    def measure(asked: Measure, codes: np.ndarray) -> Measured:
        entered.set()
        assert go.wait(PATIENCE_S)
        return Measured(codes, np.zeros((0, 0, 0), np.uint8))

    def item(label: int, nth: int) -> Item:
        return Item(nth, label, Encoded(np.zeros(2, np.float32), None, np.zeros((0, 0, 0), np.uint8)))

    model = registered(decoder, item=item, measure=measure)
    ws.send_bytes(pack_measure_request(1, model.id, Measure.RATIO, np.zeros((1, 2), np.float32)))
    assert entered.wait(PATIENCE_S)
    ws.send_bytes(ask(model.id, value=6, request_id=2))
    assert answer(ws) == (2, 6)
    ws.send_bytes(pack_item_request(3, model.id, -1, 0))
    assert parse_answer(ws.receive_bytes()).request_id == 3
    go.set()
    assert parse_answer(ws.receive_bytes()).request_id == 1


# What is wrong is said, and the connection lives on


def bad_frames(model_id: str) -> dict[str, tuple[bytes | str, int | None, str]]:
    good = ask(model_id)
    return {
        "narrow": (ask(model_id, width=1), 1, "width = 1 does not fit"),
        "wide": (ask(model_id, width=3), 1, "codes have 2 numbers"),
        "nan": (ask(model_id, value=np.nan), 1, "codes[0, 0] = nan"),
        "inf": (ask(model_id, value=np.inf), 1, "codes[0, 0] = inf"),
        "none": (ask(model_id, count=0), 1, "count = 0"),
        "many": (ask(model_id, count=MAX_CODES + 1), 1, f"count = {MAX_CODES + 1}"),
        "cut": (good[:-1], 1, "send exactly that many"),
        "header": (good[:19], 1, "19 bytes"),
        "empty": (b"", None, "0 bytes"),
        "text": ("hello", None, "binary frame"),
        "unknown": (ask(UNKNOWN), 1, f"Model {UNKNOWN} is not open"),
        "no encoder": (pack_encode_request(1, model_id, np.ones((2, 2, 1), np.uint8)), 1, "has no encoder"),
        "no measures": (measure_at(model_id, 2), 1, "has no measures"),
        "narrow measure": (measure_at(model_id, 3), 1, "width = 3 does not fit"),
        "no items": (pack_item_request(1, model_id, -1, 0), 1, "has no encoded data"),
    }


@pytest.mark.parametrize("case", bad_frames(UNKNOWN))
def test_a_bad_request_is_refused_with_its_reason(ws, model, decoder, case) -> None:
    frame, request_id, said = bad_frames(model.id)[case]
    ws.send_text(frame) if isinstance(frame, str) else ws.send_bytes(frame)
    refusal = json.loads(ws.receive_text())
    assert refusal["id"] == request_id
    assert said in refusal["error"]
    assert decoder.batches == []
    ws.send_bytes(ask(model.id, value=9, request_id=2))
    assert answer(ws) == (2, 9)


def test_a_frame_of_the_largest_size_is_read_and_a_larger_one_ends_the_connection(ws) -> None:
    ws.send_bytes(bytes(MAX_FRAME_BYTES))
    assert "count = 0" in ws.receive_json()["error"]
    ws.send_bytes(bytes(MAX_FRAME_BYTES + 1))
    with pytest.raises(WebSocketDisconnect) as caught:
        ws.receive_bytes()
    assert caught.value.code == 1009


def test_too_many_requests_in_flight_are_refused_until_one_is_answered(ws, model, decoder) -> None:
    decoder.hold()
    for request_id in range(MAX_IN_FLIGHT + 1):
        ws.send_bytes(ask(model.id, request_id=request_id))
    refusal = json.loads(ws.receive_text())  # arrives although no decode has ended
    assert refusal["id"] == MAX_IN_FLIGHT
    assert "too many requests in flight" in refusal["error"]
    decoder.release()
    assert [answer(ws)[0] for _ in range(MAX_IN_FLIGHT)] == list(range(MAX_IN_FLIGHT))
    ws.send_bytes(ask(model.id, request_id=77))
    assert answer(ws)[0] == 77


@pytest.mark.parametrize("error", [RuntimeError("first line\nsecond line"), SystemExit(1)], ids=repr)
def test_a_decoder_that_fails_is_reported_and_the_server_lives_on(ws, model, caplog, error) -> None:
    def fail(codes: np.ndarray) -> np.ndarray:
        raise error

    ws.send_bytes(ask(registered(fail).id, request_id=4))
    refusal = json.loads(ws.receive_text())
    assert refusal["id"] == 4
    assert refusal["error"].startswith("The model could not decode this request: RuntimeError: ")
    assert "second line" not in refusal["error"]
    assert any(record.exc_info for record in caplog.records)
    ws.send_bytes(ask(model.id, value=8, request_id=5))
    assert answer(ws) == (5, 8)


def test_an_encoder_that_fails_is_reported(ws, decoder) -> None:
    def fail(picture: np.ndarray) -> Encoded:
        raise OSError("no memory")

    ws.send_bytes(pack_encode_request(6, registered(decoder, fail).id, np.ones((1, 1, 1), np.uint8)))
    refusal = json.loads(ws.receive_text())
    assert refusal["id"] == 6
    assert refusal["error"].startswith("The model could not ")
    assert refusal["error"].endswith(" this request: OSError: no memory")


def test_an_error_meant_for_people_is_passed_on_as_it_is(ws, caplog) -> None:
    def fail(codes: np.ndarray) -> np.ndarray:
        raise CheckpointError("The weights are gone; open the checkpoint again.")

    ws.send_bytes(ask(registered(fail).id))
    assert json.loads(ws.receive_text())["error"] == "The weights are gone; open the checkpoint again."
    assert caplog.records == []


# Several connections


def test_requests_waiting_behind_a_decode_are_one_batch_across_connections(
    client, ws, model, decoder, batcher
) -> None:
    decoder.hold()
    with client.websocket_connect(PATH) as other:
        ws.send_bytes(ask(model.id, value=1))
        assert decoder.entered.wait(PATIENCE_S)
        for value in (2, 3):
            ws.send_bytes(ask(model.id, value=value, request_id=value))
            other.send_bytes(ask(model.id, value=value + 10, request_id=value))
        wait_until(lambda: batcher.waiting == 4)
        decoder.release()
        assert [answer(ws) for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]
        assert [answer(other) for _ in range(2)] == [(2, 12), (3, 13)]
    assert [sorted(batch[:, 0]) for batch in decoder.batches] == [[1], [2, 3, 12, 13]]


def test_a_client_that_leaves_mid_decode_harms_nobody(client, model, decoder, batcher, caplog) -> None:
    decoder.hold()
    with client.websocket_connect(PATH) as stayer:
        with client.websocket_connect(PATH) as leaver:
            leaver.send_bytes(ask(model.id, value=1))
            assert decoder.entered.wait(PATIENCE_S)
            leaver.send_bytes(ask(model.id, value=2))
            wait_until(lambda: batcher.waiting == 1)
            stayer.send_bytes(ask(model.id, value=3, request_id=3))
            wait_until(lambda: batcher.waiting == 2)
        decoder.release()
        assert answer(stayer) == (3, 3)
    assert [batch[:, 0].tolist() for batch in decoder.batches] == [[1], [3]]
    assert caplog.records == []


# A model that nobody has registered


def test_a_model_that_the_resolver_knows_is_found_off_the_event_loop(ws, decoder, set_resolver) -> None:
    model, asked = model_of(decoder), []

    def resolver(model_id: str) -> LiveModel | None:
        asked.append(model_id)
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return model if model_id == model.id else None

    set_resolver(resolver)
    for request_id in range(3):
        ws.send_bytes(ask(model.id, value=5, request_id=request_id))
    assert [answer(ws) for _ in range(3)] == [(0, 5), (1, 5), (2, 5)]
    assert asked == [model.id]
    ws.send_bytes(ask(UNKNOWN))
    assert f"Model {UNKNOWN} is not open" in json.loads(ws.receive_text())["error"]


def test_other_models_are_decoded_while_one_is_looked_up(ws, model, set_resolver) -> None:
    found = threading.Event()
    late = model_of(Decoder())

    def resolver(model_id: str) -> LiveModel:
        assert found.wait(PATIENCE_S)
        return late

    set_resolver(resolver)
    ws.send_bytes(ask(late.id, value=1, request_id=1))
    ws.send_bytes(ask(model.id, value=2, request_id=2))
    assert answer(ws) == (2, 2)
    found.set()
    assert answer(ws) == (1, 1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CheckpointError("The file is not a checkpoint."), "The file is not a checkpoint."),
        (KeyError("weights"), "The model could not decode this request: KeyError: 'weights'"),
    ],
)
def test_a_resolver_that_fails_is_reported(ws, set_resolver, error, said) -> None:
    def resolver(model_id: str) -> LiveModel | None:
        raise error

    set_resolver(resolver)
    ws.send_bytes(ask(UNKNOWN))
    assert json.loads(ws.receive_text())["error"] == said


# Who may connect


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "localhost:8501", True),
        ("http://localhost:8501", "localhost:8501", True),
        ("https://Example.org", "example.ORG", True),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://localhost:8502", "localhost:8501", False),
        ("http://evil.example", "localhost:8501", False),
        ("http://localhost:8501.evil.example", "localhost:8501", False),
        ("http://localhost:8501@evil.example", "localhost:8501", False),
        ("null", "localhost:8501", False),
        ("null", "", False),
        ("", "", False),
        ("", None, False),
        ("http://[broken", "localhost:8501", False),
    ],
)
def test_pages_of_our_own_origin_may_connect(origin, host, allowed) -> None:
    assert origin_allowed(origin, host) is allowed


@pytest.mark.parametrize(
    ("options", "origin", "host", "allowed"),
    [
        ({"server.enableCORS": False}, "http://evil.example", "localhost:8501", True),
        ({"server.corsAllowedOrigins": ["https://Lab.example"]}, "https://lab.example", "localhost", True),
        ({"server.corsAllowedOrigins": ["lab.example"]}, "https://lab.example", "localhost", True),
        ({"server.corsAllowedOrigins": ["https://lab.example"]}, "https://evil.example", "localhost", False),
        ({"server.corsAllowedOrigins": ["[", ""]}, "null", "localhost", False),
        ({"server.corsAllowedOrigins": ["", "["]}, "http://:80", "localhost", False),
        ({"browser.serverAddress": "lab.example"}, "https://lab.example", "10.0.0.2:8501", True),
    ],
)
def test_streamlits_options_are_kept(monkeypatch, options, origin, host, allowed) -> None:
    get_option, is_set = config.get_option, config.is_manually_set
    monkeypatch.setattr(config, "get_option", lambda key: options[key] if key in options else get_option(key))
    monkeypatch.setattr(config, "is_manually_set", lambda key: key in options or is_set(key))
    assert origin_allowed(origin, host) is allowed


def test_the_check_is_made_before_the_handshake_ends(client, model) -> None:
    foreign = {"origin": "http://evil.example"}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(PATH, headers=foreign):
        pass
    with client.websocket_connect(PATH, headers={"origin": "http://testserver"}) as ws:
        ws.send_bytes(ask(model.id, value=4))
        assert answer(ws) == (1, 4)


# The life of a connection, on bare ASGI


async def open_connection(app, *, send):
    """Start a connection; return its task and the queue of what its client does."""
    incoming: asyncio.Queue = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    scope = {"type": "websocket", "path": PATH, "headers": [(b"host", b"here")], "query_string": b""}
    return asyncio.create_task(app(scope, incoming.get, send)), incoming


def test_a_connection_ends_by_itself_when_its_client_leaves(app, model, decoder) -> None:
    async def story() -> None:
        sent: asyncio.Queue = asyncio.Queue()
        task, incoming = await open_connection(app, send=sent.put)
        decoder.hold()
        incoming.put_nowait({"type": "websocket.receive", "bytes": ask(model.id)})
        assert await asyncio.to_thread(decoder.entered.wait, PATIENCE_S)
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(PATIENCE_S):
            await task  # although the decode is still running
        assert len(asyncio.all_tasks()) == 1
        assert (await sent.get())["type"] == "websocket.accept"
        assert sent.empty()

    asyncio.run(story())


@pytest.mark.parametrize("gone", [OSError("broken pipe"), RuntimeError("the server closed")], ids=repr)
def test_a_client_that_is_gone_before_its_answer_is_no_error(app, model, gone, caplog) -> None:
    async def story() -> None:
        failed = asyncio.Event()

        async def send(message) -> None:
            if message["type"] == "websocket.send":
                failed.set()
                raise gone

        task, incoming = await open_connection(app, send=send)
        incoming.put_nowait({"type": "websocket.receive", "bytes": ask(model.id)})
        async with asyncio.timeout(PATIENCE_S):
            await failed.wait()
            incoming.put_nowait({"type": "websocket.receive", "bytes": bytes(MAX_FRAME_BYTES + 1)})
            await task

    asyncio.run(story())
    assert caplog.records == []


# The real server


@pytest.fixture
def port(app) -> Iterator[int]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        settings = uvicorn.Config(app, ws="websockets-sansio", log_config=None)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_on_a_real_server(port, model, decoder, batcher) -> None:
    url = f"ws://127.0.0.1:{port}{PATH}"
    with pytest.raises(InvalidStatus) as refused, connect(url, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    decoder.hold()
    with connect(url, origin=f"http://127.0.0.1:{port}") as stayer, connect(url) as leaver:
        leaver.send(ask(model.id, value=1))
        assert decoder.entered.wait(PATIENCE_S)
        leaver.send(ask(model.id, value=2))
        wait_until(lambda: batcher.waiting == 1)
        stayer.send(ask(model.id, value=3, request_id=3))
        wait_until(lambda: batcher.waiting == 2)
        leaver.socket.shutdown(socket.SHUT_RDWR)  # as when a laptop is shut: no closing handshake
        decoder.release()
        received = parse_answer(stayer.recv(PATIENCE_S))
        assert (received.request_id, received.pixels[0, 0, 0, 0]) == (3, 3)
        stayer.send(bytes(MAX_FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosedError):
            stayer.recv(PATIENCE_S)
        assert stayer.close_code == 1009


def test_the_server_can_listen_before_torch_is_there() -> None:
    check = "import sys, vae_explorer.live.socket as s; s.route(); assert not {'torch', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=PATIENCE_S)
