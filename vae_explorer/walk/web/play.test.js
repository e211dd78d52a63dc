import assert from "node:assert/strict";
import { test } from "node:test";
import { close } from "../../../tests/numbers.js";
import { advance } from "./play.js";

const PLACES = {
  once: (p) => Math.min(p, 1),
  loop: (p) => p % 1,
  pingpong: (p) => 1 - Math.abs(1 - (p % 2)),
};

for (const [after, expected] of Object.entries(PLACES)) {
  test(`the end of a path is as chosen: ${after}`, () => {
    let at = { p: 0.75, direction: 1, over: false };
    const ends = [];
    for (let k = 1; k <= 12; k++) {
      at = advance(at, 0.125, after);
      close(at.p, expected(0.75 + 0.125 * k), { atol: 1e-9 });
      ends.push(at.over);
    }
    assert.equal(ends.some(Boolean), after === "once");
  });
}
