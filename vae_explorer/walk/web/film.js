// Decoded pictures of a list of codes, fetched in chunks over the live socket and kept, so that showing one only draws.

import { paint } from "../../kit/paint.js";

const CHUNK = 32; // pictures in a request: the next one in line never waits long

// The pictures of `codes`. They arrive chunk by chunk; changed() is called after each.
export class Film {
  constructor(codes, decoder, changed) {
    Object.assign(this, { codes, chunks: [], wanted: true });
    this.ready = this.fetch(decoder, changed);
  }

  async fetch(decoder, changed) {
    const starts = Array.from({ length: Math.ceil(this.codes.length / CHUNK) }, (_, k) => k * CHUNK);
    await Promise.all(
      starts.map(async (start) => {
        const answer = await decoder.decode(this.codes.slice(start, start + CHUNK), () => this.wanted);
        if (!answer) return;
        const canvas = document.createElement("canvas");
        paint(canvas, answer, 0, answer.count);
        canvas.image = null; // its pixels are on the canvas now
        this.chunks[start / CHUNK] = { canvas, width: answer.width, height: answer.height };
        changed();
      }),
    );
  }

  get length() {
    return this.codes.length;
  }

  // Whether picture i is here.
  has(i) {
    return Boolean(this.chunks[Math.floor(i / CHUNK)]);
  }

  get shape() {
    return this.chunks.find(Boolean) ?? null;
  }

  // Draw picture i into a box of a context; false while it is not here.
  draw(context, i, x, y, wide, high) {
    const chunk = this.chunks[Math.floor(i / CHUNK)];
    if (!chunk) return false;
    context.drawImage(
      chunk.canvas,
      (i % CHUNK) * chunk.width,
      0,
      chunk.width,
      chunk.height,
      x,
      y,
      wide,
      high,
    );
    return true;
  }

  // Draw picture i as all of a canvas, in its own pixels.
  show(canvas, i) {
    const chunk = this.chunks[Math.floor(i / CHUNK)];
    if (!chunk) return false;
    if (canvas.width !== chunk.width || canvas.height !== chunk.height)
      Object.assign(canvas, { width: chunk.width, height: chunk.height, image: null });
    canvas.context ??= canvas.getContext("2d", { alpha: false });
    return this.draw(canvas.context, i, 0, 0, chunk.width, chunk.height);
  }

  close() {
    this.wanted = false;
  }
}
