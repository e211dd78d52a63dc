// Which tiles are asked for, in which order and how many at once.
//
// Two requests are under way at most: the server decodes one while the browser takes in the other. When an answer comes,
// the next request is made up from what the newest view then lacks. What left the screen meanwhile is therefore never
// asked for.

import { Channel, DECODE } from "../socket.js";
import { pattern } from "./layer.js";

const LANES = 2; // requests under way
const DECODE_MS = 33; // what decoding all tiles under way may take: a new view waits about that long
const WAY_MS = 100; // what they may take in all on a slow line; on a quick one, a few tiles take as long as many
const WORTH = 100; // tiles; as many are halved, so that the first half is taken in while the second is decoded
const FEWEST = 25,
  MOST = 1024; // tiles per request; MOST is the server's limit
const LONGEST_MS = 500; // a longer answer says that the line was cut, nothing about tiles
const FORGETS = 1.05; // by how much the quickest counts for less with each answer
const FIRST = 256; // tiles, until answers tell
const RANKS = { 4: 0, 2: 1, 1: 2 };
const OLDEST = 1000;

// The cells of `window` whose tile is not of the newest edition and which `skip(i, j)` does not leave out, most urgent
// first: empty ones before outdated ones, of which the oldest come first, so that a slider that keeps moving leaves no
// corner behind; coarse before fine; from the middle outwards.
export function wanted(layer, window, edition, skip = () => false) {
  const x = (window.left + window.right) / 2,
    y = (window.bottom + window.top) / 2,
    found = [];
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

// How many tiles may be under way: as many as the server decodes in DECODE_MS, by its own word, and as the line carries in
// WAY_MS, by what came since it was free. Other work on the machine and the way only ever make an answer slower, so the
// quickest of late count; and a few tiles come no sooner than many, so of the line they tell only what is good.
export class Pace {
  constructor() {
    Object.assign(this, { each: null, rate: FIRST / WAY_MS }); // each: ms of decoding per tile; rate: tiles that came per ms
  }

  // So many tiles were decoded in so long (ms).
  decoded(count, took) {
    this.each = Math.min(took / count, (this.each ?? Infinity) * FORGETS);
  }

  // So many tiles came in so long (ms), decoding and all.
  came(count, ms) {
    const rate = count / Math.max(ms, 1),
      telling = 2 * count >= this.count;
    if (rate > this.rate || telling) this.rate = Math.max(rate, this.rate / FORGETS);
  }

  get count() {
    const decoding = this.each === null ? FIRST : DECODE_MS / Math.max(this.each, 1e-3);
    return Math.min(Math.max(Math.round(Math.min(decoding, WAY_MS * this.rate)), FEWEST), MOST);
  }
}

export class Stream {
  // arrived(answer, tag), refused(sentence); connect makes a channel.
  constructor({ arrived, refused, connect = (on) => new Channel(on) }) {
    this.arrived = arrived;
    this.lanes = Array.from({ length: LANES }, () => ({
      tag: null,
      channel: connect({ onAnswer: (answer, tag) => this.answered(answer, tag), onError: refused }),
    }));
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
    const halves = wanted < WORTH || this.underWay.length ? 1 : LANES;
    const parts = Math.max(Math.ceil(wanted / Math.ceil(this.pace.count / LANES)), halves);
    return Math.max(Math.ceil(wanted / parts), Math.min(wanted, FEWEST));
  }

  // payload: the codes of all tiles, one after the other.
  ask(model, width, payload, tag) {
    const count = payload.length / width,
      lane = this.lanes.find(({ channel }) => !channel.busy),
      now = performance.now();
    this.asked += count;
    this.requests++;
    lane.tag = { ...tag, count, at: now };
    lane.channel.ask({ model, kind: DECODE, count, width, payload, tag: lane.tag });
  }

  // Answers overlap, so they are timed together: how long it took since the line was free, for all tiles since then.
  answered(answer, tag) {
    const now = performance.now(),
      { spell } = this;
    spell.count += tag.count;
    spell.ms += Math.min(now - Math.max(tag.at, this.last), LONGEST_MS);
    this.last = now;
    this.pace.decoded(tag.count, answer.took);
    if (!this.underWay.length || spell.count >= this.pace.count) {
      this.pace.came(spell.count, spell.ms);
      this.spell = { count: 0, ms: 0 };
    }
    this.arrived(answer, tag);
  }

  close() {
    for (const { channel } of this.lanes) channel.close();
  }
}
