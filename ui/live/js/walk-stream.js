// Which tiles are asked for, in which order and how many at once.
//
// One request is under way at a time; when its answer comes, the next is made up from what the newest view then lacks.
// What left the screen meanwhile is therefore never asked for.

import { Channel, DECODE } from "./socket.js";
import { pattern } from "./walk-layer.js";

const ANSWER_MS = 16; // what the tiles of one answer may take, its way not counted: a new view waits about that long
const FEWEST = 25, MOST = 1024; // tiles per request; MOST is the server's limit
const LONGEST_MS = 500; // a longer answer says that the line was cut, nothing about tiles
const MEMORY = 0.85;
const FIRST = ANSWER_MS / 256; // ms a tile takes, until answers tell
const SPREAD = 60; // tiles; answers whose sizes differ less than that tell little
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

// What a tile takes, apart from what every answer takes whatever is in it: the slope of a line through the answers so
// far, in which each weighs less than the one after it. Where their sizes hardly differ (a slow pan asks for a column at
// a time) their noise would make up any slope, so it is drawn to the last one that was well known (a ridge regression).
export class Pace {
  constructor() {
    Object.assign(this, { weight: 0, n: 0, t: 0, nn: 0, nt: 0, each: FIRST, known: FIRST }); // each: ms per tile
  }

  add(count, ms) {
    for (const sum of ["weight", "n", "t", "nn", "nt"]) this[sum] *= MEMORY;
    this.weight += 1;
    this.n += count;
    this.t += ms;
    this.nn += count * count;
    this.nt += count * ms;
    const n = this.n / this.weight, t = this.t / this.weight, ridge = SPREAD ** 2;
    const variance = this.nn / this.weight - n * n, together = this.nt / this.weight - n * t;
    this.each = Math.max((together + ridge * this.known) / (variance + ridge), ANSWER_MS / MOST);
    if (variance > ridge) this.known = this.each;
  }

  get count() {
    return Math.min(Math.max(Math.round(ANSWER_MS / this.each), FEWEST), MOST);
  }
}

export class Stream {
  // arrived(answer, tag), refused(sentence); connect makes a channel.
  constructor({ arrived, refused, connect = (on) => new Channel(on) }) {
    this.arrived = arrived;
    this.channel = connect({ onAnswer: (answer, tag) => this.answered(answer, tag), onError: refused });
    this.pace = new Pace();
    this.asked = 0; // tiles, since the beginning
  }

  get busy() {
    return this.channel.busy;
  }

  // How many tiles to ask for at once.
  get count() {
    return this.pace.count;
  }

  // payload: the codes of all tiles, one after the other.
  ask(model, width, payload, tag) {
    const count = payload.length / width;
    this.asked += count;
    this.channel.ask({ model, kind: DECODE, count, width, payload, tag: { ...tag, count, at: performance.now() } });
  }

  answered(answer, tag) {
    this.pace.add(tag.count, Math.min(performance.now() - tag.at, LONGEST_MS));
    this.arrived(answer, tag);
  }

  close() {
    this.channel.close();
  }
}
