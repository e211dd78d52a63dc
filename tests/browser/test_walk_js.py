"""The live grid's modules with a decoder that paints where it is: they need no server."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route
from scipy.stats import norm

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://walk.test"
SIDE = 600  # of the grid, px

# A page with a grid whose channel the test answers. A tile's colour says its code, its top left quarter is blue.
PRELUDE = f"""
  const load = (name) => import(`{ORIGIN}/${{name}}.js`);
  const [{{ Grid, GRID }}, spacing, {{ Layer }}, axes, {{ View }}] = await Promise.all(
    ["kit/plane/grid", "kit/plane/spacing", "kit/plane/layer", "kit/plane/axes"].map(load).concat(load("kit/view")));
  const SIDE = 8, REACH = 12; // colours span codes from -REACH to REACH
  const level = (value) => Math.round(255 * (Math.min(Math.max(value, -REACH), REACH) + REACH) / (2 * REACH));
  const decode = ({{ count, width, payload }}) => {{
    const pixels = new Uint8Array(count * SIDE * SIDE * 3);
    for (let k = 0, at = 0; k < count; k++) {{
      for (let p = 0; p < SIDE * SIDE; p++, at += 3) {{
        const corner = p % SIDE < SIDE / 2 && p < SIDE * SIDE / 2;
        pixels.set([level(payload[k * width]), level(payload[k * width + 1]), corner ? 255 : 0], at);
      }}
    }}
    return {{ count, height: SIDE, width: SIDE, channels: 3, took: 0.1 * count, pixels }};
  }};
  // The line to the server, as channels of which each has one request under way; answers come in the order of the requests.
  // auto: answer in the next task; else the test says `channel.answer()`.
  class Fake {{
    constructor(auto) {{ Object.assign(this, {{ auto, asked: [], waiting: [], most: 0, opened: 0, closed: 0 }}); }}
    get busy() {{ return this.waiting.length > 0; }}
    connect(on) {{
      this.opened++;
      const mine = () => this.waiting.find((one) => one.on === on);
      return {{ get busy() {{ return Boolean(mine()); }}, ask: (request) => this.ask(on, request), close: () => this.closed++ }};
    }}
    ask(on, request) {{
      if (this.waiting.some((one) => one.on === on)) throw new Error("asked while busy");
      this.waiting.push({{ on, request }});
      this.most = Math.max(this.most, this.waiting.length);
      const {{ count, width, payload }} = request;
      this.asked.push(Array.from({{ length: count }}, (_, k) => Array.from(payload.subarray(k * width, (k + 1) * width))));
      if (this.auto) setTimeout(() => this.answer());
    }}
    answer() {{
      const {{ on, request }} = this.waiting.shift();
      on.onAnswer(decode(request), request.tag);
    }}
    refuse(sentence) {{ this.waiting.shift().on.onError(sentence); }}
  }}
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const open = async ({{ auto = true, kept, tiles = 10, width = {SIDE}, height = {SIDE}, page = {{}}, ...more }} = {{}}) => {{
    globalThis.former?.close();
    document.body.innerHTML = `<div id="root">${{GRID}}</div>`;
    const element = document.querySelector(".walk-grid"), calls = [];
    Object.assign(element.style, {{ width: width + "px", height: height + "px" }});
    const told = (name) => (...args) => calls.push([name, ...args.slice(0, 2).map((arg) => arg instanceof Float32Array ? Array.from(arg) : arg)]);
    const origin = Float32Array.of(0, 0), across = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const facts = {{ model: {{ id: "0123456789abcdef" }}, latentDim: 2, dataShape: [3, SIDE, SIDE] }};
    const host = {{ facts, origin, axes: across, plane() {{ return {{ origin: this.origin, axes: this.axes }}; }}, shade: null, outline: null,
      ...Object.fromEntries(["hover", "choose", "viewed", "say"].map((name) => [name, told(name)])), ...page }};
    const channel = new Fake(auto);
    const grid = new Grid(document.querySelector("#root"), host, {{ kept, connect: (on) => channel.connect(on) }});
    grid.set({{ tiles, ...more }});
    globalThis.former = grid;
    await frame();
    return {{ grid, page: host, channel, calls, element }};
  }};
  // The colour in the middle of every tile on the screen, against what its place says: the largest difference.
  const wrong = (grid) => {{
    const context = grid.contexts[0], {{ width, height }} = context.canvas, data = context.getImageData(0, 0, width, height).data;
    const {{ seen }} = grid.arrange();
    let most = 0, count = 0;
    for (let j = seen.bottom; j <= seen.top; j++) for (let i = seen.left; i <= seen.right; i++) {{
      const cell = {{ level: grid.layer.level, i, j }}, {{ x, y, side }} = grid.place(cell), [u, v] = grid.code(cell);
      const [px, py] = [x + 0.2 * side, y + 0.2 * side].map((at) => Math.round(at * grid.density)), at = 4 * (py * width + px);
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      count++;
      most = Math.max(most, ...[level(u) - data[at], level(v) - data[at + 1], data[at + 2], 255 - data[at + 3]].map(Math.abs));
    }}
    return {{ most, count }};
  }};
  const text = (codes) => codes.flat().map(([u, v]) => `${{u.toFixed(5)}},${{v.toFixed(5)}}`);
"""


class Modules:
    """A blank page that can import the modules; `run` calls them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.route(f"{ORIGIN}/**", self._answer)
        page.goto(f"{ORIGIN}/")

    def run(self, script: str, arg: object = None):
        """Return what `script` returns; in it, ARG is `arg`."""
        return self.page.evaluate(f"async () => {{ const ARG = {json.dumps(arg)}; {PRELUDE} {script} }}")

    def _answer(self, route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.endswith(".js"):
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(
                body="<!doctype html><body style='margin: 0'></body>", content_type="text/html; charset=utf-8"
            )


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Modules]:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield Modules(page)
    page.close()
    assert not errors


@pytest.fixture
def run(modules: Modules) -> Callable[..., object]:
    return modules.run


# --- the picture -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", ["linear", "quantile"])
@pytest.mark.parametrize("size", [[600, 600], [900, 500]])
def test_u_grows_to_the_right_and_v_upwards(run, spacing, size):
    script = """
      const { grid } = await open({ tiles: 10, spacing: ARG[0], width: ARG[1][0], height: ARG[1][1] });
      await grid.settled;
      const { canvas } = grid.contexts[0], { view } = grid;
      const at = (x, y) => [...grid.contexts[0].getImageData(x * grid.density, y * grid.density, 1, 1).data];
      const side = Math.min(...ARG[1]) / 10, left = view.width / 2 - 5 * side, top = view.height / 2 - 5 * side;
      const corner = (i, j) => at(left + (i + 0.2) * side, top + (j + 0.8) * side); // i from the left, j from the top
      const blue = at(left + 0.25 * side, top + 0.25 * side)[2] - at(left + 0.75 * side, top + 0.25 * side)[2];
      return { corners: [corner(0, 0), corner(9, 0), corner(0, 9), corner(9, 9)], blue, ...wrong(grid) };
    """
    found = run(script, [spacing, size])
    end = 3 if spacing == "linear" else norm.ppf(0.95)
    low, high = (round(255 * (sign * end + 12) / 24) for sign in (-1, 1))
    expected = [[low, high, 0, 255], [high, high, 0, 255], [low, low, 0, 255], [high, low, 0, 255]]
    np.testing.assert_allclose(found["corners"], expected, atol=1)
    assert found["blue"] > 200  # each tile itself stands upright
    assert found["most"] <= 1
    assert found["count"] >= 100


def test_codes_are_origin_plus_steps_along_the_axes(run):
    script = """
      const { grid, channel } = await open({ tiles: 5, page: { origin: Float32Array.of(0.5, -1), axes: [Float32Array.of(0, 2), Float32Array.of(1, 1)] } });
      await grid.settled;
      return channel.asked.flat();
    """
    codes = np.array(run(script))
    u = v = np.linspace(-3, 3, 5)
    expected = {(round(0.5 + y, 4), round(-1 + 2 * x + y, 4)) for x in u for y in v}
    assert expected <= {(round(a, 4), round(b, 4)) for a, b in codes}


@pytest.mark.parametrize("spacing", ["linear", "quantile"])
def test_every_tile_is_right_wherever_the_view_went(run, spacing):
    script = """
      const { grid, channel } = await open({ tiles: 12, spacing: ARG, width: 640, height: 480 });
      let seed = 1;
      const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647, worst = [];
      for (let k = 0; k < 60; k++) {
        const draw = random();
        if (draw < 0.5) grid.look(grid.view.pan(400 * (random() - 0.5), 400 * (random() - 0.5)));
        else if (draw < 0.8) grid.look(grid.view.zoomAt(600 * random(), 400 * random(), Math.exp(2 * random() - 0.9)));
        else if (draw < 0.9) grid.set({ tiles: 5 + Math.floor(20 * random()) });
        else grid.reset();
        if (random() < 0.5) await new Promise((done) => setTimeout(done, 10 * random()));
        if (random() < 0.5) continue;
        await grid.settled;
        const { most, count } = wrong(grid);
        if (most > 3 || count < 9) worst.push([k, most, count, grid.view.text]);
      }
      return worst;
    """
    assert run(script, spacing) == []


def test_pictures_that_are_not_square_keep_their_shape_and_large_ones_are_averaged(run):
    script = """
      const shape = { width: 6, height: 3 }, s = new spacing.Linear(5);
      const layer = (reduce, shape) => { const l = new Layer({ level: 0, spacing: s, columns: 4, rows: 4, shape, reduce });
        l.show({ left: 0, right: 1, bottom: 0, top: 1 }, () => {}); return l; };
      const flat = layer(1, shape);
      flat.put(0, 0, { channels: 1, pixels: new Uint8Array(18).fill(7) }, 1);
      const rows = Array.from({ length: 6 }, (_, y) => flat.pixels[y * flat.canvas.width]);
      const small = layer(2, { width: 4, height: 4 });
      small.put(0, 0, { channels: 3, pixels: Uint8Array.from({ length: 48 }, (_, k) => k) }, 1);
      return { rows, small: Array.from(small.pixels.subarray(0, 2)), side: small.side };
    """
    found = run(script)
    assert found["rows"] == [0, 0xFF070707, 0xFF070707, 0xFF070707, 0, 0]
    pixels = np.arange(48).reshape(4, 4, 3)
    means = [np.floor(pixels[:2, x : x + 2].mean((0, 1)) + 0.5).astype(int) for x in (0, 2)]
    assert found["small"] == [0xFF000000 | int(b) << 16 | int(g) << 8 | int(r) for r, g, b in means]
    assert found["side"] == 2


# --- what is asked for -----------------------------------------------------------------------------------


def test_panning_asks_for_no_code_twice(run):
    script = """
      const { grid, channel } = await open({ tiles: 20 });
      await grid.settled;
      const first = channel.asked.flat().length;
      for (let k = 0; k < 40; k++) { grid.look(grid.view.pan(k < 20 ? 17 : -17, k % 2 ? 9 : 3)); await grid.settled; }
      while (channel.busy) await frame();
      const asked = text(channel.asked);
      return { first, asked: asked.length, different: new Set(asked).size };
    """
    found = run(script)
    assert found["asked"] == found["different"]
    assert 400 <= found["first"] <= 22**2
    assert found["asked"] < 2.5 * found["first"]


def test_zooming_out_and_in_again_reuses_what_is_known(run):
    script = """
      const { grid, channel } = await open({ tiles: 20 }), counts = [];
      for (const factor of [1, 0.5, 2, 2, 0.5]) {
        grid.zoomBy(factor);
        await grid.settled;
        while (channel.busy) await frame();
        counts.push(channel.asked.flat().length);
      }
      const asked = text(channel.asked);
      return { counts, twice: asked.length - new Set(asked).size, ...wrong(grid) };
    """
    found = run(script)
    assert found["twice"] == 0
    assert found["counts"][2] == found["counts"][1]
    assert found["counts"][4] == found["counts"][3]
    assert found["most"] <= 1


def test_coarse_tiles_come_before_fine_ones_from_the_middle_outwards(run):
    script = """
      const { grid, channel } = await open({ auto: false, tiles: 20 });
      grid.stream.count = (wanted) => Math.min(wanted, 100);
      const order = [], s = grid.spacing;
      while (channel.busy) { channel.answer(); }
      for (const [u, v] of channel.asked.flat()) order.push([Math.round((u + 3) / s.unit), Math.round((v + 3) / s.unit)]);
      return order;
    """
    order = np.array(run(script))
    visible = ((order >= 0) & (order < 20)).all(axis=1)
    assert visible[:400].all()  # the margin last
    every = np.where((order % 4 == 0).all(1), 0, np.where((order % 2 == 0).all(1), 1, 2))
    assert (np.diff(every[:400]) >= 0).all()
    assert [(every[:400] == rank).sum() for rank in range(3)] == [25, 75, 300]
    for rank in range(3):
        away = np.linalg.norm(order[:400][every[:400] == rank] - 9.5, axis=1)
        assert (np.diff(away) >= -1e-9).all()
    assert len({tuple(cell) for cell in order}) == len(order)


def test_coarse_tiles_stand_for_their_neighbours_until_these_come(run):
    script = """
      const { grid, channel } = await open({ auto: false, tiles: 20 });
      channel.waiting = []; // the first requests go unanswered
      grid.stream.count = (wanted) => Math.min(wanted, 25);
      const before = channel.asked.length;
      grid.ask();
      channel.answer();
      await frame();
      const context = grid.contexts[0], size = grid.view.width * grid.density;
      const data = context.getImageData(0, 0, size, size).data, counts = {};
      let clear = 0;
      for (let at = 3; at < data.length; at += 4) clear += data[at] < 255;
      const { layer } = grid, sizes = { 0: 0, 1: 0, 2: 0, 4: 0 };
      for (let j = 0; j < 20; j++) for (let i = 0; i < 20; i++) sizes[layer.holds(i, j) ? layer.sizes[layer.slot(i, j)] : 0]++;
      return { asked: channel.asked.slice(before).map((codes) => codes.length), clear: clear / (size * size), sizes };
    """
    found = run(script)
    assert found["asked"][0] == 25
    assert found["clear"] < 0.12  # 25 tiles of 400 fill nearly all of the screen
    # Each stands for the 16 cells around it, the nearest in more detail; two edges belong to tiles beyond the screen.
    assert found["sizes"] == {"0": 39, "1": 25, "2": 75, "4": 261}


def test_two_requests_are_under_way_so_that_the_server_never_waits_for_the_browser(run):
    script = """
      const { grid, channel } = await open({ tiles: 20 });
      await grid.settled;
      while (channel.busy) await frame();
      const before = channel.asked.length;
      grid.replane();
      const sent = channel.asked.slice(before).map((codes) => codes.length);
      await grid.settled;
      const asked = text(channel.asked.slice(before));
      return { most: channel.most, sent, asked: asked.length, different: new Set(asked).size };
    """
    found = run(script)
    assert found["most"] == len(found["sent"]) == 2
    assert max(found["sent"]) <= 200  # the browser takes in the first half while the second is decoded
    assert found["asked"] == found["different"]


def test_the_tiles_around_the_screen_wait_until_it_is_complete(run):
    script = """
      const { channel } = await open({ tiles: 20, auto: false }), onScreen = ([u, v]) => Math.max(Math.abs(u), Math.abs(v)) < 3.01;
      while (channel.busy) {
        channel.answer();
        await frame();
      }
      return { on: channel.asked.map((codes) => codes.filter(onScreen).length), of: channel.asked.map((codes) => codes.length) };
    """
    found = run(script)
    screen = sum(on > 0 for on in found["on"])
    assert found["on"][:screen] == found["of"][:screen]
    assert sum(found["on"]) == 400
    assert sum(found["of"][screen:]) == 84


def test_the_newest_view_wins(run):
    script = """
      const { grid, channel } = await open({ auto: false, tiles: 20 });
      const before = channel.asked.length;
      grid.look(grid.view.pan(-3000, 0)); // while the first answer is on its way
      grid.look(grid.view.pan(-3000, 500));
      const quiet = channel.asked.length === before;
      channel.answer();
      const { left, right, bottom, top } = grid.view.bounds, unit = grid.spacing.unit * 2;
      const inside = ([u, v]) => u > left - unit && u < right + unit && v > bottom - unit && v < top + unit;
      while (channel.busy) channel.answer();
      await grid.settled;
      return { quiet, strays: channel.asked.slice(before).flat().filter((code) => !inside(code)).length, ...wrong(grid) };
    """
    found = run(script)
    assert found["quiet"]
    assert found["strays"] == 0
    assert found["most"] <= 1


def test_another_plane_replaces_every_tile_and_the_old_ones_stay_until_then(run):
    script = """
      const { grid, channel, page } = await open({ tiles: 10 });
      await grid.settled;
      while (channel.busy) await frame();
      channel.auto = false;
      const clear = () => { const { width, height } = grid.contexts[0].canvas;
        return grid.contexts[0].getImageData(0, 0, width, height).data.filter((value, k) => k % 4 === 3 && value < 255).length; };
      page.origin = Float32Array.of(5, 5);
      grid.replane();
      await frame();
      const old = { clear: clear(), wrong: wrong(grid).most };
      page.origin = Float32Array.of(-5, 4);
      grid.replane(); // before the first answer: its tiles are of a plane that is gone, but newer than what is shown
      grid.stream.count = (wanted) => Math.min(wanted, 25);
      channel.answer();
      await frame();
      const between = { clear: clear(), wrong: wrong(grid).most };
      while (channel.busy) channel.answer();
      await grid.settled;
      const asked = channel.asked.flat().length;
      page.origin = Float32Array.of(0, 0);
      grid.replane();
      while (channel.busy) channel.answer();
      await grid.settled;
      return { old, between, last: wrong(grid), again: channel.asked.flat().length - asked };
    """
    found = run(script)
    assert found["old"]["clear"] == found["between"]["clear"] == 0
    assert found["old"]["wrong"] > 30
    assert found["last"]["most"] <= 1
    assert found["again"] == 144  # 10 x 10 and the margin


def test_a_slider_that_keeps_moving_refreshes_every_corner(run):
    script = """
      const { grid, channel, page } = await open({ tiles: 20, auto: false });
      while (channel.busy) channel.answer();
      grid.stream.count = (wanted) => Math.min(wanted, 25);
      const start = grid.edition;
      for (let k = 0; k < 40; k++) { page.origin = Float32Array.of(k / 10, 0); grid.replane(); channel.answer(); }
      const editions = [];
      for (let j = 0; j < 20; j++) for (let i = 0; i < 20; i++) editions.push(grid.layer.edition(i, j));
      return Math.min(...editions) - start;
    """
    assert run(script) > 15  # 40 answers of 25 tiles refresh 400 tiles twice


def test_memory_is_bounded(run):
    script = """
      const { grid, channel } = await open({ tiles: 10, kept: 300 }), sizes = [];
      for (let k = 0; k < 30; k++) { grid.look(grid.view.pan(240, 0)); await grid.settled; sizes.push(grid.cache.size); }
      return { kept: Math.max(...sizes), ...wrong(grid) };
    """
    found = run(script)
    assert found["kept"] == 300
    assert found["most"] <= 1


def test_a_refusal_is_said_once_and_the_next_move_asks_again(run):
    script = """
      const { grid, channel, calls } = await open({ auto: false });
      while (channel.busy) channel.refuse("The model is gone.");
      await frame();
      const asked = channel.asked.length;
      grid.look(grid.view.pan(5, 0));
      return { said: calls, asked, more: channel.asked.length - asked };
    """
    assert run(script) == {"said": [["say", "The model is gone."]], "asked": 2, "more": 2}


def test_another_number_of_tiles_outside_the_range_is_a_sentence(run):
    script = """
      const { grid, calls } = await open();
      return { answers: [4, 41, 7.5, 5, 40].map((tiles) => grid.set({ tiles })), said: calls.filter(([name]) => name === "say").map(([, said]) => said), tiles: grid.tiles };
    """
    found = run(script)
    assert found["answers"] == [False, False, False, True, True]
    assert found["said"][0] == "tiles = 4 is not possible: choose a whole number from 5 to 40."
    assert found["tiles"] == 40


def test_frames_are_painted_once_however_much_happens(run):
    script = """
      const { grid, channel } = await open({ auto: false });
      channel.answer();
      await frame();
      const before = grid.frames;
      for (let k = 0; k < 50; k++) { grid.look(grid.view.pan(3, 1)); if (channel.busy) channel.answer(); }
      await new Promise((done) => requestAnimationFrame(done));
      return grid.frames - before;
    """
    assert run(script) == 1


def test_a_refused_view_in_an_address_is_home_and_a_good_one_comes_back(run):
    script = """
      const { grid } = await open({ tiles: 20 });
      const home = grid.text;
      grid.look(grid.view.zoomAt(100, 200, 3).pan(40, 12));
      const { x, y, span } = grid.view, said = grid.text;
      grid.open("nonsense");
      const back = grid.text;
      grid.open(said);
      return { home, back, off: [grid.view.x - x, grid.view.y - y, grid.view.span / span - 1] };
    """
    found = run(script)
    assert found["home"] == found["back"] == ""
    np.testing.assert_allclose(found["off"], 0, atol=1e-3)


# --- pointer and keys ------------------------------------------------------------------------------------


@pytest.fixture
def held(modules: Modules) -> Page:
    """A settled grid of 10 x 10 (60 px each) as `former`, what it called in `calls`."""
    script = "const made = await open({ tiles: 10 }); await made.grid.settled; globalThis.calls = made.calls; return 0;"
    modules.run(script)
    modules.page.mouse.move(5, 690)
    return modules.page


def view_of(page: Page) -> dict:
    return page.evaluate("former.view.toJSON()")


def calls_of(page: Page, name: str) -> list:
    return page.evaluate("(name) => calls.filter((call) => call[0] === name)", name)


UNIT = 6 / 9  # between tiles at home


def test_dragging_pans_and_does_not_choose(held):
    held.mouse.move(100, 100)
    held.mouse.down()
    held.mouse.move(160, 220, steps=5)
    held.mouse.up()
    view = view_of(held)
    assert (view["x"], view["y"]) == pytest.approx((-UNIT, 2 * UNIT))
    assert not calls_of(held, "choose")
    held.wait_for_function("calls.some(([name]) => name === 'viewed')")


def test_a_click_chooses_the_tile_under_the_pointer(held):
    held.mouse.click(90, 30)  # second from the left, topmost
    (_, place, code), *more = calls_of(held, "choose")
    assert not more
    assert (place["u"], place["v"]) == pytest.approx((-3 + UNIT, 3))
    assert code == pytest.approx([-3 + UNIT, 3])
    assert (place["x"], place["y"], place["side"]) == pytest.approx((90, 30, 60))


def test_hovering_tells_each_tile_once_and_frames_it(held):
    empty = held.evaluate(INKED)
    held.mouse.move(30, 30)
    held.mouse.move(50, 50, steps=4)
    held.mouse.move(80, 50, steps=4)
    hovers = calls_of(held, "hover")
    assert [hover[1]["u"] for hover in hovers] == pytest.approx([-3, -3 + UNIT])
    held.wait_for_function(f"({INKED})() > {empty} + 200")
    held.mouse.move(700, 300)
    assert calls_of(held, "hover")[-1][1:] == [None, None]
    held.wait_for_function(f"({INKED})() === {empty}")


INKED = """() => former.contexts[1].getImageData(0, 0, former.contexts[1].canvas.width, former.contexts[1].canvas.height)
  .data.filter((value, k) => k % 4 === 3 && value).length"""


def test_the_wheel_zooms_about_the_pointer(held):
    held.mouse.move(150, 150)
    before = held.evaluate("former.view.toPlace(150, 150)")
    held.mouse.wheel(0, -300)
    held.wait_for_function("former.view.scale > 1.4 * former.home.scale")
    assert held.evaluate("former.view.toPlace(150, 150)") == pytest.approx(before)
    assert held.evaluate("former.hovered.cell.level") == held.evaluate("former.spacing.level(former.view)")


def test_keys_pan_zoom_reset_and_choose(held):
    held.locator(".walk-grid").focus()
    held.keyboard.press("ArrowRight")
    held.keyboard.press("ArrowUp")
    view = view_of(held)
    assert (view["x"], view["y"]) == pytest.approx((UNIT, UNIT))
    held.keyboard.press("Shift+ArrowLeft")
    assert view_of(held)["x"] == pytest.approx(-4 * UNIT)
    held.keyboard.press("+")
    assert held.evaluate("former.view.scale / former.home.scale") == pytest.approx(1.25)
    held.keyboard.press("-")
    held.keyboard.press("0")
    assert held.evaluate("former.view.equals(former.home)")
    held.keyboard.press("Enter")
    ((_, place, _),) = calls_of(held, "choose")
    assert abs(place["x"] - 300) <= 30
    assert abs(place["y"] - 300) <= 30


def test_two_fingers_pinch_and_one_pans(held):
    script = """() => {
      const element = document.querySelector(".walk-grid"), before = former.view;
      element.setPointerCapture = () => {};
      const fire = (type, pointerId, clientX, clientY) =>
        element.dispatchEvent(new PointerEvent(type, { pointerId, clientX, clientY, pointerType: "touch", bubbles: true }));
      const move = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";
      const place = former.view.toPlace(300, 300);
      fire("pointerdown", 1, 200, 300); fire("pointerdown", 2, 400, 300);
      fire(move, 1, 100, 300); fire(move, 2, 500, 300);
      const zoom = former.view.scale / before.scale, still = former.view.toPlace(300, 300);
      fire("pointerup", 2, 500, 300);
      fire(move, 1, 150, 340);
      const moved = former.view.toScreen(...place);
      fire("pointerup", 1, 150, 340);
      return { zoom, place, still, moved, chosen: calls.some(([name]) => name === "choose") };
    }"""
    found = held.evaluate(script)
    assert found["zoom"] == pytest.approx(2)
    assert found["still"] == pytest.approx(found["place"])
    assert found["moved"] == pytest.approx([350, 340])
    assert not found["chosen"]


# --- over the tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [1, 3, 40])
@pytest.mark.parametrize("name", ["linear", "quantile"])
def test_numbers_along_the_edges_stand_where_their_value_is(run, name, zoom):
    script = """
      const s = ARG[0] === "linear" ? new spacing.Linear(20) : new spacing.Quantile(20);
      const view = s.bounded(View.fit(s.box, 600, 600, 0).zoomAt(80, 300, ARG[1])), { left, right } = view.bounds;
      return { ticks: axes.axisTicks(s, left, right, 600, (x) => view.toScreen(x, 0)[0]), left, right };
    """
    found = run(script, [name, zoom])
    ticks = found["ticks"]
    assert len(ticks) >= 3
    at = np.array([tick["at"] for tick in ticks])
    assert (np.diff(at) >= 40).all()
    values = np.array([tick["value"] for tick in ticks])
    said = [float(tick["text"].replace("−", "-").replace(",", "")) for tick in ticks]
    np.testing.assert_allclose(said, values, atol=1e-9)
    x = values if name == "linear" else norm.cdf(values)
    expected = 600 * (x - found["left"]) / (found["right"] - found["left"])
    np.testing.assert_allclose(at, expected, atol=0.05)


def test_tiles_are_veiled_and_outlined_as_the_page_says(run):
    script = """
      const asked = [], page = { shade: (u, v) => { asked.push([u, v]); return u < 0 ? 1 : 0; }, outline: (u, v) => (v > 0 ? "rgb(255, 0, 0)" : null) };
      const { grid } = await open({ tiles: 10, page });
      await grid.settled;
      await frame();
      const at = (x, y) => [...grid.contexts[1].getImageData(x * grid.density, y * grid.density, 1, 1).data];
      const count = asked.length;
      grid.redraw();
      await frame();
      return { veiled: at(150, 330), free: at(450, 330), outlined: at(422, 102), middle: at(450, 90), again: asked.length - count, count };
    """
    found = run(script)
    assert found["veiled"][3] == pytest.approx(0.8 * 255, abs=2)
    assert found["free"][3] == found["middle"][3] == 0
    assert found["outlined"][:3] == [255, 0, 0]
    assert found["again"] == 0
    assert found["count"] == 100


def test_settled_tells_when_the_newest_view_is_complete(run):
    script = """
      const { grid, channel, element } = await open({ auto: false, tiles: 10 });
      let done = 0;
      element.addEventListener("settled", () => done++);
      grid.settled.then(() => {});
      await frame();
      const before = done;
      while (channel.busy) channel.answer();
      const detail = await grid.settled;
      const at = performance.now();
      grid.look(grid.view.pan(200, 0), at);
      const next = grid.settled;
      while (channel.busy) channel.answer();
      const later = await next;
      return { before, done, ordered: detail.first <= detail.last && detail.last <= detail.at, cause: later.first === at && later.last === at, after: later.at >= at, asked: later.asked > detail.asked, rest: await grid.settled };
    """
    assert run(script) == {
        "before": 0,
        "done": 2,
        "ordered": True,
        "cause": True,
        "after": True,
        "asked": True,
        "rest": None,
    }


def test_a_closed_grid_leaves_nothing_behind(run):
    script = """
      const { grid, channel, calls } = await open({ auto: false });
      grid.close();
      document.querySelector(".walk-grid").dispatchEvent(new WheelEvent("wheel", { deltaY: -100 }));
      await frame();
      return { open: channel.opened - channel.closed, zoomed: grid.view.equals(grid.home), calls };
    """
    assert run(script) == {"open": 0, "zoomed": True, "calls": []}
