// Where the data lie thick: a histogram of the points, smoothed by a Gaussian, and lines of equal density around the
// smallest regions that hold given shares of the points (highest-density regions, Hyndman 1996).

import { quantiles, robustBounds } from "./bounds.js";

const SIDE = 192; // cells along the longer side
const SHARPER = 0.5; // of Scott's rule, which takes all clusters together for one Gaussian and so blurs them
const HIGHEST = 0.9; // of the peak: a line around the peak itself would be a point
const REACH = 3; // standard deviations to which the Gaussian is followed

// The density of the points as a grid { values: Float32Array, columns, rows, left, bottom, cell, count }: values[r *
// columns + c] is the number of points per cell around the place (left + c * cell, bottom + r * cell). Null where there
// are no points. accept(i) says which points count; bandwidth (in units) is half of Scott's rule unless told otherwise.
export function density(xy, { accept = null, bandwidth = null } = {}) {
  const points = chosen(xy, accept),
    middle = robustBounds(points);
  if (!middle) return null;
  const [sigmaX, sigmaY] = bandwidth === null ? scott(points) : [bandwidth, bandwidth];
  const grid = layout(middle, sigmaX, sigmaY, points.length / 2);
  histogram(grid, points);
  blur(grid, sigmaX, sigmaY);
  return grid;
}

// The densities whose contours enclose the given shares (0 to 1) of the points; 0 where the grid does not reach so far.
export function levels(grid, xy, shares, { accept = null } = {}) {
  const points = chosen(xy, accept),
    at = new Float32Array(points.length / 2);
  for (let i = 0; i < at.length; i++) at[i] = densityAt(grid, points[2 * i], points[2 * i + 1]);
  const most = HIGHEST * grid.values.reduce((a, b) => Math.max(a, b));
  return quantiles(
    at,
    shares.map((share) => 1 - share),
  ).map((level) => Math.min(level, most));
}

// The density at a place, linear between the grid's; 0 outside.
export function densityAt({ values, columns, rows, left, bottom, cell }, x, y) {
  const u = (x - left) / cell,
    v = (y - bottom) / cell;
  if (!(u >= 0 && v >= 0 && u < columns - 1 && v < rows - 1)) return 0;
  const c = Math.floor(u),
    r = Math.floor(v),
    a = u - c,
    b = v - r,
    at = r * columns + c;
  const below = (1 - a) * values[at] + a * values[at + 1];
  return (1 - b) * below + b * ((1 - a) * values[at + columns] + a * values[at + columns + 1]);
}

// Closed lines of one density > 0, each a Float32Array x0, y0, x1, y1, …; what they enclose by the even-odd rule is
// denser. Marching squares (Lorensen & Cline 1987, in two dimensions).
export function contours(grid, level) {
  if (!(level > 0)) return [];
  const next = crossings(grid, level),
    loops = [];
  for (let start = 0; start < next.length; start++) {
    if (next[start] < 0) continue;
    const loop = [];
    for (let edge = start; next[edge] >= 0; ) {
      loop.push(...placeOn(grid, edge, level));
      const after = next[edge];
      next[edge] = -1;
      edge = after;
    }
    loops.push(Float32Array.from(loop));
  }
  return loops;
}

// Add closed lines to a canvas path, or to a Path2D, as a view shows them; fill with "evenodd" or stroke.
export function tracePath(path, view, loops) {
  for (const loop of loops) {
    path.moveTo(...view.toScreen(loop[0], loop[1]));
    for (let i = 2; i < loop.length; i += 2) path.lineTo(...view.toScreen(loop[i], loop[i + 1]));
    path.closePath();
  }
}

// --- the grid ------------------------------------------------------------------------------------------------

function chosen(xy, accept) {
  const points = new Float32Array(xy.length);
  let to = 0;
  for (let i = 0; 2 * i + 1 < xy.length; i++) {
    const x = xy[2 * i],
      y = xy[2 * i + 1];
    if (x - x !== 0 || y - y !== 0 || (accept !== null && !accept(i))) continue;
    points[to++] = x;
    points[to++] = y;
  }
  return points.subarray(0, to);
}

// Half of Scott's (1992) bandwidth in two dimensions, sigma n^(-1/6), with a spread that a few strays do not move.
function scott(points) {
  return [0, 1].map((offset) => {
    const [low, high] = quantiles(points, [0.1587, 0.8413], { stride: 2, offset }); // one deviation to each side, if normal
    return SHARPER * ((high - low) / 2) * (points.length / 2) ** (-1 / 6);
  });
}

// Square cells over the middle of the data and the reach of the Gaussian around it.
function layout({ left, bottom, right, top }, sigmaX, sigmaY, count) {
  const roomX = (REACH + 1) * sigmaX,
    roomY = (REACH + 1) * sigmaY;
  const wide = right - left + 2 * roomX,
    high = top - bottom + 2 * roomY,
    cell = Math.max(wide, high) / SIDE || 1;
  const columns = Math.ceil(wide / cell) + 5,
    rows = Math.ceil(high / cell) + 5; // two cells of room where nothing is blurred
  const values = new Float32Array(columns * rows);
  return {
    values,
    columns,
    rows,
    left: left - roomX - 2 * cell,
    bottom: bottom - roomY - 2 * cell,
    cell,
    count,
  };
}

// Each point is shared out over the four cells around it, so that cells leave no trace in the density.
function histogram({ values, columns, rows, left, bottom, cell }, points) {
  for (let i = 0; i < points.length; i += 2) {
    const u = (points[i] - left) / cell,
      v = (points[i + 1] - bottom) / cell;
    if (!(u >= 0 && v >= 0 && u < columns - 1 && v < rows - 1)) continue;
    const c = Math.floor(u),
      r = Math.floor(v),
      a = u - c,
      b = v - r,
      at = r * columns + c;
    values[at] += (1 - a) * (1 - b);
    values[at + 1] += a * (1 - b);
    values[at + columns] += (1 - a) * b;
    values[at + columns + 1] += a * b;
  }
}

// Along the rows, then along the columns. The rim becomes 0, so that every contour closes.
function blur({ values, columns, rows, cell }, sigmaX, sigmaY) {
  const kernelX = gaussian(sigmaX / cell),
    kernelY = gaussian(sigmaY / cell);
  for (let r = 0; r < rows; r++) convolve(values, r * columns, 1, columns, kernelX);
  for (let c = 0; c < columns; c++) convolve(values, c, columns, rows, kernelY);
  for (let r = 0; r < rows; r++) values[r * columns] = values[(r + 1) * columns - 1] = 0;
  values.fill(0, 0, columns);
  values.fill(0, (rows - 1) * columns);
}

function gaussian(sigma) {
  if (!(sigma > 0)) return Float64Array.of(1);
  const reach = Math.ceil(REACH * sigma);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - reach) / sigma) ** 2),
  );
  const sum = kernel.reduce((a, b) => a + b);
  return kernel.map((value) => value / sum);
}

function convolve(values, start, stride, count, kernel) {
  const reach = (kernel.length - 1) / 2,
    line = Float64Array.from({ length: count }, (_, i) => values[start + i * stride]);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let k = Math.max(-reach, -i); k <= Math.min(reach, count - 1 - i); k++)
      sum += kernel[k + reach] * line[i + k];
    values[start + i * stride] = sum;
  }
}

// --- the lines -----------------------------------------------------------------------------------------------

// An edge joins two neighbouring nodes of the grid: number 2 * node goes right from a node, 2 * node + 1 up. A contour
// keeps what is denser on its left, so it enters every edge it crosses from one square and leaves it into the other:
// next[edge] is the edge it comes to, -1 where it is not.
function crossings({ values, columns, rows }, level) {
  const next = new Int32Array(2 * columns * rows).fill(-1);
  for (let r = 0; r + 1 < rows; r++) {
    for (let c = 0; c + 1 < columns; c++) {
      const node = r * columns + c;
      const corners = [values[node], values[node + 1], values[node + columns + 1], values[node + columns]]; // anticlockwise
      const dense = corners.map((value) => value >= level);
      if (dense.every((is) => is === dense[0])) continue;
      const edges = [2 * node, 2 * (node + 1) + 1, 2 * (node + columns), 2 * node + 1];
      const linked = corners.reduce((a, b) => a + b) >= 4 * level; // a saddle: are the two dense corners one region?
      for (let k = 0; k < 4; k++) {
        if (!dense[k] || dense[(k + 1) % 4]) continue; // edge k: from dense to not, the contour comes in here
        next[edges[k]] = edges[leave(dense, k, linked)];
      }
    }
  }
  return next;
}

// The edge by which a contour that came in over edge k leaves the square: from not dense to dense. Going anticlockwise
// cuts off the corners that are not dense, going clockwise the dense ones; they differ on a saddle only.
function leave(dense, k, linked) {
  const turns = linked ? [1, 2, 3] : [3, 2, 1];
  return turns.map((turn) => (k + turn) % 4).find((edge) => !dense[edge] && dense[(edge + 1) % 4]);
}

// Where a contour crosses an edge, in units.
function placeOn({ values, columns, left, bottom, cell }, edge, level) {
  const node = edge >> 1,
    up = edge & 1,
    other = node + (up ? columns : 1);
  const share = (level - values[node]) / (values[other] - values[node]);
  const c = (node % columns) + (up ? 0 : share),
    r = Math.floor(node / columns) + (up ? share : 0);
  return [left + c * cell, bottom + r * cell];
}
