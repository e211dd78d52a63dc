import assert from "node:assert/strict";
import { test } from "node:test";
import { close, cloud, generator } from "../../tests/numbers.js";
import { boundsOf, quantiles, robustBounds } from "./bounds.js";

// A cloud of which every seventh point is none.
function holes() {
  const xy = cloud(1500);
  for (let i = 0; i < 1500; i += 7) xy.fill(Number.NaN, 2 * i, 2 * i + 2);
  xy.set([Number.POSITIVE_INFINITY, 0], 6);
  return xy;
}

// By the definition: linear between the values whose ranks lie on both sides.
function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const low = sorted[Math.floor(place)];
  return low + (place % 1) * (sorted[Math.ceil(place)] - low);
}

test("bounds are those of the finite points", () => {
  const xy = holes();
  const points = Array.from({ length: 1500 }, (_, i) => [xy[2 * i], xy[2 * i + 1]]);
  const finite = points.filter((point) => point.every(Number.isFinite));
  const [x, y] = [0, 1].map((d) => finite.map((point) => point[d]));
  const [left, right, bottom, top] = [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
  assert.deepEqual(boundsOf(xy), { left, bottom, right, top });
  const robust = robustBounds(xy, 0.05);
  assert.ok(left < robust.left && robust.left < robust.right && robust.right < right);
  assert.ok(bottom < robust.bottom && robust.bottom < robust.top && robust.top < top);
});

test("where no point is finite there are no bounds", () => {
  for (const xy of [new Float32Array(0), new Float32Array(6).fill(Number.NaN)]) {
    assert.equal(boundsOf(xy), null);
    assert.equal(robustBounds(xy), null);
    assert.deepEqual(quantiles(xy, [0.5]), [Number.NaN]);
  }
});

test("quantiles are those of the finite values", () => {
  const xy = holes();
  const x = Array.from(xy).filter((value, i) => i % 2 === 0 && Number.isFinite(value));
  const shares = [0, 0.25, 0.5, 1];
  const expected = shares.map((share) => quantile(x, share));
  close(quantiles(xy, shares, { stride: 2 }), expected, { rtol: 1e-6 });
});

test("quantiles of very many values are those of a sample", () => {
  const { normal } = generator(12);
  const values = Float32Array.from({ length: 600_000 }, normal);
  const found = quantiles(values, [0.01, 0.5, 0.99]);
  const below = found.map((value) => values.filter((each) => each <= value).length / values.length);
  close(below, [0.01, 0.5, 0.99], { atol: 0.01 });
  close(below[0], 0.01, { atol: 0.003 });
});
