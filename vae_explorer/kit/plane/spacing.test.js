import assert from "node:assert/strict";
import { test } from "node:test";
import { close, linspace } from "../../../tests/numbers.js";
import { View } from "../view.js";
import { Linear, probability, Quantile, quantile } from "./spacing.js";

const density = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);

// The normal distribution's mass between 0 and z, by the series of all odd powers (Abramowitz & Stegun 1964, 26.2.11).
function middleMass(z) {
  let sum = 0;
  for (let k = 0, term = z; Math.abs(term) > 1e-18 * Math.abs(sum); k++, term *= (z * z) / (2 * k + 1))
    sum += term;
  return density(z) * sum;
}

// Its mass below z < 0, by Laplace's continued fraction (26.2.14) where that converges fast.
function lowerMass(z) {
  if (z > -3) return 0.5 + middleMass(z);
  let fraction = -z;
  for (let k = 300; k > 0; k--) fraction = -z + k / fraction;
  return density(z) / fraction;
}

// The quantile of p by halving: slow, and by none of the formulas that are tested.
function byHalving(p) {
  if (p > 0.6) return -byHalving(1 - p);
  const below = p > 0.1 ? (z) => middleMass(z) < p - 0.5 : (z) => lowerMass(z) < p;
  let low = -40;
  let high = 1;
  for (let k = 0; k < 70; k++) {
    const z = (low + high) / 2;
    if (below(z)) low = z;
    else high = z;
  }
  return (low + high) / 2;
}

// scipy.stats.norm.ppf(p), to all its digits.
const SCIPY = [
  [1e-300, -37.0470962993612],
  [1e-100, -21.273453560965322],
  [1e-30, -11.464024688443613],
  [1e-12, -7.034483825301131],
  [1e-5, -4.264890793922825],
  [0.001, -3.090232306167813],
  [0.02, -2.053748910631823],
  [0.075, -1.4395314709384563],
  [0.1, -1.2815515655446004],
  [0.3, -0.5244005127080409],
  [0.4875, -0.03133798202142662],
  [0.5, 0],
  [0.6, 0.2533471031357997],
  [0.9, 1.2815515655446004],
  [0.999, 3.090232306167813],
];

test("the reference here agrees with SciPy", () => {
  for (const [p, z] of SCIPY) close(byHalving(p), z, { rtol: 1e-13, atol: 1e-15 });
});

test("quantiles are the normal distribution's", () => {
  for (const [p, z] of SCIPY) close(quantile(p), z, { rtol: 1e-13, atol: 1e-15 });
  const tail = linspace(-300, -1, 200).map((exponent) => 10 ** exponent);
  const middle = linspace(0.1, 0.999999, 200);
  for (const p of [...tail, ...middle]) close(quantile(p), byHalving(p), { rtol: 1e-12, atol: 1e-14 });
});

test("probabilities are the normal distribution's to 7 digits", () => {
  for (const z of linspace(-8, 8, 101)) {
    close(probability(z), z < 0 ? lowerMass(z) : 1 - lowerMass(-z), { atol: 1e-7 });
  }
});

for (const tiles of [5, 20, 40]) {
  test(`${tiles} quantile places are the quantiles of equally spaced probabilities`, () => {
    const spacing = new Quantile(tiles);
    for (const level of [0, -3]) {
      const count = tiles * 2 ** -level;
      const places = Array.from({ length: count }, (_, i) => spacing.value(spacing.middle(level, i)));
      const expected = Array.from({ length: count }, (_, i) => byHalving((i + 0.5) / count));
      close(places, expected, { rtol: 1e-13, atol: 1e-15 });
      assert.deepEqual(spacing.cells(level), [0, count - 1]);
    }
  });
}

for (const tiles of [5, 12, 40]) {
  test(`${tiles} linear places at home are those of linspace`, () => {
    const spacing = new Linear(tiles, 3);
    const { left, right } = spacing.box;
    close(spacing.level(View.fit(spacing.box, 500, 500, 0)), 0);
    const middles = Array.from({ length: tiles }, (_, i) => spacing.middle(0, i));
    close(middles, linspace(-3, 3, tiles), { atol: 1e-12 });
    assert.deepEqual([spacing.cell(0, left + 1e-9), spacing.cell(0, right - 1e-9)], [0, tiles - 1]);
    assert.equal(left, spacing.edge(0, 0));
  });
}

test("the same place has one key at every level, and no other place has it", () => {
  const spacing = new Linear(10, 3);
  const keys = new Map();
  for (const level of [-2, -1, 0, 1, 2]) {
    for (let i = -9; i < 9; i++) {
      for (let j = -9; j < 9; j++) {
        const place = [i, j].map((cell) => spacing.middle(level, cell).toFixed(9)).join();
        const key = spacing.key(level, i, j);
        assert.equal(keys.get(place) ?? key, key, place);
        keys.set(place, key);
      }
    }
  }
  assert.equal(new Set(keys.values()).size, keys.size);
});
