// KL(N0 || N1) in nats: of Gaussians in the plane by its four terms, of one dimension against N(0, 1), and both again
// by quadrature, so that a page can show that the numbers close. vae_core/equations/gaussians.py has the same formulas.

import { cholesky, det, inverse, times } from "./plane.js";

const REACH = 8,
  SIDE = 65; // standard deviations and points a side of the trapezoid rule
const LOG_2_PI = Math.log(2 * Math.PI);

// A Gaussian here is { mean: [x, y], covariance: [[a, b], [b, d]] }.
// { trace, distance, dimensions, determinants, kl }: KL is half of trace + distance - dimensions + determinants
export function divergence(zero, one) {
  const precision = inverse(one.covariance),
    away = [0, 1].map((d) => one.mean[d] - zero.mean[d]);
  const [[a, b], [c, d]] = zero.covariance;
  const trace = precision[0][0] * a + precision[0][1] * c + precision[1][0] * b + precision[1][1] * d;
  const towards = times(precision, away),
    distance = away[0] * towards[0] + away[1] * towards[1];
  const determinants = Math.log(det(one.covariance) / det(zero.covariance));
  return { trace, distance, dimensions: 2, determinants, kl: (trace + distance - 2 + determinants) / 2 };
}

// (x, y) => log density
export function logDensity({ mean, covariance }) {
  const [[l00], [l10, l11]] = cholesky(covariance),
    constant = -LOG_2_PI - Math.log(l00 * l11);
  return (x, y) => {
    const u = (x - mean[0]) / l00,
      v = (y - mean[1] - l10 * u) / l11;
    return constant - (u * u + v * v) / 2;
  };
}

// E_0[log p0 - log p1] by the trapezoid rule in N0's own axes, from densities alone.
export function divergenceByQuadrature(zero, one) {
  const [[l00], [l10, l11]] = cholesky(zero.covariance),
    [p0, p1] = [zero, one].map(logDensity);
  const step = (2 * REACH) / (SIDE - 1),
    area = step * step * l00 * l11;
  let sum = 0;
  for (let i = 0; i < SIDE; i++) {
    for (let j = 0; j < SIDE; j++) {
      const u = -REACH + i * step,
        v = -REACH + j * step;
      const x = zero.mean[0] + l00 * u,
        y = zero.mean[1] + l10 * u + l11 * v,
        log = p0(x, y);
      sum += Math.exp(log) * (log - p1(x, y));
    }
  }
  return sum * area;
}

// KL(N(mean, std^2) || N(0, 1)) of one dimension, in two parts that are never negative: what the mean costs and what the
// width costs.
export function toPrior(mean, std) {
  const place = (mean * mean) / 2,
    width = (std * std - 1) / 2 - Math.log(std);
  return { place, width, kl: place + width };
}

export function toPriorByQuadrature(mean, std) {
  const count = 401,
    step = (2 * REACH) / (count - 1);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const u = -REACH + i * step,
      z = mean + std * u,
      log = -(u * u + LOG_2_PI) / 2;
    sum += Math.exp(log) * (log - Math.log(std) + (z * z + LOG_2_PI) / 2);
  }
  return sum * step;
}
