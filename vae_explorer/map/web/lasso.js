// Shapes drawn around points: boxes { left, bottom, right, top } and polygons, flat lists x0, y0, x1, y1, … that
// close by themselves.

// The box between two places, whichever corners they are.
export function box(x0, y0, x1, y1) {
  return { left: Math.min(x0, x1), bottom: Math.min(y0, y1), right: Math.max(x0, x1), top: Math.max(y0, y1) };
}

export const boxPolygon = ({ left, bottom, right, top }) =>
  Float64Array.of(left, bottom, right, bottom, right, top, left, top);

// Whether a place lies inside, by the even-odd rule: what a lasso encloses twice is out again.
export function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const yi = polygon[i + 1],
      yj = polygon[j + 1];
    if (yi > y !== yj > y && x < crossing(polygon[i], yi, polygon[j], yj, y)) odd = !odd;
  }
  return odd;
}

// The x at which the line through two places stands at height y.
export const crossing = (xi, yi, xj, yj, y) => ((xj - xi) * (y - yi)) / (yj - yi) + xi;

// Fewer corners, none farther than `tolerance` from the shape that was drawn (Douglas & Peucker 1973).
export function simplify(polygon, tolerance) {
  const count = polygon.length / 2;
  if (count <= 3) return Float64Array.from(polygon);
  const corner = (k) => [polygon[2 * (k % count)], polygon[2 * (k % count) + 1]];
  const keep = new Uint8Array(count + 1),
    far = farthest(corner, 0, count)[0] || Math.floor(count / 2);
  keep[0] = keep[far] = 1;
  for (
    const spans = [
      [0, far],
      [far, count],
    ];
    spans.length;
  ) {
    const [from, to] = spans.pop(),
      [middle, distance] = farthest(corner, from, to);
    if (distance <= tolerance) continue;
    keep[middle] = 1;
    spans.push([from, middle], [middle, to]);
  }
  const kept = Array.from({ length: count }, (_, k) => k).filter((k) => keep[k]);
  return Float64Array.from(kept.flatMap(corner));
}

// The corner between two others that is farthest from the straight line between them, and how far.
function farthest(corner, from, to) {
  const [x0, y0] = corner(from),
    [x1, y1] = corner(to);
  const dx = x1 - x0,
    dy = y1 - y0,
    square = dx * dx + dy * dy;
  let most = 0,
    at = 0;
  for (let k = from + 1; k < to; k++) {
    const [x, y] = corner(k);
    const along = square ? Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / square, 0), 1) : 0;
    const distance = Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
    if (distance > most) [most, at] = [distance, k];
  }
  return [at, most];
}

// Twice-counted parts count twice: good enough to tell a shape from a click.
export function area(polygon) {
  let twice = 0;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    twice += polygon[j] * polygon[i + 1] - polygon[i] * polygon[j + 1];
  }
  return Math.abs(twice) / 2;
}

// "x0,y0,x1,y1,…" with `digits` decimals, for an address; null back from anything else.
export const polygonText = (polygon, digits = 3) =>
  Array.from(polygon, (value) => Number(value.toFixed(digits))).join(",");

export function parsePolygon(text) {
  const parts = String(text ?? "").split(","),
    values = parts.map((part) => (part.trim() === "" ? NaN : Number(part)));
  return values.length >= 6 && values.length % 2 === 0 && values.every(Number.isFinite)
    ? Float64Array.from(values)
    : null;
}
