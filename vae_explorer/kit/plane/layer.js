// One level's tiles as one picture, drawn with a few calls however many tiles there are.
//
// The picture is a torus: the tile of cell (i, j) lies in slot (i mod columns, -j mod rows), so that panning overwrites
// what left the screen with what comes in and moves nothing. A slot shows the tile of its own cell, or its part of a
// tile of the coarser pattern (every 4th or 2nd row and column) that stands for its neighbours until they come.

const mod = (a, n) => ((a % n) + n) % n;
const TRANSPARENT = 0,
  OPAQUE = 0xff000000;

// The tile of the pattern of `size` that stands for cell (i, j), and which part of it (from the left, from the top).
export function standIn(i, j, size) {
  const lead = size === 4 ? 1 : 0,
    ri = Math.floor((i + lead) / size) * size,
    rj = Math.floor((j + lead) / size) * size;
  return { i: ri, j: rj, across: i - ri + lead, down: size - 1 - (j - rj + lead) };
}

// How coarse the pattern is to which a cell's own tile belongs: 4, 2 or 1.
export const pattern = (i, j) => ((i | j) & 3 ? ((i | j) & 1 ? 1 : 2) : 4);

export class Layer {
  // columns, rows: how many cells are held at once; shape: { width, height } of a decoded picture; reduce: by how much
  // pictures are made smaller, a whole number.
  constructor({ level, spacing, columns, rows, shape, reduce }) {
    Object.assign(this, { level, spacing, columns, rows, shape, reduce, window: null });
    [this.wide, this.high] = [shape.width, shape.height].map((length) =>
      Math.max(1, Math.floor(length / reduce)),
    );
    this.side = Math.max(this.wide, this.high); // of a slot; pictures that are not square stand in its middle
    this.canvas = Object.assign(document.createElement("canvas"), {
      width: columns * this.side,
      height: rows * this.side,
    });
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.picture = new Uint32Array(this.side ** 2); // one tile, on its way into slots
    const slots = columns * rows;
    this.cells = new Int32Array(2 * slots);
    this.sizes = new Uint8Array(slots); // 0: nothing, 1: the cell's own tile, 2 or 4: part of one of that pattern
    this.editions = new Int32Array(slots); // of the plane when it was decoded
    this.dirty = null; // slots that the canvas does not show yet
  }

  slot(i, j) {
    return mod(-j, this.rows) * this.columns + mod(i, this.columns);
  }

  holds(i, j, slot = this.slot(i, j)) {
    return this.cells[2 * slot] === i && this.cells[2 * slot + 1] === j;
  }

  // The edition of the cell's own tile; -1 where it has none.
  edition(i, j) {
    const slot = this.slot(i, j);
    return this.sizes[slot] === 1 && this.holds(i, j, slot) ? this.editions[slot] : -1;
  }

  // Whether a cell of `window` has no tile of that edition.
  lacks({ left, right, bottom, top }, edition) {
    for (let j = bottom; j <= top; j++)
      for (let i = left; i <= right; i++) if (this.edition(i, j) !== edition) return true;
    return false;
  }

  // Show these cells; fill(i, j) is called for each that was not there before.
  show(window, fill) {
    this.window = window;
    for (let j = window.bottom; j <= window.top; j++) {
      for (let i = window.left; i <= window.right; i++) {
        const slot = this.slot(i, j);
        if (this.sizes[slot] && this.holds(i, j, slot)) continue;
        if (this.sizes[slot]) this.wipe(slot);
        [this.cells[2 * slot], this.cells[2 * slot + 1]] = [i, j];
        fill(i, j);
      }
    }
  }

  includes(i, j) {
    const { left, right, bottom, top } = this.window;
    return i >= left && i <= right && j >= bottom && j <= top;
  }

  // A tile arrived: show it in its cell.
  put(i, j, tile, edition) {
    if (!this.includes(i, j) || edition < this.edition(i, j)) return;
    this.read(tile);
    this.set(this.slot(i, j), 1, edition, 0, 0);
  }

  // Let coarse tiles stand in for the cells of `window` that have none of their own; find(i, j) gives a cell's newest tile.
  // Done before a picture is drawn and not when a tile arrives: as a rule its neighbours are in the same answer.
  standIns(window, edition, find) {
    for (let j = window.bottom; j <= window.top; j++) {
      for (let i = window.left; i <= window.right; i++) {
        const slot = this.slot(i, j),
          has = this.holds(i, j, slot) ? this.sizes[slot] : 0;
        if (has === 1) continue;
        for (const size of [2, 4]) {
          if (has && (has < size || (has === size && this.editions[slot] === edition))) break;
          const lender = standIn(i, j, size),
            tile = find(lender.i, lender.j);
          if (!tile) continue;
          this.lend(i, j, tile, edition, size, lender);
          break;
        }
      }
    }
  }

  // Show part of a tile in a cell that has none of its own.
  lend(i, j, tile, edition, size, { across, down }) {
    this.read(tile);
    this.set(this.slot(i, j), size, edition, across, down);
  }

  set(slot, size, edition, across, down) {
    const { side, pixels, picture } = this,
      stride = this.canvas.width;
    const start = Math.floor(slot / this.columns) * side * stride + (slot % this.columns) * side;
    for (let y = 0; y < side; y++) {
      const to = start + y * stride;
      if (size === 1) {
        pixels.set(picture.subarray(y * side, (y + 1) * side), to);
        continue;
      }
      const from = Math.floor((down * side + y) / size) * side;
      for (let x = 0; x < side; x++) pixels[to + x] = picture[from + Math.floor((across * side + x) / size)];
    }
    this.sizes[slot] = size;
    this.editions[slot] = edition;
    this.soil(slot);
  }

  wipe(slot) {
    this.picture.fill(TRANSPARENT);
    this.set(slot, 1, -1, 0, 0);
    this.sizes[slot] = 0;
  }

  // Bytes of one picture, 1 or 3 per pixel, into `picture`: the mean of reduce x reduce pixels each.
  read({ pixels, channels }) {
    const { side, wide, high, reduce, picture, shape } = this;
    const left = (side - wide) >> 1,
      top = (side - high) >> 1,
      share = 1 / reduce ** 2;
    if (wide !== high) picture.fill(TRANSPARENT);
    for (let y = 0; y < high; y++) {
      for (let x = 0, to = (top + y) * side + left; x < wide; x++, to++) {
        let from = (y * shape.width + x) * reduce * channels,
          red = 0,
          green = 0,
          blue = 0;
        if (channels === 1 && reduce === 1) {
          picture[to] = (OPAQUE | (0x010101 * pixels[from])) >>> 0;
          continue;
        }
        for (let v = 0; v < reduce; v++, from += (shape.width - reduce) * channels) {
          for (let u = 0; u < reduce; u++, from += channels) {
            red += pixels[from];
            if (channels > 1) [green, blue] = [green + pixels[from + 1], blue + pixels[from + 2]];
          }
        }
        if (channels === 1) green = blue = red;
        picture[to] =
          (OPAQUE |
            (Math.round(blue * share) << 16) |
            (Math.round(green * share) << 8) |
            Math.round(red * share)) >>>
          0;
      }
    }
  }

  soil(slot) {
    const column = slot % this.columns,
      row = Math.floor(slot / this.columns),
      now = this.dirty;
    this.dirty = now
      ? [Math.min(now[0], column), Math.min(now[1], row), Math.max(now[2], column), Math.max(now[3], row)]
      : [column, row, column, row];
  }

  // Draw onto a context whose unit is a device pixel, `density` of them per pixel of the view.
  draw(context, view, density) {
    this.flush();
    if (!this.window) return;
    const { spacing, level, side } = this,
      { left, right, bottom, top } = view.bounds,
      seen = this.window;
    const edges = {
      x: (i) => Math.round(view.toScreen(spacing.edge(level, i), 0)[0] * density),
      y: (j) => Math.round(view.toScreen(0, spacing.edge(level, j))[1] * density),
    };
    const columns = pieces(
      Math.max(seen.left, spacing.cell(level, left)),
      Math.min(seen.right, spacing.cell(level, right)),
      this.columns,
    );
    const rows = pieces(
      -Math.min(seen.top, spacing.cell(level, top)),
      -Math.max(seen.bottom, spacing.cell(level, bottom)),
      this.rows,
    );
    context.imageSmoothingEnabled = (spacing.side(level) * view.scale * density) / side < 3; // larger pixels may be seen as such
    for (const [top, below] of rows) {
      for (const [from, to] of columns) {
        const [x0, x1, y0, y1] = [edges.x(from), edges.x(to + 1), edges.y(1 - top), edges.y(-below)];
        context.drawImage(
          this.canvas,
          mod(from, this.columns) * side,
          mod(top, this.rows) * side,
          (to - from + 1) * side,
          (below - top + 1) * side,
          x0,
          y0,
          x1 - x0,
          y1 - y0,
        );
      }
    }
  }

  flush() {
    if (!this.dirty) return;
    const [left, top, right, bottom] = this.dirty,
      { side } = this;
    this.context.putImageData(
      this.image,
      0,
      0,
      left * side,
      top * side,
      (right - left + 1) * side,
      (bottom - top + 1) * side,
    );
    this.dirty = null;
  }
}

// from..to cut where the torus begins anew: at most two pieces.
function pieces(from, to, length) {
  if (to < from) return [];
  const cut = from + length - mod(from, length);
  return cut > to
    ? [[from, to]]
    : [
        [from, cut - 1],
        [cut, to],
      ];
}
