"""The measured maps' modules with a server that measures what the test says: they need no model."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://continuity.test"

# A panel over a window from -3 to 3, whose requests wait until the test answers them with `field` of each code.
PRELUDE = f"""
  const load = (name) => import(`{ORIGIN}/${{name}}.js`);
  const [panels, specs, rasters, {{ View }}, {{ Linear }}] = await Promise.all(
    ["continuity/web/panel", "continuity/web/specs", "continuity/web/raster", "kit/view", "kit/plane/spacing"].map(load));
  class Fake {{
    constructor(on) {{ Object.assign(this, {{ on, asked: [], current: null }}); }}
    get busy() {{ return Boolean(this.current); }}
    ask(request) {{
      if (this.current) throw new Error("asked while busy");
      this.current = request;
      this.asked.push({{ measure: request.height, count: request.count }});
    }}
    answer(field) {{
      const {{ payload, width, count, height, tag }} = this.current, axes = height === 1 ? 2 : 0, rows = [];
      for (let k = axes; k < count; k++) rows.push(field(payload.subarray(k * width, (k + 1) * width)));
      this.current = null;
      this.on.onAnswer({{ rows: rows.length, columns: rows[0].length, values: Float32Array.from(rows.flat()) }}, tag);
    }}
    refuse(sentence) {{ this.current = null; this.on.onError(sentence); }}
    close() {{ this.closed = true; }}
  }}
  const open = (spec, {{ latentDim = 2, lacks = {{}}, facts = {{}} }} = {{}}) => {{
    globalThis.former?.close();
    document.body.innerHTML = panels.PANEL(spec.name);
    document.querySelector(".field").style.cssText = "position: relative; width: 200px; height: 200px";
    const unit = (d) => Float32Array.from({{ length: latentDim }}, (_, i) => Number(i === d));
    const maps = {{
      facts: {{ model: {{ id: "0123456789abcdef" }}, latentDim, lacks, hasPrior: true, classNames: [], ...facts }},
      grid: {{ view: new View({{ x: 0, y: 0, scale: 100, width: 600, height: 600 }}), edition: 1, spacing: new Linear(16) }},
      moving: true, target: {{ x: 0, y: 0 }}, found: null, awaited: false, plane: () => ({{ origin: new Float32Array(latentDim), axes: [unit(0), unit(1)] }}),
      draws: (count) => new Float32Array(count * latentDim).map((_, i) => Math.sin(i)),
      codes: (cells, raster) => Float32Array.from([...cells].flatMap((cell) => [...raster.middle(cell), ...new Array(latentDim - 2).fill(0)])),
      get turn() {{ return panel; }}, passed() {{}},
    }};
    let channel;
    const panel = new panels.Panel(document.body, maps, spec, {{ connect: (on) => (channel = new Fake(on)) }});
    globalThis.former = panel;
    panel.moved();
    return {{ panel, maps, channel, text: (selector) => document.querySelector(selector).textContent.trim() }};
  }};
  const look = ({{ panel, maps }}, changes) => {{ maps.grid.view = maps.grid.view.with(changes); maps.moving = true; panel.moved(); }};
  const rest = ({{ panel, maps }}) => {{ maps.moving = false; panel.moved(); }};
  // What the finest window that holds a place has in its cell there.
  const cellAt = ({{ rasters: all }}, x, y) => {{
    const cell = ({{ bounds, n, wide, high }}) => [Math.floor((x - bounds.left) / wide), Math.floor((bounds.top - y) / high), n];
    const holds = (raster) => {{ const [i, j, n] = cell(raster); return i >= 0 && j >= 0 && i < n && j < n && raster.known[j * n + i]; }};
    const found = [...all].sort((a, b) => a.wide - b.wide).find(holds);
    if (!found) return null;
    const [i, j, n] = cell(found);
    return found.row(j * n + i);
  }};
  // An exact answer at a place, as the server gives it.
  const exact = (changes = {{}}) => Object.values({{ percentile: 0.2, stretch: 30.97, magnification: 664.6, ratio: 3.04, realism: 0.906, drift: 0.0153, index: 4, label: -1, images: 1, compared: 360, ...changes }});
  const ring = ([x, y]) => [Math.hypot(x, y) / 2]; // 1/2 on the unit circle
  const settle = ({{ panel, channel }}, field) => {{ while (channel.busy) channel.answer(field); }};
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
            route.fulfill(body="<!doctype html><body></body>", content_type="text/html; charset=utf-8")


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Modules]:
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield Modules(page)
    page.close()
    assert not errors


@pytest.fixture
def run(modules: Modules) -> Callable[..., object]:
    return modules.run


# --- windows ---------------------------------------------------------------------------------------------


def test_cells_lie_where_their_middles_are_measured(run):
    script = """
      const raster = new rasters.Raster({ bounds: { left: -1, right: 3, bottom: 0, top: 2 }, n: 4, columns: 2, key: {} });
      const cells = raster.next(16);
      raster.take(cells, Float32Array.from([...cells].flatMap((cell) => raster.middle(cell))));
      return { complete: raster.complete, found: ARG.map(([x, y]) => [...(cellAt({ rasters: [raster] }, x, y) ?? [])]) };
    """
    found = run(script, [[-0.9, 1.9], [1.2, 0.6], [2.99, 0.01], [3.1, 1], [0, 2.1]])
    assert found["complete"]
    assert found["found"] == [[-0.5, 1.75], [1.5, 0.75], [2.5, 0.25], [], []]


def test_a_fine_window_is_sketched_before_it_is_filled(run):
    order = np.array(run("return [...new rasters.Raster({ bounds: {}, n: 8, columns: 1, key: {} }).order];"))
    assert sorted(order) == list(range(64))
    sketch = {(cell % 8 // 2, cell // 8 // 2) for cell in order[:16]}
    assert len(sketch) == 16


# --- one map ---------------------------------------------------------------------------------------------


def test_a_view_is_measured_coarsely_then_finely(run):
    script = """
      const map = open(specs.HOLE_MAP), { panel, channel } = map;
      channel.answer(ring); // the sample that fixes the scale
      channel.answer(ring);
      const coarse = { asked: [...channel.asked], idle: !channel.busy, settled: panel.settled, value: cellAt(panel, 0, 0)[0] };
      rest(map);
      settle(map, ring);
      const fine = cellAt(panel, 0.99, 0)[0];
      return { coarse, fine, settled: panel.settled, asked: channel.asked.slice(2), said: document.querySelector(".measure").dataset.settled, state: map.text(".state") };
    """
    found = run(script)
    assert found["coarse"]["asked"] == [{"measure": 2, "count": 256}] * 2
    assert found["coarse"]["idle"]
    assert not found["coarse"]["settled"]
    assert found["coarse"]["value"] == pytest.approx(np.hypot(3 / 16, 3 / 16) / 2, abs=0.01)
    assert found["fine"] == pytest.approx(0.495, abs=0.03)
    assert sum(request["count"] for request in found["asked"]) == 64 * 64
    assert max(request["count"] for request in found["asked"]) <= 1024
    assert found["settled"]
    assert found["said"] == "true"
    assert found["state"] == ""


def test_moving_ends_a_refinement_and_only_the_newest_view_is_measured(run):
    script = """
      const map = open(specs.HOLE_MAP), { panel, maps, channel } = map;
      channel.answer(ring);
      channel.answer(ring);
      rest(map);
      channel.answer(ring); // some of the fine window
      const before = channel.asked.length;
      for (const x of [0.5, 1, 1.5]) look(map, { x });
      channel.answer(ring); // what was under way
      channel.answer(ring); // the coarse window of the newest view
      return { more: channel.asked.slice(before), busy: channel.busy, bounds: panel.coarse.bounds, kept: cellAt(panel, -1.4, 0) !== null, new: cellAt(panel, 4.4, 0)[0] };
    """
    found = run(script)
    assert found["more"] == [{"measure": 2, "count": 256}]
    assert not found["busy"]
    assert found["bounds"]["left"] == pytest.approx(-1.5)
    assert found["kept"]
    assert found["new"] == pytest.approx(2.2, abs=0.1)


def test_another_plane_replaces_what_was_measured(run):
    script = """
      const map = open(specs.HOLE_MAP), { panel, maps, channel } = map;
      rest(map);
      settle(map, ring);
      maps.grid.edition++;
      maps.moving = true;
      panel.moved();
      const before = cellAt(panel, 1, 1)[0];
      channel.answer(() => [4]);
      return { before, after: cellAt(panel, 1, 1)[0], windows: panel.rasters.length };
    """
    found = run(script)
    assert found["before"] == pytest.approx(2**0.5 / 2, abs=0.05)
    assert (found["after"], found["windows"]) == (4, 1)


def test_beyond_two_dimensions_colours_are_within_the_plane_while_it_moves_and_the_number_never_is(run):
    script = """
      const map = open(specs.CLIFF_MAP, { latentDim: 5 }), { panel, maps, channel } = map, stretch = () => [3, 9];
      maps.found = { values: exact(), within: { stretch: 12.3, magnification: 55, drift: 0.01 } };
      channel.answer(stretch);
      channel.answer(stretch);
      const words = () => [map.text(".coloured"), map.text(".value")], moving = words();
      rest(map);
      settle(map, stretch);
      const resting = words(), asked = channel.asked.map(({ measure }) => measure), counts = channel.asked.slice(0, 3).map(({ count }) => count);
      const chosen = {};
      for (const value of ["stretch/plane", "magnification/all", "magnification/plane"]) {
        const menu = document.querySelector(".choices select");
        menu.value = value;
        menu.dispatchEvent(new Event("change"));
        settle(map, stretch);
        chosen[value] = words();
      }
      return { moving, resting, asked, counts, chosen, settled: panel.settled };
    """
    found = run(script)
    assert found["moving"] == ["colours: within the plane", "31 per unit of z"]
    assert found["resting"] == ["colours: in all directions", "31 per unit of z"]
    assert found["asked"][:3] == [0, 1, 0]
    assert set(found["asked"][3:]) == {0}
    assert found["counts"] == [256, 258, 256]
    assert found["chosen"] == {
        "stretch/plane": ["colours: within the plane", "31 per unit of z, 12 within the plane"],
        "magnification/all": ["colours: in all directions", "× 665 in 5-volume"],
        "magnification/plane": ["colours: within the plane", "× 665 in 5-volume, 55 within the plane"],
    }
    assert found["settled"]


def test_the_number_is_the_exact_one_whatever_the_cells_say(run):
    script = """
      const said = {};
      for (const spec of specs.SPECS) {
        const map = open(spec), { panel, maps, channel } = map;
        maps.awaited = true;
        settle(map, () => [0.123, 0.123].slice(0, spec.columns(maps.facts)));
        const before = [map.text(".value"), document.querySelector(".value").className];
        Object.assign(maps, { found: { values: exact(), within: null }, awaited: false });
        panel.caption();
        said[spec.name] = [before, map.text(".value"), document.querySelector(".value").className];
      }
      return said;
    """
    expected = {
        "cliffs": "31 per unit of z",
        "holes": "3.0 × the data promised",
        "drift": "0.015 units of z",
        "realism": "0.91 × the usual distance",
    }
    assert run(script) == {name: [["–", "value awaited"], words, "value"] for name, words in expected.items()}


@pytest.mark.parametrize(("images", "against"), [(1, "images"), (0, "reconstructions")])
def test_realism_says_what_it_compares_with(run, images, against):
    script = """
      const map = open(specs.REALISM_MAP), { panel, maps } = map;
      const before = [map.text("h3"), map.text(".sentence")];
      maps.found = { values: exact({ images: ARG }), within: null };
      panel.caption();
      const { title } = document.querySelector(".value");
      return { before, after: [map.text("h3"), map.text(".sentence"), title] };
    """
    found = run(script, images)
    assert found["before"][0] == "Realism"
    assert found["after"][0] == f"Realism to {against}"
    assert ("reconstruction" in found["after"][1]) == ("reconstruction" in found["after"][2]) == (not images)
    assert "360" in found["after"][2]


def test_what_a_model_lacks_has_no_number(run):
    script = """
      const map = open(specs.HOLE_MAP), { panel, maps } = map;
      maps.found = { values: exact({ ratio: NaN }), within: null };
      panel.caption();
      return map.text(".value");
    """
    assert run(script) == "–"


def test_a_scale_stays_the_same_in_every_view(run):
    script = """
      const map = open(specs.CLIFF_MAP), { panel, channel } = map, steep = ([x]) => [Math.exp(x), 1];
      settle(map, steep);
      const before = panel.scale;
      for (const scale of [300, 20]) { look(map, { scale }); settle(map, steep); rest(map); settle(map, steep); }
      return panel.scale === before;
    """
    assert run(script)


def test_a_measure_that_a_model_lacks_is_a_sentence_in_its_place(run):
    script = """
      const map = open(specs.HOLE_MAP, { lacks: { ratio: "No codes here." } });
      rest(map);
      return { state: map.text(".state"), asked: map.channel.asked.length, settled: map.panel.settled };
    """
    assert run(script) == {"state": "No codes here.", "asked": 0, "settled": True}


def test_a_refusal_is_said_in_place_until_something_moves(run):
    script = """
      const map = open(specs.DRIFT_MAP), { channel } = map;
      const waiting = map.text(".state");
      channel.refuse("It cannot be measured.");
      const said = map.text(".state"), idle = !channel.busy;
      look(map, { x: 1 });
      return { waiting, said, idle, again: channel.busy };
    """
    assert run(script) == {
        "waiting": "measuring…",
        "said": "It cannot be measured.",
        "idle": True,
        "again": True,
    }


def test_a_decoder_that_shows_the_same_everywhere_has_no_cliff(run):
    script = """
      const map = open(specs.CLIFF_MAP);
      map.maps.found = { values: exact({ stretch: 0, magnification: 0 }), within: null };
      settle(map, () => [0, 0]);
      return [map.text(".state"), map.text(".value")];
    """
    assert run(script) == [
        "The decoded image is the same everywhere: there is no cliff.",
        "0 per unit of z",
    ]


def test_arrows_lead_to_where_codes_come_back(run):
    script = """
      const spacing = new Linear(16), axes = [[1, 0, 0], [0, 0.6, 0.8]];
      return specs.DRIFT_MAP.arrows([1, 2], Float32Array.of(0.5, 1, 2), spacing, axes);
    """
    np.testing.assert_allclose(run(script), [1.5, 4.2], atol=1e-6)


# --- the exact place -------------------------------------------------------------------------------------


SPOT = """
  const { Spot } = await load("continuity/web/spot");
  const spotIn = (latentDim) => {
    let channel, told = 0;
    const axes = [0, 1].map((a) => Float32Array.from({ length: latentDim }, (_, d) => Number(d === a)));
    const page = { facts: { model: { id: "0123456789abcdef" }, latentDim }, plane: () => ({ axes }) };
    const spot = new Spot(page, () => told++, { connect: (on) => (channel = new Fake(on)) });
    return { spot, channel, told: () => told };
  };
  const place = (...code) => ({ code: Float32Array.from(code) });
"""


def test_a_place_of_a_plane_is_asked_once(run):
    script = """
      const { spot, channel, told } = spotIn(2), target = place(0.5, 1);
      spot.ask(target);
      const { height, count, payload } = channel.current;
      channel.answer(() => exact());
      return { asked: channel.asked, sent: [...payload], same: spot.found.target === target, told: told(), within: spot.found.within };
    """
    found = run(SPOT + script)
    assert found["asked"] == [{"measure": 5, "count": 1}]
    assert found["sent"] == [0.5, 1]
    assert found["same"]
    assert (found["told"], found["within"]) == (1, None)


def test_beyond_two_dimensions_what_is_within_the_plane_follows(run):
    script = """
      const { spot, channel } = spotIn(3);
      spot.ask(place(1, 2, 3));
      channel.answer(() => exact());
      const first = spot.found.within;
      channel.answer(() => [12, 34]);
      channel.answer(() => [3, 4, 5]);
      return { asked: channel.asked, first, within: spot.found.within, idle: !channel.busy };
    """
    found = run(SPOT + script)
    assert [request["measure"] for request in found["asked"]] == [5, 1, 3]
    assert found["first"] is None
    assert found["within"] == {"stretch": 12, "magnification": 34, "drift": 5}
    assert found["idle"]


def test_only_the_newest_place_is_asked_and_what_is_not_known_is_forgotten(run):
    script = """
      const { spot, channel } = spotIn(3), last = place(9, 9, 9);
      spot.ask(place(1, 2, 3));
      for (const target of [place(4, 5, 6), last]) spot.ask(target);
      channel.answer(() => exact());
      const within = channel.asked.length;
      while (!channel.busy) await new Promise((done) => setTimeout(done));
      const sent = [...channel.current.payload];
      channel.refuse("It cannot be measured.");
      return { within, sent, found: spot.found };
    """
    assert run(SPOT + script) == {"within": 1, "sent": [9, 9, 9], "found": None}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (30.97, "31"), (3.04, "3.0"), (0.906, "0.91"), (0.0153, "0.015"), (9.96, "10"), (0.996, "1.0"),
        (0.0996, "0.10"), (0.0004, "< 0.001"), (0, "0"), (-1.26, "−1.3"), (664.6, "665"), (1.26e8, "1.3e8"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_one_way(run, value, words):
    assert run('const { number } = await load("kit/trust-figures"); return number(ARG);', value) == words
