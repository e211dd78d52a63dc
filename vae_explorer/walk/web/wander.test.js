import assert from "node:assert/strict";
import { test } from "node:test";
import { generator } from "../../../tests/numbers.js";
import { NEIGHBOURS, Wander } from "./wander.js";

// 300 codes along a ring and 300 in a heap beside it, as [x, y] each.
function codes() {
  const { normal } = generator(0);
  const angles = Array.from({ length: 300 }, (_, k) => (2 * Math.PI * k) / 300);
  const ring = angles.map((angle) => [0.9 * Math.cos(angle), 0.9 * Math.sin(angle)]);
  const heap = Array.from({ length: 300 }, () => [3 + 0.2 * normal(), 0.2 * normal()]);
  return [...ring, ...heap].map((code) => code.map(Math.fround));
}

const between = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function toSegment(place, a, b) {
  const along = [b[0] - a[0], b[1] - a[1]];
  const square = along[0] ** 2 + along[1] ** 2;
  const share = square && ((place[0] - a[0]) * along[0] + (place[1] - a[1]) * along[1]) / square;
  const held = Math.min(Math.max(share, 0), 1);
  return between(place, [a[0] + held * along[0], a[1] + held * along[1]]);
}

test("the idle walk stays on edges between near neighbours", () => {
  const all = codes();
  const wander = new Wander(Float32Array.from(all.flat()), 2, [0.9, 0], generator(1).uniform);
  const visits = [wander.at];
  const places = [];
  for (let k = 0; k < 1500; k++) {
    places.push([...wander.step(0.1)]);
    if (wander.at !== visits.at(-1)) visits.push(wander.at);
  }
  assert.ok(new Set(visits).size > 40); // it gets around
  const hops = visits.slice(1).map((there, k) => [visits[k], there]);
  for (const [here, there] of hops) {
    const away = all.map((code) => between(all[here], code)).toSorted((a, b) => a - b); // first itself
    assert.ok(between(all[here], all[there]) <= away[NEIGHBOURS] + 1e-6);
  }
  for (const place of places) {
    const off = Math.min(...hops.map(([here, there]) => toSegment(place, all[here], all[there])));
    assert.ok(off < 1e-5); // always on one of the edges it went along
  }
});
