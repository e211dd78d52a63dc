"""The map's modules against brute force: what they find, count, draw and enclose. They need no server."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from ui.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://map.test"
PRELUDE = f"""
  const load = (name) => import(`{ORIGIN}/${{name}}.js`);
  const [view, raster, index, lasso, axes, palette, density, bounds] = await Promise.all(
    ["view", "raster", "index", "lasso", "axes", "palette", "density", "bounds"].map((name) => load(`map-${{name}}`)));
  const bytes = async (name) => (await fetch(`{ORIGIN}/data/${{name}}`)).arrayBuffer();
"""
VIEW = {"x": 0.2, "y": -0.1, "scale": 90, "width": 600, "height": 400}

# The numbers of an index's answers, one list per query.
NEIGHBOURS = """
  const xy = new Float32Array(await bytes("xy")), queries = new Float64Array(await bytes("queries"));
  const tree = new index.Index(xy), accept = ARG.every > 1 ? (i) => i % ARG.every === 0 : null;
  const found = [];
  for (let q = 0; q < queries.length; q += 2) {
    const [x, y] = queries.subarray(q, q + 2);
    found.push({ nearest: tree.nearest(x, y, { accept }), knn: [...tree.knn(x, y, ARG.k, { accept, within: ARG.within ?? Infinity })] });
  }
  return found;
"""


class Modules:
    """A blank page that can import the modules; `run` calls them, with arrays handed over as bytes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.arrays: dict[str, np.ndarray] = {}
        page.route(f"{ORIGIN}/**", self._answer)
        page.goto(f"{ORIGIN}/")

    def run(self, script: str, arg: object = None, **arrays: np.ndarray):
        """Return what `script` returns; in it, ARG is `arg` and `await bytes(name)` an array's buffer."""
        self.arrays = arrays
        return self.page.evaluate(f"async () => {{ const ARG = {json.dumps(arg)}; {PRELUDE} {script} }}")

    def _answer(self, route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name.startswith("data/"):
            route.fulfill(body=np.ascontiguousarray(self.arrays[name.removeprefix("data/")]).tobytes())
        elif name.endswith(".js"):
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Modules]:
    page = browser.new_page()
    yield Modules(page)
    page.close()


@pytest.fixture
def run(modules: Modules) -> Callable[..., object]:
    return modules.run


def normal(n: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=spread, size=(n, 2)).astype(np.float32)


def clouds() -> dict[str, np.ndarray]:
    """Points of every kind that could upset a grid."""
    rng = np.random.default_rng(1)
    strays = normal(2000)
    strays[:5] = [[1e6, 0], [-1e5, 3], [0, 4e5], [50, -1e6], [-30, 40]]
    holes = normal(1500)
    holes[::7] = np.nan
    holes[3] = [np.inf, 0]
    return {
        "normal": normal(3000),
        "strays": strays,
        "holes": holes,
        "line": np.stack([rng.uniform(-3, 3, 1000), np.zeros(1000)], axis=1).astype(np.float32),
        "upright": np.stack([np.full(1000, 7), rng.normal(size=1000)], axis=1).astype(np.float32),
        "lattice": rng.integers(0, 8, size=(1000, 2)).astype(np.float32),  # many equal points, many ties
        "same": np.full((50, 2), 3.5, dtype=np.float32),
        "far": normal(1000) + np.float32(1e4),
        "one": np.array([[2, -1]], dtype=np.float32),
        "none": np.full((4, 2), np.nan, dtype=np.float32),
        "empty": np.zeros((0, 2), dtype=np.float32),
    }


def order_by_distance(points: np.ndarray, place: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Candidates, nearest first, the lower number first among equals; only finite points."""
    finite = candidates[np.isfinite(points[candidates]).all(axis=1)]
    squares = ((points[finite].astype(np.float64) - place) ** 2).sum(axis=1)
    return finite[np.lexsort((finite, squares))]


def even_odd(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether each point is inside: a ray to the right crosses the edges an odd number of times."""
    x, y = points.astype(np.float64).T
    odd = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd & np.isfinite(points).all(axis=1)


# --- finding points --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(clouds()))
@pytest.mark.parametrize("every", [1, 5])
def test_nearest_and_knn_are_what_brute_force_finds(run, name, every):
    points, k = clouds()[name], 7
    rng = np.random.default_rng(2)
    finite = points[np.isfinite(points).all(axis=1)]
    around = (
        finite[rng.integers(len(finite), size=30)] + rng.normal(size=(30, 2))
        if len(finite)
        else np.zeros((1, 2))
    )
    queries = np.concatenate([around, around.round(), [[0, 0], [1e3, -1e3], [-1e7, 2]]])
    found = run(NEIGHBOURS, {"k": k, "every": every}, xy=points, queries=queries)
    accepted = np.arange(0, len(points), every)
    for place, answer in zip(queries, found, strict=True):
        expected = order_by_distance(points, place, accepted)
        assert answer["knn"] == expected[:k].tolist()
        assert answer["nearest"] == (expected[0] if len(expected) else -1)


def test_neighbours_may_be_limited_to_a_distance(run):
    points, queries = normal(1000), normal(40, seed=3, spread=2).astype(np.float64)
    found = run(NEIGHBOURS, {"k": 5, "every": 1, "within": 0.2}, xy=points, queries=queries)
    for place, answer in zip(queries, found, strict=True):
        near = np.flatnonzero(((points - place) ** 2).sum(axis=1) <= 0.2**2)
        assert answer["knn"] == order_by_distance(points, place, near)[:5].tolist()


def test_a_place_that_is_no_number_has_no_neighbour(run):
    queries = np.array([[np.nan, 0], [0, np.inf]])
    found = run(NEIGHBOURS, {"k": 3, "every": 1}, xy=normal(10), queries=queries)
    assert found == [{"nearest": -1, "knn": []}] * 2


def polygons() -> dict[str, np.ndarray]:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    wobbly = circle * (1.2 + 0.5 * np.sin(7 * angles))[:, None]
    star = circle[(np.arange(5) * 24) % 60]  # crosses itself: its middle is out
    return {
        "triangle": np.array([[-1, -1], [1.3, 0.2], [0, 2]]),
        "circle": circle,
        "wobbly": wobbly,
        "star": 2 * star,
        "tiny": 0.01 * circle + 0.3,
        "round all": 1e7 * circle,
        "outside": circle + 500,
        "a line": np.array([[-1, 0], [1, 0], [0, 0]]),
        "corners on points": np.array([[1, 1], [6, 1], [6, 5], [3, 2], [1, 5]]),
    }


@pytest.mark.parametrize("name", [*clouds()])
def test_shapes_hold_what_brute_force_finds(run, name):
    points = clouds()[name]
    shapes = polygons()
    script = """
      const tree = new index.Index(new Float32Array(await bytes("xy")));
      const box = (p) => bounds.boundsOf(p), even = (i) => i % 2 === 0;
      return ARG.map((shape) => ({ polygon: [...tree.inPolygon(shape)], box: [...tree.inRect(box(shape))],
        even: [...tree.inPolygon(shape, { accept: even })], evenBox: [...tree.inRect(box(shape), { accept: even })] }));
    """
    answers = run(script, [shape.ravel().tolist() for shape in shapes.values()], xy=points)
    for (label, shape), answer in zip(shapes.items(), answers, strict=True):
        inside = np.flatnonzero(even_odd(shape, points))
        boxed = np.flatnonzero(((points >= shape.min(0)) & (points <= shape.max(0))).all(axis=1))
        assert answer["polygon"] == inside.tolist(), label
        assert answer["box"] == boxed.tolist(), label
        assert answer["even"] == inside[inside % 2 == 0].tolist(), label
        assert answer["evenBox"] == boxed[boxed % 2 == 0].tolist(), label


def test_a_million_points_are_found_among_without_a_look_at_each(run):
    """Beside a plain loop over all of them in the same run: by itself a time says how busy the machine is."""
    script = """
      const xy = new Float32Array(await bytes("xy")), n = xy.length / 2, seen = [];
      const since = (work) => { const start = performance.now(); work(); return performance.now() - start; };
      const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
      const nearest = (x, y) => {
        let best = Infinity, found = -1;
        for (let i = 0; i < n; i++) {
          const d = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
          if (d < best) { best = d; found = i; }
        }
        return found;
      };
      const tree = new index.Index(xy), taken = { hover: [], scan: [], build: [], sort: [] };
      for (let k = 0; k < 9; k++) {
        const at = [3 * Math.sin(k), 3 * Math.cos(1.7 * k)];
        taken.hover.push(since(() => { for (let again = 0; again < 100; again++) tree.nearest(...at); }) / 100);
        taken.scan.push(since(() => seen.push(nearest(...at))));
        if (k % 3) continue;
        taken.build.push(since(() => new index.Index(xy)));
        taken.sort.push(since(() => xy.slice().sort()));
      }
      return { ...Object.fromEntries(Object.entries(taken).map(([name, times]) => [name, median(times)])), count: tree.count };
    """
    taken = run(script, xy=normal(1_000_000))
    assert taken["count"] == 1_000_000
    assert taken["hover"] < taken["scan"] / 10  # a hundredth of it and less
    assert taken["build"] < 20 * taken["sort"]  # about as long as it


# --- the view --------------------------------------------------------------------------------------------


def test_places_and_screen_points_turn_into_each_other(run):
    script = """
      const v = new view.View(ARG.view), far = [];
      for (const [x, y] of ARG.places) { const [a, b] = v.toPlace(...v.toScreen(x, y)); far.push(Math.hypot(a - x, b - y)); }
      return { far: Math.max(...far), middle: v.toScreen(v.x, v.y), up: v.toScreen(v.x, v.y + 1)[1] < v.height / 2, bounds: v.bounds };
    """
    answer = run(script, {"view": VIEW, "places": normal(50).tolist()})
    assert answer["far"] < 1e-12
    assert answer["middle"] == [300, 200]
    assert answer["up"]
    assert answer["bounds"]["right"] - answer["bounds"]["left"] == pytest.approx(600 / 90)
    assert answer["bounds"]["top"] - answer["bounds"]["bottom"] == pytest.approx(400 / 90)


def test_what_is_under_the_pointer_stays_under_it(run):
    script = """
      const v = new view.View(ARG), p = [123, 321], far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      const place = v.toPlace(...p), panned = v.pan(40, -25);
      return {
        pan: far(panned.toPlace(p[0] + 40, p[1] - 25), place),
        zooms: [2, 0.5, 1e9, 1e-9].map((factor) => far(v.zoomAt(...p, factor).toPlace(...p), place)),
        scales: [1e9, 1e-9].map((factor) => v.zoomAt(...p, factor).scale / v.home),
        back: far(Object.values(panned.pan(-40, 25).toJSON()), Object.values(v.toJSON())),
      };
    """
    answer = run(script, VIEW)
    assert answer["pan"] < 1e-12
    assert answer["back"] < 1e-12
    assert max(answer["zooms"]) < 1e-9
    most, least = answer["scales"]
    assert least < 0.1 < 100 < most  # limits, on both sides of home
    assert np.isfinite([least, most]).all()
    assert least > 1e-3


@pytest.mark.parametrize(
    "box",
    [
        {"left": -3, "bottom": -1, "right": 5, "top": 2},
        {"left": 1, "bottom": 4, "right": 1, "top": 5},
        {"left": 2, "bottom": 7, "right": 2, "top": 7},
        {"left": 9999, "bottom": 1e-3, "right": 10001, "top": 2e-3},
        None,
    ],
)
def test_a_fitted_box_is_in_view_and_fills_it(run, box):
    script = """
      const v = view.View.fit(ARG, 600, 400, 20), b = ARG ?? { left: 0, right: 0, bottom: 0, top: 0 };
      return [v.toScreen(b.left, b.top), v.toScreen(b.right, b.bottom), v.scale];
    """
    (left, top), (right, bottom), scale = run(script, box)
    assert 19.99 <= left <= right <= 580.01
    assert 19.99 <= top <= bottom <= 380.01
    if box and (box["right"] > box["left"] or box["top"] > box["bottom"]):
        assert max((right - left) / 560, (bottom - top) / 360) == pytest.approx(1)
    assert np.isfinite(scale)


def test_a_box_on_the_screen_becomes_the_screen(run):
    script = """
      const v = new view.View(ARG), z = v.zoomBox(100, 50, 250, 150), [x, y] = v.toPlace(175, 100);
      const wide = v.zoomBox(400, 300, 100, 290);
      return { middle: [z.x - x, z.y - y], grown: z.scale / v.scale, wide: wide.scale / v.scale, click: v.zoomBox(5, 5, 7, 6) === v };
    """
    assert run(script, VIEW) == {
        "middle": pytest.approx([0, 0]),
        "grown": pytest.approx(4),
        "wide": pytest.approx(2),
        "click": True,
    }


def test_a_view_in_an_address_shows_the_same_places(run):
    script = """
      const home = view.View.fit(ARG.box, 600, 400), v = home.zoomAt(300, 150, ARG.factor).pan(33, -12), back = home.parse(v.text);
      const wide = home.resized(1200, 800).parse(v.text);
      const json = home.at(JSON.parse(JSON.stringify(v)));
      if (home.at(null) || home.at({ x: 1, y: 2 }) || home.at({ x: 1, y: 2, span: "3" })) return null;
      return { text: v.text, off: back.toScreen(v.x, v.y), scale: back.scale / v.scale, wide: wide.scale / v.scale,
        json: json.equals(v) || [json.toJSON(), v.toJSON()],
        bad: ["", "1,2", "1,2,0", "1,2,-3", "a,b,c", "1,2,3,4", "1,,3", null, "1,2,Infinity"].map((text) => home.parse(text)) };
    """
    box = {"left": -300, "bottom": -2, "right": 4, "top": 7}
    for factor in (0.3, 1, 40, 9000):
        answer = run(script, {"box": box, "factor": factor})
        assert answer["off"] == pytest.approx([300, 200], abs=0.1)
        assert answer["scale"] == pytest.approx(1, rel=1e-5)
        assert answer["wide"] == pytest.approx(2, rel=1e-5)
        assert answer["json"] is True
        assert len(answer["text"]) < 40
        assert answer["bad"] == [None] * 9


# --- drawing ---------------------------------------------------------------------------------------------

DRAW = """
  const v = new view.View(ARG.view), image = raster.makeImage(ARG.width, ARG.height);
  const get = async (name, kind) => ARG.has.includes(name) ? new kind(await bytes(name)) : null;
  const points = { xy: new Float32Array(await bytes("xy")), colours: await get("colours", Uint8Array),
    classes: await get("classes", Int16Array), weight: await get("weight", Uint8Array), order: await get("order", Uint32Array) };
  image.pixels.fill(7); // what was there before
  const count = raster.draw(image, points, v, { palette: Uint32Array.from(ARG.palette), visible: ARG.visible ?? null, size: ARG.size });
  const blob = new Blob([image.data.data]), reader = new FileReader();
  const url = await new Promise((done) => { reader.onload = () => done(reader.result); reader.readAsDataURL(blob); });
  return { count, rgba: url.split(",")[1] };
"""
PALETTE = [0xFF0000FF, 0xFF00FF00, 0xFFFF0000, 0xFF00FFFF]  # red, green, blue, yellow
INKS = np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 0, 255]])


def drawn(run, xy, *, size=1, view=VIEW, ratio=1, palette=PALETTE, visible=None, **arrays):
    """Return the count and the pixels (height, width, 4)."""
    width, height = view["width"] * ratio, view["height"] * ratio
    arg = {
        "view": view, "width": width, "height": height, "palette": palette,
        "visible": visible, "size": size, "has": list(arrays),
    }  # fmt: skip
    answer = run(DRAW, arg, xy=xy, **arrays)
    return answer["count"], np.frombuffer(base64.b64decode(answer["rgba"]), np.uint8).reshape(
        height, width, 4
    )


def on_screen(points, view=VIEW, ratio=1):
    x = (points[:, 0].astype(np.float64) - view["x"]) * view["scale"] + view["width"] / 2
    y = (view["y"] - points[:, 1].astype(np.float64)) * view["scale"] + view["height"] / 2
    return ratio * np.stack([x, y], axis=1)


def in_view(places, view=VIEW, ratio=1):
    size = ratio * np.array([view["width"], view["height"]])
    return ((places >= 0) & (places < size)).all(axis=1)


def test_one_pixel_points_are_where_they_belong_and_the_last_is_on_top(run):
    points = normal(5000, spread=2)
    points[::50] = np.nan
    colours = np.random.default_rng(4).integers(0, 4, 5000).astype(np.uint8)
    count, pixels = drawn(run, points, colours=colours)
    places = on_screen(points)
    seen = np.flatnonzero(in_view(places))
    expected = np.zeros_like(pixels)
    for i in seen:
        x, y = np.floor(places[i]).astype(int)
        expected[y, x] = INKS[colours[i]]
    assert count == len(seen)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("size", range(1, 10))
@pytest.mark.parametrize("ratio", [1, 2])
def test_the_count_is_of_points_inside_the_view_whatever_their_size(run, size, ratio):
    view = VIEW | {"width": 60, "height": 40, "scale": 15}
    points = normal(3000, spread=2)
    count, pixels = drawn(run, points, size=size, view=view, ratio=ratio)
    places = on_screen(points, view, ratio)
    assert count == in_view(places, view, ratio).sum()
    assert pixels.any()


@pytest.mark.parametrize("size", range(1, 10))
def test_a_stamp_has_the_area_and_middle_of_its_disc(run, size):
    view = VIEW | {"width": 40, "height": 40}
    at = [20, 20] if size % 2 == 0 else [20.5, 20.5]  # an even stamp's middle is a pixel's corner
    place = np.array([[view["x"] + (at[0] - 20) / 90, view["y"] - (at[1] - 20) / 90]], dtype=np.float32)
    _, pixels = drawn(run, place, size=size, view=view)
    alpha = pixels[..., 3] / 255
    area = size**2 if size <= 2 else np.pi * size**2 / 4
    assert alpha.sum() == pytest.approx(area, rel=0.03)
    across = np.arange(40) + 0.5
    assert (alpha.sum(0) @ across / alpha.sum(), alpha.sum(1) @ across / alpha.sum()) == pytest.approx(at)
    assert (pixels[alpha > 0][:, :3] == [255, 0, 0]).all()


@pytest.mark.parametrize("size", [2, 3, 6, 9])
def test_points_at_the_edge_are_cut_as_if_the_screen_went_on(run, size):
    small = VIEW | {"width": 60, "height": 40, "scale": 15}
    large = small | {"width": 100, "height": 80}
    points = normal(400, spread=2)
    colours = (np.arange(400) % 4).astype(np.uint8)
    _, pixels = drawn(run, points, size=size, view=small, colours=colours)
    _, around = drawn(run, points, size=size, view=large, colours=colours)
    np.testing.assert_array_equal(pixels, around[20:60, 20:80])


@pytest.mark.parametrize("size", [1, 4])
def test_hidden_classes_are_neither_drawn_nor_counted(run, size):
    points, rng = normal(2000), np.random.default_rng(5)
    colours = rng.integers(0, 4, 2000).astype(np.uint8)
    classes = rng.integers(0, 3, 2000).astype(np.int16)
    inside = in_view(on_screen(points))
    by_colour = drawn(run, points, size=size, colours=colours, visible=[1, 0, 1, 0])
    assert by_colour[0] == (inside & np.isin(colours, [0, 2])).sum()
    _, alone = drawn(
        run, points[np.isin(colours, [0, 2])], size=size, colours=colours[np.isin(colours, [0, 2])]
    )
    np.testing.assert_array_equal(by_colour[1], alone)
    by_class = drawn(run, points, size=size, colours=colours, classes=classes, visible=[0, 1, 0])
    assert by_class[0] == (inside & (classes == 1)).sum()
    _, alone = drawn(run, points[classes == 1], size=size, colours=colours[classes == 1])
    np.testing.assert_array_equal(by_class[1], alone)


@pytest.mark.parametrize("size", [1, 5])
def test_only_the_points_of_an_order_are_drawn_in_that_order(run, size):
    points, colours = normal(1000), (np.arange(1000) % 4).astype(np.uint8)
    order = np.random.default_rng(6).permutation(1000)[:300].astype(np.uint32)
    count, pixels = drawn(run, points, size=size, colours=colours, order=order)
    expected = drawn(run, points[order], size=size, colours=colours[order])
    assert count == expected[0]
    np.testing.assert_array_equal(pixels, expected[1])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_faded_points_are_laid_over_each_other_as_light_is(run, size):
    view = VIEW | {"width": 40, "height": 30}
    points, rng = np.tile(np.float32([0.2, -0.1]), (6, 1)), np.random.default_rng(7)
    weight = np.array([60, 0, 200, 5, 128, 90], dtype=np.uint8)
    colours = rng.integers(0, 4, 6).astype(np.uint8)
    count, pixels = drawn(
        run, points.astype(np.float32), size=size, view=view, colours=colours, weight=weight
    )
    light, alpha = np.zeros(3), 0.0  # premultiplied
    for ink, share in zip(INKS[colours, :3], weight / 255, strict=True):
        light, alpha = share * ink + (1 - share) * light, share + (1 - share) * alpha
    assert count == 5  # one of them has no weight at all
    assert pixels[15, 20, 3] == pytest.approx(255 * alpha, abs=2)
    np.testing.assert_allclose(pixels[15, 20, :3], light / alpha, atol=4)


def test_points_fade_with_their_distance_from_the_slice(run):
    weight = np.array(run("return Array.from(raster.fade(Float32Array.of(0, 0.5, 1, 2, 4), 1));"))
    assert weight[0] == 255
    assert (np.diff(weight) < 0).all()
    np.testing.assert_allclose(weight / 255, np.exp(-(np.array([0, 0.5, 1, 2, 4]) ** 2) / 2), atol=0.003)


def test_a_redraw_is_a_pass_or_two_over_the_points(run):
    """At 1000 x 600, beside a plain pass in the same run: by itself a time says how busy the machine is."""
    taken = run(
        REDRAWS,
        xy=normal(1_000_000),
        colours=np.random.default_rng(8).integers(0, 10, 1_000_000).astype(np.uint8),
    )
    assert taken["1M x 1 px"] < 20 * taken["pass"]
    assert taken["70k x 3 px"] < 20 * taken["pass"]


REDRAWS = """
  const xy = new Float32Array(await bytes("xy")), colours = new Uint8Array(await bytes("colours"));
  const image = raster.makeImage(1000, 600);
  const home = view.View.fit(bounds.boundsOf(xy), 1000, 600), inks = palette.categorical(10);
  const cases = { "70k x 3 px": [70000, 3], "1M x 1 px": [1e6, 1] };
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1], taken = { pass: [] };
  const pixels = new Uint32Array(1000 * 600);
  const plain = () => {
    for (let i = 0; i < colours.length; i++) {
      const x = Math.round(500 + 100 * xy[2 * i]), y = Math.round(300 - 100 * xy[2 * i + 1]);
      if (x >= 0 && x < 1000 && y >= 0 && y < 600) pixels[1000 * y + x] += colours[i];
    }
  };
  for (let k = 0; k < 15; k++) {
    for (const [name, [count, size]] of Object.entries(cases)) {
      const start = performance.now();
      raster.draw(image, { xy: xy.subarray(0, 2 * count), colours: colours.subarray(0, count) }, home.pan(5 * k, 3 * k), { palette: inks, size });
      (taken[name] ??= []).push(performance.now() - start);
    }
    const start = performance.now();
    plain();
    taken.pass.push(performance.now() - start);
  }
  return Object.fromEntries(Object.entries(taken).map(([name, times]) => [name, median(times)]));
"""


# --- lasso -----------------------------------------------------------------------------------------------


def test_a_simplified_lasso_stays_near_what_was_drawn(run):
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    shape = np.stack([np.cos(angles), np.sin(angles)], 1) * (100 + 20 * np.sin(5 * angles))[:, None]
    script = "const s = lasso.simplify(ARG, 1); return { simple: [...s], areas: [lasso.area(ARG), lasso.area(s)] };"
    answer = run(script, shape.ravel().tolist())
    simple = np.array(answer["simple"]).reshape(-1, 2)
    assert 5 < len(simple) < 100
    start, along = simple, np.roll(simple, -1, axis=0) - simple
    offset = shape[:, None] - start
    share = ((offset * along).sum(-1) / (along**2).sum(-1)).clip(0, 1)
    assert np.linalg.norm(offset - share[..., None] * along, axis=-1).min(1).max() <= 1 + 1e-9
    x, y = shape.T
    exact = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    assert answer["areas"][0] == pytest.approx(exact)
    assert answer["areas"][1] == pytest.approx(exact, rel=0.01)


def test_a_lasso_survives_an_address(run):
    script = """
      const p = lasso.boxPolygon(lasso.box(3, -1, -2.5, 4));
      return { back: [...lasso.parsePolygon(lasso.polygonText(p))], bad: ["", "1,2,3,4", "1,2,3,4,5,x", "1,2,3,4,5,6,7", null].map(lasso.parsePolygon) };
    """
    assert run(script) == {"back": [-2.5, -1, 3, -1, 3, 4, -2.5, 4], "bad": [None] * 5}


# --- axes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-3, 0.7, 90, 4e5])
def test_grid_lines_are_few_evenly_spaced_and_say_where_they_are(run, scale):
    lines = run("return axes.gridLines(new view.View(ARG));", VIEW | {"scale": scale})
    for axis, length in (("x", 600), ("y", 400)):
        at = np.array([line["at"] for line in lines[axis]])
        values = np.array([line["value"] for line in lines[axis]])
        assert 2 <= len(at) <= length / 50
        assert ((at >= 0) & (at <= length)).all()
        assert np.ptp(np.diff(at)) < 1e-6 * length
        said = [float(line["text"].replace("−", "-").replace(",", "")) for line in lines[axis]]
        np.testing.assert_allclose(said, values, atol=1e-9 * abs(values).max())
        centre, sign = (VIEW["x"], 1) if axis == "x" else (VIEW["y"], -1)
        np.testing.assert_allclose(at, length / 2 + sign * (values - centre) * scale, atol=1e-6)


def test_axes_are_drawn_in_the_colours_they_are_given(run):
    script = """
      const v = new view.View(ARG), canvas = Object.assign(document.createElement("canvas"), { width: 1200, height: 800 });
      const context = canvas.getContext("2d"), seen = () => {
        const pixels = new Uint32Array(context.getImageData(0, 0, 1200, 800).data.buffer), counts = {};
        for (const ink of pixels) if (ink) counts[palette.css(ink)] = (counts[palette.css(ink)] ?? 0) + 1;
        return counts;
      };
      axes.drawGrid(context, v, { grid: "#102030", zero: "#a0b0c0" });
      const grid = seen();
      axes.drawLabels(context, v, { label: "#ff0000", halo: "#ffffff" });
      const { x, y } = axes.gridLines(v);
      return { grid, labels: seen()["#ff0000"] ?? 0, lines: [x.length, y.length] };
    """
    answer = run(script, VIEW)
    across, up = answer["lines"]
    assert set(answer["grid"]) == {"#102030", "#a0b0c0"}
    assert answer["grid"]["#a0b0c0"] == 2 * (1200 + 800) - 4  # two device pixels wide, crossing once
    assert answer["grid"]["#102030"] == pytest.approx(2 * ((across - 1) * 800 + (up - 1) * 1200), rel=0.05)
    assert answer["labels"] > 50


# --- colours ---------------------------------------------------------------------------------------------


def test_classes_have_colours_of_their_own(run):
    script = "return { inks: Array.from(palette.categorical(ARG), palette.css), train: (await load('run-colours')).CLASSES };"
    answer = run(script, 30)
    assert answer["inks"][1:11] == answer["train"]  # a class has one colour everywhere
    assert len(set(answer["inks"])) == 31
    labels = run("return Array.from(palette.classIndices(Int16Array.from(ARG)));", [-1, 0, 9, 254, 255, 300])
    assert labels == [0, 1, 10, 255, 1, 46]


def lightness(colours: list[str]) -> np.ndarray:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_palettes_are_opaque(run):
    script = "return [palette.categorical(40), palette.sequential('viridis'), palette.sequential('cividis')].map((p) => Array.from(p));"
    for inks in run(script):
        assert {ink >> 24 for ink in inks} == {255}


@pytest.mark.parametrize(("name", "last"), [("viridis", "#fde725"), ("cividis", "#fee838")])
def test_ramps_grow_lighter_evenly(run, name, last):
    ramp = run("return Array.from(palette.sequential(ARG), palette.css);", name)
    light = lightness(ramp[1:])
    assert len(ramp) == 256
    assert ramp[255] == last
    assert (np.diff(light) > -0.3).all()  # eight bits do not go further
    np.testing.assert_allclose(light, np.linspace(light[0], light[-1], 255), atol=4)


def test_numbers_become_colours_between_their_robust_limits(run):
    values = np.random.default_rng(9).normal(size=200_000).astype(np.float32)
    values[:3] = [np.nan, np.inf, -np.inf]
    values[3:100] = 1e6
    script = """
      const s = palette.scaled(new Float32Array(await bytes("values")), ARG);
      return { ...s, colours: Array.from(s.colours) };
    """
    answer = run(script, {}, values=values)
    colours = np.array(answer["colours"])
    assert (answer["low"], answer["high"]) == pytest.approx(
        np.nanquantile(values[100:], [0.01, 0.99]), abs=0.05
    )
    assert answer["missing"] == 1
    assert colours[:4].tolist() == [0, 255, 1, 255]
    share = ((values[100:] - answer["low"]) / (answer["high"] - answer["low"])).clip(0, 1)
    np.testing.assert_allclose((colours[100:] - 1) / 254, share, atol=0.5 / 254 + 1e-6)
    fixed = run(script, {"low": 0, "high": 1}, values=np.array([-1, 0, 0.5, 1, 9], dtype=np.float32))
    assert fixed["colours"] == [1, 1, 128, 255, 255]
    same = run(script, {}, values=np.full(5, 3, dtype=np.float32))
    assert same["colours"] == [128] * 5
    nothing = run(script, {}, values=np.full(5, np.nan, dtype=np.float32))
    assert (nothing["colours"], nothing["missing"]) == ([0] * 5, 5)


def test_a_ramp_is_a_css_gradient(run):
    computed = run("""
      const box = document.createElement("div");
      box.style.background = palette.gradient("viridis");
      return box.style.backgroundImage;
    """)
    assert "rgb(68, 1, 84)" in computed
    assert "rgb(253, 231, 37)" in computed


# --- density ---------------------------------------------------------------------------------------------

CONTOURS = """
  const xy = new Float32Array(await bytes("xy")), accept = ARG.every ? (i) => i % ARG.every === 0 : null;
  const grid = density.density(xy, { accept, bandwidth: ARG.bandwidth ?? null });
  if (!grid) return null;
  const found = density.levels(grid, xy, ARG.shares, { accept });
  return { levels: found, loops: found.map((level) => density.contours(grid, level).map((loop) => Array.from(loop))),
    total: grid.values.reduce((a, b) => a + b), count: grid.count };
"""


def enclosed(loops: list[list[float]], points: np.ndarray) -> np.ndarray:
    odd = np.zeros(len(points), dtype=bool)
    for loop in loops:
        odd ^= even_odd(np.array(loop).reshape(-1, 2), points)
    return odd


def ring(n: int) -> np.ndarray:
    """Points around a hole."""
    rng = np.random.default_rng(10)
    angle, radius = rng.uniform(0, 2 * np.pi, n), rng.normal(5, 0.5, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "clusters", "ring", "strays"])
def test_contours_enclose_the_share_of_points_they_promise(run, kind):
    n, shares = 20_000, [0.5, 0.8, 0.95]
    points = ring(n) if kind == "ring" else normal(n)
    if kind == "clusters":
        points += (
            np.random.default_rng(11).uniform(-20, 20, size=(10, 2)).astype(np.float32)[np.arange(n) % 10]
        )
    if kind == "strays":
        points[:10] *= 1e5
    answer = run(CONTOURS, {"shares": shares}, xy=points)
    inside = [enclosed(loops, points) for loops in answer["loops"]]
    np.testing.assert_allclose([odd.mean() for odd in inside], shares, atol=0.02)
    assert all(not (inner & ~outer).any() for inner, outer in pairwise(inside))
    assert answer["total"] == pytest.approx(n, rel=0.01)
    if kind == "ring":  # the hole is a hole
        assert not enclosed(answer["loops"][2], np.zeros((1, 2), dtype=np.float32))[0]


def test_contours_of_a_normal_cloud_are_its_circles(run):
    shares = [0.5, 0.8]
    answer = run(CONTOURS, {"shares": shares}, xy=normal(50_000))
    for share, loops in zip(shares, answer["loops"], strict=True):
        radii = np.linalg.norm(np.array(max(loops, key=len)).reshape(-1, 2), axis=1)
        assert radii.mean() == pytest.approx(np.sqrt(-2 * np.log(1 - share)), rel=0.05)
        assert radii.std() < 0.1


def test_contours_are_drawn_where_the_view_puts_them_each_for_itself(run):
    squares = [[0, 0, 1, 0, 1, 1, 0, 1], [2, 0, 3, 0, 3, 1, 2, 1]]
    script = """
      const v = new view.View(ARG.view), context = document.createElement("canvas").getContext("2d");
      context.canvas.width = v.width;
      context.canvas.height = v.height;
      density.tracePath(context, v, ARG.loops);
      return ARG.places.map((place) => [context.isPointInPath(...v.toScreen(...place), "evenodd"), context.isPointInStroke(...v.toScreen(...place))]);
    """
    arg = {
        "view": VIEW,
        "loops": squares,
        "places": [[0.5, 0.5], [2.5, 0.5], [1.5, 0.5], [1.5, 0], [0, 0.5], [2, 0.5]],
    }
    answer = run(script, arg)
    assert [inside for inside, _ in answer[:4]] == [True, True, False, False]
    assert [on for _, on in answer] == [
        False,
        False,
        False,
        False,
        True,
        True,
    ]  # no line from one to the next


def test_contours_may_be_of_some_points_only(run):
    points = normal(10_000)
    points[::2] += 30
    answer = run(CONTOURS, {"shares": [0.9], "every": 2}, xy=points)
    assert answer["count"] == 5000
    inside = enclosed(answer["loops"][0], points)
    assert inside[::2].mean() == pytest.approx(0.9, abs=0.02)
    assert not inside[1::2].any()


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.full((5, 2), np.nan)])
def test_no_points_have_no_density(run, points):
    assert run(CONTOURS, {"shares": [0.5]}, xy=points.astype(np.float32)) is None


@pytest.mark.parametrize("name", ["one", "same", "line", "upright", "lattice", "holes"])
def test_odd_clouds_still_have_contours(run, name):
    points = clouds()[name]
    answer = run(CONTOURS, {"shares": [0.8]}, xy=points)
    finite = points[np.isfinite(points).all(axis=1)]
    assert enclosed(answer["loops"][0], finite).mean() >= 0.75
    assert np.isfinite(answer["levels"]).all()


# --- bounds ----------------------------------------------------------------------------------------------


def test_quantiles_and_bounds_are_those_of_the_finite_points(run):
    points = clouds()["holes"]
    finite = points[np.isfinite(points).all(axis=1)]
    script = """
      const xy = new Float32Array(await bytes("xy"));
      return { all: bounds.boundsOf(xy), x: bounds.quantiles(xy, [0, 0.25, 0.5, 1], { stride: 2 }), robust: bounds.robustBounds(xy, 0.05) };
    """
    answer = run(script, xy=points)
    (left, bottom), (right, top) = finite.min(0), finite.max(0)
    assert answer["all"] == {"left": left, "bottom": bottom, "right": right, "top": top}
    some = points[:, 0][np.isfinite(points[:, 0])]
    np.testing.assert_allclose(answer["x"], np.quantile(some, [0, 0.25, 0.5, 1]), rtol=1e-6)
    assert left < answer["robust"]["left"] < answer["robust"]["right"] < right
    many = np.random.default_rng(12).normal(size=(300_000, 2)).astype(np.float32)
    got = run("return bounds.quantiles(new Float32Array(await bytes('xy')), [0.01, 0.5, 0.99]);", xy=many)
    below = [(many <= value).mean() for value in got]
    np.testing.assert_allclose(below, [0.01, 0.5, 0.99], atol=0.01)
    assert below[0] == pytest.approx(0.01, abs=0.003)
