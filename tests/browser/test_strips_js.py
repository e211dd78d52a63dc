"""The strips against a server of the test's own: who asks, for what, in which order, and what is painted where."""

import threading
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.browser.visitor import Visitor
from vae_explorer.live.assets import FOLDER
from vae_explorer.live.protocol import DecodeRequest, pack_decoded, pack_error, parse_request

pytestmark = pytest.mark.browser

MODEL, NEWER = "0123456789abcdef", "fedcba9876543210"
SLIDERS, IN_VIEW = 6, 5  # the last one is a screen further down
VALUES = [0, 5, 10]
HEIGHT, WIDTH = 2, 3
AT_ONCE = 2 * len(VALUES)  # codes in one request

PAGE = """<!doctype html><canvas class="strip"></canvas>"""

# Sliders as strips.js knows them, one below the other; `painted` counts pictures that the page itself painted.
BEGIN = """async ({ sliders, inView, values, model, dataShape }) => {
  const { putImageData } = CanvasRenderingContext2D.prototype;
  Object.assign(window, { painted: 0, said: [] });
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    painted += 1;
    putImageData.apply(this, given);
  };
  document.body.replaceChildren();
  const { Strips } = await import("/live-js/explore/web/strips.js");
  window.strips = new Strips((sentence) => said.push(sentence));
  strips.begin({ id: model, dataShape });
  window.sliders = Array.from({ length: sliders }, (_, index) => {
    const row = document.createElement("div"), strip = document.createElement("canvas");
    row.style.cssText = `display: block; height: 40px; margin-top: ${index === inView ? 3000 : 0}px`;
    row.append(strip);
    document.body.append(row);
    const slider = { dimension: { index }, strip, values, traversal() { return this.values; } };
    strips.add(slider);
    return slider;
  });
}"""

ABSENT = "delete window.OffscreenCanvas"


class Live:
    """A live server: a picture of a code is grey, as bright as the code's numbers together."""

    def __init__(self) -> None:
        self.asked: list[DecodeRequest] = []
        self.open: set[ServerConnection] = set()
        self.refuses = False
        self.worker_is_broken = False
        self.answers = threading.Event()  # cleared, requests wait
        self.answers.set()
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._page)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()

    def _page(self, _: ServerConnection, request: Request) -> Response | None:
        if request.path == "/live":
            return None
        body, kind = PAGE.encode(), "text/html"
        if request.path.endswith(".js"):
            body, kind = (FOLDER / request.path.removeprefix("/live-js/")).read_bytes(), "text/javascript"
            if request.path.endswith("worker.js") and self.worker_is_broken:
                body = b"throw new Error('broken');"
        headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
        return Response(200, "OK", headers, body)

    def _talk(self, connection: ServerConnection) -> None:
        self.open.add(connection)
        try:
            for frame in connection:
                request = parse_request(frame)
                self.asked.append(request)
                self.answers.wait()
                connection.send(self._answer(request))
        except ConnectionClosed:
            pass
        finally:
            self.open.discard(connection)

    def _answer(self, request: DecodeRequest) -> bytes | str:
        if self.refuses:
            return pack_error(request.request_id, "no")
        grey = request.codes.sum(axis=1).astype(np.uint8)
        pixels = np.broadcast_to(grey[:, None, None, None], (len(grey), HEIGHT, WIDTH, 1))
        return pack_decoded(request.request_id, np.ascontiguousarray(pixels), 0.0)


@pytest.fixture
def live() -> Iterator[Live]:
    live = Live()
    yield live
    live.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


class Strips:
    """The strips of a page; `heard` is what its console says."""

    def __init__(self, page: Page, live: Live) -> None:
        self.live, self.page = live, page
        self.heard: list[str] = []
        page.on("console", lambda message: self.heard.append(message.text))
        self._visitor = Visitor(page, live.url)
        page.goto(live.url)
        about = {"sliders": SLIDERS, "inView": IN_VIEW, "values": VALUES, "model": MODEL}
        page.evaluate(BEGIN, about | {"dataShape": [1, HEIGHT, WIDTH]})

    def at(self, *code: float) -> None:
        self.page.evaluate("code => strips.at(Float32Array.from(code))", code)

    def until(self, condition, what: str = "the condition") -> None:
        self._visitor.until(condition, what)

    def greys(self, index: int) -> list[int]:
        """How bright a strip's pictures are, from left to right."""
        pixels = self._visitor.pixels(self.page.locator("canvas").nth(index))
        assert (pixels == pixels[:1, :, :1]).all()
        return pixels[0, ::WIDTH, 0].tolist()

    def show(self, code: list[float], index: int) -> bool:
        rest = sum(code) - code[index]
        return self.greys(index) == [rest + value for value in VALUES]

    def until_asked(self, indices: set[int], since: int = 0) -> None:
        self.until(lambda: set(self.asked(since)) == indices, f"{indices} asked for")

    def asked(self, since: int = 0) -> list[int]:
        """The dimensions whose strips were asked for in that order: those that vary."""
        said = [request.codes for request in self.live.asked[since:]]
        return [
            int(np.argmax(np.ptp(codes[i : i + len(VALUES)], axis=0)))
            for codes in said
            for i in range(0, len(codes), len(VALUES))
        ]


@pytest.fixture(params=["in a worker", "on the page", "after the worker broke"])
def strips(request: pytest.FixtureRequest, page: Page, live: Live) -> Strips:
    if request.param == "on the page":
        page.add_init_script(ABSENT)
    live.worker_is_broken = request.param == "after the worker broke"
    strips = Strips(page, live)
    strips.apart = request.param == "in a worker"
    return strips


@pytest.fixture
def apart(page: Page, live: Live) -> Strips:
    return Strips(page, live)


HERE = [1, 2, 3, 4, 5, 6]
THERE = [10, 20, 30, 40, 50, 60]


def test_strips_show_what_is_decoded_and_the_page_paints_only_where_no_worker_does(strips):
    strips.at(*HERE)
    for index in range(IN_VIEW):
        strips.until(lambda index=index: strips.show(HERE, index), f"strip {index}")
    strips.at(*THERE)
    for index in range(IN_VIEW):
        strips.until(lambda index=index: strips.show(THERE, index), f"strip {index}")
    assert len(strips.page.workers) == strips.apart
    assert (strips.page.evaluate("painted") > 0) is not strips.apart
    assert len(strips.live.open) == 1
    assert strips.page.evaluate("said") == []


def test_a_strip_is_asked_for_when_it_comes_into_view(strips):
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    strips.page.locator("canvas").nth(IN_VIEW).scroll_into_view_if_needed()
    strips.until(lambda: strips.show(HERE, IN_VIEW), "the last strip")
    assert strips.asked()[-1] == IN_VIEW
    assert max(Counter(strips.asked()).values()) == 1


def test_the_dimension_that_moves_keeps_its_strip(strips):
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    before = len(strips.live.asked)
    moved = [*HERE[:2], 7, *HERE[3:]]
    strips.at(*moved)
    for index in range(IN_VIEW):
        strips.until(lambda index=index: strips.show(moved, index), f"strip {index}")
    assert sorted(strips.asked(before)) == [0, 1, 3, 4]


def test_a_few_are_asked_for_at_a_time_the_oldest_first_and_the_newest_code_wins(strips):
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    strips.live.answers.clear()
    before = len(strips.live.asked)
    for step in range(20):
        strips.at(*(number + step for number in THERE))
    strips.until(lambda: len(strips.live.asked) > before, "a request")
    assert len(strips.live.asked) == before + 1
    strips.at(*HERE[::-1])
    strips.live.answers.set()
    for index in range(IN_VIEW):
        strips.until(lambda index=index: strips.show(HERE[::-1], index), f"strip {index}")
    assert max(len(request.codes) for request in strips.live.asked) <= AT_ONCE
    asked = strips.asked()
    rounds = [asked[i : i + IN_VIEW] for i in range(len(asked) - IN_VIEW + 1)]
    assert all(len(set(each)) == IN_VIEW for each in rounds)  # nobody twice before everybody once
    assert len(asked) <= 4 * IN_VIEW  # those of the codes between were never made


def test_newer_weights_make_every_strip_anew(strips):
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    before = len(strips.live.asked)
    values = [value + 1 for value in VALUES]
    strips.page.evaluate(
        """([id, values]) => {
             for (const slider of sliders) slider.values = values;
             strips.follow({ id, dataShape: strips.model.dataShape });
             strips.at(strips.code);
           }""",
        [NEWER, values],
    )
    rest = sum(HERE) - HERE[0]
    strips.until(lambda: strips.greys(0) == [rest + value for value in values], "the newer strip")
    strips.until_asked(set(range(IN_VIEW)), before)
    assert {request.model_id for request in strips.live.asked[before:]} == {NEWER}


def test_a_refusal_is_told_and_the_others_are_asked_for(strips):
    strips.live.refuses = True
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    strips.until(lambda: strips.page.evaluate("said").count("no") == len(strips.live.asked), "what is said")
    strips.live.refuses = False
    strips.at(*THERE)
    strips.until(lambda: strips.show(THERE, 0), "the strip")


def test_a_line_that_breaks_is_taken_up_again(strips):
    strips.at(*HERE)
    strips.until_asked(set(range(IN_VIEW)))
    for connection in list(strips.live.open):
        connection.close()
    strips.at(*THERE)
    strips.until(lambda: strips.show(THERE, 0), "the strip")


def test_the_worker_and_its_socket_end_with_the_strips(apart):
    apart.at(*HERE)
    apart.until_asked(set(range(IN_VIEW)))
    assert (len(apart.page.workers), len(apart.live.open)) == (1, 1)
    apart.page.evaluate("strips.close()")
    apart.until(lambda: not apart.page.workers and not apart.live.open, "the end")
    assert apart.heard == []


def test_strips_that_close_before_their_worker_is_there_say_nothing(apart):
    apart.page.evaluate(
        """async () => {
             strips.close();
             const { Strips } = await import("/live-js/explore/web/strips.js");
             for (let wait = 0; wait < 40; wait++) {
               const short = new Strips((sentence) => said.push(sentence));
               await new Promise((done) => setTimeout(done, wait));
               short.close();
             }
           }"""
    )
    apart.until(lambda: not apart.page.workers and not apart.live.open, "the end")
    assert (apart.heard, apart.page.evaluate("said")) == ([], [])
