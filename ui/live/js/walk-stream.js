// Which tiles are asked for, in which order and how many at once.
//
// Two requests are under way at most: the server decodes one while the browser takes in the other. When an answer comes,
// the next request is made up from what the newest view then lacks. What left the screen meanwhile is therefore never
// asked for.

import { Channel, DECODE } from "./socket.js";
import { pattern } from "./walk-layer.js";

const LANES = 2; // requests under way
const ANSWER_MS = 16; // what all tiles under way may take, their way not counted: a new view waits about that long
const WORTH = 100; // tiles; as many are halved, so that the first half is taken in while the second is decoded
const FEWEST = 25, MOST = 1024; // tiles per request; MOST is the server's limit
const LONGEST_MS = 500; // a longer answer says that the line was cut, nothing about tiles
const MEMORY = 0.85;
const FIRST = ANSWER_MS / 256; // ms a tile takes, until answers tell
const SPREAD = 60; // tiles; answers whose sizes differ less than that tell little
const RANKS = { 4: 0, 2: 1, 1: 2 };
const OLDEST = 1000;

// The cells of `window` whose tile is not of the newest edition and which `skip(i, j)` does not leave out, most urgent
// first: empty ones before outdated ones, of which the oldest come first, so that a slider that keeps moving leaves no
// corner behind; coarse before fine; from the middle outwards.
export function wanted(layer, window, edition, skip = () => false) {
  const x = (window.left + window.right) / 2, y = (window.bottom + window.top) / 2, found = [];
  for (let j = window.bottom; j <= window.top; j++) {
    for (let i = window.left; i <= window.right; i++) {
      const has = layer.edition(i, j);
      if (has === edition || skip(i, j)) continue;
      const young = has < 0 ? 0 : 1 + OLDEST - Math.min(edition - has, OLDEST);
      found.push({ i, j, urgency: (young * 4 + RANKS[pattern(i, j)]) * 1e4 + Math.hypot(i - x, j - y) });
    }
  }
  return found.sort((a, b) => a.urgency - b.urgency);
}

// What a tile takes, apart from what every answer takes whatever is in it: the slope of a line through the answers so
// far, in which each weighs less than the one after it. Where their sizes hardly differ (a slow pan asks for a column at
// a time) their noise would make up any slope, so it is drawn to the last one that was well known (a ridge regression).
// It is never more than the answer took altogether: one that was held up once would else be remembered for good, by
// requests so small that they tell nothing else.
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
    const line = (together + ridge * this.known) / (variance + ridge);
    this.each = Math.max(Math.min(line, ms / count), ANSWER_MS / MOST);
    if (variance > ridge || line > this.each) this.known = this.each;
  }

  get count() {
    return Math.min(Math.max(Math.round(ANSWER_MS / this.each), FEWEST), MOST);
  }
}

export class Stream {
  // arrived(answer, tag), refused(sentence); connect makes a channel.
  constructor({ arrived, refused, connect = (on) => new Channel(on) }) {
    this.arrived = arrived;
    this.lanes = Array.from({ length: LANES }, () => ({ tag: null, channel: connect({ onAnswer: (answer, tag) => this.answered(answer, tag), onError: refused }) }));
    this.pace = new Pace();
    Object.assign(this, { asked: 0, requests: 0, last: 0 }); // asked: tiles, since the beginning; last: time of the newest answer
    this.spell = { count: 0, ms: 0 }; // what was answered since the line was free
  }

  // The tags of what is under way.
  get underWay() {
    return this.lanes.filter(({ channel }) => channel.busy).map(({ tag }) => tag);
  }

  get free() {
    return this.lanes.some(({ channel }) => !channel.busy);
  }

  // How many of so many tiles to ask for at once: equal parts, none larger than its share of the time.
  count(wanted) {
    const parts = Math.max(Math.ceil(wanted / Math.ceil(this.pace.count / LANES)), wanted < WORTH ? 1 : LANES);
    return Math.max(Math.ceil(wanted / parts), Math.min(wanted, FEWEST));
  }

  // payload: the codes of all tiles, one after the other.
  ask(model, width, payload, tag) {
    const count = payload.length / width, lane = this.lanes.find(({ channel }) => !channel.busy), now = performance.now();
    if (!this.underWay.length || this.spell.count > MOST) this.spell = { count: 0, ms: 0 };
    this.asked += count;
    this.requests++;
    lane.tag = { ...tag, count, at: now };
    lane.channel.ask({ model, kind: DECODE, count, width, payload, tag: lane.tag });
  }

  // Answers overlap, so they are timed together: how long it took since the line was free, for all tiles since then.
  answered(answer, tag) {
    const now = performance.now(), { spell } = this;
    spell.count += tag.count;
    spell.ms += Math.min(now - Math.max(tag.at, this.last), LONGEST_MS);
    this.last = now;
    this.pace.add(spell.count, spell.ms);
    this.arrived(answer, tag);
  }

  close() {
    for (const { channel } of this.lanes) channel.close();
  }
}
