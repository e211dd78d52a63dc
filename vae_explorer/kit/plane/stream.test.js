import assert from "node:assert/strict";
import { test } from "node:test";
import { close } from "../../../tests/numbers.js";
import { Pace } from "./stream.js";

const FEWEST = 25;
const MOST = 1024;

// Tiles per request after answers that waited `waits` ms and more, and took so many ms a tile to decode and to carry;
// every third request is a small one.
function learned(waits, decoding, carrying) {
  const pace = new Pace();
  assert.equal(pace.count, 256); // before any answer
  for (let k = 0; k < 60; k++) {
    const n = k % 3 ? pace.count : 22;
    pace.decoded(n, decoding * n);
    pace.came(n, waits * (1 + Math.sin(7 * k) ** 2) + (decoding + carrying) * n);
  }
  return pace.count;
}

test("requests are as large as their time allows, whatever the way takes", () => {
  assert.equal(learned(1, 0.02, 0.01), MOST); // of which decoding takes 20 ms
  assert.equal(learned(25, 0.02, 0.01), MOST); // a busy machine: more and smaller requests would take longer
  close(learned(3, 0.33, 0.01), 100, { rtol: 0.01 });
  close(learned(25, 0.33, 0.01), 100, { rtol: 0.01 });
  assert.equal(learned(3, 3, 0), FEWEST);
  close(learned(10, 0.02, 1), 90, { rtol: 0.2 }); // a slow line: 1 ms a tile, and 100 ms in all
});

test("a hold-up is forgotten, though all requests are small after it", () => {
  const pace = new Pace();
  pace.decoded(25, 600);
  pace.came(25, 620);
  assert.equal(pace.count, FEWEST);
  for (let k = 0; k < 60; k++) {
    const n = pace.count;
    pace.decoded(n, 0.33 * n * (1 + (k % 4)));
    pace.came(n, 4 + 0.33 * n);
  }
  close(pace.count, 100, { rtol: 0.2 }); // tiles of 0.33 ms in 33 ms, when nothing else is done
});

test("a decoder that has become slower is asked for less", () => {
  const pace = new Pace();
  pace.decoded(100, 10);
  pace.came(100, 10);
  assert.equal(pace.count, 330);
  for (let k = 0; k < 60; k++) pace.decoded(pace.count, pace.count);
  assert.equal(pace.count, 33);
});

test("a long slow pan does not unlearn what a tile takes", () => {
  const pace = new Pace();
  for (let k = 0; k < 20; k++) {
    const n = pace.count;
    pace.decoded(n, 0.1 * n);
    pace.came(n, 3 + 0.1 * n);
  }
  for (let k = 0; k < 300; k++) {
    const n = 18 + (k % 3);
    pace.decoded(n, 0.1 * n);
    pace.came(n, 8 + 5 * Math.sin(3 * k));
    assert.equal(pace.count, 330);
  }
});
