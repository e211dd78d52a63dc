// biome-ignore-all lint/correctness/noPrecisionLoss: coefficients stand here as they were published.

// Where the tiles of a grid stand: how a coordinate of the view turns into a place of the plane, and into cells.
//
// Both kinds have `tiles` cells across their home square, and levels: a cell's side is a power of two times its side at
// home, so that panning and zooming come back to the same cells. Linear spacing has a tile at both ends of its range, as
// linspace has. Quantile spacing's coordinate is the probability p of the standard normal prior: tile i of n stands at
// the quantile of (i + 0.5) / n (Kingma & Welling 2014, figure 4), the square is all there is, and zooming in halves
// its cells.

export const LEAST = 5,
  MOST = 40,
  EXTENT = 3;

class Spacing {
  constructor(tiles, unit, first) {
    Object.assign(this, { tiles, unit, first }); // first: the left edge of cell 0 in sides of a cell, from `zero`
  }

  side(level) {
    return this.unit * 2 ** level;
  }

  // The level at which about `tiles` cells fill a view's shorter side.
  level(view) {
    return Math.min(Math.round(Math.log2(view.span / this.tiles / this.unit)), this.coarsest);
  }

  edge(level, i) {
    return this.zero + (i + this.first) * this.side(level);
  }

  middle(level, i) {
    return this.edge(level, i + 0.5);
  }

  cell(level, x) {
    return Math.floor((x - this.zero) / this.side(level) - this.first);
  }
}

export class Linear extends Spacing {
  constructor(tiles, extent = EXTENT) {
    super(tiles, (2 * extent) / (tiles - 1), -0.5);
    Object.assign(this, { zero: -extent, coarsest: Infinity, extent, name: "linear" });
  }

  // Each cell's middle is one of every finer level too: what is decoded there serves all of them.
  key(level, i, j) {
    while (!((i | j) & 1) && (i || j)) [level, i, j] = [level + 1, i / 2, j / 2];
    return i || j ? `${level}/${i}/${j}` : "corner";
  }

  // The same place's cell at another level: a whole number where it is the middle of one.
  renumbered(cell, level, other) {
    return cell * 2 ** (level - other);
  }

  cells() {
    return [-Infinity, Infinity];
  }

  value(x) {
    return x;
  }

  at(value) {
    return value;
  }

  get box() {
    const reach = this.extent + this.unit / 2;
    return { left: -reach, bottom: -reach, right: reach, top: reach };
  }

  bounded(view) {
    return view;
  }
}

export class Quantile extends Spacing {
  constructor(tiles) {
    super(tiles, 1 / tiles, 0);
    Object.assign(this, { zero: 0, coarsest: 0, name: "quantile" });
  }

  key(level, i, j) {
    return `${level}/${i}/${j}`;
  }

  renumbered(cell, level, other) {
    return level === other ? cell : NaN;
  }

  // The first and last cell there are.
  cells(level) {
    return [0, this.tiles * 2 ** -level - 1];
  }

  value(x) {
    return quantile(x);
  }

  at(value) {
    return probability(value);
  }

  get box() {
    return { left: 0, bottom: 0, right: 1, top: 1 };
  }

  // Nothing lies outside the square: it is never smaller than the screen, nor pushed off it.
  bounded(view) {
    const near = view.with({ scale: Math.max(view.scale, view.home) });
    const held = (x, length) => {
      const half = length / near.scale / 2;
      return half >= 0.5 ? 0.5 : Math.min(Math.max(x, half), 1 - half);
    };
    return near.with({ x: held(near.x, near.width), y: held(near.y, near.height) });
  }
}

// The coefficients of Wichura's rational functions, highest power first.
const CENTRE = [
  [
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
    13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
  ],
  [
    5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
    5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1,
  ],
];
const TAIL = [
  [
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
  ],
  [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
    0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1,
  ],
];
const FAR_TAIL = [
  [
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
    0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
  ],
  [
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1,
  ],
];
const ratio = ([above, below], x) => horner(above, x) / horner(below, x);
const horner = (coefficients, x) => coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);

// The standard normal distribution's quantile of p, to about 16 digits (Wichura 1988, algorithm AS 241).
export function quantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(Math.min(p, 1 - p)));
  return Math.sign(q) * (r <= 5 ? ratio(TAIL, r - 1.6) : ratio(FAR_TAIL, r - 5));
}

// The standard normal distribution's probability of at most z, to 7 digits (Abramowitz & Stegun 1964, 26.2.17).
export function probability(z) {
  const t = 1 / (1 + 0.2316419 * Math.abs(z)),
    density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const tail = density * t * horner([1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153], t);
  return z > 0 ? 1 - tail : tail;
}
