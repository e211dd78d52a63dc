import assert from "node:assert/strict";
import { test } from "node:test";
import { close, generator } from "../../../tests/numbers.js";
import { moments, POINTS, principalAxis, reduced, rightward } from "./pca.js";

// A cloud of points that is longer than wide, turned by chance.
function drawn(seed) {
  const { normal, uniform } = generator(seed);
  const turn = uniform(0, Math.PI);
  return Array.from({ length: 20 }, () => {
    const [u, v] = [2 * normal(), 0.5 * normal()];
    return [u * Math.cos(turn) - v * Math.sin(turn) + 1, u * Math.sin(turn) + v * Math.cos(turn) - 2];
  });
}

const CLOUDS = [POINTS, ...[1, 2, 3, 4, 5].map(drawn)];

test("the first principal direction is the one with the least error of all", () => {
  for (const points of CLOUDS) {
    const { centre, covariance } = moments(points);
    const { angle } = principalAxis(covariance);
    const least = reduced(points, centre, angle).error;
    for (let k = 0; k < 720; k++) {
      assert.ok(reduced(points, centre, (Math.PI * k) / 720).error >= least - 1e-12);
    }
  }
});

test("what a direction keeps and what it loses come to the total", () => {
  for (const points of CLOUDS) {
    const { centre, covariance, total } = moments(points);
    const { angle, variances } = principalAxis(covariance);
    assert.ok(variances[0] >= variances[1]);
    close(points.length * (variances[0] + variances[1]), total, { rtol: 1e-9 });
    close(reduced(points, centre, angle).error, points.length * variances[1], { rtol: 1e-9, atol: 1e-12 });
    for (const turn of [0, 0.3, 1.2, 2.5]) {
      const { codes, error } = reduced(points, centre, turn);
      close(codes.reduce((sum, code) => sum + code * code, 0) + error, total, { rtol: 1e-9 });
    }
  }
});

test("decoded points lie on the line through the centre, straight below what they are of", () => {
  const { centre } = moments(POINTS);
  const angle = 0.7;
  const { decoded, errors } = reduced(POINTS, centre, angle);
  for (const [i, [x, y]] of decoded.entries()) {
    const [toX, toY] = [POINTS[i][0] - x, POINTS[i][1] - y];
    close(toX * Math.cos(angle) + toY * Math.sin(angle), 0, { atol: 1e-12 });
    close((x - centre[0]) * Math.sin(angle) - (y - centre[1]) * Math.cos(angle), 0, { atol: 1e-12 });
    close(errors[i], toX ** 2 + toY ** 2, { atol: 1e-12 });
  }
});

test("a direction points to the right", () => {
  for (const angle of [-7, -Math.PI / 2, -1, 0, 1, Math.PI / 2, 2, 100]) {
    const found = rightward(angle);
    assert.ok(found > -Math.PI / 2 && found <= Math.PI / 2);
    close(Math.abs(Math.sin(found - angle)), 0, { atol: 1e-12 }); // the same line
  }
});
