import assert from "node:assert/strict";
import { test } from "node:test";
import { close } from "../../../tests/numbers.js";
import { contour } from "./raster.js";

test("a contour is where the field passes the level", () => {
  const n = 64;
  const at = (cell) => (cell / n) * 6 - 3; // cells to units of the field
  const field = Float32Array.from({ length: n * n }, (_, c) =>
    Math.hypot(at((c % n) + 0.5), at(Math.floor(c / n) + 0.5)),
  );
  const segments = contour(field, n, 2).map((segment) => segment.map(at));
  let length = 0;
  for (const [x0, y0, x1, y1] of segments) {
    close([Math.hypot(x0, y0), Math.hypot(x1, y1)], [2, 2], { atol: 0.002 });
    length += Math.hypot(x1 - x0, y1 - y0);
  }
  close(length, 2 * Math.PI * 2, { rtol: 0.002 });
});

// Corners clockwise from the top left, and how many segments cut them.
for (const [[a, b, c, d], count] of [
  [[1, 0, 1, 0], 2],
  [[1, 0, 0, 0], 1],
  [[1, 1, 1, 1], 0],
]) {
  test(`corners ${a} ${b} ${c} ${d} are cut by ${count}, and no end leaves its cell`, () => {
    const found = contour(Float32Array.of(a, b, d, c), 2, 0.5);
    assert.equal(found.length, count);
    for (const place of found.flat()) assert.ok(place >= 0.5 && place <= 1.5);
  });
}

test("what is not a number has no contour", () => {
  assert.deepEqual(contour(Float32Array.of(Number.NaN, 1, 0, 1), 2, 0.5), []);
});
