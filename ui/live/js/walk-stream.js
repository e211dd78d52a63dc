// Which tiles are asked for, in which order and how many at once.
//
// One request is under way at a time; when its answer comes, the next is made up from what the newest view then lacks.
// What left the screen meanwhile is therefore never asked for.

import { Channel, DECODE } from "./socket.js";
import { pattern } from "./walk-layer.js";

const ANSWER_MS = 16; // what one answer may take: a view that changes meanwhile waits no longer than that
const FEWEST = 25, FIRST = 128, MOST = 1024; // tiles per request; MOST is the server's limit
const TRUST = 0.3; // weight of the newest answer in what a tile takes
const RANKS = { 4: 0, 2: 1, 1: 2 };
const OLDEST = 1000;

// The cells of `window` whose tile is not of the newest edition, most urgent first, and how many of them are in `seen`:
// those on the screen, before the margin around it; empty ones before outdated ones, of which the oldest come first, so
// that a slider that keeps moving leaves no corner behind; coarse before fine; from the middle outwards.
export function wanted(layer, window, seen, edition) {
  const x = (seen.left + seen.right) / 2, y = (seen.bottom + seen.top) / 2, found = [];
  let visible = 0;
  for (let j = window.bottom; j <= window.top; j++) {
    for (let i = window.left; i <= window.right; i++) {
      const has = layer.edition(i, j);
      if (has === edition) continue;
      const on = i >= seen.left && i <= seen.right && j >= seen.bottom && j <= seen.top;
      if (on) visible++;
      const young = has < 0 ? 0 : 1 + OLDEST - Math.min(edition - has, OLDEST);
      found.push({ i, j, urgency: (((on ? 0 : 1e4) + young) * 4 + RANKS[pattern(i, j)]) * 1e4 + Math.hypot(i - x, j - y) });
    }
  }
  return { cells: found.sort((a, b) => a.urgency - b.urgency), visible };
}

export class Stream {
  // arrived(answer, tag), refused(sentence); connect makes a channel.
  constructor({ arrived, refused, connect = (on) => new Channel(on) }) {
    this.arrived = arrived;
    this.channel = connect({ onAnswer: (answer, tag) => this.answered(answer, tag), onError: refused });
    this.each = ANSWER_MS / FIRST; // ms a tile takes
    this.asked = 0; // tiles, since the beginning
  }

  get busy() {
    return this.channel.busy;
  }

  get count() {
    return Math.min(Math.max(Math.round(ANSWER_MS / this.each), FEWEST), MOST);
  }

  // codes: Float32Array of all tiles of the tag.
  ask(model, width, payload, tag) {
    const count = payload.length / width;
    this.asked += count;
    this.channel.ask({ model, kind: DECODE, count, width, payload, tag: { ...tag, count, full: count >= this.count, at: performance.now() } });
  }

  answered(answer, tag) {
    // A request of a few tiles is mostly the way there and back, which says nothing about many.
    if (tag.full) this.each += TRUST * ((performance.now() - tag.at) / tag.count - this.each);
    this.arrived(answer, tag);
  }

  close() {
    this.channel.close();
  }
}
