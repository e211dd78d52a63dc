"""The map's modules against brute force: what they count, draw and enclose. They need no server."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://map.test"
PRELUDE = f"""
  const load = (name) => import(`{ORIGIN}/${{name}}.js`);
  const [view, raster, axes, palette, density, bounds] = await Promise.all(
    ["kit/view", "map/web/raster", "map/web/axes", "kit/palette", "kit/density", "kit/bounds"].map(load));
  const bytes = async (name) => (await fetch(`{ORIGIN}/data/${{name}}`)).arrayBuffer();
"""
VIEW = {"x": 0.2, "y": -0.1, "scale": 90, "width": 600, "height": 400}


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
    """Points of which a density could be upset."""
    rng = np.random.default_rng(1)
    holes = normal(1500)
    holes[::7] = np.nan
    holes[3] = [np.inf, 0]
    return {
        "holes": holes,
        "line": np.stack([rng.uniform(-3, 3, 1000), np.zeros(1000)], axis=1).astype(np.float32),
        "upright": np.stack([np.full(1000, 7), rng.normal(size=1000)], axis=1).astype(np.float32),
        "lattice": rng.integers(0, 8, size=(1000, 2)).astype(np.float32),  # many equal points
        "same": np.full((50, 2), 3.5, dtype=np.float32),
        "one": np.array([[2, -1]], dtype=np.float32),
    }


def even_odd(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether each point is inside: a ray to the right crosses the edges an odd number of times."""
    x, y = points.astype(np.float64).T
    odd = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd & np.isfinite(points).all(axis=1)


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
    script = "return { inks: Array.from(palette.categorical(ARG), palette.css), train: (await load('kit/colours')).CLASSES };"
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


@pytest.mark.parametrize("name", list(clouds()))
def test_odd_clouds_still_have_contours(run, name):
    points = clouds()[name]
    answer = run(CONTOURS, {"shares": [0.8]}, xy=points)
    finite = points[np.isfinite(points).all(axis=1)]
    assert enclosed(answer["loops"][0], finite).mean() >= 0.75
    assert np.isfinite(answer["levels"]).all()
