// A walk without an end through the encoded codes: from one to one of its nearest neighbours, gliding in between, so that
// it stays where data are.

export const NEIGHBOURS = 8;
const AMONG = 2000; // codes: among many more, neighbours are so close that nothing would be seen to change
const HOP_S = 1; // for a hop of the usual length
const SHORTEST_S = 0.4,
  LONGEST_S = 2.5;
const REMEMBERED = 24; // codes that are not visited again soon
const KEEN = 2; // how strongly the walk keeps its direction

// The k rows of `codes` (Float32Array, n x width) nearest to a code, nearest first: [{ i, distance }].
export function nearest(codes, width, code, k, accept = null) {
  const best = [];
  for (let i = 0, at = 0; at < codes.length; i++, at += width) {
    let square = 0;
    for (let d = 0; d < width; d++) square += (codes[at + d] - code[d]) ** 2;
    if (best.length === k && square >= best[k - 1].square) continue;
    if (accept && !accept(i)) continue;
    let to = best.length;
    while (to > 0 && best[to - 1].square > square) to--;
    best.splice(to, 0, { i, square });
    if (best.length > k) best.pop();
  }
  return best.map(({ i, square }) => ({ i, distance: Math.sqrt(square) }));
}

// About `most` rows, evenly spread over all.
export function thinned(codes, width, most = AMONG) {
  const n = codes.length / width,
    count = Math.min(n, most),
    rows = new Float32Array(count * width);
  for (let k = 0; k < count; k++) {
    const i = Math.floor((k * n) / count);
    rows.set(codes.subarray(i * width, (i + 1) * width), k * width);
  }
  return rows;
}

// The median distance from one of the codes to the one nearest to it, from a sample.
export function usualGap(codes, width, sample = 100) {
  const n = codes.length / width,
    step = Math.max(1, Math.floor(n / Math.min(sample, Math.max(1, 2e7 / codes.length))));
  const gaps = [];
  for (let i = 0; i < n && n > 1; i += step) {
    gaps.push(
      nearest(codes, width, codes.subarray(i * width, (i + 1) * width), 1, (other) => other !== i)[0]
        .distance,
    );
  }
  return gaps.length ? gaps.sort((a, b) => a - b)[gaps.length >> 1] : null;
}

export class Wander {
  // codes: Float32Array (n x width), n at least 2; start: the code to set out from.
  constructor(codes, width, start, random = Math.random) {
    Object.assign(this, { codes: thinned(codes, width), width, random, visited: [] });
    const { i, distance } = nearest(this.codes, width, start, 1)[0];
    this.pace = (usualGap(this.codes, width, 40) * 3 || 1) / HOP_S; // units of z per second
    this.set(Float32Array.from(start), i, distance);
  }

  row(i) {
    return this.codes.subarray(i * this.width, (i + 1) * this.width);
  }

  // Glide from a code to row i.
  set(from, i, distance) {
    Object.assign(this, {
      from,
      at: i,
      passed: 0,
      seconds: Math.min(Math.max(distance / this.pace, SHORTEST_S), LONGEST_S),
    });
    this.visited = [...this.visited, i].slice(-REMEMBERED);
  }

  // The code after so many seconds more.
  step(seconds) {
    this.passed += seconds;
    while (this.passed >= this.seconds) {
      const left = this.passed - this.seconds;
      this.hop();
      this.passed = left;
    }
    const share = this.passed / this.seconds,
      to = this.row(this.at);
    return this.from.map((value, d) => value + share * (to[d] - value));
  }

  // To a near neighbour; rather onwards than back, and rather to one not seen lately.
  hop() {
    const here = this.row(this.at),
      direction = here.map((value, d) => value - this.from[d]);
    const near = nearest(this.codes, this.width, here, NEIGHBOURS, (i) => i !== this.at);
    const fresh = near.filter(({ i }) => !this.visited.includes(i)),
      choice = fresh.length ? fresh : near;
    const weights = choice.map(({ i }) =>
      Math.exp(
        KEEN *
          cosine(
            direction,
            this.row(i).map((value, d) => value - here[d]),
          ),
      ),
    );
    let draw = this.random() * weights.reduce((sum, weight) => sum + weight, 0),
      k = 0;
    while (k < choice.length - 1 && draw >= weights[k]) draw -= weights[k++];
    this.set(here, choice[k].i, choice[k].distance);
  }
}

function cosine(a, b) {
  let dot = 0,
    aa = 0,
    bb = 0;
  for (let d = 0; d < a.length; d++) [dot, aa, bb] = [dot + a[d] * b[d], aa + a[d] ** 2, bb + b[d] ** 2];
  return aa && bb ? dot / Math.sqrt(aa * bb) : 0;
}
