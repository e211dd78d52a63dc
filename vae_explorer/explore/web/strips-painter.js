// The strips under the sliders: what the decoder makes of one dimension while the others stay where they are.
//
// A few are asked for at a time, the oldest first: no picture waits long behind them, and every strip gets its turn
// however fast the pointer moves. Nothing here belongs to a page: it runs in a worker as well (strips.js).

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";

const AT_ONCE = 2; // in one request, so that an image's own request waits a few milliseconds at most

export class StripsPainter {
  // onError(sentence) gets a refusal.
  constructor(onError) {
    const refused = (sentence) => {
      onError(sentence);
      this.refresh();
    };
    this.channel = new Channel({
      onAnswer: (answer, strips) => this.answered(answer, strips),
      onError: refused,
    });
    this.strips = new Map(); // dimension index -> { index, values, canvas, of: the code that it was asked for, turn }
    this.turns = 0; // how often one of them was asked for: whose last turn is longest ago is next
    this.begin(null);
  }

  // Another model (its id), which has no strips yet.
  begin(model) {
    Object.assign(this, { model, code: null, visible: new Set() });
    this.strips.clear();
  }

  // values: those along which the strip varies its dimension, a tile each
  add({ index, values, canvas }) {
    this.strips.set(index, { index, values, canvas, of: null, turn: 0 });
  }

  // Newer weights: every strip is out of date, and may have other values (dimension index -> values).
  follow({ model, values }) {
    this.model = model;
    for (const strip of this.strips.values())
      Object.assign(strip, { values: values.get(strip.index), of: null });
  }

  // The code in view has moved; the array is the painter's to keep.
  at(code) {
    this.code = code;
    this.refresh();
  }

  // Which strips are on the screen, by their dimensions.
  see(visible) {
    this.visible = visible;
    this.refresh();
  }

  refresh() {
    if (this.channel.busy || !this.code) return;
    const { model, code } = this;
    const chosen = [...this.strips.values()]
      .filter((strip) => this.visible.has(strip.index) && isOutOfDate(strip, code))
      .sort((a, b) => a.turn - b.turn)
      .slice(0, AT_ONCE);
    if (!chosen.length) return;
    const rows = chosen.flatMap(({ index, values }) => values.map((value) => [index, value]));
    const width = code.length,
      payload = new Float32Array(rows.length * width);
    rows.forEach(([index, value], row) => {
      payload.set(code, row * width);
      payload[row * width + index] = value;
    });
    for (const strip of chosen) Object.assign(strip, { of: code, turn: ++this.turns });
    this.channel.ask({ model, kind: DECODE, count: rows.length, width, payload, tag: chosen });
  }

  answered(answer, strips) {
    this.refresh();
    let first = 0;
    for (const { canvas, values } of strips) {
      paint(canvas, answer, first, values.length);
      first += values.length;
    }
  }

  close() {
    this.channel.close();
  }
}

// Its own dimension does not change a strip.
const isOutOfDate = ({ of, index }, code) => !of || code.some((value, i) => i !== index && value !== of[i]);
