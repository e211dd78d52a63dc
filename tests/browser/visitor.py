"""Somebody looking at the Explore page: what they see, what they do, and what went wrong behind it."""

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Locator, Page, expect

from tests.patience import PATIENCE_S

SOCKET_TROUBLE = ("WebSocket", "ERR_CONNECTION", "Failed to fetch", "Failed to load resource")
SOCKET_TROUBLE += (
    "Client Error in reaching server endpoint",
    "Is Streamlit still running?",
)  # after a longer while

# Through a canvas of our own: one that a worker paints has no context on the page.
_PIXELS = """canvas => {
  const { width, height } = canvas;
  if (!width) return 0;
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  context.drawImage(canvas, 0, 0);
  return Array.from(context.getImageData(0, 0, width, height).data);
}"""


def z_name(dimension: int) -> str:
    """What the page calls a latent dimension (from 0): z₁, z₂, …"""
    return "z" + str(dimension + 1).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


class Visitor:
    """One page of one browser; `problems` lists errors and every request that failed or left this machine."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.home = url
        self.problems: list[str] = []
        self.script_runs = 0  # messages to Streamlit, each of which runs the page's script
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._check_host(request.url))
        page.on("requestfailed", self._failed)
        page.on("websocket", self._watch)

    # --- getting there -----------------------------------------------------------------------------------

    def open(self, query: str = "model=digits-vae-2d") -> "Visitor":
        self.page.goto(self.home + (f"?{query}" if query else ""))
        return self.painted().rested()

    def painted(self) -> "Visitor":
        self.page.wait_for_function("performance.getEntriesByName('first-decoded-image').length > 0")
        return self

    def rested(self) -> "Visitor":
        """Wait until the page's script is not running and the address names the view."""
        expect(
            self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
        ).to_be_visible()
        self.page.wait_for_url(lambda url: "z=" in url)
        return self

    def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        """Wait for a condition that Python evaluates."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} never came true; the page says {self.message!r}"
            self.page.wait_for_timeout(20)  # lets the browser's events in

    # --- what there is to see ----------------------------------------------------------------------------

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def image(self) -> Locator:
        return self.find(".decoded .image")

    @property
    def sliders(self) -> Locator:
        return self.page.get_by_role("slider")

    def slider(self, dimension: int) -> Locator:
        """The slider of one latent dimension (from 0), wherever its KL puts it on the page."""
        return self.page.get_by_role("slider", name=re.compile(rf"^{z_name(dimension)}(,|$)"))

    def topmost(self) -> int:
        """The latent dimension (from 0) of the first slider on the page."""
        name = self.sliders.first.get_attribute("aria-label").split(",")[0]
        return next(dimension for dimension in range(256) if z_name(dimension) == name)

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Code z as text")

    @property
    def message(self) -> str:
        return self.find(".message").text_content() if self.find(".message").count() else ""

    @property
    def alerts(self) -> Locator:
        return self.page.get_by_test_id("stAlert")

    @property
    def z(self) -> list[float]:
        return [float(part) for part in self.text.input_value().split(",")]

    @property
    def z_in_url(self) -> list[float]:
        return [float(part) for part in parse_qs(urlsplit(self.page.url).query)["z"][0].split(",")]

    def value(self, number: int = 0) -> float:
        return float(self.slider(number).get_attribute("aria-valuenow"))

    def strip(self, number: int) -> Locator:
        return self.slider(number).locator("canvas.strip")

    def pixels(self, canvas: Locator | None = None) -> np.ndarray:
        """A canvas's pixels (height, width, 3); the decoded image's, if not said."""
        canvas = canvas or self.image
        flat = np.array(canvas.evaluate(_PIXELS), dtype=np.uint8)
        width = int(canvas.evaluate("canvas => canvas.width"))
        return flat.reshape(-1, width, 4)[..., :3]

    def until_pixels_change(self, before: np.ndarray, canvas: Locator | None = None) -> None:
        self.until(lambda: not np.array_equal(self.pixels(canvas), before), "a change of pixels")

    # --- what people do ----------------------------------------------------------------------------------

    def point(self, number: int, share: float) -> tuple[float, float]:
        """A point on a slider, `share` of the way along its track, below its middle."""
        box = self.slider(number).bounding_box()
        return box["x"] + share * box["width"], box["y"] + 12

    def press(self, number: int, share: float) -> None:
        self.page.mouse.move(*self.point(number, share))
        self.page.mouse.down()

    def until_at(self, number: int, share: float) -> None:
        """Wait until a slider says that it stands `share` of the way: its words follow the pointer a little later."""
        low, high = (float(self.slider(number).get_attribute(f"aria-value{end}")) for end in ("min", "max"))
        place = low + share * (high - low)
        self.until(lambda: abs(self.value(number) - place) <= 0.02, f"z{number + 1} = {place:.2f}")

    def drag(self, number: int, start: float, end: float) -> None:
        """Drag a slider and wait until the address follows."""
        self.press(number, start)
        self.page.mouse.move(*self.point(number, end), steps=4)
        self.page.mouse.up()
        self.until_url_follows()

    def until_url_follows(self) -> None:
        self.until(lambda: np.allclose(self.z_in_url, self.z, atol=1e-4), "the address")
        self.rested()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def choose(self, model: str) -> None:
        self.page.get_by_test_id("stSelectbox").locator("input").click()
        self.page.get_by_role("option", name=model, exact=True).click()
        self.until_model_is(model)

    def open_file(self, name: str, content: bytes) -> None:
        """Send a file through "Open a file", and close that again once the server has answered."""
        self.page.get_by_test_id("stPopover").get_by_role("button").click()
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        self.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)

    def open_model(self, name: str, content: bytes) -> None:
        self.open_file(f"{name}.safetensors", content)
        self.until_model_is(name)
        self.page.keyboard.press("Escape")

    def until_model_is(self, name: str) -> None:
        self.until(lambda: parse_qs(urlsplit(self.page.url).query).get("model") == [name], f"model {name}")
        self.rested()

    # --- what goes wrong ---------------------------------------------------------------------------------

    def forgive_the_server_being_away(self) -> None:
        self.problems = [line for line in self.problems if not any(word in line for word in SOCKET_TROUBLE)]

    def _console(self, message) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _failed(self, request) -> None:
        cancelled = request.failure == "net::ERR_ABORTED"  # by the page itself, when it is left
        if not cancelled and not self.page.is_closed():
            self.problems.append(f"failed: {request.url} ({request.failure})")

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.home).netloc:
            self.problems.append(f"went elsewhere: {url}")

    def _watch(self, socket) -> None:
        self._check_host(socket.url)
        if "/_stcore/stream" in socket.url:
            socket.on("framesent", lambda _: setattr(self, "script_runs", self.script_runs + 1))
