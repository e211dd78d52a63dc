// The decoded manifold under the points: tiles on a grid of the plane, each the picture of its middle.
//
// The grid's spacing is a power of two in the plane's units, so that panning reuses tiles and zooming replaces them.
// Tiles are laid out on one sheet, which is drawn as a whole: 400 small canvases a frame would take half of it. The
// middle of the screen is decoded first, a few tiles per request, so that the picture under the pointer never waits long.

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";

const TILE_PX = 44; // on the screen, about
const PER_REQUEST = 24;
const KEPT = 4000;
const MARGIN = 6; // cells around the screen that the sheet has room for
const FULL_AT = 4,
  FROM = 0.8; // zoom, relative to all points fitted, between which tiles fade in
const MOST = 0.95;

export class Tiles {
  constructor({ change, say }) {
    this.change = change;
    this.kept = new Map(); // "level/i/j" -> picture { pixels, width, height, channels }
    this.single = document.createElement("canvas");
    this.channel = new Channel({ onAnswer: (answer, tag) => this.arrived(answer, tag), onError: say });
  }

  begin({ facts, places }) {
    Object.assign(this, { facts, places, sheet: null, waiting: [] });
    this.kept.clear();
  }

  strength(zoom) {
    if (!this.places?.exact) return 0;
    const share = Math.log(zoom / FROM) / Math.log(FULL_AT / FROM);
    return MOST * Math.min(Math.max(share, 0), 1);
  }

  // Draw what is there, and ask for what is not. One unit of the context is a CSS pixel.
  draw(context, view, zoom) {
    const strength = this.strength(zoom);
    if (strength === 0) return;
    const level = Math.round(Math.log2(TILE_PX / view.scale)),
      side = 2 ** level,
      { left, right, bottom, top } = view.bounds;
    const seen = {
      level,
      left: Math.floor(left / side),
      right: Math.ceil(right / side) - 1,
      bottom: Math.floor(bottom / side),
      top: Math.ceil(top / side) - 1,
    };
    if (!this.covers(seen)) this.lay(seen);
    const { sheet } = this,
      [x, y] = view.toScreen(sheet.left * side, (sheet.top + 1) * side);
    context.globalAlpha = strength;
    context.drawImage(sheet.canvas, x, y, sheet.columns * side * view.scale, sheet.rows * side * view.scale);
    context.globalAlpha = 1;
    this.want(seen, side, (left + right) / 2, (bottom + top) / 2);
  }

  covers({ level, left, right, bottom, top }) {
    const { sheet } = this;
    return (
      sheet &&
      sheet.level === level &&
      left >= sheet.left &&
      right < sheet.left + sheet.columns &&
      top <= sheet.top &&
      bottom > sheet.top - sheet.rows
    );
  }

  // A new sheet around what is seen, with the tiles that are kept.
  lay({ level, left, right, bottom, top }) {
    const [channels, height, width] = this.facts.dataShape,
      cell = Math.max(width, height);
    const columns = right - left + 1 + 2 * MARGIN,
      rows = top - bottom + 1 + 2 * MARGIN,
      canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [columns * cell, rows * cell];
    this.sheet = {
      level,
      left: left - MARGIN,
      top: top + MARGIN,
      columns,
      rows,
      cell,
      canvas,
      context: canvas.getContext("2d"),
      channels,
    };
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < rows; j++) this.put(this.sheet.left + i, this.sheet.top - j);
    }
  }

  put(i, j) {
    const { level, left, top, columns, rows, cell, context } = this.sheet,
      column = i - left,
      row = top - j;
    const picture = this.kept.get(`${level}/${i}/${j}`);
    if (!picture || column < 0 || row < 0 || column >= columns || row >= rows) return;
    paint(this.single, picture);
    const { width, height } = this.single;
    context.drawImage(this.single, column * cell + (cell - width) / 2, row * cell + (cell - height) / 2);
  }

  want({ level, left, right, bottom, top }, side, middleX, middleY) {
    const missing = [];
    for (let j = bottom; j <= top; j++) {
      for (let i = left; i <= right; i++)
        if (!this.kept.has(`${level}/${i}/${j}`))
          missing.push({ level, i, j, x: (i + 0.5) * side, y: (j + 0.5) * side });
    }
    const away = ({ x, y }) => Math.hypot(x - middleX, y - middleY);
    this.waiting = missing.sort((a, b) => away(a) - away(b));
    this.next();
  }

  next() {
    if (this.channel.busy || !this.waiting.length) return;
    const cells = this.waiting.splice(0, PER_REQUEST),
      width = this.facts.latentDim;
    const payload = new Float32Array(cells.length * width);
    cells.forEach(({ x, y }, k) => payload.set(this.places.lifted(x, y), k * width));
    this.channel.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: cells.length,
      width,
      payload,
      tag: { cells, places: this.places },
    });
  }

  arrived({ pixels, width, height, channels }, { cells, places }) {
    if (places !== this.places) return this.next();
    const size = width * height * channels;
    cells.forEach(({ level, i, j }, k) => {
      this.kept.set(`${level}/${i}/${j}`, {
        width,
        height,
        channels,
        pixels: pixels.slice(k * size, (k + 1) * size),
      });
      if (this.sheet.level === level) this.put(i, j);
    });
    for (const key of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(key);
    }
    this.next();
    this.change();
  }

  close() {
    this.channel.close();
  }
}
