// What the tests of the JavaScript share: numbers drawn from a seed, and comparisons of many of them at once.

import assert from "node:assert/strict";

// { uniform(low, high), normal(), integer(below), pick(list) }: the same numbers for the same seed, everywhere.
export function generator(seed) {
  let state = seed >>> 0;
  // mulberry32 (Ettinger 2017): passes the usual tests of randomness, in a line of 32-bit arithmetic.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below) => Math.floor(next() * below);
  return {
    uniform: (low = 0, high = 1) => low + (high - low) * next(),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    integer,
    pick: (list) => list[integer(list.length)],
  };
}

// n points of a normal cloud as x0, y0, x1, y1, ...
export function cloud(n, { seed = 0, spread = 1, middle = [0, 0] } = {}) {
  const { normal } = generator(seed);
  return Float32Array.from({ length: 2 * n }, (_, i) => middle[i % 2] + spread * normal());
}

export const linspace = (low, high, count) =>
  Array.from({ length: count }, (_, i) => low + (i * (high - low)) / (count - 1));

// Each number is within atol + rtol * |expected| of the one expected in its place.
export function close(actual, expected, { rtol = 0, atol = 0 } = {}) {
  const found = typeof actual === "number" ? [actual] : Array.from(actual);
  const wanted = typeof expected === "number" ? [expected] : Array.from(expected);
  assert.equal(found.length, wanted.length);
  for (const [i, value] of wanted.entries()) {
    const off = Math.abs(found[i] - value);
    assert.ok(
      off <= atol + rtol * Math.abs(value),
      `number ${i} is ${found[i]}, not ${value}: off by ${off}`,
    );
  }
}
