import assert from "node:assert/strict";
import { test } from "node:test";
import { cloud, generator } from "../../../tests/numbers.js";
import { boundsOf } from "../../kit/bounds.js";
import { Index } from "./index.js";

const { POSITIVE_INFINITY } = Number;

// Points of every kind that could upset a grid.
function clouds() {
  const { integer, normal, uniform } = generator(1);
  const points = (n, draw) => Float32Array.from(Array.from({ length: n }, draw).flat());
  const strays = cloud(2000);
  strays.set([1e6, 0, -1e5, 3, 0, 4e5, 50, -1e6, -30, 40]);
  const holes = cloud(1500);
  for (let i = 0; i < 1500; i += 7) holes.fill(Number.NaN, 2 * i, 2 * i + 2);
  holes.set([POSITIVE_INFINITY, 0], 6);
  return {
    "a normal cloud": cloud(3000),
    strays,
    holes,
    "a line": points(1000, () => [uniform(-3, 3), 0]),
    "an upright line": points(1000, () => [7, normal()]),
    "a lattice": points(1000, () => [integer(8), integer(8)]), // many equal points, many ties
    "one place": points(50, () => [3.5, 3.5]),
    "a cloud far away": cloud(1000, { middle: [1e4, 1e4] }),
    "one point": Float32Array.of(2, -1),
    "no finite point": new Float32Array(8).fill(Number.NaN),
    "no point": new Float32Array(0),
  };
}

const CLOUDS = clouds();
const finite = (xy, i) => Number.isFinite(xy[2 * i]) && Number.isFinite(xy[2 * i + 1]);
const numbers = (xy) => Array.from({ length: xy.length / 2 }, (_, i) => i).filter((i) => finite(xy, i));
const square = (xy, i, [x, y]) => (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;

// Points, nearest first, the lower number first among equals.
function byDistance(xy, place, candidates) {
  const squares = new Map(candidates.map((i) => [i, square(xy, i, place)]));
  return candidates.toSorted((a, b) => squares.get(a) - squares.get(b) || a - b);
}

// Inside or out by a ray to the right, which crosses the edges an odd number of times.
function evenOdd(polygon, x, y) {
  let odd = false;
  for (const [k, [x0, y0]] of polygon.entries()) {
    const [x1, y1] = polygon[(k + 1) % polygon.length];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) odd = !odd;
  }
  return odd;
}

// --- near a place --------------------------------------------------------------------------------------------

for (const [name, xy] of Object.entries(CLOUDS)) {
  for (const every of [1, 5]) {
    const which = every > 1 ? `, of every ${every}th point` : "";
    test(`${name}: the nearest points are what brute force finds${which}`, () => {
      const { normal, pick } = generator(2);
      const known = numbers(xy);
      const queries = [
        [0, 0],
        [1e3, -1e3],
        [-1e7, 2],
      ];
      for (let k = 0; k < 30 && known.length; k++) {
        const i = pick(known);
        const around = [xy[2 * i] + normal(), xy[2 * i + 1] + normal()];
        queries.push(around, around.map(Math.round));
      }
      const tree = new Index(xy);
      const accept = every > 1 ? (i) => i % every === 0 : null;
      const candidates = known.filter((i) => i % every === 0);
      for (const place of queries) {
        const expected = byDistance(xy, place, candidates);
        assert.deepEqual([...tree.knn(...place, 7, { accept })], expected.slice(0, 7));
        assert.equal(tree.nearest(...place, { accept }), expected[0] ?? -1);
      }
    });
  }
}

test("neighbours may be limited to a distance", () => {
  const xy = cloud(1000);
  const queries = cloud(40, { seed: 3, spread: 2 });
  const tree = new Index(xy);
  for (let q = 0; q < queries.length; q += 2) {
    const place = [queries[q], queries[q + 1]];
    const near = numbers(xy).filter((i) => square(xy, i, place) <= 0.2 ** 2);
    const expected = byDistance(xy, place, near).slice(0, 5);
    assert.deepEqual([...tree.knn(...place, 5, { within: 0.2 })], expected);
  }
});

test("a place that is no number has no neighbour", () => {
  const tree = new Index(cloud(10));
  for (const place of [
    [Number.NaN, 0],
    [0, POSITIVE_INFINITY],
  ]) {
    assert.equal(tree.nearest(...place), -1);
    assert.equal(tree.knn(...place, 3).length, 0);
  }
});

// --- inside a shape ------------------------------------------------------------------------------------------

function polygons() {
  const circle = Array.from({ length: 60 }, (_, k) => (2 * Math.PI * k) / 60).map((a) => [
    Math.cos(a),
    Math.sin(a),
  ]);
  const grown = (by, middle = 0) => circle.map(([x, y]) => [by * x + middle, by * y + middle]);
  const wobble = (k) => 1.2 + 0.5 * Math.sin((7 * 2 * Math.PI * k) / 60);
  return {
    "a triangle": [
      [-1, -1],
      [1.3, 0.2],
      [0, 2],
    ],
    "a circle": circle,
    "a flower": circle.map(([x, y], k) => [wobble(k) * x, wobble(k) * y]),
    "a star": [0, 24, 48, 12, 36].map((k) => [2 * circle[k][0], 2 * circle[k][1]]), // crosses itself: its middle is out
    "a tiny circle": grown(0.01, 0.3),
    "a circle round all": grown(1e7),
    "a circle outside": grown(1, 500),
    "a flat shape": [
      [-1, 0],
      [1, 0],
      [0, 0],
    ],
    "corners on points": [
      [1, 1],
      [6, 1],
      [6, 5],
      [3, 2],
      [1, 5],
    ],
  };
}

for (const [name, xy] of Object.entries(CLOUDS)) {
  test(`${name}: shapes hold what brute force finds`, () => {
    const tree = new Index(xy);
    const accept = (i) => i % 2 === 0;
    const known = numbers(xy);
    for (const [shape, corners] of Object.entries(polygons())) {
      const box = boundsOf(corners.flat());
      const inside = known.filter((i) => evenOdd(corners, xy[2 * i], xy[2 * i + 1]));
      const within = (value, low, high) => value >= low && value <= high;
      const boxed = known.filter(
        (i) => within(xy[2 * i], box.left, box.right) && within(xy[2 * i + 1], box.bottom, box.top),
      );
      assert.deepEqual([...tree.inPolygon(corners.flat())], inside, shape);
      assert.deepEqual([...tree.inRect(box)], boxed, shape);
      assert.deepEqual([...tree.inPolygon(corners.flat(), { accept })], inside.filter(accept), shape);
      assert.deepEqual([...tree.inRect(box, { accept })], boxed.filter(accept), shape);
    }
  });
}

// --- without a look at each ----------------------------------------------------------------------------------

// Beside plain loops over all points in the same run: by itself a time says how busy the machine is.
test("a million points are found among without a look at each", () => {
  const xy = cloud(1_000_000);
  const since = (work) => {
    const start = performance.now();
    work();
    return performance.now() - start;
  };
  const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];
  const scan = (x, y) => {
    let best = POSITIVE_INFINITY;
    let found = -1;
    for (let i = 0; i < xy.length / 2; i++) {
      const d = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
      if (d < best) [best, found] = [d, i];
    }
    return found;
  };
  const tree = new Index(xy);
  const taken = { hover: [], scan: [], build: [], sort: [] };
  for (let k = 0; k < 9; k++) {
    const place = [3 * Math.sin(k), 3 * Math.cos(1.7 * k)];
    assert.equal(tree.nearest(...place), scan(...place));
    const hundred = since(() => {
      for (let again = 0; again < 100; again++) tree.nearest(...place);
    });
    taken.hover.push(hundred / 100);
    taken.scan.push(since(() => scan(...place)));
    if (k % 3) continue;
    taken.build.push(since(() => new Index(xy)));
    taken.sort.push(since(() => xy.slice().sort()));
  }
  const usual = Object.fromEntries(Object.entries(taken).map(([name, times]) => [name, median(times)]));
  assert.equal(tree.count, 1_000_000);
  assert.ok(usual.hover < usual.scan / 10, JSON.stringify(usual)); // a hundredth of it and less
  assert.ok(usual.build < 20 * usual.sort, JSON.stringify(usual)); // about as long as it
});
