"""The page's side of the live socket against the server's own bytes: they need no server to be compared."""

import base64
import json
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live import protocol
from vae_explorer.live.assets import FOLDER
from vae_explorer.live.protocol import Measure, Measured, MeasureRequest, pack_measured, parse_request

pytestmark = pytest.mark.browser

ORIGIN = "http://socket.test"
MODEL = "0123456789abcdef"

# A WebSocket that keeps what it is sent; its answer is what the test makes of it.
ASK = """async ([request, frame]) => {
  const sent = [];
  let line;
  globalThis.WebSocket = class {
    static OPEN = 1;
    constructor() { line = this; this.readyState = 1; queueMicrotask(() => this.onopen()); }
    send(bytes) { sent.push(Array.from(bytes)); }
    close() {}
  };
  const { Channel, ...names } = await import("/kit/socket.js");
  const answers = [];
  const channel = new Channel({ onAnswer: (answer, tag) => answers.push({ ...answer, tag }), onError: (error) => answers.push(error) });
  channel.ask({ ...request, payload: Float32Array.from(request.payload) });
  await Promise.resolve();
  line.onmessage({ data: typeof frame === "string" ? Uint8Array.from(atob(frame), (c) => c.charCodeAt(0)).buffer : JSON.stringify(frame) });
  channel.close();
  const plain = (value) => ArrayBuffer.isView(value) ? Array.from(value, (each) => Number.isNaN(each) ? null : each) : value;
  const [answer] = answers.map((each) => typeof each === "string" ? each : Object.fromEntries(Object.entries(each).map(([k, v]) => [k, plain(v)])));
  return { sent: sent[0], answer, names: Object.fromEntries(Object.entries(names).filter(([, v]) => typeof v === "number")) };
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith(".js"):
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html; charset=utf-8")

    page = browser.new_page()
    page.route(f"{ORIGIN}/**", answer)
    page.goto(f"{ORIGIN}/")
    yield page
    page.close()


def ask(page: Page, codes: np.ndarray, measure: Measure, frame: str | dict[str, object]):
    count, width = codes.shape
    request = {
        "model": MODEL,
        "kind": 3,
        "height": int(measure),
        "count": count,
        "width": width,
        "tag": "mine",
    }
    return page.evaluate(ASK, [request | {"payload": codes.ravel().tolist()}, frame])


def as_text(frame: bytes) -> str:
    return base64.b64encode(frame).decode()


def test_the_page_names_kinds_and_measures_as_the_server_does(page: Page) -> None:
    codes = np.array([[1.5, -2.5]], np.float32)
    empty = Measured(np.zeros((1, 1), np.float32), np.zeros((0, 0, 0), np.uint8))
    found = ask(page, codes, Measure.DRIFT, as_text(pack_measured(1, empty)))
    expected = {each.name: int(each) for kind in (protocol.Kind, Measure) for each in kind}
    assert found["names"] == expected
    request = parse_request(bytes(found["sent"]))
    assert isinstance(request, MeasureRequest)
    assert (request.request_id, request.model_id, request.measure) == (1, MODEL, Measure.DRIFT)
    np.testing.assert_array_equal(request.codes, codes)


@pytest.mark.parametrize("shape", [(0, 0, 0), (2, 3, 1), (1, 1, 3)])
def test_figures_and_their_picture_are_read(page: Page, shape: tuple[int, int, int]) -> None:
    values = np.array([[1.5, np.nan, -1], [0, 2, 1e30]], np.float32)
    picture = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    frame = as_text(pack_measured(1, Measured(values, picture)))
    answer = ask(page, np.zeros((2, 2), np.float32), Measure.CLIFFS, frame)["answer"]
    assert (answer["kind"], answer["rows"], answer["columns"], answer["tag"]) == (3, 2, 3, "mine")
    assert answer["values"] == [None if np.isnan(v) else float(v) for v in values.ravel()]
    assert (answer["height"], answer["width"], answer["channels"]) == shape
    assert answer["pixels"] == (picture.ravel().tolist() or None)


def test_a_refusal_is_its_sentence(page: Page) -> None:
    refusal = json.loads(protocol.pack_error(1, "This model has none."))
    found = ask(page, np.zeros((1, 2), np.float32), Measure.RATIO, refusal)
    assert found["answer"] == "This model has none."


def test_a_line_that_is_still_being_opened_is_closed_once_it_is_open(page):
    """Browsers warn of the contrary in the console, at every page that is left quickly."""
    closed = page.evaluate("""async () => {
      let line, closed = 0;
      globalThis.WebSocket = class {
        static CONNECTING = 0;
        static OPEN = 1;
        constructor() { line = this; this.readyState = WebSocket.CONNECTING; }
        close() { closed += 1; }
      };
      const { Channel } = await import("/kit/socket.js");
      new Channel({ onAnswer() {}, onError() {} }).close();
      const before = closed;
      line.readyState = WebSocket.OPEN;
      line.onopen();
      return [before, closed];
    }""")
    assert closed == [0, 1]
