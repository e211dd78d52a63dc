"""The modules of headline figures and worst places, without a server: the socket and the routes are stand-ins in the page.

The stand-in decoder paints a code as a grey of 255 * z[0], and example number i as a grey of 10 * i, so that a picture
tells what it is of.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://continuity.test"
STORED = {
    "continuity": 0.92,
    "continuity_low": 0.91,
    "continuity_high": 0.93,
    "completeness": 0.72,
    "completeness_low": 0.7,
    "completeness_high": 0.74,
    "hole_mass": 0.28,
    "hole_mass_error": 0.003,
    "realism_against": "images",
    "precision": 0.81,
    "recall": 0.62,
    "density": 0.93,
    "coverage": 0.88,
}

FAKES = """
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    constructor() { setTimeout(() => this.onopen()); }
    send(bytes) {
      const view = new DataView(bytes.buffer), item = view.getUint16(12, true) === 2;
      const count = item ? 2 : view.getUint16(16, true), width = view.getUint16(18, true), start = item ? 40 : 16;
      const answer = new Uint8Array(start + 16 * (item ? 1 : count)), out = new DataView(answer.buffer);
      out.setUint32(0, view.getUint32(0, true), true);
      (item ? [2, 2, 4, 4, ARG.originals ? 1 : 0, 1] : [0, count, 4, 4, 1, 0]).forEach((value, i) => out.setUint16(4 + 2 * i, value, true));
      if (item) answer.fill(10 * view.getUint32(24, true), start);
      else {
        const z = new Float32Array(bytes.buffer.slice(20));
        for (let k = 0; k < count; k++) answer.fill(Math.round(255 * Math.min(Math.max(z[k * width], 0), 1)), 16 + 16 * k, 32 + 16 * k);
      }
      setTimeout(() => this.onmessage({ data: answer.buffer }));
    }
    close() {}
  };
  window.asked = []; // what the routes were asked, and how to answer
  window.keeps = { headlines: null, worst: {} };
  const real = window.fetch.bind(window);
  window.fetch = (url, options = {}) => {
    const path = new URL(url, location).pathname;
    if (!path.startsWith("/continuity/")) return real(url, options);
    if (path === "/continuity/kept") return Promise.resolve(new Response(JSON.stringify(keeps)));
    return new Promise((resolve, reject) => {
      const lines = new TransformStream(), writer = lines.writable.getWriter();
      const tell = (line) => writer.write(new TextEncoder().encode(JSON.stringify(line) + "\\n"));
      const answer = (line) => (tell(line), writer.close());
      const refuse = (sentence) => resolve(new Response(sentence, { status: 400 }));
      options.signal.addEventListener("abort", () => reject(new DOMException("left", "AbortError")));
      asked.push({ path, body: JSON.parse(options.body), signal: options.signal, begin: () => resolve(new Response(lines.readable)), tell, answer, refuse });
    });
  };
  const { Findings, FINDINGS } = await import(`${location.origin}/continuity/web/findings.js`);
  const { Headlines, HEADLINES } = await import(`${location.origin}/continuity/web/headlines.js`);
  window.said = []; window.explored = null; window.mapped = null;
  window.facts = { model: { id: "00112233445566aa", name: "toy", file: "checkpoints/toy.safetensors" }, latentDim: 2, dataShape: [1, 4, 4], hasPrior: true, classNames: ["even", "odd"], evaluation: {}, peers: [], ...ARG.facts };
  const root = document.querySelector(".root");
  root.innerHTML = HEADLINES + FINDINGS;
  const page = { get facts() { return window.facts; }, say: (sentence) => said.push(sentence), explore: (code) => (explored = [...code]), ...(ARG.mapless ? {} : { show: (code) => (mapped = [...code]) }) };
  window.headlines = new Headlines(root, page);
  window.findings = new Findings(root, page);
  window.begin = () => { headlines.begin(); findings.begin(); };
  begin();
  window.until = async (true_) => { for (let k = 0; k < 30000 && !true_(); k++) await new Promise((done) => setTimeout(done, 10)); if (!true_()) throw new Error(`never: ${true_}`); };
  window.place = (x, more = {}) => ({ code: [x, 0.5], value: 10 * x, label: null, index: null, shown: [[x, 0.5]], ...more });
  window.next = async (n) => { await until(() => asked.length > n); asked[n].begin(); return asked[n]; };
  window.grey = (canvas) => canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
"""

# The font that the app shows its words in: how they wrap must not depend on what this machine has.
FONT = next(Path(streamlit.__file__).parent.glob("static/static/media/SourceSansVF-Upright*.woff2"))

PAGE = """<!doctype html><link rel="stylesheet" href="continuity/web/findings.css"><style>
  @font-face { font-family: "Source Sans"; font-weight: 200 900; src: url("font.woff2") format("woff2"); }
  :root { --st-font: "Source Sans"; --st-text-color: #1c2429; --st-background-color: #fff; --st-secondary-background-color: #f2f5f7;
    --st-border-color: #d5dbdf; --st-primary-color: #0b6b86; --st-link-color: #0b6b86; }
  @media (prefers-color-scheme: dark) { :root { --st-text-color: #e6edf0; --st-background-color: #101416;
    --st-secondary-background-color: #1e262b; --st-border-color: #37424a; --st-primary-color: #1c7f9c; --st-link-color: #4db6d0; } }
  body { margin: 1rem; background: var(--st-background-color) } .root { container-type: inline-size }
</style><div class="root"></div>"""


class Panel:
    """A page with the two modules alone on it; `run` calls what the stand-ins left on the window."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.route(f"{ORIGIN}/**", self._answer)

    def open(self, *, originals: bool = True, mapless: bool = False, **facts: object) -> "Panel":
        self.page.goto(f"{ORIGIN}/")
        self.run(FAKES, {"facts": facts, "originals": originals, "mapless": mapless})
        self.run("await document.fonts.ready;")
        return self

    def run(self, script: str, arg: object = None):
        return self.page.evaluate(f"async () => {{ const ARG = {json.dumps(arg)}; {script} }}")

    def card(self, figure: str):
        return self.page.locator(f'.headline[data-figure="{figure}"]')

    def kind(self, kind: str):
        return self.page.locator(f'.kind[data-kind="{kind}"]')

    @staticmethod
    def _answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith((".js", ".css")):
            kind = "text/javascript" if name.endswith(".js") else "text/css"
            route.fulfill(path=FOLDER / name, content_type=kind)
        elif name == "font.woff2":
            route.fulfill(path=FONT, content_type="font/woff2")
        else:
            route.fulfill(body=PAGE, content_type="text/html")


@pytest.fixture
def panel(browser: Browser) -> Iterator[Panel]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    made = Panel(page)
    yield made
    assert not made.problems
    page.close()


@pytest.fixture
def run(panel: Panel) -> Callable[..., object]:
    return panel.run


# --- headline figures ---------------------------------------------------------------------------------------------


def test_stored_figures_are_shown_with_their_interval_and_what_they_mean(panel, run):
    panel.open(evaluation=STORED)
    continuity, completeness = panel.card("continuity"), panel.card("completeness")
    assert continuity.locator(".value").inner_text() == "0.92"
    assert continuity.locator(".beside").inner_text() == "95 % interval 0.91 to 0.93"
    assert completeness.locator(".meaning").inner_text() == (
        "28 % of the prior’s mass has no data near it (± 0.3 % Monte Carlo error)."
    )
    assert panel.page.locator(".figures dd").all_inner_texts() == ["0.81", "0.62", "0.93", "0.88"]
    assert panel.page.locator(".source").inner_text() == "Against encoded images; stored in the file."
    assert panel.page.locator(".headline-figures .start").is_hidden()
    assert run("return asked.length;") == 0


def test_a_bar_is_as_long_as_its_figure_and_the_whisker_as_its_interval(panel):
    panel.open(evaluation=STORED)
    scale, filled, whisker = (
        panel.card("completeness").locator(part).bounding_box() for part in (".scale", ".filled", ".range")
    )
    assert filled["width"] / scale["width"] == pytest.approx(0.72, abs=0.005)
    assert (whisker["x"] - scale["x"]) / scale["width"] == pytest.approx(0.70, abs=0.005)
    assert whisker["width"] / scale["width"] == pytest.approx(0.04, abs=0.01)


def test_other_models_of_the_data_are_named_and_marked(panel):
    peers = [{"name": "ae", "continuity": 0.78, "completeness": None}]
    panel.open(evaluation=STORED, peers=peers)
    assert panel.card("continuity").locator(".beside").inner_text().endswith("same data: ae 0.78")
    scale, mark = (panel.card("continuity").locator(part).bounding_box() for part in (".scale", ".others b"))
    assert (mark["x"] + mark["width"] / 2 - scale["x"]) / scale["width"] == pytest.approx(0.78, abs=0.005)
    assert panel.card("completeness").locator(".others b").count() == 0


def test_a_definition_is_one_press_away_and_escape_or_a_press_elsewhere_closes_it(panel):
    page = panel.open(evaluation=STORED).page
    definition, formula = (
        panel.card("continuity").locator("details"),
        panel.card("continuity").locator(".formula"),
    )
    assert formula.is_hidden()
    definition.locator("summary").press("Enter")
    assert formula.is_visible()
    page.keyboard.press("Escape")
    assert formula.is_hidden()
    definition.locator("summary").click()
    page.mouse.click(900, 600)
    assert formula.is_hidden()


def test_a_model_without_a_prior_is_said_to_have_none(panel):
    panel.open(evaluation=STORED, hasPrior=False)
    meaning = panel.card("completeness").locator(".meaning").inner_text()
    assert meaning.startswith("28 % of the Gaussian fitted to its codes has no data near it")
    panel.card("completeness").locator("summary").click()
    assert panel.page.locator(".without-prior").is_visible()


def test_measuring_says_how_far_it_is_and_shows_what_came_out(panel, run):
    page = panel.open().page
    assert panel.card("continuity").locator(".meaning").inner_text() == "Not measured yet."
    page.locator(".headline-figures .start").click()
    run(
        "const one = await next(0); one.tell({ done: 0.4 }); await until(() => document.querySelector('progress').value === 0.4);"
    )
    assert run("return asked[0].body;") == {"model": "00112233445566aa"}
    run("asked[0].answer(ARG);", STORED | {"seconds": 12.3})
    panel.card("continuity").get_by_text("0.92", exact=True).wait_for()
    assert "measured here in 12 s" in page.locator(".source").inner_text()
    assert page.locator(".headline-figures .work").is_hidden()
    page.get_by_text("What these are").click()
    assert "evaluate checkpoints/toy.safetensors --continuity --save" in page.locator(".store").inner_text()


@pytest.mark.parametrize(
    ("against", "words"),
    [
        ("images", "Against encoded images"),
        ("reconstructions", "Against reconstructions"),
        (None, "Against images that the file does not name"),
    ],
)
def test_precision_says_what_it_compares_with(panel, against, words):
    panel.open(evaluation=STORED | {"realism_against": against})
    assert panel.page.locator(".headline-figures .source").inner_text().startswith(words)


def test_nothing_moves_when_figures_come(panel):
    height = lambda: panel.page.locator(".headline-figures").bounding_box()["height"]  # noqa: E731
    panel.open()
    before = height()
    panel.open(evaluation=STORED, peers=[{"name": "ae", "continuity": 0.78, "completeness": 0.41}])
    assert height() == pytest.approx(before, abs=2)


def test_measuring_can_be_cancelled_and_begun_again(panel, run):
    page = panel.open().page
    page.locator(".headline-figures .start").click()
    run("await next(0);")
    page.locator(".headline-figures .cancel").click()
    assert run("return asked[0].signal.aborted;")
    assert page.locator(".headline-figures .start").is_visible()
    page.locator(".headline-figures .start").click()
    run("(await next(1)).answer(ARG);", STORED | {"seconds": 1.0})
    panel.card("continuity").get_by_text("0.92", exact=True).wait_for()


def test_a_refusal_stands_where_the_figures_would(panel, run):
    page = panel.open().page
    page.locator(".headline-figures .start").click()
    run("(await next(0)).answer({ error: 'This model is not open any more; reload the page.' });")
    page.get_by_text("not open any more").wait_for()
    assert page.locator(".headline-figures .start").is_visible()


def test_what_is_not_defined_is_a_sentence_beside_what_is(panel):
    panel.open(
        evaluation={"completeness": 0.5, "missing": {"continuity": "All lines are flat.", "precision": "No."}}
    )
    assert panel.card("continuity").locator(".meaning").inner_text() == "All lines are flat."
    assert panel.card("continuity").locator(".value").inner_text() == "–"
    assert panel.card("completeness").locator(".value").inner_text() == "0.50"
    assert panel.page.locator(".source").inner_text().startswith("No.")


@pytest.mark.parametrize("value", ["<b>0.9</b>", 7, None, {"a": 1}, [0.5]])
def test_a_file_may_hold_anything_under_these_names(panel, value):
    panel.open(evaluation={"continuity": value, "missing": value}, peers=[])
    assert panel.card("continuity").locator(".meaning").inner_text() == "Not measured yet."
    assert panel.page.locator(".headline-figures .start").is_visible()


def test_another_model_starts_anew(panel, run):
    panel.open(evaluation=STORED)
    run("facts = { ...facts, model: { id: 'ffffffffffffffff', name: 'other' }, evaluation: {} }; begin();")
    assert panel.card("continuity").locator(".value").inner_text() == "–"
    assert panel.page.locator(".headline-figures .start").is_visible()


# --- worst places -------------------------------------------------------------------------------------------------

LISTS = {
    "cliffs": "{ typical: 4, places: [place(0.8, { shown: [[0.2, 0.5], [0.6, 0.5]] }), place(0.4, { label: 1 })] }",
    "holes": "{ typical: null, places: [place(0.004, { value: 0.004, percentile: 0.63 })] }",
    "drifts": "{ typical: 0.5, places: [] }",
    "reconstructions": "{ typical: 0.05, places: [place(1, { value: 0.123, label: 0, index: 7 }), place(0, { value: 0.1, label: 1, index: 3 })] }",
}


def seek(panel, run):
    panel.page.get_by_text("Find the worst for me").click()
    for number, (kind, found) in enumerate(LISTS.items()):
        run(f"const one = await next({number}); one.answer({{ kind: '{kind}', ...{found} }});")
    panel.page.get_by_text("Look again").wait_for()


def test_every_list_is_asked_for_and_shown_in_its_order(panel, run):
    panel.open()
    seek(panel, run)
    assert run("return asked.map(({ path, body }) => [path, body.kind]);") == [
        ["/continuity/worst", kind] for kind in LISTS
    ]
    words = {kind: panel.kind(kind).locator(".words").all_inner_texts() for kind in LISTS}
    assert [text.split("\n") for text in words["cliffs"]] == [
        ["8.0 per unit z", "2 × the usual", "z 0.80, 0.50"],
        ["4.0 per unit z", "1 × the usual", "z 0.40, 0.50 · odd"],
    ]
    assert words["holes"][0].split("\n")[:2] == [
        "0.004 × the data promised",
        "within the inner 63 % of the prior",
    ]
    assert panel.kind("drifts").locator(".trouble").inner_text() == "There are none."
    assert [text.split() for text in words["reconstructions"]] == [["0.12", "even"], ["0.1", "odd"]]


def test_pictures_are_of_the_codes_to_be_shown_and_originals_come_first(panel, run):
    panel.open()
    seek(panel, run)
    greys = "return [...document.querySelectorAll(`[data-kind='${ARG}'] canvas`)].map(grey);"
    run("await until(() => document.querySelectorAll('canvas.original').length === 2);")
    assert run(greys, "cliffs") == [51, 153, 102]
    assert run(greys, "reconstructions") == [70, 255, 30, 0]


def test_reconstructions_stand_alone_where_the_data_are_not_at_hand(panel, run):
    panel.open(originals=False)
    seek(panel, run)
    run("await until(() => document.querySelectorAll('canvas').length);")
    panel.page.wait_for_timeout(100)
    assert panel.page.locator("canvas.original").count() == 0


def test_a_place_leads_to_explore_by_mouse_and_by_keyboard(panel, run):
    panel.open()
    seek(panel, run)
    hint = panel.page.locator(".findings .hint").inner_text()
    assert "leaves for Explore" in hint
    panel.kind("cliffs").locator(".go").first.click()
    assert run("return explored;") == pytest.approx([0.8, 0.5])
    panel.kind("cliffs").locator(".go").nth(1).press("Enter")
    assert run("return explored;") == pytest.approx([0.4, 0.5])


def test_a_place_is_shown_on_the_map_where_there_is_one(panel, run):
    panel.open()
    seek(panel, run)
    panel.kind("holes").locator(".go").hover()
    panel.kind("holes").locator(".to-map").click()
    assert run("return mapped;") == pytest.approx([0.004, 0.5])
    assert run("return explored;") is None
    panel.open(mapless=True)
    seek(panel, run)
    assert not panel.page.locator(".to-map").first.is_visible()


def test_progress_runs_through_all_lists_and_cancel_keeps_what_was_found(panel, run):
    page = panel.open().page
    page.get_by_text("Find the worst for me").click()
    run(f"const one = await next(0); one.answer({{ kind: 'cliffs', ...{LISTS['cliffs']} }});")
    run(
        "const two = await next(1); two.tell({ done: 0.5 }); await until(() => document.querySelector('.findings progress').value === 0.375);"
    )
    assert page.locator(".findings .doing").inner_text() == "Looking for holes…"
    page.locator(".findings .cancel").click()
    assert run("return asked[1].signal.aborted;")
    assert panel.kind("cliffs").locator("li").count() == 2
    assert panel.kind("holes").get_attribute("data-state") == "empty"
    page.get_by_text("Look again").wait_for()
    page.wait_for_timeout(100)
    assert run("return asked.length;") == 2


def test_a_list_that_there_cannot_be_is_a_sentence_and_the_others_go_on(panel, run):
    panel.open().page.get_by_text("Find the worst for me").click()
    run("(await next(0)).answer({ error: 'This model has no cliffs.' });")
    run(f"(await next(1)).answer({{ kind: 'holes', ...{LISTS['holes']} }});")
    panel.kind("cliffs").get_by_text("This model has no cliffs.").wait_for()
    assert panel.kind("holes").locator("li").count() == 1


def test_what_was_found_before_is_there_at_once(panel, run):
    panel.open()
    run(f"keeps = {{ headlines: ARG, worst: {{ holes: {LISTS['holes']} }} }};", STORED)
    run("headlines.begin(); findings.show();")
    panel.kind("holes").get_by_text("0.004 × the data promised").wait_for()
    panel.page.get_by_text("Look again").wait_for()
    panel.card("continuity").get_by_text("0.92", exact=True).wait_for()
    assert run("return asked.length;") == 0


def test_another_model_forgets_the_places_of_the_former(panel, run):
    panel.open()
    seek(panel, run)
    run("facts = { ...facts, model: { id: 'ffffffffffffffff', name: 'other' } }; begin();")
    assert panel.page.locator(".findings li").count() == 0
    panel.page.get_by_text("Find the worst for me").wait_for()


def test_many_dimensions_are_told_by_their_length(panel, run):
    panel.open(latentDim=4)
    panel.page.get_by_text("Find the worst for me").click()
    run(
        "(await next(0)).answer({ kind: 'cliffs', typical: null, places: [place(1, { code: [3, 0, 4, 0], shown: [[3, 0, 4, 0]] })] });"
    )
    panel.kind("cliffs").get_by_text("‖z‖ 5.00").wait_for()


def test_on_a_phone_nothing_is_wider_than_the_screen(panel, run):
    panel.page.set_viewport_size({"width": 390, "height": 844})
    panel.open(evaluation=STORED)
    seek(panel, run)
    for summary in panel.page.locator("summary").all():
        summary.click()
        box = panel.page.locator("details[open] > div").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        summary.press("Escape")
    assert run("return document.documentElement.scrollWidth;") <= 390
