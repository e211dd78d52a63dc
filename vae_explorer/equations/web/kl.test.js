import assert from "node:assert/strict";
import { test } from "node:test";
import { close, generator } from "../../../tests/numbers.js";
import { divergence, divergenceByQuadrature, toPrior, toPriorByQuadrature } from "./kl.js";

const gaussian = ([x, y, a, b, d]) => ({
  mean: [x, y],
  covariance: [
    [a, b],
    [b, d],
  ],
});

// The core's figures, as vae_core.equations.gaussians.kl gives them: two Gaussians [x, y, a, b, d] of covariance
// [[a, b], [b, d]], then the trace, the distance, the difference of log determinants, and KL.
const CORE = [
  [
    [-0.7, -1.27, 2.71, 0.83, 3.04],
    [-0.62, 0.04, 1.11, 2.14, 7.74],
    5.1840570318,
    0.3753584426,
    -0.6322413175,
    1.4635870784,
  ],
  [
    [-0.13, 1.37, 0.78, 0.86, 2.19],
    [-0.67, 0.35, 1.06, -0.41, 6.68],
    1.1915749273,
    0.5066570226,
    1.9652638485,
    0.8317478992,
  ],
  [
    [-0.16, 0.54, 5.84, -1.73, 0.94],
    [0.21, 0.36, 1.18, -0.77, 2.74],
    5.4715751998,
    0.1177040488,
    0.0559226872,
    1.8226009679,
  ],
  [
    [0.26, -0.31, 0.78, 0.28, 9.63],
    [1.46, 1.96, 2.4, 3.78, 7.07],
    9.8931930139,
    0.7293327362,
    -1.0202620161,
    3.801131867,
  ],
  [
    [0.43, 0.7, 12.68, 1.56, 0.26],
    [-1.18, -0.66, 2.72, -0.68, 5.3],
    5.0189771815,
    1.5585152219,
    2.7828464045,
    3.680169404,
  ],
  [
    [0.63, -2.2, 2.55, 0.68, 4.08],
    [0.05, 0.68, 3.46, 2.17, 10.51],
    1.1993448257,
    1.2472863971,
    1.1581902537,
    0.8024107382,
  ],
  [
    [0.19, -0.63, 6.7, 4.45, 3.4],
    [-0.38, -1.09, 1.63, 3.32, 12.32],
    6.461718474,
    0.287737107,
    1.1126967937,
    2.9310761874,
  ],
  [
    [-0.43, -0.74, 0.5, 1.89, 8.2],
    [0.25, 1.03, 3.46, 4.98, 9.58],
    1.7178184607,
    0.3931958689,
    2.7606787153,
    1.4358465224,
  ],
  [
    [0.87, -1.28, 3.15, -2.29, 1.86],
    [-0.71, 0.62, 5.04, 0.09, 0.26],
    8.1437456807,
    14.8843000845,
    0.750427558,
    10.8892366616,
  ],
  [
    [1.42, 0.73, 0.76, 1.06, 2.98],
    [0.84, 1.16, 2.12, 1.14, 1.08],
    4.7692929293,
    1.3373050505,
    -0.1421306762,
    1.9822336518,
  ],
  [
    [-0.57, -1.03, 6, 0.23, 0.06],
    [-1.04, 0.27, 2.51, -3.3, 5.17],
    15.6652130158,
    0.6476029137,
    1.9161657223,
    8.1144908259,
  ],
  [
    [0.34, 0.42, 5.25, 3.34, 6.51],
    [0.37, 0.38, 9.8, -3.73, 13.09],
    1.3765684962,
    0.0001618357,
    1.6029850008,
    0.4898576663,
  ],
];

test("each term is the core's", () => {
  for (const [zero, one, trace, distance, determinants, kl] of CORE) {
    const found = divergence(gaussian(zero), gaussian(one));
    assert.equal(found.dimensions, 2);
    close([found.trace, found.distance], [trace, distance], { rtol: 1e-6, atol: 1e-8 });
    close([found.determinants, found.kl], [determinants, kl], { rtol: 1e-6, atol: 1e-8 });
  }
});

// Gaussians of every shape, none so flat that the quadrature would miss it.
function drawn({ normal }) {
  const [p, q, r, s] = [1.5 + normal(), normal(), normal(), 1.5 + normal()];
  return gaussian([normal(), normal(), p * p + q * q + 0.05, p * r + q * s, r * r + s * s + 0.05]);
}

test("quadrature from densities alone comes to the same", () => {
  const draws = generator(0);
  for (let k = 0; k < 50; k++) {
    const [zero, one] = [drawn(draws), drawn(draws)];
    close(divergenceByQuadrature(zero, one), divergence(zero, one).kl, { rtol: 1e-6, atol: 1e-8 });
  }
});

test("equal Gaussians are zero apart", () => {
  const one = drawn(generator(3));
  close(divergence(one, one).kl, 0, { atol: 1e-12 });
});

test("a dimension's distance from the prior is the formula's and the quadrature's", () => {
  const { normal, uniform } = generator(1);
  for (let k = 0; k < 50; k++) {
    const [mean, std] = [normal(), uniform(0.1, 3)];
    const { place, width, kl } = toPrior(mean, std);
    close(kl, 0.5 * (mean ** 2 + std ** 2 - 1) - Math.log(std), { atol: 1e-9 });
    close(toPriorByQuadrature(mean, std), kl, { atol: 1e-6 });
    assert.ok(place >= 0 && width >= 0);
  }
});
