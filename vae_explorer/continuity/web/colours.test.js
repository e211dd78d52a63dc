import assert from "node:assert/strict";
import { test } from "node:test";
import { close } from "../../../tests/numbers.js";
import { DIVERGING, linear, logarithmic, ratios } from "./colours.js";

const SAMPLE = Float32Array.from({ length: 500 }, (_, i) => 2 * 10 ** (2 * (i / 499))); // 2 to 200
const FRACTIONS = { "⅛": 1 / 8, "¼": 1 / 4, "½": 1 / 2 };
const SCALES = {
  logarithmic: [logarithmic(SAMPLE), (value) => Math.log(value / 2) / Math.log(100)],
  linear: [linear(SAMPLE), (value) => (value - 2) / 198],
  "of ratios": [ratios(), (value) => Math.log2(value) / 6 + 0.5],
};

for (const [name, [scale, place]] of Object.entries(SCALES)) {
  test(`a scale ${name} rises, and its marks stand where their value is`, () => {
    const shares = [0, 1e-9, 0.2, 3, 20, 150, 1e9].map(scale.share);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.deepEqual([shares[0], shares.at(-1)], [0, 1]);
    assert.ok(Number.isNaN(scale.share(Number.NaN)));
    assert.ok(scale.marks.length >= 3 && scale.marks.length <= 7);
    for (const { text, share } of scale.marks) {
      close(share, place(FRACTIONS[text] ?? Number(text)), { atol: 0.06 });
    }
  });
}

test("what hardly varies looks flat, and what is zero everywhere has no scale", () => {
  const flat = logarithmic(Float32Array.from({ length: 99 }, (_, i) => 5 + i * 1e-4));
  close(flat.share(5), 0.5, { atol: 0.01 });
  assert.equal(logarithmic(new Float32Array(99)), null);
  assert.equal(linear(new Float32Array(99)), null);
});

test("few data and many are told apart without red and green", () => {
  const [few, usual, many] = [1, 128, 255].map((i) =>
    [0, 8, 16].map((shift) => (DIVERGING[i] >> shift) & 255),
  );
  assert.ok(few[0] > few[2] + 60); // red above blue
  assert.ok(many[2] > many[0] + 60);
  assert.ok(Math.min(...usual) > 180);
});
