// Which points are near a place or inside a shape: a uniform grid over the points, built by one counting sort.
//
// The grid covers where most points are; its outermost cells reach to infinity and hold the strays, so a few
// far-off points do not push all others into one cell. Every answer is exact.

import { boundsOf, quantiles } from "../../kit/bounds.js";
import { crossing, inside } from "./lasso.js";

const PER_CELL = 2; // points, on average
const SLACK = 1e-6; // cells: more than rounding can move a point over a cell's edge

export class Index {
  // xy: Float32Array (2n). Points that are not finite are in no answer; `count` is the number of the others.
  constructor(xy) {
    this.total = xy.length >> 1;
    this.bounds = boundsOf(xy);
    this.lay(xy);
    this.sort(xy);
  }

  // Where the cells are: square ones, about PER_CELL points each, over the middle of the data and as much around it.
  lay(xy) {
    const axis = (offset, low, high) => {
      const [first, last] = quantiles(xy, [0.01, 0.99], { stride: 2, offset }),
        room = (last - first) / 4;
      return [Math.max(low, first - room), Math.min(high, last + room)];
    };
    const { left, bottom, right, top } = this.bounds ?? { left: 0, bottom: 0, right: 0, top: 0 };
    const [fromX, toX] = axis(0, left, right),
      [fromY, toY] = axis(1, bottom, top);
    const wide = toX - fromX || 0,
      high = toY - fromY || 0,
      cells = Math.max(this.total / PER_CELL, 1);
    this.cell = Math.max(Math.sqrt((wide * high) / cells), Math.max(wide, high) / cells) || 1;
    Object.assign(this, { left: fromX || 0, bottom: fromY || 0 });
    this.columns = Math.floor(wide / this.cell) + 1;
    this.rows = Math.floor(high / this.cell) + 1;
  }

  // `order` lists the points cell by cell, `places` their x and y in that order, `starts` where each cell begins.
  sort(xy) {
    const { total, columns, rows, left, bottom } = this,
      perUnit = 1 / this.cell;
    const cells = new Int32Array(total).fill(-1),
      starts = new Uint32Array(columns * rows + 1);
    for (let i = 0; i < total; i++) {
      const x = xy[2 * i],
        y = xy[2 * i + 1];
      if (x - x !== 0 || y - y !== 0) continue;
      const u = (x - left) * perUnit,
        v = (y - bottom) * perUnit;
      const column = u <= 0 ? 0 : u >= columns ? columns - 1 : u | 0,
        row = v <= 0 ? 0 : v >= rows ? rows - 1 : v | 0;
      cells[i] = row * columns + column;
      starts[cells[i] + 1]++;
    }
    for (let cell = 0; cell < columns * rows; cell++) starts[cell + 1] += starts[cell];
    this.count = starts[columns * rows];
    const order = new Uint32Array(this.count),
      places = new Float32Array(2 * this.count),
      next = starts.slice();
    for (let i = 0; i < total; i++) {
      if (cells[i] < 0) continue;
      const to = next[cells[i]]++;
      order[to] = i;
      places[2 * to] = xy[2 * i];
      places[2 * to + 1] = xy[2 * i + 1];
    }
    Object.assign(this, { starts, order, places });
  }

  column(x) {
    return Math.min(Math.max(Math.floor((x - this.left) / this.cell), 0), this.columns - 1);
  }

  row(y) {
    return Math.min(Math.max(Math.floor((y - this.bottom) / this.cell), 0), this.rows - 1);
  }

  // --- near a place ----------------------------------------------------------------------------------------

  // The point nearest to a place, or -1. Of equally near ones the first. accept(i) says which points count;
  // `within` is the farthest they may be, in units.
  nearest(x, y, options) {
    return this.knn(x, y, 1, options)[0] ?? -1;
  }

  // The k nearest points, nearest first, as Uint32Array; fewer where there are no more.
  knn(x, y, k, { accept = null, within = Infinity } = {}) {
    const best = {
      k,
      found: 0,
      indices: new Uint32Array(k),
      squares: new Float64Array(k),
      worst: within * within,
    };
    if (this.count && k > 0 && Number.isFinite(x) && Number.isFinite(y)) this.search(x, y, accept, best);
    return best.indices.slice(0, best.found);
  }

  // Rings of cells around the place's own cell, until no cell further out can hold anything better.
  search(x, y, accept, best) {
    const { columns, rows, cell, bounds } = this;
    const u = (x - this.left) / cell,
      v = (y - this.bottom) / cell,
      column = this.column(x),
      row = this.row(y);
    const awayX = Math.max(bounds.left - x, x - bounds.right, 0),
      awayY = Math.max(bounds.bottom - y, y - bounds.top, 0);
    for (let ring = 0; ; ring++) {
      this.scanRing(column, row, ring, x, y, accept, best);
      let sideX = Infinity,
        sideY = Infinity; // to the nearest edge of the searched square that has cells behind it, in cells
      if (column - ring > 0) sideX = u - (column - ring);
      if (column + ring < columns - 1) sideX = Math.min(sideX, column + ring + 1 - u);
      if (row - ring > 0) sideY = v - (row - ring);
      if (row + ring < rows - 1) sideY = Math.min(sideY, row + ring + 1 - v);
      const reach = (side, away) => Math.max(side - SLACK, 0) ** 2 * cell * cell + away * away;
      if (
        Math.min(reach(sideX, awayY), reach(sideY, awayX)) > best.worst ||
        (sideX === Infinity && sideY === Infinity)
      )
        return;
    }
  }

  scanRing(column, row, ring, x, y, accept, best) {
    const { columns, rows } = this,
      first = Math.max(column - ring, 0),
      last = Math.min(column + ring, columns - 1);
    for (let r = Math.max(row - ring, 0); r <= Math.min(row + ring, rows - 1); r++) {
      if (Math.abs(r - row) === ring) this.scan(r, first, last, x, y, accept, best);
      else {
        if (column - ring >= 0) this.scan(r, column - ring, column - ring, x, y, accept, best);
        if (column + ring < columns) this.scan(r, column + ring, column + ring, x, y, accept, best);
      }
    }
  }

  scan(row, first, last, x, y, accept, best) {
    const { starts, order, places, columns } = this,
      end = starts[row * columns + last + 1];
    for (let p = starts[row * columns + first]; p < end; p++) {
      const dx = places[2 * p] - x,
        dy = places[2 * p + 1] - y,
        square = dx * dx + dy * dy;
      if (square > best.worst || (accept !== null && !accept(order[p]))) continue;
      insert(best, order[p], square);
    }
  }

  // --- inside a shape --------------------------------------------------------------------------------------

  // The points in a box { left, bottom, right, top }, its edges included, as Uint32Array in rising order.
  inRect({ left, bottom, right, top }, { accept = null } = {}) {
    const { starts, order, places, columns } = this,
      chosen = new Uint8Array(this.total);
    if (!(left <= right && bottom <= top)) return collect(chosen, accept);
    const first = this.column(left),
      last = this.column(right),
      lastRow = this.row(top);
    for (let row = this.row(bottom); row <= lastRow; row++) {
      const end = starts[row * columns + last + 1];
      for (let p = starts[row * columns + first]; p < end; p++) {
        const x = places[2 * p],
          y = places[2 * p + 1];
        if (x >= left && x <= right && y >= bottom && y <= top) chosen[order[p]] = 1;
      }
    }
    return collect(chosen, accept);
  }

  // The points inside a polygon (flat list of corners, even-odd rule), as Uint32Array in rising order. Only where
  // an edge may pass is a point looked at by itself; elsewhere a cell is in or out as a whole.
  inPolygon(polygon, { accept = null } = {}) {
    const { starts, order, places, columns, rows } = this,
      chosen = new Uint8Array(this.total),
      around = boundsOf(polygon);
    if (polygon.length < 6 || !around) return collect(chosen, accept);
    const mixed = this.crossed(polygon),
      first = this.column(around.left),
      last = this.column(around.right);
    for (let row = this.row(around.bottom); row <= this.row(around.top); row++) {
      const cuts = this.cuts(polygon, this.bottom + (row + 0.5) * this.cell);
      const outer = row === 0 || row === rows - 1;
      for (let column = first, cut = 0; column <= last; column++) {
        const cell = row * columns + column,
          middle = this.left + (column + 0.5) * this.cell;
        while (cut < cuts.length && cuts[cut] <= middle) cut++;
        const each = outer || column === 0 || column === columns - 1 || mixed[cell];
        if (!each && (cuts.length - cut) % 2 === 0) continue;
        for (let p = starts[cell]; p < starts[cell + 1]; p++) {
          if (!each || inside(polygon, places[2 * p], places[2 * p + 1])) chosen[order[p]] = 1;
        }
      }
    }
    return collect(chosen, accept);
  }

  // Where a polygon's edges stand at height y, from left to right.
  cuts(polygon, y) {
    const found = [];
    for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
      const yi = polygon[i + 1],
        yj = polygon[j + 1];
      if (yi > y !== yj > y) found.push(crossing(polygon[i], yi, polygon[j], yj, y));
    }
    return found.sort((a, b) => a - b);
  }

  // 1 for every cell that an edge of the polygon may pass through.
  crossed(polygon) {
    const mixed = new Uint8Array(this.columns * this.rows),
      { left, bottom, cell, columns, rows } = this;
    const clamp = (value, most) => Math.min(Math.max(Math.floor(value), 0), most - 1);
    for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
      const ua = (polygon[j] - left) / cell,
        ub = (polygon[i] - left) / cell;
      const va = (polygon[j + 1] - bottom) / cell,
        vb = (polygon[i + 1] - bottom) / cell;
      const lastRow = clamp(Math.max(va, vb) + SLACK, rows);
      for (let row = clamp(Math.min(va, vb) - SLACK, rows); row <= lastRow; row++) {
        const along = (v) => Math.min(Math.max((v - va) / (vb - va), 0), 1); // the edge's part within the row
        const [a, b] = va === vb ? [0, 1] : [along(row - SLACK), along(row + 1 + SLACK)];
        const ends = [ua + a * (ub - ua), ua + b * (ub - ua)];
        const first = clamp(Math.min(...ends) - SLACK, columns),
          last = clamp(Math.max(...ends) + SLACK, columns);
        mixed.fill(1, row * columns + first, row * columns + last + 1);
      }
    }
    return mixed;
  }
}

// Keep the k best in order; equally near points stand in the order of their numbers.
function insert(best, index, square) {
  const { k, indices, squares } = best;
  let at = best.found;
  while (at > 0 && (squares[at - 1] > square || (squares[at - 1] === square && indices[at - 1] > index)))
    at--;
  if (at >= k) return;
  for (let j = Math.min(best.found, k - 1); j > at; j--) {
    squares[j] = squares[j - 1];
    indices[j] = indices[j - 1];
  }
  squares[at] = square;
  indices[at] = index;
  best.found = Math.min(best.found + 1, k);
  if (best.found === k) best.worst = Math.min(best.worst, squares[k - 1]);
}

// The numbers of the chosen points; a sweep over all is faster than sorting many, and as fast for few.
function collect(chosen, accept) {
  let count = 0;
  for (let i = 0; i < chosen.length; i++) {
    if (chosen[i] && accept !== null && !accept(i)) chosen[i] = 0;
    count += chosen[i];
  }
  const indices = new Uint32Array(count);
  for (let i = 0, to = 0; to < count; i++) if (chosen[i]) indices[to++] = i;
  return indices;
}
