"""The trust read-out and pixel uncertainty in a real browser: what the core says at the code in view, while it moves."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from scipy.stats import chi2, spearmanr

from tests.browser.conftest import LAPTOP, PHONE
from tests.vae_explorer import making
from vae_core import checkpoint, data
from vae_core.models.rendering import render
from vae_explorer import library

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"
FIGURES = ("prior", "data", "stretch", "drift", "realism")


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(library.FOLDER / f"{DIGITS}.safetensors")


class Readout:
    """The read-out of a page, inside what `inside` selects."""

    def __init__(self, visitor, inside=""):
        self.visitor = visitor
        self.root = visitor.find(f"{inside} .trust".strip())

    def figure(self, name):
        return self.root.locator(f'[data-name="{name}"]')

    def says(self, name):
        """The figure's number: a share, a ratio, or plain."""
        text = self.figure(name).locator(".value").text_content()
        number = float(re.search(r"[\d.]+", text)[0])
        return number / 100 if "%" in text else number

    def word(self, name):
        return self.figure(name).locator(".word").text_content()

    def stands(self, name, value, tolerance):
        """Wait until a figure is as expected."""
        close = lambda: self.figure(name).is_visible() and abs(self.says(name) - value) <= tolerance  # noqa: E731
        self.visitor.until(close, f"{name} {value}")


@pytest.fixture
def readout(visitor):
    readout = Readout(visitor)
    expect(readout.figure("realism")).to_be_visible()
    return readout


def percentile(code):
    return chi2.cdf(np.square(code).sum(), len(code))


def jacobian(model, code):
    mean = lambda z: model.decode(z[None]).mean.flatten()  # noqa: E731
    return torch.autograd.functional.jacobian(mean, torch.as_tensor(code, dtype=torch.float32)).numpy()


def close_to(value):
    """Half a unit of the last digit that is shown, and a hair."""
    return (0.5 if value >= 9.95 else 0.05 if value >= 0.995 else 0.005) * 1.1


# --- the figures --------------------------------------------------------------------------------------------


def test_figures_are_the_core_s_at_the_code_in_view(visitor, readout, digits):
    visitor.text.fill("0.5, -1.25")
    visitor.text.press("Enter")
    code = np.array([0.5, -1.25], np.float32)
    readout.stands("prior", percentile(code), 0.0055)
    stretch = np.linalg.svd(jacobian(digits.model, code), compute_uv=False)[0]
    readout.stands("stretch", stretch, close_to(stretch))
    with torch.inference_mode():
        z = torch.from_numpy(code)[None]
        drift = float((digits.model.encode(digits.model.decode(z).mean).mean - z).norm())
    readout.stands("drift", drift, close_to(drift))


def test_the_nearest_encoded_image_stands_beside_its_distance(visitor, readout, digits):
    visitor.text.fill("-1, 0.75")
    visitor.text.press("Enter")
    with torch.inference_mode():
        decoded = digits.model.decode(torch.tensor([[-1.0, 0.75]])).mean.flatten(1)
    held_out = data.load(digits.description.data, "held-out")
    place = {int(index): row for row, index in enumerate(held_out.indices)}
    rows = [place[int(index)] for index in digits.reference.indices]
    images = held_out.examples[rows].float().flatten(1) / 255
    distances = torch.cdist(images, images).fill_diagonal_(torch.inf)
    away = torch.cdist(decoded, images)[0]
    realism = float(away.min() / distances.min(1).values.median())
    readout.stands("realism", realism, close_to(realism))
    nearest = int(away.argmin())
    picture = readout.root.locator("canvas")
    expect(picture).to_be_visible()
    assert np.array_equal(visitor.pixels(picture)[..., 0], held_out.examples[rows[nearest], 0].numpy())
    assert readout.word("realism") == f"nearest: {int(digits.reference.labels[nearest])}"


def test_it_follows_a_drag_without_a_script_run(visitor, readout):
    visitor.press(visitor.topmost(), 0.5)
    runs = visitor.script_runs
    for share in (0.6, 0.8, 0.95):
        visitor.page.mouse.move(*visitor.point(visitor.topmost(), share), steps=3)
        visitor.until_at(visitor.topmost(), share)
        readout.stands("prior", percentile(visitor.z), 0.006)
    assert visitor.script_runs == runs
    visitor.page.mouse.up()
    visitor.until_url_follows()


def test_far_from_the_prior_figures_are_marked_with_a_sign_and_a_sentence(visitor, readout):
    visitor.text.fill("9, 9")
    visitor.text.press("Enter")
    visitor.until(lambda: readout.word("prior") == "outside", "a warning")
    bad = readout.figure("prior")
    assert "bad" in bad.get_attribute("class")
    sign = bad.locator(".value").evaluate("value => getComputedStyle(value, '::before').content")
    assert "▲" in sign
    for name in FIGURES:
        sentence = readout.figure(name).get_attribute("title")
        assert len(sentence) > 40
        assert "NaN" not in sentence
        assert "undefined" not in sentence
    visitor.text.fill("0, 0")
    visitor.text.press("Enter")
    visitor.until(lambda: readout.word("prior") == "inside", "no warning")
    assert "bad" not in bad.get_attribute("class")


def test_the_page_keeps_its_message(visitor, readout):
    visitor.text.fill("1, 2, 3")
    visitor.text.press("Enter")
    said = visitor.message
    assert "paste exactly that many" in said
    visitor.press(0, 0.4)
    visitor.page.wait_for_timeout(300)
    assert visitor.message == said
    visitor.page.mouse.up()
    visitor.until_url_follows()


def test_nothing_is_asked_while_nobody_can_see_it(visit):
    visitor = visit()
    asked = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(frame)))
    visitor.open()
    readout = Readout(visitor)
    expect(readout.figure("prior")).to_be_visible()
    measures = lambda: sum(isinstance(frame, bytes) and frame[12:14] == b"\3\0" for frame in asked)  # noqa: E731
    visitor.page.wait_for_timeout(500)
    visitor.page.evaluate(
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"
    )
    before = measures()
    assert before > 0
    visitor.press(0, 0.3)
    visitor.page.mouse.move(*visitor.point(0, 0.8), steps=5)
    visitor.until_at(0, 0.8)
    visitor.page.wait_for_timeout(300)
    assert measures() == before
    visitor.page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    readout.stands("prior", percentile(visitor.z), 0.006)
    visitor.page.mouse.up()
    visitor.until_url_follows()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_stays_with_the_image(visit, scheme):
    visitor = visit(viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme).open()
    readout = Readout(visitor, ".stage")
    expect(readout.figure("realism")).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for name in FIGURES:
        box = readout.figure(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


# Keeps the read-out's questions (kind 3 of the live protocol) back until `ask()`.
HELD = """
  const { send } = WebSocket.prototype, held = [];
  let asking = false;
  WebSocket.prototype.send = function (data) {
    if (!asking && data instanceof Uint8Array && data[12] === 3) held.push(() => send.call(this, data));
    else send.call(this, data);
  };
  window.ask = () => { asking = true; for (const each of held.splice(0)) each(); };
"""


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("model", [DIGITS, "sprites-vae-10d"])
def test_nothing_moves_when_it_arrives_or_changes(visit, model, viewport):
    visitor = visit(viewport=viewport)
    visitor.page.add_init_script(HELD)
    visitor.open(f"model={model}")
    readout = Readout(visitor)
    dimensions = visitor.sliders.count()
    main = visitor.page.get_by_test_id("stMain")

    def boxes():
        """Where the sliders are on the page, however far it is scrolled."""
        scrolled = main.evaluate("main => main.scrollTop")
        found = [slider.bounding_box() for slider in visitor.sliders.all()]
        return [box | {"y": round(box["y"] + scrolled, 2)} for box in found]

    before = boxes()
    assert not readout.figure("prior").is_visible()
    visitor.page.evaluate("ask()")
    expect(readout.figure("realism")).to_be_visible()
    assert boxes() == before
    said, first = readout.root.bounding_box(), visitor.find(".dim").first.bounding_box()
    assert said["y"] + said["height"] <= first["y"]
    for far in (1.5, 9):
        visitor.text.fill(", ".join([str(far)] * dimensions))
        visitor.text.press("Enter")
        readout.stands("prior", percentile([far] * dimensions), 0.006)
        assert boxes() == before
    visitor.until_url_follows()


# --- Map and Walk -------------------------------------------------------------------------------------------


def test_the_map_tells_of_the_place_under_the_pointer(visit):
    visitor = visit()
    visitor.page.goto(f"{visitor.home}map?model={DIGITS}&projection=plane&first=0&second=1")
    expect(visitor.find('.map[aria-busy="false"]')).to_be_visible()
    readout = Readout(visitor, ".panel")
    box = visitor.find(".stage").bounding_box()
    for x, y in ((0.5, 0.5), (0.75, 0.3)):
        visitor.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        visitor.page.wait_for_timeout(150)
        words = visitor.find(".place").inner_text().replace("−", "-")
        code = [float(part) for part in re.findall(r"z[₁₂] (-?[\d.]+)", words)]
        readout.stands("prior", percentile(code), 0.02)


def test_the_grid_tells_of_the_tile_under_the_pointer(visit):
    visitor = visit()
    visitor.page.goto(f"{visitor.home}walk?model={DIGITS}")
    expect(visitor.find(".walk")).to_be_visible()
    readout = Readout(visitor, ".board")
    box = visitor.find(".walk-grid").bounding_box()
    for x, y in ((0.45, 0.5), (0.6, 0.2)):
        visitor.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        visitor.page.wait_for_timeout(150)
        words = visitor.find(".place").inner_text().replace("−", "-")
        code = [float(part) for part in re.findall(r"z[₁₂] (-?[\d.]+)", words)]
        readout.stands("prior", percentile(code), 0.02)


def test_paths_tell_of_the_code_that_is_scrubbed_to(visit):
    visitor = visit()
    visitor.page.goto(f"{visitor.home}walk?model={DIGITS}&tab=paths&ends=0,0;3,3&paths=linear")
    expect(visitor.page.get_by_text(re.compile("image-space length"))).to_be_visible()
    readout = Readout(visitor, ".paths-tab")
    readout.stands("prior", 0, 0.01)
    visitor.find(".transport .t").focus()
    visitor.page.keyboard.press("End")
    readout.stands("prior", 0.999, 0.001)
    visitor.page.keyboard.press("Home")
    readout.stands("prior", 0, 0.01)


# --- pixel uncertainty --------------------------------------------------------------------------------------


def spread_of(visitor):
    """The picture as numbers: its colours' lightness rises with the deviation."""
    picture = visitor.find(".spread canvas")
    expect(picture).to_be_visible()
    return visitor.pixels(picture).astype(float) @ [0.2126, 0.7152, 0.0722]


def test_spread_is_the_deviation_of_the_decoded_mean_over_the_posterior(visitor, digits):
    visitor.find(".encode .class").select_option(label="3")
    visitor.find(".number").fill("2")
    position = int(torch.nonzero(digits.reference.labels == 3)[2, 0])
    mean = digits.reference.mean[position]
    std = (digits.reference.log_variance[position] / 2).exp()
    draws = mean + std * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    expected = render(digits.model, draws.numpy())[..., 0].std(0, dtype=float) / 255
    shown = spread_of(visitor)
    assert shown.shape == expected.shape
    assert spearmanr(shown.ravel(), expected.ravel()).statistic > 0.9
    caption = visitor.find(".spread figcaption").text_content()
    most = float(re.search(r"±([\d.]+)", caption)[1])
    assert most == pytest.approx(
        expected.max(), rel=0.35
    )  # 64 draws: 9 % at one pixel, more at the largest of 64
    visitor.until_url_follows()


def test_spread_is_of_the_image_that_is_encoded(visitor):
    visitor.find(".encode .next").click()
    one = spread_of(visitor)
    visitor.find(".encode .next").click()
    visitor.until(lambda: not np.array_equal(spread_of(visitor), one), "another spread")
    visitor.find(".encode .previous").click()
    visitor.until(lambda: np.array_equal(spread_of(visitor), one), "the same spread for the same image")
    visitor.until_url_follows()


# --- other models -------------------------------------------------------------------------------------------


def test_a_model_without_encoded_data_shows_what_is_left(visitor):
    visitor.open_model("bare", making.content(with_reference=False))
    readout = Readout(visitor)
    expect(readout.figure("stretch")).to_be_visible()
    shown = [name for name in FIGURES if readout.figure(name).is_visible()]
    assert shown == ["prior", "stretch", "drift"]
    assert visitor.message == ""


def test_an_autoencoder_has_a_read_out_but_no_posterior_to_spread(visitor):
    visitor.open_model("points", making.content(kind="autoencoder"))
    readout = Readout(visitor)
    expect(readout.figure("realism")).to_be_visible()
    assert "has no prior" in readout.figure("prior").get_attribute("title")
    expect(visitor.find(".spread")).to_be_hidden()
