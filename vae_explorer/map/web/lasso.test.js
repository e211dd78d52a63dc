import assert from "node:assert/strict";
import { test } from "node:test";
import { close } from "../../../tests/numbers.js";
import { area, box, boxPolygon, parsePolygon, polygonText, simplify } from "./lasso.js";

// A flower of 2000 corners, as [x, y] each.
const SHAPE = Array.from({ length: 2000 }, (_, k) => {
  const angle = (2 * Math.PI * k) / 2000;
  const radius = 100 + 20 * Math.sin(5 * angle);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
});

function toSegment([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const share = Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0), 1);
  return Math.hypot(x - x0 - share * dx, y - y0 - share * dy);
}

test("a simplified lasso stays near what was drawn", () => {
  const simple = simplify(SHAPE.flat(), 1);
  const corners = Array.from({ length: simple.length / 2 }, (_, k) => [simple[2 * k], simple[2 * k + 1]]);
  assert.ok(corners.length > 5 && corners.length < 100);
  for (const place of SHAPE) {
    const away = corners.map((corner, k) => toSegment(place, corner, corners[(k + 1) % corners.length]));
    assert.ok(Math.min(...away) <= 1 + 1e-9);
  }
});

test("areas are those of the shoelace formula, and a simplified lasso's hardly differs", () => {
  const twice = SHAPE.reduce((sum, [x, y], k) => {
    const [nextX, nextY] = SHAPE[(k + 1) % SHAPE.length];
    return sum + x * nextY - nextX * y;
  }, 0);
  close(area(SHAPE.flat()), Math.abs(twice) / 2, { rtol: 1e-9 });
  close(area(simplify(SHAPE.flat(), 1)), Math.abs(twice) / 2, { rtol: 0.01 });
});

test("a lasso survives an address", () => {
  const polygon = boxPolygon(box(3, -1, -2.5, 4));
  assert.deepEqual([...parsePolygon(polygonText(polygon))], [-2.5, -1, 3, -1, 3, 4, -2.5, 4]);
  for (const text of ["", "1,2,3,4", "1,2,3,4,5,x", "1,2,3,4,5,6,7", null]) {
    assert.equal(parsePolygon(text), null, `${text}`);
  }
});
