import assert from "node:assert/strict";
import { test } from "node:test";
import { close, cloud } from "../../tests/numbers.js";
import { View } from "./view.js";

const VIEW = { x: 0.2, y: -0.1, scale: 90, width: 600, height: 400 };
const between = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

test("places and points of the screen turn into each other", () => {
  const view = new View(VIEW);
  const places = cloud(50);
  for (let i = 0; i < places.length; i += 2) {
    const place = [places[i], places[i + 1]];
    assert.ok(between(view.toPlace(...view.toScreen(...place)), place) < 1e-12);
  }
  assert.deepEqual(view.toScreen(view.x, view.y), [300, 200]);
  assert.ok(view.toScreen(view.x, view.y + 1)[1] < view.height / 2); // y points up
  const { left, bottom, right, top } = view.bounds;
  close([right - left, top - bottom], [600 / 90, 400 / 90], { rtol: 1e-12 });
});

test("what is under the pointer stays under it", () => {
  const view = new View(VIEW);
  const pointer = [123, 321];
  const place = view.toPlace(...pointer);
  const panned = view.pan(40, -25);
  assert.ok(between(panned.toPlace(pointer[0] + 40, pointer[1] - 25), place) < 1e-12);
  close(Object.values(panned.pan(-40, 25).toJSON()), Object.values(view.toJSON()), { atol: 1e-12 });
  for (const factor of [2, 0.5, 1e9, 1e-9]) {
    assert.ok(between(view.zoomAt(...pointer, factor).toPlace(...pointer), place) < 1e-9);
  }
});

test("zooming ends on both sides of home", () => {
  const view = new View(VIEW);
  const [most, least] = [1e9, 1e-9].map((factor) => view.zoomAt(123, 321, factor).scale / view.home);
  assert.ok(most > 100 && Number.isFinite(most));
  assert.ok(least < 0.1 && least > 1e-3);
});

for (const [name, box] of Object.entries({
  "a box": { left: -3, bottom: -1, right: 5, top: 2 },
  "an upright line": { left: 1, bottom: 4, right: 1, top: 5 },
  "a point": { left: 2, bottom: 7, right: 2, top: 7 },
  "a flat box far away": { left: 9999, bottom: 1e-3, right: 10001, top: 2e-3 },
  nothing: null,
})) {
  test(`${name} that is fitted is in view and fills it`, () => {
    const view = View.fit(box, 600, 400, 20);
    const { left, bottom, right, top } = box ?? { left: 0, bottom: 0, right: 0, top: 0 };
    const [x0, y0] = view.toScreen(left, top);
    const [x1, y1] = view.toScreen(right, bottom);
    assert.ok(19.99 <= x0 && x0 <= x1 && x1 <= 580.01);
    assert.ok(19.99 <= y0 && y0 <= y1 && y1 <= 380.01);
    if (right > left || top > bottom) close(Math.max((x1 - x0) / 560, (y1 - y0) / 360), 1, { rtol: 1e-6 });
    assert.ok(Number.isFinite(view.scale));
  });
}

test("a box on the screen becomes the screen", () => {
  const view = new View(VIEW);
  const zoomed = view.zoomBox(100, 50, 250, 150);
  close([zoomed.x, zoomed.y], view.toPlace(175, 100), { atol: 1e-12 });
  close(zoomed.scale / view.scale, 4, { rtol: 1e-12 });
  close(view.zoomBox(400, 300, 100, 290).scale / view.scale, 2, { rtol: 1e-12 });
  assert.equal(view.zoomBox(5, 5, 7, 6), view); // a click
});

for (const factor of [0.3, 1, 40, 9000]) {
  test(`a view in an address shows the same places, ${factor} times as near`, () => {
    const home = View.fit({ left: -300, bottom: -2, right: 4, top: 7 }, 600, 400);
    const view = home.zoomAt(300, 150, factor).pan(33, -12);
    const back = home.parse(view.text);
    close(back.toScreen(view.x, view.y), [300, 200], { atol: 0.1 });
    close(back.scale / view.scale, 1, { rtol: 1e-5 });
    close(home.resized(1200, 800).parse(view.text).scale / view.scale, 2, { rtol: 1e-5 });
    assert.ok(view.text.length < 40);
    const stored = home.at(JSON.parse(JSON.stringify(view)));
    assert.ok(stored.equals(view), `${JSON.stringify(stored)} is not ${JSON.stringify(view)}`);
  });
}

test("what is no view is none", () => {
  const home = View.fit({ left: -300, bottom: -2, right: 4, top: 7 }, 600, 400);
  for (const part of [null, { x: 1, y: 2 }, { x: 1, y: 2, span: "3" }]) assert.equal(home.at(part), null);
  for (const text of ["", "1,2", "1,2,0", "1,2,-3", "a,b,c", "1,2,3,4", "1,,3", null, "1,2,Infinity"]) {
    assert.equal(home.parse(text), null, `${text}`);
  }
});
