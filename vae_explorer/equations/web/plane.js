// 2 x 2 matrices, as [[a, b], [c, d]], and the covariance of a Gaussian by the axes of its ellipse.

export const det = ([[a, b], [c, d]]) => a * d - b * c;
export const times = (m, [x, y]) => [m[0][0] * x + m[0][1] * y, m[1][0] * x + m[1][1] * y];

export function inverse(m) {
  const [[a, b], [c, d]] = m,
    by = det(m);
  return [
    [d / by, -b / by],
    [-c / by, a / by],
  ];
}

// The lower triangle L of a covariance, L L^T.
export function cholesky([[a, b], [, d]]) {
  const first = Math.sqrt(a),
    below = b / first;
  return [
    [first, 0],
    [below, Math.sqrt(Math.max(d - below * below, 0))],
  ];
}

// The covariance whose ellipse has these standard deviations along its axes, the first of them at `angle`.
export function covarianceOf([first, second], angle) {
  const cos = Math.cos(angle),
    sin = Math.sin(angle),
    a = first * first,
    b = second * second;
  const across = (a - b) * cos * sin;
  return [
    [a * cos * cos + b * sin * sin, across],
    [across, a * sin * sin + b * cos * cos],
  ];
}

// { std: [first, second], angle } of a covariance; the first axis is the one nearer to x, its angle within 45 degrees.
export function principal([[a, b], [, d]]) {
  const middle = (a + d) / 2,
    apart = Math.hypot((a - d) / 2, b);
  const large = Math.sqrt(middle + apart),
    small = Math.sqrt(Math.max(middle - apart, 0));
  const angle = apart ? 0.5 * Math.atan2(2 * b, a - d) : 0; // of the longer axis, within 90 degrees of x
  if (Math.abs(angle) <= Math.PI / 4) return { std: [large, small], angle };
  return { std: [small, large], angle: angle - Math.sign(angle) * (Math.PI / 2) };
}
