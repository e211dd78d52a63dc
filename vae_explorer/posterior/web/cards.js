// What is known of log p(x), as cards: the identity, the importance-weighted bound, the two roads, the two gaps.

import { ticks } from "../../kit/scale.js";
import { dimensionName, MINUS, number } from "../../kit/words.js";

const CLOSED = 1e-2; // nats; the identity holds this well or better
const CONVERGED = 1.01; // R-hat (Vehtari et al. 2021)
const ENOUGH = 400; // effective draws, of all chains together (the same)
const RARE = 0.05; // share of the draws that count; with fewer, a bound may be far from log p(x), and its error too small
const WIDE = 400,
  HIGH = 150; // of the chart of the bound, in its own units
const ROOM = { left: 44, right: 8, top: 8, bottom: 20 };

const work = (name, words) => `
  <div class="work" data-work="${name}"><button type="button" class="start">${words}</button>
    <progress max="1" hidden></progress><span class="says" role="status"></span><button type="button" class="stop" hidden>Cancel</button></div>`;

const definition = (text) => `<details><summary>definition</summary><p>${text}</p></details>`;

export const CARDS = `
  <div>
  <article class="card identity"><h3>log p(x) = ELBO + KL(q(z|x) ‖ p(z|x))</h3>
    <div class="bars"></div><p class="closes" role="status"></p>
    ${definition(`log p(x) = log ∫ p(x|z) p(z) dz and ELBO = E<sub>q</sub>[log p(x|z)] − KL(q(z|x) ‖ p(z)). Their difference is how far q(z|x) is from the true posterior p(z|x) = p(x|z) p(z) / p(x).
      Each number is computed by itself: log p(x) by quadrature on an adaptive grid (log-sum-exp), the ELBO by Gauss–Hermite quadrature, the KL on a grid of its own. Kingma &amp; Welling 2014; Jordan et al. 1999.`)}
  </article>
  <article class="card roads"><h3>Two roads to p(z|x)</h3>
    ${work("nuts", "Sample p(z|x) by NUTS")}
    <div class="table"></div><p class="words"></p>
    ${definition(`Variational inference answers with the Gaussian q(z|x) that the encoder gives in one pass. Markov chain Monte Carlo draws from p(z|x) itself: the No-U-Turn sampler (Hoffman &amp; Gelman 2014), a Hamiltonian Monte Carlo that needs the gradient of log p(x, z), four chains.
      R-hat compares the chains with each other (1 when they agree; Gelman &amp; Rubin 1992), the effective sample size says how many independent draws the chains are worth.`)}
  </article>
  </div><div>
  <article class="card bound"><h3>Importance-weighted bound L<sub>K</sub></h3>
    <svg viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label="The bound against K"></svg>
    <label class="slide">K <input type="range" class="k" min="0" max="1" step="1" value="0" aria-label="Number of draws K"><output></output></label>
    <p class="words" role="status"></p>
    ${definition(`L<sub>K</sub> = E[log (1/K) Σ<sub>k</sub> p(x, z<sub>k</sub>) / q(z<sub>k</sub>|x)], z<sub>k</sub> ~ q(z|x): a lower bound of log p(x) that rises with K from the ELBO at K = 1 (Burda, Grosse &amp; Salakhutdinov 2015).
      The line is estimated from one run of draws, the band is its standard error.`)}
  </article>
  <article class="card gaps"><h3>What the ELBO loses, and why</h3>
    ${work("gaps", "Fit the best q for this x")}
    <div class="bars"></div><p class="words"></p>
    ${definition(`Inference gap = log p(x) − ELBO = approximation gap + amortization gap. The approximation gap log p(x) − ELBO(q*) remains for the best diagonal Gaussian q*, found by optimising it for this x alone; the amortization gap ELBO(q*) − ELBO(q) is what one encoder for all x costs, and what an encoder trained for something other than the ELBO (beta other than 1) gives away (Cremer, Li &amp; Duvenaud 2018).`)}
  </article>
  </div>`;

// A button that begins long work, its progress, and a way to stop it.
export class Work {
  constructor(root, name, act) {
    this.root = root.querySelector(`[data-work="${name}"]`);
    this.find = (selector) => this.root.querySelector(selector);
    this.act = act;
    this.find(".start").addEventListener("click", () => this.start());
    this.find(".stop").addEventListener("click", () => this.stop("Stopped."));
  }

  get busy() {
    return Boolean(this.leave);
  }

  // act({ signal, progress }) does it; a newer start or another x ends it.
  async start() {
    this.stop();
    const leave = new AbortController();
    this.leave = leave;
    this.show(true);
    this.progress({ done: null });
    try {
      await this.act({
        signal: leave.signal,
        progress: (line) => this.leave === leave && this.progress(line),
      });
      if (this.leave === leave) this.end("");
    } catch (error) {
      if (this.leave === leave) this.end(leave.signal.aborted ? "" : error.message);
    }
  }

  progress({ done, says }) {
    const bar = this.find("progress");
    if (Number.isFinite(done)) bar.value = done;
    else bar.removeAttribute("value");
    this.find(".says").textContent =
      says || (Number.isFinite(done) ? `${Math.floor(100 * done)} %` : "Waiting for its turn…");
  }

  stop(sentence = "") {
    this.leave?.abort();
    this.end(sentence);
  }

  end(sentence) {
    this.leave = null;
    this.show(false);
    this.find(".says").textContent = sentence;
  }

  show(busy) {
    this.find(".start").hidden = busy;
    for (const selector of ["progress", ".stop"]) this.find(selector).hidden = !busy;
  }
}

// --- the identity ----------------------------------------------------------------------------------------------

// Three bars on one axis that begins a little below the ELBO: what the KL adds to the ELBO ends where log p(x) ends.
export function identity(card, found) {
  const { logEvidence, elbo, kl } = found,
    span = Math.max(logEvidence - elbo, kl, 0.25);
  const low = elbo - 0.6 * span,
    high = Math.max(logEvidence, elbo + kl) + 0.05 * span;
  const share = (value) => (100 * (value - low)) / (high - low);
  const rows = [
    ["log p(x)", "evidence", low, logEvidence, logEvidence],
    ["ELBO", "elbo", low, elbo, elbo],
    ["KL(q ‖ p(z|x))", "kl", elbo, elbo + kl, kl],
  ];
  card
    .querySelector(".bars")
    .replaceChildren(
      ...rows.map(([name, kind, from, to, value]) => bar(name, kind, share(from), share(to), value)),
    );
  const gap = Math.abs(logEvidence - elbo - kl);
  card.querySelector(".closes").textContent =
    `log p(x) − ELBO − KL = ${nats(logEvidence - elbo - kl, 6)} nats: ${gap <= CLOSED ? "the identity closes" : "the identity does not close; the grid missed a part of p(z|x)"}. In nats, each computed by itself${seconds(found.seconds)}.`;
}

function bar(name, kind, from, to, value) {
  const row = element("div", `bar-row ${kind}`),
    track = element("span", "track"),
    fill = element("i", "");
  fill.style.left = `${from}%`;
  fill.style.width = `${Math.max(to - from, 0.4)}%`;
  track.append(fill);
  row.append(element("span", "name", name), track, element("b", "value", nats(value, 3)));
  return row;
}

// --- the bound -------------------------------------------------------------------------------------------------

// found: { samples, bound, errors } for growing K, and the lines to compare with; chosen: an index of samples.
export function bound(card, found, { elbo, logEvidence }, chosen) {
  const { samples, bound: values, errors } = found,
    last = samples.length - 1;
  const seen = values
    .flatMap((value, i) => [value - errors[i], value + errors[i]])
    .concat([elbo, logEvidence].filter(Number.isFinite))
    .filter(Number.isFinite);
  const lowest = Math.min(...seen),
    highest = Math.max(...seen),
    room = 0.06 * (highest - lowest) || 0.5;
  const x = (k) => ROOM.left + ((WIDE - ROOM.left - ROOM.right) * Math.log(k)) / Math.log(samples[last]);
  const y = (value) =>
    ROOM.top +
    (HIGH - ROOM.top - ROOM.bottom) * (1 - (value - lowest + room) / (highest - lowest + 2 * room));
  const line = (points) =>
    points.map(([k, value], i) => `${i ? "L" : "M"}${x(k).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const known = samples
    .map((k, i) => [k, values[i], errors[i]])
    .filter(([, value, off]) => Number.isFinite(value) && Number.isFinite(off));
  const there = line(known.map(([k, value, off]) => [k, value + off]));
  const back = line(known.toReversed().map(([k, value, off]) => [k, value - off])).replace("M", "L");
  const level = (value, kind, name) =>
    Number.isFinite(value)
      ? `<path class="${kind}" d="M${ROOM.left} ${y(value)}H${WIDE - ROOM.right}"/>${name(y(value))}`
      : "";
  const above = (place) => `<text class="evidence" x="${ROOM.left + 4}" y="${place - 4}">log p(x)</text>`;
  const under = (place) =>
    `<text class="elbo" x="${WIDE - ROOM.right - 2}" y="${place - 4}" text-anchor="end">ELBO</text>`;
  const across = [1, 10, 100, 1000]
    .filter((k) => k <= samples[last])
    .map(
      (k) =>
        `<path class="tick" d="M${x(k)} ${HIGH - ROOM.bottom}v4"/><text x="${x(k)}" y="${HIGH - 5}" text-anchor="middle">${k.toLocaleString("en")}</text>`,
    )
    .join("");
  const up = ticks(lowest - room, highest + room, 4)
    .map(
      ({ value, text }) =>
        `<path class="grid" d="M${ROOM.left} ${y(value)}H${WIDE - ROOM.right}"/><text x="${ROOM.left - 5}" y="${y(value) + 3.5}" text-anchor="end">${text.replace("-", MINUS)}</text>`,
    )
    .join("");
  card.querySelector("svg").innerHTML =
    `${up}${across}<text x="${WIDE - ROOM.right}" y="${HIGH - 5}" text-anchor="end">K</text><path class="band" d="${there}${back}Z"/>
    ${level(logEvidence, "evidence", above)}${level(elbo, "elbo", under)}<path class="line" d="${line(known)}"/><circle r="4" cx="${x(samples[chosen])}" cy="${y(values[chosen])}"/>`;
  card.querySelector("output").textContent = samples[chosen].toLocaleString("en");
  const off = Number.isFinite(errors[chosen]) ? ` ± ${number(errors[chosen], 3)}` : "";
  const below = logEvidence - values[chosen];
  const far = !Number.isFinite(logEvidence)
    ? ""
    : below >= 0
      ? `, ${nats(below, 3)} below log p(x)`
      : `, ${nats(-below, 3)} above log p(x) by the luck of the draws`;
  card.querySelector(".words").textContent =
    `L = ${nats(values[chosen], 3)}${off} nats${far}. Of ${samples[last].toLocaleString("en")} draws ${Math.round(found.effective).toLocaleString("en")} count, by their weights${found.effective < RARE * samples[last] ? ": so few that the bound is still on its way, and its error larger than it looks" : ""}.`;
}

// --- the two roads ---------------------------------------------------------------------------------------------

// example: { mean, std, seconds }; found: what NUTS found, or null; exact: { mean, std } or null; order: dimensions.
export function roads(card, example, found, exact, order) {
  const head = [
    "",
    "q(z|x)",
    ...(found ? ["NUTS"] : []),
    ...(exact ? ["exact"] : []),
    ...(found ? ["R-hat", "ESS"] : []),
  ];
  const both = (of, d) => (of ? [`${number(of.mean[d], 3)} ± ${number(of.std[d], 3)}`] : []);
  const rows = order.map((d) => [
    dimensionName(d),
    ...both(example, d),
    ...both(found, d),
    ...both(exact, d),
    ...(found ? [number(found.rHat[d], 3), number(found.ess[d], 0)] : []),
  ]);
  const took = [
    "took",
    duration(example.seconds),
    ...(found ? [duration(found.seconds)] : []),
    ...(exact ? [duration(exact.seconds)] : []),
    ...(found ? ["", ""] : []),
  ];
  const table = element("table", "");
  table.append(row(head, "th"), ...[...rows, took].map((cells) => row(cells, "td")));
  card.querySelector(".table").replaceChildren(table);
  card.querySelector(".words").textContent = found
    ? verdict(found)
    : "Mean ± standard deviation. One pass through the encoder; its training was paid for before.";
}

function verdict({ rHat, ess, chains, count, divergences, acceptance }) {
  const worst = rHat.reduce((a, b) => (Number.isFinite(b) ? Math.max(a, b) : Infinity), 0),
    least = Math.min(...ess);
  const good = worst <= CONVERGED && least >= ENOUGH;
  const words = good
    ? "the chains agree"
    : worst > CONVERGED
      ? "the chains do not agree yet: take these draws with care"
      : `few effective draws (below ${ENOUGH})`;
  return `${chains} chains, ${count.toLocaleString("en")} draws, acceptance ${number(acceptance)}, ${divergences} divergence${divergences === 1 ? "" : "s"}; R-hat up to ${number(worst, 3)}, at least ${Math.round(least).toLocaleString("en")} effective: ${words}.`;
}

function row(cells, tag) {
  const line = document.createElement("tr");
  line.append(...cells.map((text, i) => element(i ? tag : "th", "", text)));
  return line;
}

// --- the two gaps ----------------------------------------------------------------------------------------------

export function gaps(card, found) {
  const { approximation, amortization } = found,
    total = Math.max(approximation, 0) + Math.max(amortization, 0) || 1;
  const bars = card.querySelector(".bars"),
    track = element("span", "stack");
  for (const [kind, value] of [
    ["approximation", approximation],
    ["amortization", amortization],
  ]) {
    const part = element("i", kind);
    part.style.width = `${(100 * Math.max(value, 0)) / total}%`;
    track.append(part);
  }
  const parts = [
    ["approximation", "approximation gap: q is a diagonal Gaussian"],
    ["amortization", "amortization gap: one encoder for all x"],
  ];
  const legend = parts.map(([kind, name]) => {
    const line = element("div", `key ${kind}`),
      error = found[`${kind}Error`];
    line.append(
      element("i", ""),
      element("span", "name", name),
      element("b", "value", `${nats(found[kind], 3)}${error ? ` ± ${nats(error, 3)}` : ""} nats`),
    );
    return line;
  });
  bars.replaceChildren(track, ...legend);
  const top = found.exact
    ? "log p(x) by quadrature"
    : `the importance-weighted bound with K = ${found.samples.toLocaleString("en")} draws of the best q, in the place of log p(x), which is at least that`;
  card.querySelector(".words").textContent =
    `${nats(found.evidence, 2)} (${top}) − ELBO ${nats(found.elbo, 2)} = ${nats(found.evidence - found.elbo, 3)} nats; the best q reaches ${nats(found.bestElbo, 2)}, found in ${duration(found.seconds)}.`;
}

// ---------------------------------------------------------------------------------------------------------------

const nats = (value, digits) => number(value, digits);
const seconds = (value) => (Number.isFinite(value) ? `, in ${duration(value)}` : "");
const duration = (value) =>
  !Number.isFinite(value)
    ? "–"
    : value < 1
      ? `${(1000 * value).toFixed(value < 0.01 ? 1 : 0)} ms`
      : `${value.toFixed(1)} s`;

function element(tag, name, text = "") {
  const found = document.createElement(tag);
  found.className = name;
  found.textContent = text;
  return found;
}
