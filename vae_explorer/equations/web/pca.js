// Points of the plane reduced to one number each, and decoded: what vae_core/equations/linear.py computes.

import { principal } from "./plane.js";

// The lecture's five points A to E.
export const POINTS = [
  [-0.5, -0.4],
  [-0.4, -0.1],
  [0.1, 0],
  [0.3, 0.3],
  [0.5, 0.2],
];

// { centre, covariance (with 1/n), total: sum of squared distances from the centre }
export function moments(points) {
  const n = points.length,
    mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / n;
  const centre = [mean(([x]) => x), mean(([, y]) => y)],
    away = ([x, y]) => [x - centre[0], y - centre[1]];
  const across = mean((point) => away(point)[0] * away(point)[1]);
  const covariance = [
    [mean((point) => away(point)[0] ** 2), across],
    [across, mean((point) => away(point)[1] ** 2)],
  ];
  return { centre, covariance, total: n * (covariance[0][0] + covariance[1][1]) };
}

// { angle of the first principal direction, variances: [first, second] }; a direction points to the right.
export function principalAxis(covariance) {
  const { std, angle } = principal(covariance),
    turned = std[1] > std[0];
  return {
    angle: rightward(turned ? angle + Math.PI / 2 : angle),
    variances: (turned ? [std[1], std[0]] : std).map((each) => each * each),
  };
}

// The same line by the angle in (-90, 90] degrees.
export function rightward(angle) {
  const half = Math.PI / 2;
  let found = angle;
  while (found > half) found -= Math.PI;
  while (found <= -half) found += Math.PI;
  return found;
}

// { codes, decoded, errors: squared distances, error: their sum } along the direction at this angle
export function reduced(points, centre, angle) {
  const u = [Math.cos(angle), Math.sin(angle)];
  const codes = points.map(([x, y]) => (x - centre[0]) * u[0] + (y - centre[1]) * u[1]);
  const decoded = codes.map((code) => [centre[0] + code * u[0], centre[1] + code * u[1]]);
  const errors = points.map(([x, y], i) => (x - decoded[i][0]) ** 2 + (y - decoded[i][1]) ** 2);
  return { codes, decoded, errors, error: errors.reduce((sum, each) => sum + each, 0) };
}
