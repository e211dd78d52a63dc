// A measured window of the plane: n x n cells, of which each holds what was measured at its middle.
//
// A window keeps to its place when the view moves on, and is drawn there until a newer one covers it.

const HALVES = [
  [0, 0],
  [1, 1],
  [1, 0],
  [0, 1],
]; // the order in which four neighbours are measured

export class Raster {
  // bounds: the window in the view's coordinates; key: of what it shows (see Panel); columns: numbers per cell.
  constructor({ bounds, n, columns, key }) {
    Object.assign(this, {
      bounds,
      n,
      columns,
      key,
      values: new Float32Array(n * n * columns).fill(NaN),
      missing: n * n,
    });
    this.known = new Uint8Array(n * n);
    this.order = order(n);
    this.wide = (bounds.right - bounds.left) / n;
    this.high = (bounds.top - bounds.bottom) / n;
    this.canvas = Object.assign(document.createElement("canvas"), { width: n, height: n });
  }

  get complete() {
    return !this.missing;
  }

  // The next cells to measure, at most so many.
  next(count) {
    const from = this.order.length - this.missing;
    return this.order.subarray(from, from + count);
  }

  // The middle of a cell in the view's coordinates; rows go from the top.
  middle(cell) {
    const { bounds, n, wide, high } = this;
    return [bounds.left + ((cell % n) + 0.5) * wide, bounds.top - (Math.floor(cell / n) + 0.5) * high];
  }

  take(cells, values) {
    const { columns } = this;
    cells.forEach((cell, k) => {
      this.values.set(values.subarray(k * columns, (k + 1) * columns), cell * columns);
      this.missing -= 1 - this.known[cell];
      this.known[cell] = 1;
    });
  }

  row(cell) {
    return this.values.subarray(cell * this.columns, (cell + 1) * this.columns);
  }

  // Every cell as a pixel of `canvas`; colour(row) says which. A cell that is still to come looks like its corner of
  // four, where that one is known.
  colour(colour) {
    const { n, known, canvas } = this,
      context = canvas.getContext("2d"),
      image = context.createImageData(n, n);
    const pixels = new Uint32Array(image.data.buffer);
    for (let cell = 0; cell < pixels.length; cell++) {
      const i = cell % n,
        from = known[cell] ? cell : cell - (i & 1) - (((cell - i) / n) & 1) * n;
      pixels[cell] = known[from] ? colour(this.row(from)) : 0;
    }
    context.putImageData(image, 0, 0);
  }

  draw(context, view) {
    const { left, right, bottom, top } = this.bounds,
      [x, y] = view.toScreen(left, top),
      [x1, y1] = view.toScreen(right, bottom);
    context.drawImage(this.canvas, x, y, x1 - x, y1 - y);
  }
}

// All cells of a lattice: first one of every four neighbours, so that a coarse picture is there soon, then the others.
function order(n) {
  const found = [];
  for (const [di, dj] of HALVES) {
    for (let j = dj; j < n; j += 2) for (let i = di; i < n; i += 2) found.push(j * n + i);
  }
  return Uint32Array.from(found);
}

// Where a field of n x n numbers, of the cells' middles, passes a level: segments [x0, y0, x1, y1] in units of cells from
// the top left corner (marching squares; where four corners leave it open, their mean decides).
export function contour(field, n, level) {
  const segments = [];
  for (let j = 0; j < n - 1; j++) {
    for (let i = 0; i < n - 1; i++) {
      const corners = [
        field[j * n + i],
        field[j * n + i + 1],
        field[(j + 1) * n + i + 1],
        field[(j + 1) * n + i],
      ];
      if (corners.some(Number.isNaN)) continue;
      segments.push(
        ...square(corners, level).map(([x0, y0, x1, y1]) => [
          i + 0.5 + x0,
          j + 0.5 + y0,
          i + 0.5 + x1,
          j + 0.5 + y1,
        ]),
      );
    }
  }
  return segments;
}

function square([a, b, c, d], level) {
  const cut = (from, to) => (level - from) / (to - from),
    above = [a, b, c, d].map((value) => value >= level);
  const crossings = [];
  if (above[0] !== above[1]) crossings.push([cut(a, b), 0]);
  if (above[1] !== above[2]) crossings.push([1, cut(b, c)]);
  if (above[2] !== above[3]) crossings.push([1 - cut(c, d), 1]);
  if (above[3] !== above[0]) crossings.push([0, 1 - cut(d, a)]);
  if (crossings.length < 4) return crossings.length ? [crossings.flat()] : [];
  const [top, right, bottom, left] = crossings,
    joined = (a + b + c + d) / 4 >= level === above[0];
  // The corners that stand alone are cut off: b and d where the middle goes with a, else a and c.
  return joined
    ? [
        [...top, ...right],
        [...bottom, ...left],
      ]
    : [
        [...left, ...top],
        [...right, ...bottom],
      ];
}
