// The Posterior tab: for one x the exact p(z|x) beside q(z|x), the identity log p(x) = ELBO + KL, the bound that more
// draws tighten, samples by NUTS, and what the ELBO loses to its Gaussian and to its encoder.

import { bytes, floats, look, work } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { bound, CARDS, gaps, identity, roads, Work } from "./cards.js";
import { PICTURES, Pictures } from "./pictures.js";
import { PLOT, Plot, region } from "./plot.js";

const PAUSE_MS = 120; // after the last change of x: then the long work begins
const CELLS = 72; // along a side of the heat map
const REACH = 4.5; // standard deviations around the posterior that the map shows
const PRIOR_REACH = 4;
const LEAST_REACH = 1e-3;
const SAMPLES = 5000; // the largest K
const K = 50;
const EXACT_DIMENSIONS = 2; // at most, for quadrature

export const POSTERIOR = `
  <section class="posterior" aria-label="Posterior">
    <div class="choose">
      <select class="source" aria-label="What x is"><option value="item">Encoded example</option><option value="place">What Explore's code decodes to</option></select>
      <span class="of-item"><label>Class <select class="class"></select></label>
        <label>No. <input class="number" type="number" min="0" step="1" value="0"></label>
        <button type="button" class="previous" aria-label="Previous example" title="Previous example (PageUp, or a presenter’s remote)">‹</button><button type="button" class="next" aria-label="Next example" title="Next example (PageDown, or a presenter’s remote)">›</button>
        <button type="button" class="any">Random</button></span>
      <output class="of-place"></output>
      <label class="stand" hidden><input type="checkbox"> what the mean of its q(z|x) decodes to stands in for x</label>
    </div>
    <p class="lack" role="status" hidden></p>
    <div class="subject" hidden>
      <div class="left">
        <div class="view"><label class="of-plane">Axes <select class="axis" aria-label="First axis"></select><select class="axis" aria-label="Second axis"></select></label>
          <span class="windows" role="group" aria-label="What the map shows"><button type="button" data-window="posterior">Posterior</button><button type="button" data-window="prior">Prior</button></span>
          <label class="of-exact" title="Shade by log density, down to 12 nats below the peak, instead of by density"><input type="checkbox" class="log"> log scale</label></div>
        ${PLOT}${PICTURES}
      </div>
      <div class="cards">${CARDS}</div>
    </div>
  </section>`;

export class Posterior {
  // page: { facts: { model: { id, name }, latentDim, dimensions, z, classNames }, say(sentence), explore(code), address() }
  constructor(root, page) {
    root.querySelector(".posterior").outerHTML = POSTERIOR; // one that was here before leaves no listeners
    Object.assign(this, { page, root: root.querySelector(".posterior"), shown: false });
    this.find = (selector) => this.root.querySelector(selector);
    this.card = (name) => this.find(`.card.${name}`);
    this.plot = new Plot(this.root, {
      hover: (place) => this.hover(place),
      choose: (place) => page.explore(this.code(place)),
    });
    this.pictures = new Pictures(this.root, page);
    this.works = {
      nuts: new Work(this.root, "nuts", (options) => this.sample(options)),
      gaps: new Work(this.root, "gaps", (options) => this.fit(options)),
    };
    this.listen();
  }

  listen() {
    const on = (selector, type, act) => this.find(selector).addEventListener(type, act);
    const count = () => this.count() || 1,
      nth = () => Number(this.find(".number").value);
    const go = (to) =>
      this.item(Number(this.find(".class").value), ((Math.trunc(to) % count()) + count()) % count() || 0);
    on(".source", "change", ({ target }) =>
      target.value === "place" ? this.choose({ code: this.page.facts.z.slice() }) : go(nth()),
    );
    on(".class", "change", () => go(0));
    on(".number", "change", () => go(nth()));
    on(".previous", "click", () => go(nth() - 1));
    on(".next", "click", () => go(nth() + 1));
    on(".any", "click", () => go(Math.floor(Math.random() * count())));
    on(".stand input", "change", ({ target }) => this.choose({ ...this.x, decoded: target.checked }));
    on(".log", "change", () => this.draw());
    on(".k", "input", ({ target }) => this.slide(Number(target.value)));
    on(".k", "change", () => this.page.address());
    for (const button of this.root.querySelectorAll("[data-window]"))
      button.addEventListener("click", () => this.look(button.dataset.window));
    for (const select of this.root.querySelectorAll(".axis"))
      select.addEventListener("change", () => this.turn(select));
  }

  // --- another model -------------------------------------------------------------------------------------------

  // The facts are here, or others than before: another model starts anew. Nothing is asked for before `show`.
  begin() {
    const { facts } = this.page;
    if (this.model === facts.model.id) return;
    this.model = facts.model.id;
    this.leave?.abort();
    const said = Object.fromEntries(new URLSearchParams(location.search)),
      fits = said.model === facts.model.name;
    const order = facts.dimensions.map(({ index }) => index); // the most informative first
    if (order.length <= EXACT_DIMENSIONS) order.sort((a, b) => a - b);
    Object.assign(this, { order, counts: [], all: 0, example: null, started: false });
    this.pair = (fits && pairOf(said.pd, facts.latentDim)) || order.slice(0, 2);
    this.window = fits && said.pw === "prior" ? "prior" : "posterior";
    this.k = (fits && Math.min(Math.max(Math.trunc(said.pk), 1), SAMPLES)) || K;
    this.x = (fits && parsed(said.px, facts.latentDim)) || { label: -1, nth: 0, decoded: false };
    this.find(".class").replaceChildren(
      new Option("any", -1),
      ...facts.classNames.map((name, label) => new Option(name, label)),
    );
    this.find(".class").closest("label").hidden = !facts.classNames.length;
    const names = order.map((index) => [dimensionName(index), index]);
    for (const [i, select] of [...this.root.querySelectorAll(".axis")].entries()) {
      select.replaceChildren(...names.map(([name, index]) => new Option(name, index)));
      select.value = String(this.pair[i]);
    }
    this.find(".of-plane").hidden = facts.latentDim <= EXACT_DIMENSIONS;
    this.find(".of-exact").hidden = facts.latentDim !== 2;
    if (this.shown) this.show();
  }

  // The tab is in view.
  show() {
    this.shown = true;
    if (this.started) return;
    this.started = true;
    this.choose(this.x);
  }

  state() {
    const { x } = this;
    if (!x) return {};
    const px = x.code
      ? `z:${x.code.map((value) => Number(value.toFixed(4))).join(",")}`
      : `${x.label}/${x.nth}${x.decoded ? "/decoded" : ""}`;
    return {
      px: px === "-1/0" ? "" : px,
      pk: this.k === K ? "" : String(this.k),
      pw: this.window === "prior" ? "prior" : "",
      pd: this.pair.some((d, i) => d !== this.order[i]) ? this.pair.join(",") : "",
    };
  }

  // --- which x -------------------------------------------------------------------------------------------------

  item(label, nth) {
    this.choose({ label, nth, decoded: this.find(".stand input").checked });
  }

  count() {
    const label = Number(this.find(".class").value);
    return label < 0 ? this.all : (this.counts[label] ?? 0);
  }

  body(more = {}) {
    return { model: this.model, ...this.x, ...more };
  }

  // Newest wins: what was asked of the x before is given up.
  async choose(x) {
    this.leave?.abort();
    clearTimeout(this.pause);
    for (const each of Object.values(this.works)) each.stop();
    this.leave = new AbortController();
    const { signal } = this.leave;
    this.x = x;
    this.controls();
    this.page.address();
    try {
      const found = await look("example", this.body(), signal);
      if (signal.aborted) return;
      Object.assign(this, { counts: found.counts, all: found.all });
      this.controls();
      if (found.lack) return this.lack(found.lack);
      if (found.absent) return this.lack(found.absent, true);
      this.take(found);
      this.pause = setTimeout(() => this.measure(signal), PAUSE_MS);
    } catch (error) {
      if (!signal.aborted) this.lack(error.message);
    }
  }

  controls() {
    const { x } = this;
    this.find(".source").value = x.code ? "place" : "item";
    this.find(".source").options[0].disabled = this.all === 0 && Boolean(x.code);
    this.find(".of-item").hidden = Boolean(x.code);
    this.find(".of-place").textContent = x.code
      ? `z = (${x.code.map((value) => number(value)).join(", ")})`
      : "";
    if (x.code) return;
    this.find(".class").value = String(x.label);
    this.find(".number").value = x.nth;
    this.find(".number").max = Math.max(this.count() - 1, 0);
    this.find(".stand input").checked = Boolean(x.decoded);
    for (const option of this.find(".class").options)
      option.hidden = Number(option.value) >= 0 && !this.counts[option.value] && this.counts.length > 0;
  }

  // There is no x, and why; where only its image is missing, the model can make one.
  lack(sentence, canStand = false) {
    this.find(".lack").hidden = false;
    this.find(".lack").textContent = sentence;
    this.find(".subject").hidden = true;
    this.find(".choose").hidden = !canStand && !this.all;
    this.find(".stand").hidden = !canStand;
  }

  take(found) {
    Object.assign(this, {
      example: found,
      exact: null,
      fine: null,
      grid: null,
      best: null,
      nuts: null,
      limits: null,
    });
    for (const name of ["lack", "stand"])
      this.find(`.${name}`).hidden = !(name === "stand" && this.x.decoded);
    this.find(".choose").hidden = false;
    this.find(".subject").hidden = false;
    this.pictures.show({ ...found, picture: { ...found.picture, pixels: bytes(found.picture.pixels) } });
    this.plot.forget();
    this.blank();
    this.draw();
  }

  // --- what is measured ----------------------------------------------------------------------------------------

  // The cards before anything is measured.
  blank() {
    const tooMany = this.page.facts.latentDim > EXACT_DIMENSIONS;
    for (const card of ["identity", "gaps"]) this.card(card).querySelector(".bars").replaceChildren();
    this.card("identity").querySelector(".closes").textContent = tooMany
      ? `log p(x) by quadrature takes one or two latent dimensions; this model has ${this.page.facts.latentDim}. The importance-weighted bound stands in for it.`
      : "Measuring…";
    this.card("bound").querySelector("svg").replaceChildren();
    this.card("bound").querySelector("output").textContent = "";
    this.card("bound").querySelector(".words").textContent = "Measuring…";
    this.find(".k").disabled = true;
    this.card("gaps").querySelector(".words").textContent = "";
    this.roads();
  }

  async measure(signal) {
    if (this.page.facts.latentDim <= EXACT_DIMENSIONS) await this.integrate(signal);
    if (!signal.aborted) await this.weigh(signal);
  }

  async integrate(signal) {
    const closes = this.card("identity").querySelector(".closes");
    this.plot.wait("measuring p(z|x)…");
    try {
      this.exact = await work("exact", this.body(), {
        signal,
        progress: ({ done }) =>
          (closes.textContent = `Measuring… ${Number.isFinite(done) ? `${Math.floor(100 * done)} %` : ""}`),
      });
      if (signal.aborted) return;
      identity(this.card("identity"), this.exact);
      this.roads();
      this.fine = unpacked(this.exact.grid);
      await this.look(this.window);
      this.chart();
    } catch (error) {
      if (!signal.aborted) closes.textContent = error.message;
    }
    if (!signal.aborted) this.plot.wait("");
  }

  async weigh(signal) {
    const words = this.card("bound").querySelector(".words");
    try {
      const found = await work("bound", this.body({ samples: SAMPLES }), {
        signal,
        progress: ({ done }) =>
          (words.textContent = `Drawing… ${Number.isFinite(done) ? `${Math.floor(100 * done)} %` : ""}`),
      });
      if (signal.aborted) return;
      this.limits = found;
      const slider = this.find(".k");
      slider.max = found.samples.length - 1;
      slider.disabled = false;
      slider.value = nearest(found.samples, this.k);
      this.chart();
    } catch (error) {
      if (!signal.aborted) words.textContent = error.message;
    }
  }

  slide(index) {
    if (!this.limits) return;
    this.k = this.limits.samples[index];
    this.chart();
  }

  chart() {
    if (!this.limits) return;
    const { elbo, logEvidence } = this.exact ?? { elbo: this.limits.bound[0], logEvidence: NaN };
    bound(this.card("bound"), this.limits, { elbo, logEvidence }, nearest(this.limits.samples, this.k));
  }

  async sample(options) {
    const found = await work("nuts", this.body(), options);
    if (options.signal.aborted) return;
    this.nuts = { ...found, draws: floats(found.draws) };
    this.pictures.sampled(this.nuts.draws, this.page.facts.latentDim);
    this.roads();
    this.draw();
  }

  async fit(options) {
    const found = await work("gaps", this.body(), options);
    if (options.signal.aborted) return;
    this.best = found;
    gaps(this.card("gaps"), found);
    this.draw();
  }

  roads() {
    const { example, nuts, exact } = this;
    const moments = exact && {
      mean: exact.mean,
      std: exact.covariance.map((line, d) => Math.sqrt(line[d])),
      seconds: exact.seconds,
    };
    roads(this.card("roads"), example, nuts, moments, this.order);
  }

  // --- the map -------------------------------------------------------------------------------------------------

  // Its middle and half of its side: around the posterior, or the prior.
  frame(name) {
    const { example, exact, best, nuts, pair } = this;
    if (name === "prior")
      return {
        around: pair.map(() => 0),
        reach: Math.max(PRIOR_REACH, ...pair.map((d) => Math.abs(example.mean[d]) + 3 * example.std[d])),
      };
    const parts = [example, best, nuts].filter(Boolean);
    if (exact) parts.push({ mean: exact.mean, std: exact.covariance.map((line, d) => Math.sqrt(line[d])) });
    const lows = pair.map((d) => Math.min(...parts.map(({ mean, std }) => mean[d] - REACH * std[d])));
    const highs = pair.map((d) => Math.max(...parts.map(({ mean, std }) => mean[d] + REACH * std[d])));
    return {
      around: lows.map((low, i) => (low + highs[i]) / 2),
      reach: Math.max(LEAST_REACH, ...lows.map((low, i) => (highs[i] - low) / 2)),
    };
  }

  // log p(z|x) = log p(x, z) - log p(x) on another frame.
  async heat(frame, signal) {
    return unpacked(
      await look("heat", this.body({ ...frame, cells: CELLS }), signal),
      this.exact.logEvidence,
    );
  }

  // The posterior or the whole prior.
  async look(name) {
    this.window = name;
    const { signal } = this.leave;
    if (this.fine) {
      try {
        const grid = name === "prior" ? await this.heat(this.frame("prior"), signal) : this.fine;
        if (signal.aborted || this.window !== name) return;
        this.grid = grid;
      } catch (error) {
        if (!signal.aborted) this.page.say(error.message);
      }
    }
    this.draw();
    this.page.address();
  }

  // Another pair of dimensions.
  turn(select) {
    const selects = [...this.root.querySelectorAll(".axis")],
      other = 1 - selects.indexOf(select),
      former = this.pair;
    this.pair = selects.map((each) => Number(each.value));
    if (this.pair[0] === this.pair[1]) this.pair[other] = former[1 - other];
    selects.forEach((each, i) => (each.value = String(this.pair[i])));
    this.plot.forget();
    this.draw();
    this.page.address();
  }

  draw() {
    const { example, pair, fine, grid, best, nuts } = this;
    if (!example) return;
    const own = (of) => of && { mean: pair.map((d) => of.mean[d]), std: pair.map((d) => of.std[d]) };
    // A heat map was made for its window; until there is one, or without one, the window follows what is drawn.
    const made = grid && {
      around: pair.map((_, i) => (i ? grid.bottom : grid.left) + ((grid.columns - 1) / 2) * grid.cell),
      reach: ((grid.columns - 1) / 2) * grid.cell,
    };
    for (const button of this.root.querySelectorAll("[data-window]"))
      button.setAttribute("aria-pressed", String(button.dataset.window === this.window));
    this.plot.show({
      ...(made ?? this.frame(this.window)),
      names: pair.map(dimensionName),
      exact: grid && { grid, fine: pair.length === 2 ? region(fine) : null },
      q: own(example),
      best: own(best),
      draws: nuts && columns(nuts.draws, this.page.facts.latentDim, pair),
      prior: true,
      log: this.find(".log").checked,
    });
    const draws = nuts ? "" : "; draws of p(z|x) by NUTS appear here";
    this.find(".density figcaption").textContent =
      this.page.facts.latentDim > EXACT_DIMENSIONS ? `seen along two dimensions${draws}` : "";
  }

  // The code of a place on the map: other dimensions stay at the mean of q(z|x).
  code(place) {
    const code = this.example.mean.slice();
    this.pair.forEach((d, i) => (code[d] = place[i]));
    return code;
  }

  hover(place) {
    const words = place.map((value, i) => `${dimensionName(this.pair[i])} ${number(value, 3)}`).join(" · ");
    const rest = this.page.facts.latentDim > this.pair.length ? " · others at the mean of q" : "";
    const height = this.height(place);
    this.find(".density figcaption").textContent =
      `${words}${height === null ? "" : ` · log p(z|x) ${number(height)} nats`}${rest}`;
    this.pictures.here(this.code(place), "decoded here");
  }

  // log p(z|x) at a place, from the nearest cell.
  height(place) {
    const { grid } = this;
    if (!grid) return null;
    const column = Math.round((place[0] - grid.left) / grid.cell),
      row = grid.rows > 1 ? Math.round((place[1] - grid.bottom) / grid.cell) : 0;
    const value = grid.values[row * grid.columns + column];
    return column >= 0 && column < grid.columns && Number.isFinite(value) ? value : null;
  }

  close() {
    this.leave?.abort();
    clearTimeout(this.pause);
    for (const each of Object.values(this.works)) each.stop();
    this.pictures.close();
    this.plot.close();
  }
}

const nearest = (samples, k) =>
  samples.reduce(
    (best, value, i) => (Math.abs(Math.log(value / k)) < Math.abs(Math.log(samples[best] / k)) ? i : best),
    0,
  );

// A grid of the server's, with log p(x) taken off where that is still to be done.
function unpacked(grid, logEvidence = 0) {
  return { ...grid, values: floats(grid.values).map((value) => value - logEvidence) };
}

// The chosen columns of rows of `width` numbers.
function columns(draws, width, pair) {
  const found = new Float32Array((draws.length / width) * pair.length);
  for (let i = 0, to = 0; i < draws.length; i += width) for (const d of pair) found[to++] = draws[i + d];
  return found;
}

function pairOf(text, latentDim) {
  const found = (text ?? "").split(",").map(Number);
  const good =
    found.length === 2 &&
    found[0] !== found[1] &&
    found.every((d) => Number.isInteger(d) && d >= 0 && d < latentDim);
  return good && latentDim > EXACT_DIMENSIONS ? found : null;
}

// What `state` wrote as px.
function parsed(text, latentDim) {
  if (text?.startsWith("z:")) {
    const code = text.slice(2).split(",").map(Number);
    return code.length === latentDim && code.every(Number.isFinite) ? { code } : null;
  }
  const [, label, nth, decoded] = /^(-1|\d+)\/(\d+)(\/decoded)?$/.exec(text ?? "") ?? [];
  return label === undefined ? null : { label: Number(label), nth: Number(nth), decoded: Boolean(decoded) };
}
