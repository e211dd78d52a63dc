"""The Paths panel's modules, without a server: the socket and the routes are stand-ins inside the page.

The stand-in decoder paints a code as a grey of 255 * z[0], so that a picture tells which code it is of.
"""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://walk.test"
N = 31  # frames of the stand-in paths

FAKES = """
  window.decoded = 0;
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    constructor() { setTimeout(() => this.onopen()); }
    send(bytes) {
      const view = new DataView(bytes.buffer), count = view.getUint16(16, true), width = view.getUint16(18, true);
      const refusal = JSON.stringify({ id: view.getUint32(0, true), error: "This model has no measures." });
      if (view.getUint16(12, true) === 3) return void setTimeout(() => this.onmessage?.({ data: refusal })); // for the trust read-out
      const z = new Float32Array(bytes.buffer.slice(20)), answer = new Uint8Array(16 + 16 * count), out = new DataView(answer.buffer);
      out.setUint32(0, view.getUint32(0, true), true);
      [0, count, 4, 4, 1, 0].forEach((value, i) => out.setUint16(4 + 2 * i, value, true));
      for (let k = 0; k < count; k++) answer.fill(Math.round(255 * Math.min(Math.max(z[k * width], 0), 1)), 16 + 16 * k, 32 + 16 * k);
      window.decoded += count;
      setTimeout(() => this.onmessage?.({ data: answer.buffer })); // nothing comes to a socket that was closed
    }
    close() {}
  };
  window.asked = []; // what the routes were asked, and how to answer
  const real = window.fetch.bind(window);
  window.fetch = (url, options = {}) => {
    const path = new URL(url, location).pathname;
    if (!path.startsWith("/walks/")) return real(url, options);
    return new Promise((resolve, reject) => {
      const answer = (...lines) => resolve(new Response(lines.map((line) => JSON.stringify(line) + "\\n").join("")));
      const refuse = (sentence) => resolve(new Response(sentence, { status: 400 }));
      asked.push({ path, body: JSON.parse(options.body), signal: options.signal, answer, refuse, resolve, reject });
    });
  };
  // A path that runs evenly from the first end to the last.
  window.straight = ({ ends, count }, more = {}) => {
    const a = ends[0], b = ends.at(-1), n = ARG.n ?? count;
    const codes = Array.from({ length: n }, (_, i) => a.map((value, d) => value + (i / (n - 1)) * (b[d] - value)));
    return { codes, t: codes.map((_, i) => i / (n - 1)), steps: Array(n - 1).fill(0.1), length: 3, energy: 2, worst: 0, nearest: null, nearestPoint: null, seconds: 0.5, ...more };
  };
  const { Paths, PATHS } = await import(`${location.origin}/walk/web/paths.js`);
  const codes = Float32Array.from(ARG.codes.flat()), label = Int16Array.from(ARG.codes, (_, i) => i % 2);
  const columns = { codes, label };
  window.data = ARG.codes.length ? { n: label.length, width: 2, has: (name) => name in columns, get: (name) => columns[name], want: async (name) => columns[name], code: (i) => codes.subarray(2 * i, 2 * i + 2) } : null;
  window.said = []; window.addresses = 0; window.explored = null;
  window.facts = { model: { id: "00112233445566aa", name: "toy" }, latentDim: 2, dataShape: [1, 4, 4], z: [0.5, 0.5], ends: { a: [0.1, 0], b: null }, hasPrior: true, classNames: ["even", "odd"], encodedCount: label.length };
  const root = document.body;
  root.innerHTML = PATHS;
  window.panel = () => {
    const paths = new Paths(root, { facts, data, say: (sentence) => said.push(sentence), address: () => addresses++, explore: (code) => (explored = [...code]) });
    paths.begin();
    return paths;
  };
  window.paths = panel();
  window.sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  window.until = async (true_) => { for (let k = 0; k < 30000 && !true_(); k++) await sleep(10); if (!true_()) throw new Error(`never: ${true_}`); };
  // Answer all that is asked for and not answered yet.
  window.serve = async (more = () => ({})) => {
    await sleep(150);
    const answer = () => { for (const one of asked.filter(({ done, path }) => !done && path === "/walks/path")) { one.done = true; one.answer(straight(one.body, more(one.body.method))); } };
    answer();
    await until(() => (answer(), true) && paths.ready().length === paths.rows.size && paths.ready().every((row) => row.film.has(row.n - 1)));
    await sleep(30);
  };
  window.end = (x, y = 0) => ({ code: [x, y], name: `end ${x}` });
  window.grey = (canvas) => canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
  window.hero = (way) => grey(document.querySelector(`.heroes [data-way="${way}"] canvas`));
"""


class Panel:
    """A page with the panel alone on it; `run` calls what the stand-ins left on the window."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.route(f"{ORIGIN}/**", self._answer)

    def open(self, codes: list | None = None, n: int = N) -> "Panel":
        self.page.goto(f"{ORIGIN}/")
        self.run(FAKES, {"codes": ring().tolist() if codes is None else codes, "n": n})
        return self

    def run(self, script: str, arg: object = None):
        return self.page.evaluate(f"async () => {{ const ARG = {json.dumps(arg)}; {script} }}")

    def ends(self, *places: float) -> None:
        self.run("paths.ends.add(...ARG.map((x) => end(x)));", places)

    @staticmethod
    def _answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith((".js", ".css")):
            kind = "text/javascript" if name.endswith(".js") else "text/css"
            route.fulfill(path=FOLDER / name, content_type=kind)
        else:
            sheet = '<!doctype html><style>body { container-type: inline-size }</style><link rel="stylesheet" href="walk/web/paths.css">'
            route.fulfill(body=sheet, content_type="text/html")


def ring(n: int = 120) -> np.ndarray:
    """Codes around a circle, which has a hole in its middle."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([0.5 + 0.4 * np.cos(angles), 0.4 * np.sin(angles)], axis=1).round(6)


@pytest.fixture
def panel(browser: Browser) -> Iterator[Panel]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    made = Panel(page)
    yield made.open()
    assert not made.problems
    page.close()


@pytest.fixture
def run(panel: Panel) -> Callable[..., object]:
    return panel.run


NAMES = "return paths.ends.list.map(({ name }) => name);"


# --- ends ------------------------------------------------------------------------------------------------


def test_ends_are_moved_and_removed_with_buttons(panel, run):
    panel.ends(0, 0.5, 1)
    page = panel.page
    page.locator(".chips li").nth(2).locator(".before").click()
    assert run(NAMES) == ["end 0", "end 1", "end 0.5"]
    page.locator(".chips li").nth(0).locator(".after").click()
    assert run(NAMES) == ["end 1", "end 0", "end 0.5"]
    page.locator(".chips li").nth(1).locator(".drop").click()
    assert run(NAMES) == ["end 1", "end 0.5"]
    run("await serve();")
    assert run("return asked.at(-1).body.ends;") == [[1, 0], [0.5, 0]]
    greys = run("return [...document.querySelectorAll('.chips canvas')].map(grey);")
    assert greys == [255, 128]


def test_ends_are_dragged_into_another_order(panel, run):
    panel.ends(0, 0.5, 1)
    first, last = (panel.page.locator(".chips li").nth(i).bounding_box() for i in (0, 2))
    panel.page.mouse.move(first["x"] + 15, first["y"] + 15)
    panel.page.mouse.down()
    panel.page.mouse.move(last["x"] + last["width"] - 5, last["y"] + 15, steps=12)
    panel.page.mouse.up()
    assert run(NAMES) == ["end 0.5", "end 1", "end 0"]
    assert run("return [...document.querySelectorAll('.chips .order')].map((o) => o.textContent);") == list(
        "123"
    )


def test_ends_come_from_everywhere(panel, run):
    page = panel.page
    page.locator(".add summary").click()
    assert page.locator('[data-from="b"]').is_disabled()
    page.locator(".of-class select").select_option("odd")
    page.locator(".add .number").fill("3")
    page.locator('[data-from="item"]').click()
    page.locator('[data-from="mean"]').click()
    for source in ("explore", "a", "prior"):
        page.locator(f'[data-from="{source}"]').click()
    page.locator(".paste").fill("[0.25, −1]")
    page.locator('[data-from="text"]').click()
    assert run(NAMES) == [
        "odd · no. 7",
        "mean of odd",
        "Explore’s code",
        "A of the map",
        "prior draw",
        "pasted code",
    ]
    found = np.array(run("return paths.ends.list.map(({ code }) => [...code]);"))
    np.testing.assert_allclose(found[0], ring()[7], atol=1e-6)
    np.testing.assert_allclose(found[1], ring()[1::2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found[[2, 3, 5]], [[0.5, 0.5], [0.1, 0], [0.25, -1]], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1, 2, 3", "The text holds 3 numbers, but this model's code has 2; paste exactly that many."),
        ("one, 2", '"one, 2" is not a list of numbers; paste 2 of them, separated by commas.'),
    ],
)
def test_a_text_that_is_no_code_is_refused(panel, run, text, sentence):
    panel.page.locator(".add summary").click()
    panel.page.locator(".paste").fill(text)
    panel.page.locator('[data-from="text"]').click()
    assert run("return [said.at(-1), paths.ends.list.length];") == [sentence, 0]


def test_one_press_gives_two_random_items(panel, run):
    assert panel.page.locator(".nothing").is_visible()
    panel.page.locator(".nothing .random").click()
    run("await serve();")
    assert run("return paths.ends.list.length;") == 2
    assert not panel.page.locator(".nothing").is_visible()
    assert panel.page.locator(".strips").is_visible()


def test_without_encoded_data_no_encoded_items_are_offered(browser):
    page = browser.new_page()
    panel = Panel(page).open(codes=[])
    assert not page.locator(".nothing .random").is_visible()
    assert page.locator('[data-way="data"]').is_disabled()
    page.locator(".add summary").click()
    assert not page.locator('[data-from="item"]').is_visible()
    assert not panel.problems
    page.close()


# --- paths -----------------------------------------------------------------------------------------------

HEIGHTS = """
  const heights = (selector) => [...document.querySelectorAll(selector)].map((path) =>
    [...path.getAttribute("d").matchAll(/M([\\d.]+) 1V([\\d.]+)/g)].map(([, x, top]) => [Number(x), 1 - Number(top)]));
  return { bars: heights(".bars"), worst: heights(".worst"), flags: [...document.querySelectorAll(".flag")].map((flag) => Number(flag.dataset.step)) };
"""


def test_rows_share_one_scale_and_the_worst_jump_stands_where_the_server_says(panel, run):
    panel.page.locator('.choices [data-way="slerp"]').check()
    panel.ends(0, 1)
    run("""await serve((way) => way === "linear"
      ? { steps: Array(30).fill(0.1), worst: 7 } : { steps: Array.from({ length: 30 }, (_, i) => (i === 21 ? 0.4 : 0.2)), worst: 21 });""")
    found = run(HEIGHTS)
    linear, slerp = (dict(bars) for bars in found["bars"])
    assert found["flags"] == [7, 21]
    assert [place for ((place, _),) in found["worst"]] == [7.1, 21.1]
    assert 7.1 not in linear
    assert 21.1 not in slerp
    np.testing.assert_allclose(slerp[0.1] / linear[0.1], 2, rtol=1e-3)
    np.testing.assert_allclose(found["worst"][1][0][1] / linear[0.1], 4, rtol=1e-3)
    assert 0.9 < found["worst"][1][0][1] <= 1


def test_distances_share_one_scale_too(panel, run):
    panel.page.locator('.choices [data-way="slerp"]').check()
    panel.ends(0, 1)
    run(
        """await serve((way) => ({ nearest: Array(31).fill(way === "linear" ? 0.3 : 0.6), nearestPoint: Array(31).fill(4) }));"""
    )
    tops = run(
        """return [...document.querySelectorAll(".line")].map((path) => 1 - Number(/^M0 ([\\d.]+)/.exec(path.getAttribute("d"))[1]));"""
    )
    np.testing.assert_allclose(tops[1] / tops[0], 2, rtol=1e-3)
    assert "0.3 away" in panel.page.locator('.heroes [data-way="linear"] figcaption').inner_text().replace(
        "\n", " "
    )


def test_what_is_asked_for_says_how(panel, run):
    panel.ends(0, 1)
    for selector in (".over", ".equal", ".closed input"):
        panel.page.locator(selector).check()
    panel.page.locator(".count").select_option("60")
    run("await until(() => asked.at(-1)?.body.count === 60);")
    body = run("return asked.at(-1).body;")
    expected = {"method": "linear", "count": 60, "closed": True, "overshoot": 1.5, "equal": True}
    assert body == {"model": "00112233445566aa", "ends": [[0, 0], [1, 0]]} | expected


def test_an_answer_to_former_ends_is_dropped(panel, run):
    panel.ends(0, 1)
    run("await until(() => asked.length === 1); paths.ends.set([end(0.2), end(0.4)]);")
    assert run("return asked[0].signal.aborted;")
    run("asked[0].answer(straight(asked[0].body)); await until(() => asked.length === 2); await sleep(50);")
    assert run("return paths.ready().length;") == 0
    run("asked[1].answer(straight(asked[1].body)); await until(() => paths.ready().length === 1);")
    np.testing.assert_allclose(
        run("return paths.ready()[0].answer.codes.map(([x]) => x);"), np.linspace(0.2, 0.4, N), atol=1e-6
    )


def test_another_path_leaves_those_alone_that_are_there(panel, run):
    panel.ends(0, 1)
    run("await serve();")
    panel.page.locator('.choices [data-way="geodesic"]').check()
    run("await serve();")
    assert run("return asked.map(({ body }) => body.method);") == ["linear", "geodesic"]


def test_progress_is_shown_and_stop_stops(panel, run):
    panel.ends(0, 1)
    run("""
      await until(() => asked.length);
      const stream = new ReadableStream({ start(controller) { window.tell = (line) => controller.enqueue(new TextEncoder().encode(JSON.stringify(line) + "\\n")); } });
      asked[0].resolve(new Response(stream));
      tell({ done: 0.25, says: "Bending the path" });
      tell({ done: 0.5, says: "Bending it more" });
      await until(() => document.querySelector(".says").textContent === "Bending it more");
    """)
    assert run("return document.querySelector('.work progress').value;") == 0.5
    panel.page.locator(".stop").click()
    assert run("return asked[0].signal.aborted;")
    assert panel.page.locator(".words").inner_text() == "Stopped."
    panel.page.locator(".again").click()
    run("await serve();")
    assert panel.page.locator(".words").inner_text().startswith("image-space length 3 · energy 2")


def test_a_refusal_stands_in_its_row_and_the_others_go_on(panel, run):
    panel.page.locator('.choices [data-way="geodesic"]').check()
    panel.ends(0, 1)
    run("""
      await until(() => asked.length);
      asked[0].answer(straight(asked[0].body));
      await until(() => asked.length === 2); // the geodesic waits until quicker ones are there
      asked[1].answer({ done: 0.1 }, { error: "The codes are equal; choose two that differ." });
      await until(() => paths.ready().length === 1 && document.querySelector('[data-state="failed"]'));
    """)
    assert panel.page.locator('.rows [data-way="geodesic"] .words').inner_text() == (
        "The codes are equal; choose two that differ."
    )
    assert panel.page.locator('.rows [data-way="linear"] .strips').is_visible()


# --- along the paths -------------------------------------------------------------------------------------


def test_scrubbing_shows_the_frame_and_decodes_nothing(panel, run):
    panel.ends(0, 1)
    run("await serve(); window.before = decoded;")
    strips = panel.page.locator(".strips").bounding_box()
    panel.page.mouse.move(strips["x"] + 2, strips["y"] + 10)
    panel.page.mouse.down()
    for share in (0.25, 0.5, 0.8, 1):
        panel.page.mouse.move(strips["x"] + 1 + share * (strips["width"] - 2), strips["y"] + 10)
        frame = round(share * (N - 1) - 1e-9)
        expected = round(255 * np.float32(frame / (N - 1)))
        panel.page.wait_for_function(f"Math.abs(hero('linear') - {expected}) <= {255 / (N - 1) + 1}")
        assert abs(run("return paths.play.p;") - share) < 0.005
    panel.page.mouse.up()
    assert run("return [decoded - before, addresses > 0];") == [0, True]
    assert run(
        "paths.play.go(0); const first = hero('linear'); paths.play.go(1); return [first, hero('linear')];"
    ) == [0, 255]


def test_all_paths_stand_at_the_same_place(panel, run):
    panel.page.locator('.choices [data-way="slerp"]').check()
    panel.ends(0, 1)
    run(
        "await serve((way) => (way === 'slerp' ? { codes: straight(asked[0].body).codes.toReversed() } : {}));"
    )
    greys = run("paths.play.go(0.2); return [hero('linear'), hero('slerp')];")
    assert greys == [51, 204]


def test_playing_moves_and_pauses_where_it_is(panel, run):
    panel.ends(0, 1)
    run("await serve();")
    panel.page.locator(".pace select").select_option("4")
    panel.page.locator(".t").focus()
    panel.page.keyboard.press("Space")
    panel.page.wait_for_function("paths.play.p > 0.1")
    panel.page.keyboard.press("Space")
    at = run("await sleep(50); const p = paths.play.p; await sleep(100); return [p, paths.play.p];")
    assert at[0] == at[1] > 0.1


def test_keys_step_through_the_frames(panel, run):
    panel.ends(0, 1)
    run("await serve();")
    panel.page.locator(".play").focus()
    press = panel.page.keyboard.press
    press("End")
    assert run("return hero('linear');") == 255
    press("ArrowLeft")
    assert run("return paths.ready()[0].frame;") == N - 2
    press("Home")
    press("ArrowRight")
    press("ArrowRight")
    assert run("return paths.ready()[0].frame;") == 2


# --- bookmarks, talks, files, links ----------------------------------------------------------------------


def test_bookmarks_outlive_the_panel_and_belong_to_a_model(panel, run):
    panel.ends(0.2, 1)
    run("await serve();")
    panel.page.locator(".bookmarks .keep").click()
    run("paths.play.go(1);")
    panel.page.locator(".bookmarks .keep").click()
    run("paths.close(); window.paths = panel();")
    assert panel.page.locator(".slots .mark").count() == 2
    panel.page.locator(".slots .mark").nth(1).click()
    run("await until(() => document.querySelector('.heroes [data-way=jumped] canvas').width === 4);")
    assert run("return hero('jumped');") == 255
    run("facts.model.name = 'other'; facts.model.id = 'ffffffffffffffff'; paths.begin();")
    assert panel.page.locator(".slots .mark").count() == 0


def test_talk_mode_is_moved_by_keys(panel, run):
    panel.page.locator('.choices [data-way="slerp"]').check()
    panel.ends(0, 1)
    run("await serve(); paths.play.go(0.8);")
    panel.page.locator(".bookmarks .keep").click()
    run("paths.play.go(0);")
    panel.page.locator(".talk-on").click()
    press, talk = panel.page.keyboard.press, panel.page.locator(".talk")
    press("ArrowRight")
    press("ArrowDown")
    assert run("return [paths.ready()[0].frame, paths.chosen];") == [1, "slerp"]
    assert "Spherical" in talk.inner_text()
    press("1")
    panel.page.wait_for_function("grey(document.querySelector('.picture')) === 204")
    press("Home")
    panel.page.wait_for_function("grey(document.querySelector('.picture')) === 0")
    press("i")
    panel.page.wait_for_function("grey(document.querySelector('.picture')) > 5")
    press("i")
    press("Escape")
    panel.page.wait_for_function("!paths.talk.open && !document.fullscreenElement")
    assert not talk.is_visible()
    assert panel.page.locator(".heroes figure").count() == 2


def test_talk_mode_is_moved_by_a_presenters_remote(panel, run):
    panel.ends(0, 1)
    run("await serve();")
    panel.page.locator(".talk-on").click()
    press, frame = panel.page.keyboard.press, lambda: run("return paths.ready()[0].frame;")
    press("PageDown")
    press("PageDown")
    press("PageUp")
    assert frame() == 1
    for key, back in (("b", "."), (".", "PageDown"), ("b", "Escape")):
        press(key)
        assert panel.page.locator(".talk .black-screen").is_visible()
        press(back)
        assert not panel.page.locator(".talk .black-screen").is_visible()
    assert [frame(), run("return paths.talk.open;")] == [1, True]
    press("b")
    run("paths.talk.leave();")
    assert not panel.page.locator(".black-screen").is_visible()


def test_a_path_is_saved_as_a_file_and_as_a_command(panel, run):
    panel.page.locator(".add summary").click()
    panel.page.locator(".add .number").fill("12")
    panel.page.locator('[data-from="item"]').click()
    panel.page.keyboard.press("Escape")
    run("paths.ends.add(end(-0.5, 2)); await serve();")
    panel.page.locator('[data-after="loop"]').click()
    panel.page.locator(".save summary").click()
    assert panel.page.locator(".command code").inner_text() == (
        'python -m vae_core walk checkpoints/toy.safetensors --from "12" --to " -0.5,2" --path linear --frames 31 '
        "--fps 8 --out walk.mp4"
    )
    panel.page.locator('[data-as="gif"]').click()
    body = run("await until(() => asked.at(-1).path === '/walks/save'); return asked.at(-1).body;")
    assert (body["as"], len(body["frames"]), body["columns"], body["fps"]) == ("gif", 31, 6, 8)
    panel.page.locator(".cancel").click()
    assert run("return asked.at(-1).signal.aborted;")
    panel.page.locator('[data-as="npz"]').click()
    run("""
      await until(() => asked.at(-1).body.as === 'npz');
      const bytes = (line) => new TextEncoder().encode(JSON.stringify(line) + "\\n");
      asked.at(-1).resolve(new Response(new ReadableStream({ start(stream) {
        stream.enqueue(bytes({ done: 0.5 }));
        window.finish = () => { stream.enqueue(bytes({ file: btoa("x\\xff") })); stream.close(); };
      } })));
      await until(() => document.querySelector('.making progress').value === 0.5);
    """)
    with panel.page.expect_download() as download:
        run("finish();")
    assert download.value.suggested_filename == "toy-linear.npz"
    assert download.value.path().read_bytes() == b"x\xff"
    panel.page.locator('[data-as="mp4"]').click()
    run(
        "await until(() => asked.at(-1).body.as === 'mp4'); asked.at(-1).refuse('There is no encoder here.');"
    )
    panel.page.wait_for_function("document.querySelector('.trouble').textContent")
    assert panel.page.locator(".save .trouble").inner_text() == "There is no encoder here."


def test_a_link_restores_the_panel(panel, run):
    panel.page.locator('.choices [data-way="data"]').check()
    panel.page.locator(".nothing .random").click()
    run("await until(() => paths.ends.list.length === 2); paths.ends.add(end(0.123456, -2));")
    for selector in (".closed input", ".equal"):
        panel.page.locator(selector).check()
    run("await serve();")
    panel.page.locator('.rows [data-way="data"] .name').click()
    run("paths.play.go(0.42); window.link = paths.state();")
    link = run("return link;")
    assert all(isinstance(value, str) for value in link.values())
    run("paths.close(); window.paths = panel(); paths.restore(link); await serve();")
    assert run("return paths.state();") == link
    assert run("return asked.at(-1).body.closed && asked.at(-1).body.equal;")
    assert "no. " in panel.page.locator(".chips .name").first.inner_text()


def test_a_linked_end_is_the_very_code_it_was(panel, run):
    drawn = np.random.default_rng(1).normal(size=2).astype(np.float32)
    run("paths.ends.add({ code: ARG, name: 'drawn' }, end(1));", drawn.astype(float).tolist())
    run("window.link = paths.state(); paths.close(); window.paths = panel(); paths.restore(link);")
    assert run("return paths.ends.list.map(({ code }) => [...code]);")[0] == drawn.astype(float).tolist()


def test_ends_of_the_encoded_data_are_linked_by_number_and_class(browser):
    """The numbers of a code would say nothing of the model's data after these were encoded again."""
    codes = np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32).astype(float)
    page = browser.new_page()
    panel = Panel(page).open(codes=codes.tolist())
    panel.run("""
      facts.classNames = ["a;b|c@d", "odd"];
      paths.ends.add(await paths.ends.item(data, -1, 12), await paths.ends.mean(data, 0), end(0.5));
      window.before = paths.ends.list.map(({ code, name, spec }) => [[...code], name, spec ?? null]);
      window.link = Object.fromEntries(new URLSearchParams(new URLSearchParams(paths.state()).toString()));
      paths.close();
      window.paths = panel();
      window.ready = paths.restore(link);
      window.meanwhile = paths.state().ends;
      await ready;
    """)
    link = panel.run("return link;")
    assert link["ends"].startswith("@12;@class")
    assert panel.run("return meanwhile;") == link["ends"]
    after = panel.run(
        "return paths.ends.list.map(({ code, name, spec }) => [[...code], name, spec ?? null]);"
    )
    assert after == panel.run("return before;")
    assert after[0] == [codes[12].tolist(), "a;b|c@d · no. 12", "12"]
    panel.run("await paths.restore({ ends: '@40;@class:none;@12', paths: 'linear' });")
    assert panel.run("return [paths.ends.list.at(0).spec, said.length];") == ["12", 2]
    assert not panel.problems
    page.close()


def test_a_path_at_an_encoded_item_says_so_after_its_link_was_followed(panel, run):
    run("paths.ends.add(await paths.ends.item(data, -1, 7), end(1)); window.link = paths.state();")
    run("paths.close(); window.paths = panel(); await paths.restore(link);")
    distance = run(
        "return Math.hypot(...paths.ends.list[0].code.map((value, d) => value - data.code(7)[d]));"
    )
    assert distance == 0


@pytest.mark.parametrize(
    ("steps", "red"),
    [((0.1, 0.1, 0.11), False), ((0.1, 0.1, 0.19), False), ((0.1, 0.1, 0.2), True), ((0, 0, 0), False)],
)
def test_only_a_step_of_two_is_red(panel, run, steps, red):
    panel.ends(0, 1)
    run("await serve(() => ({ steps: Array.from({ length: 30 }, (_, i) => ARG[i % 3]), worst: 2 }));", steps)
    colours = run("""
      const style = (selector) => getComputedStyle(document.querySelector(selector));
      return [style(".worst").fill === style(".bars").fill, style(".flag").color === style(".words").color];
    """)
    assert colours == [not red, not red]
    words = panel.page.locator(".words").inner_text() + panel.page.locator(".flag").inner_text()
    assert ("worst jump" in words) == red
    assert "red: 2 × the usual step or more" in panel.page.locator(".speed .of").inner_text()


def test_a_link_that_makes_no_sense_is_an_empty_panel(run):
    run(
        """paths.restore({ ends: "1,2,3;x;NaN,1", names: "|", paths: "wormhole", chosen: "__proto__", at: "far", frames: "1e9" });"""
    )
    assert run("return [paths.ends.list.length, paths.play.p, paths.how.count, paths.chosen];") == [
        0,
        0,
        120,
        "linear",
    ]
