// The decoded manifold under the points: tiles on a grid of the plane, each the picture of its middle.
//
// The grid's spacing is a power of two in the plane's units, so that panning reuses tiles and zooming replaces them.
// The middle of the screen is decoded first, a few tiles per request, so that the picture under the pointer never waits long.

import { Channel, DECODE } from "./socket.js";
import { paint } from "./paint.js";

const TILE_PX = 44; // on the screen, about
const PER_REQUEST = 24;
const KEPT = 4000;
const FULL_AT = 4, FROM = 0.8; // zoom, relative to all points fitted, between which tiles fade in
const MOST = 0.95;

export class Tiles {
  constructor({ change, say }) {
    this.change = change;
    this.kept = new Map(); // "level/i/j" -> canvas
    this.shown = true;
    this.channel = new Channel({ onAnswer: (answer, keys) => this.arrived(answer, keys), onError: say });
  }

  begin({ facts, places }) {
    Object.assign(this, { facts, places });
    this.kept.clear();
    this.waiting = [];
  }

  // The code across the plane changed: what was decoded is of another slice.
  forget() {
    this.kept.clear();
  }

  strength(zoom) {
    if (!this.shown || !this.places?.exact) return 0;
    const share = Math.log(zoom / FROM) / Math.log(FULL_AT / FROM);
    return MOST * Math.min(Math.max(share, 0), 1);
  }

  // Draw what is there, and ask for what is not. One unit of the context is a CSS pixel.
  draw(context, view, zoom) {
    const strength = this.strength(zoom);
    if (strength === 0) return;
    const level = Math.round(Math.log2(TILE_PX / view.scale)), side = 2 ** level;
    const { left, right, bottom, top } = view.bounds;
    context.globalAlpha = strength;
    context.imageSmoothingEnabled = true;
    const missing = [];
    for (let j = Math.floor(bottom / side); j * side < top; j++) {
      for (let i = Math.floor(left / side); i * side < right; i++) {
        const key = `${level}/${i}/${j}`, tile = this.kept.get(key);
        const [x, y] = view.toScreen(i * side, (j + 1) * side);
        if (tile) this.put(context, tile, x, y, side * view.scale);
        else missing.push({ key, x: (i + 0.5) * side, y: (j + 0.5) * side });
      }
    }
    context.globalAlpha = 1;
    const [middleX, middleY] = [(left + right) / 2, (bottom + top) / 2];
    missing.sort((a, b) => Math.hypot(a.x - middleX, a.y - middleY) - Math.hypot(b.x - middleX, b.y - middleY));
    this.waiting = missing;
    this.next();
  }

  put(context, tile, x, y, side) {
    const left = Math.round(x), top = Math.round(y), wide = Math.round(x + side) - left, high = Math.round(y + side) - top;
    const fit = Math.min(wide / tile.width, high / tile.height), square = tile.width === tile.height;
    const w = square ? wide : tile.width * fit, h = square ? high : tile.height * fit; // others keep their shape
    context.drawImage(tile, left + (wide - w) / 2, top + (high - h) / 2, w, h);
  }

  next() {
    if (this.channel.busy || !this.waiting.length) return;
    const batch = this.waiting.splice(0, PER_REQUEST), width = this.facts.latentDim;
    const payload = new Float32Array(batch.length * width);
    batch.forEach(({ x, y }, k) => payload.set(this.places.lifted(x, y), k * width));
    this.channel.ask({
      model: this.facts.model.id, kind: DECODE, count: batch.length, width, payload,
      tag: { keys: batch.map(({ key }) => key), places: this.places },
    });
  }

  arrived(answer, { keys, places }) {
    if (places !== this.places) return this.next();
    keys.forEach((key, k) => {
      const tile = document.createElement("canvas");
      paint(tile, answer, k);
      this.kept.set(key, tile);
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
