// ELBO and KL(q || p(z|x)) of any Gaussian q from log p(x, z) on a grid: what vae_core/equations/evidence.py computes, in
// the browser. The trapezoid rule in q's own axes; between the grid's points Catmull-Rom cubics.

import { cholesky, det, principal } from "./plane.js";

const SIDE = 41,
  REACH = 5; // points a side, standard deviations that they reach
const OUTSIDE = 1e-3; // of q's weight may lie beyond the grid
const NARROW = 0.5; // cells that q's smallest standard deviation is at least
const LOG_2_PI = Math.log(2 * Math.PI);

const NODES = nodes();

// Values on a grid, and between its points.
export class Surface {
  // grid: { left, bottom, cell, columns, rows, values }, row by row from below
  constructor(grid) {
    Object.assign(this, grid, { wide: grid.columns + 2, padded: padded(grid) });
  }

  // The value at a place; beyond the grid, the edge's.
  at(x, y) {
    const { left, bottom, cell, columns, rows, wide, padded: values } = this;
    const across = Math.min(Math.max((x - left) / cell, 0), columns - 1),
      up = Math.min(Math.max((y - bottom) / cell, 0), rows - 1);
    const column = Math.min(Math.floor(across), columns - 2),
      row = Math.min(Math.floor(up), rows - 2);
    const [a0, a1, a2, a3] = cubic(across - column),
      [b0, b1, b2, b3] = cubic(up - row);
    const line = (from) =>
      a0 * values[from] + a1 * values[from + 1] + a2 * values[from + 2] + a3 * values[from + 3];
    const first = row * wide + column;
    return (
      b0 * line(first) + b1 * line(first + wide) + b2 * line(first + 2 * wide) + b3 * line(first + 3 * wide)
    );
  }

  holds(x, y) {
    const { left, bottom, cell, columns, rows } = this;
    return x >= left && y >= bottom && x <= left + (columns - 1) * cell && y <= bottom + (rows - 1) * cell;
  }
}

// log p(x, z) on a grid.
export class JointGrid extends Surface {
  constructor(grid, logEvidence) {
    super(grid);
    this.logEvidence = logEvidence;
  }

  // { elbo, kl, reconstruction: E_q[log p(x|z)], rate: KL(q || N(0, I)), doubt: a sentence or "" } in nats
  bound(mean, covariance) {
    const [[l00], [l10, l11]] = cholesky(covariance),
      { u, v, weights } = NODES;
    const logScale = Math.log(l00) + Math.log(l11);
    let reconstruction = 0,
      kl = 0,
      outside = 0;
    for (let i = 0; i < weights.length; i++) {
      const x = mean[0] + l00 * u[i],
        y = mean[1] + l10 * u[i] + l11 * v[i],
        joint = this.at(x, y);
      reconstruction += weights[i] * (joint + LOG_2_PI + (x * x + y * y) / 2);
      kl += weights[i] * (-(u[i] * u[i] + v[i] * v[i]) / 2 - LOG_2_PI - logScale - joint);
      if (!this.holds(x, y)) outside += weights[i];
    }
    const trace = covariance[0][0] + covariance[1][1],
      length = mean[0] * mean[0] + mean[1] * mean[1];
    const rate = 0.5 * (trace + length - 2 - Math.log(det(covariance)));
    return {
      elbo: reconstruction - rate,
      kl: kl + this.logEvidence,
      reconstruction,
      rate,
      doubt: this.doubt(covariance, outside),
    };
  }

  doubt(covariance, outside) {
    if (outside > OUTSIDE)
      return `${(100 * outside).toFixed(1)} % of q lies beyond what was computed: bring it back.`;
    const cells = Math.min(...principal(covariance).std) / this.cell;
    return cells < NARROW ? "q is narrower than the grid can tell: make it wider." : "";
  }
}

function nodes() {
  const u = new Float64Array(SIDE * SIDE),
    v = new Float64Array(SIDE * SIDE),
    weights = new Float64Array(SIDE * SIDE);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    u[i] = REACH * ((2 * (i % SIDE)) / (SIDE - 1) - 1);
    v[i] = REACH * ((2 * Math.floor(i / SIDE)) / (SIDE - 1) - 1);
    sum += weights[i] = Math.exp(-(u[i] * u[i] + v[i] * v[i]) / 2);
  }
  return { u, v, weights: weights.map((weight) => weight / sum) };
}

// One more cell around the grid, in a straight line.
function padded({ columns, rows, values }) {
  const wide = columns + 2,
    found = new Float64Array(wide * (rows + 2));
  for (let row = 0; row < rows; row++) {
    const from = (row + 1) * wide;
    for (let column = 0; column < columns; column++)
      found[from + column + 1] = values[row * columns + column];
    found[from] = 2 * found[from + 1] - found[from + 2];
    found[from + wide - 1] = 2 * found[from + wide - 2] - found[from + wide - 3];
  }
  for (let column = 0; column < wide; column++) {
    found[column] = 2 * found[wide + column] - found[2 * wide + column];
    const last = (rows + 1) * wide + column;
    found[last] = 2 * found[last - wide] - found[last - 2 * wide];
  }
  return found;
}

// Catmull-Rom weights of the four points around t in [0, 1] between the middle two.
function cubic(t) {
  const square = t * t,
    cube = square * t;
  return [
    0.5 * (-cube + 2 * square - t),
    0.5 * (3 * cube - 5 * square + 2),
    0.5 * (-3 * cube + 4 * square + t),
    0.5 * (cube - square),
  ];
}
