// Where numbers lie: bounds and quantiles. Points are pairs in one Float32Array: x0, y0, x1, y1, …

const MOST = 16384; // more values than this are sampled: a quantile is then off by less than 1 % of the ranks

// The box around all finite points as { left, bottom, right, top }, or null where there is none.
export function boundsOf(xy) {
  let left = Infinity,
    bottom = Infinity,
    right = -Infinity,
    top = -Infinity;
  for (let i = 0; i + 1 < xy.length; i += 2) {
    const x = xy[i],
      y = xy[i + 1];
    if (x - x !== 0 || y - y !== 0) continue; // NaN and the infinities
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < bottom) bottom = y;
    if (y > top) top = y;
  }
  return left <= right ? { left, bottom, right, top } : null;
}

// The box that leaves out a share of the points on each of its sides, so that a few strays do not rule it.
export function robustBounds(xy, share = 0.001) {
  const [left, right] = quantiles(xy, [share, 1 - share], { stride: 2 });
  const [bottom, top] = quantiles(xy, [share, 1 - share], { stride: 2, offset: 1 });
  return left <= right && bottom <= top ? { left, bottom, right, top } : null;
}

// The values below which the given shares (0 to 1) of the finite values lie; NaN where there is none.
export function quantiles(values, shares, { offset = 0, stride = 1 } = {}) {
  const sorted = finiteSample(values, offset, stride).sort();
  return shares.map((share) => {
    const place = Math.min(Math.max(share, 0), 1) * (sorted.length - 1),
      below = Math.floor(place);
    return sorted.length ? sorted[below] + (place - below) * (sorted[Math.ceil(place)] - sorted[below]) : NaN;
  });
}

// All finite values, or MOST rows drawn by a fixed generator: the same picture every time, and no stride that
// falls in step with an order in the data.
function finiteSample(values, offset, stride) {
  const rows = Math.ceil((values.length - offset) / stride),
    kept = new Float64Array(Math.min(rows, MOST));
  let count = 0,
    state = 1;
  for (let k = 0; k < kept.length; k++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    const row = rows <= MOST ? k : Math.floor((state / 2 ** 32) * rows);
    const value = values[offset + row * stride];
    if (value - value === 0) kept[count++] = value;
  }
  return kept.subarray(0, count);
}
