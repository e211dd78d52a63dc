// Step 6: models that differ in beta side by side: their codes, the decoded plane, the same draws of the prior, and how
// continuous and complete each space is.

import { paint } from "../../kit/paint.js";
import { classColour } from "../../kit/palette.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { gaussianDraws } from "../../kit/subject.js";
import { fetchTold, post } from "../../kit/told.js";
import { dimensionName, number } from "../../kit/words.js";
import { colours, Handle, Stage } from "./draw.js";
import { mounting } from "./step.js";

const SIDE = 14; // tiles along each side of a decoded plane
const DRAWS = 6;
const FEW = 2; // models, which have room beside their planes
const SIGMAS = [1, 2]; // circles of N(0, I)
const TAIL = 0.005; // of the codes on each side that may lie outside
const LEAST = 3; // the plane reaches at least so far from 0, so that the prior is on it
const FIGURES = [
  ["continuity", "Continuity", "close codes decode to close images"],
  ["completeness", "Completeness", "the share of the prior's mass that has data near it"],
];
const PRIOR = "#d9480f";

const TEMPLATE = `<div class="eq">
  <div class="eq-buttons">
    <span role="group" aria-label="What the planes show" class="eq-buttons"><button type="button" data-look="codes">Codes</button><button type="button" data-look="decoded">Decoded plane</button><button type="button" data-look="both" aria-pressed="true">Both</button></span>
    <label><input type="checkbox" class="one-scale"> one scale for all</label>
    <button type="button" class="another">Other draws of N(0, I)</button>
    <button type="button" class="measure" hidden>Measure what is missing</button><span class="message" role="status"></span>
  </div>
  <div class="eq-columns"></div>
  <p class="note">Points: encoded data, by class. <b style="color: ${PRIOR}">Circles</b>: N(0, I) at 1σ and 2σ. Point at a plane to decode there; the draws of N(0, I) are the same for all. Ticks on the bars: 95 % intervals.</p>
</div>`;

const COLUMN = `
  <h3></h3><p class="note kind"></p>
  <div class="plane"></div>
  <div class="eq-side"><div class="eq-row"><figure class="here"><canvas role="img" aria-label="Decoded here"></canvas><figcaption class="at">decoded here</figcaption></figure>
    <figure class="wide"><canvas class="draws" role="img" aria-label="Draws of N(0, I), decoded"></canvas><figcaption>draws of N(0, I), decoded</figcaption></figure></div>
  <dl class="eq-shares">${FIGURES.map(([key, name, title]) => `<div data-figure="${key}" title="${name}: ${title}"><dt>${name}</dt><dd><span class="track"><i></i><b></b></span><output></output></dd></div>`).join("")}</dl></div>`;

class Column {
  constructor(element, model, page) {
    element.innerHTML = COLUMN;
    Object.assign(this, {
      element,
      model,
      page,
      picture: document.createElement("canvas"),
      tile: document.createElement("canvas"),
    });
    this.find = (selector) => element.querySelector(selector);
    const { title } = model.model,
      vae = model.kind === "vae";
    this.find("h3").textContent = vae ? `β = ${model.beta}` : "β = 0, and no noise";
    this.find(".kind").textContent = vae ? title : `autoencoder: ${title}`;
    this.own = reach(model.cloud);
    this.stage = new Stage(this.find(".plane"), {
      ...this.own,
      equal: true,
      names: model.shown.map((d) => `${dimensionName(d)} →`),
      label: `Latent space of ${title}`,
    });
    this.stage.under((context, stage) => this.paint(context, stage));
    this.handle = new Handle(this.stage, {
      name: `z of ${title}`,
      at: [0, 0],
      small: true,
      move: (place) => this.decode(place),
    });
    this.find(".plane").addEventListener("pointermove", (event) => this.hover(event));
    this.stand([0, 0]);
    page.queue.put(`${model.model.id} here`, this.request([this.code([0, 0])]), (answer) =>
      this.show(answer),
    );
    this.redraw();
    this.figures(model.figures);
  }

  // --- codes and pictures -----------------------------------------------------------------------------------

  // A place on the plane as a code; the dimensions that are not shown stay at their mean.
  code(place) {
    const code = Float32Array.from(this.model.centre);
    this.model.shown.forEach((d, i) => (code[d] = place[i]));
    return code;
  }

  request(codes) {
    const width = this.model.latentDim,
      payload = new Float32Array(codes.length * width);
    codes.forEach((code, k) => payload.set(code, k * width));
    return { model: this.model.model.id, kind: DECODE, count: codes.length, width, payload };
  }

  hover(event) {
    const place = this.stage.place(event),
      { x, y } = this.stage.range;
    if (place[0] >= x[0] && place[0] <= x[1] && place[1] >= y[0] && place[1] <= y[1]) this.decode(place);
  }

  decode(place) {
    this.stand(place);
    this.page.pointed.ask({ ...this.request([this.code(place)]), tag: this });
  }

  stand(place) {
    this.handle.set(place);
    this.find(".at").textContent = `decoded at ${place
      .slice(0, this.model.shown.length)
      .map((value) => number(value, 1))
      .join(", ")}`;
  }

  show(answer) {
    const canvas = this.find(".here canvas");
    canvas.style.aspectRatio = `${answer.width} / ${answer.height}`;
    paint(canvas, answer);
  }

  // The same standard normal numbers for every model.
  redraw() {
    const { latentDim } = this.model,
      zero = new Array(latentDim).fill(0),
      noise = gaussianDraws({ mean: zero, std: zero.map(() => 1) }, DRAWS, this.page.seed);
    const codes = Array.from({ length: DRAWS }, (_, k) => noise.subarray(k * latentDim, (k + 1) * latentDim));
    this.page.queue.put(`${this.model.model.id} draws`, this.request(codes), (answer) => this.draws(answer));
  }

  draws(answer) {
    const canvas = this.find(".draws");
    canvas.style.aspectRatio = `${(DRAWS * answer.width) / 2} / ${2 * answer.height}`;
    canvas.width = (DRAWS * answer.width) / 2;
    canvas.height = 2 * answer.height;
    tiled(canvas, this.tile, answer, DRAWS / 2);
  }

  // The plane anew: to another reach, or its own where that is null.
  scale(all) {
    const { x, y } = all ?? this.own;
    this.stage.view(x, y);
    const range = this.stage.range ?? { x, y },
      codes = [];
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const along = ([low, high], k) => low + ((k + 0.5) / SIDE) * (high - low);
        codes.push(this.code([along(range.x, column), along(range.y, SIDE - 1 - row)]));
      }
    }
    this.page.queue.put(`${this.model.model.id} plane`, this.request(codes), (answer) =>
      this.tiles(answer, range),
    );
  }

  tiles(answer, range) {
    Object.assign(this.picture, { width: SIDE * answer.width, height: SIDE * answer.height });
    tiled(this.picture, this.tile, answer, SIDE);
    this.painted = range;
    this.stage.paint();
  }

  paint(context, stage) {
    const { look } = this.page,
      { cloud, labels } = this.model;
    if (look !== "codes" && this.painted) {
      const [left, top] = stage.toScreen(this.painted.x[0], this.painted.y[1]),
        [right, low] = stage.toScreen(this.painted.x[1], this.painted.y[0]);
      if (look === "both") {
        // darker, so that the points stand out
        context.fillStyle = "#000";
        context.fillRect(0, 0, stage.size.width, stage.size.height);
        context.globalAlpha = 0.4;
      }
      context.drawImage(this.picture, left, top, right - left, low - top);
      context.globalAlpha = 1;
    }
    if (look !== "decoded") this.points(context, stage, cloud, labels);
    Object.assign(context, { strokeStyle: PRIOR, lineWidth: 1.8 });
    for (const sigma of SIGMAS) {
      const [x, y] = stage.toScreen(0, 0),
        [edge] = stage.toScreen(sigma, 0);
      context.beginPath();
      context.arc(x, y, edge - x, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  points(context, stage, cloud, labels) {
    context.globalAlpha = 0.85;
    cloud.forEach((code, i) => {
      const [x, y] = stage.toScreen(code[0], code[1] ?? 0);
      context.fillStyle = labels ? classColour(Math.max(labels[i], 0)) : colours(stage.parent).accent;
      context.fillRect(x - 1, y - 1, 2, 2);
    });
    context.globalAlpha = 1;
  }

  // --- figures ----------------------------------------------------------------------------------------------

  figures(found) {
    this.known = FIGURES.every(([key]) => Number.isFinite(found[key]));
    for (const [key] of FIGURES) {
      const row = this.find(`[data-figure="${key}"]`),
        value = found[key],
        low = found[`${key}_low`],
        high = found[`${key}_high`];
      row.querySelector("output").textContent = number(value);
      row.querySelector("i").style.width = `${100 * (value ?? 0)}%`;
      row.querySelector("b").hidden = !Number.isFinite(low);
      Object.assign(row.querySelector("b").style, {
        left: `${100 * low}%`,
        width: `${100 * (Math.min(high, 1) - low)}%`,
      });
    }
  }

  close() {
    this.stage.close();
  }
}

// Requests that wait for each other, so that many planes never fill the line: of one key, the newest.
class Queue {
  constructor(say) {
    this.waiting = new Map();
    this.channel = new Channel({
      onAnswer: (answer, take) => {
        take(answer);
        this.next();
      },
      onError: (sentence) => {
        say(sentence);
        this.next();
      },
    });
  }

  put(key, request, take) {
    this.waiting.set(key, { ...request, tag: take });
    this.next();
  }

  next() {
    if (this.channel.busy || !this.waiting.size) return;
    const [key, request] = this.waiting.entries().next().value;
    this.waiting.delete(key);
    this.channel.ask(request);
  }

  clear() {
    this.waiting.clear();
  }

  close() {
    this.channel.close();
  }
}

class Regularization {
  constructor(root, facts) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, facts, look: "both", seed: 1, columns: [] });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => (this.find(".message").textContent = sentence);
    this.queue = new Queue(this.say);
    this.pointed = new Channel({ onAnswer: (answer, column) => column.show(answer), onError: this.say });
    for (const button of root.querySelectorAll("[data-look]"))
      button.addEventListener("click", () => this.choose(button.dataset.look));
    this.find(".one-scale").addEventListener("change", () => this.rescale());
    this.find(".another").addEventListener("click", () => {
      this.seed++;
      for (const column of this.columns) column.redraw();
    });
    this.find(".measure").addEventListener("click", () => this.measure());
  }

  begin() {
    this.begun = true;
    this.open();
  }

  update(facts) {
    const ids = ({ models }) => models.map(({ model }) => model.id).join(),
      another = ids(facts) !== ids(this.facts);
    this.facts = facts;
    if (!this.begun) return;
    if (another) return this.open();
    for (const { stage } of this.columns) stage.paint();
  }

  open() {
    this.clear();
    const list = this.find(".eq-columns");
    list.style.setProperty("--count", this.facts.models.length);
    list.classList.toggle("few", this.facts.models.length <= FEW);
    this.columns = this.facts.models.map((model) => {
      const element = list.appendChild(document.createElement("section"));
      element.dataset.beta = model.beta;
      return new Column(element, model, this);
    });
    this.rescale();
    this.recall();
  }

  choose(look) {
    this.look = look;
    for (const button of this.root.querySelectorAll("[data-look]"))
      button.setAttribute("aria-pressed", String(button.dataset.look === look));
    for (const { stage } of this.columns) stage.paint();
  }

  rescale() {
    const all = (axis) => [
      Math.min(...this.columns.map(({ own }) => own[axis][0])),
      Math.max(...this.columns.map(({ own }) => own[axis][1])),
    ];
    const shared = this.find(".one-scale").checked ? { x: all("x"), y: all("y") } : null;
    for (const column of this.columns) column.scale(shared);
  }

  // What the server has measured of these models since they were stored.
  async recall() {
    const { columns } = this;
    this.lacking();
    if (columns.every(({ known }) => known)) return;
    try {
      const { figures } = await (
        await post("/compare/known", { models: columns.map(({ model }) => model.model.id) })
      ).json();
      if (columns !== this.columns) return;
      for (const column of columns) if (!column.known) column.figures(figures[column.model.model.id] ?? {});
      this.lacking();
    } catch (error) {
      this.say(error.message);
    }
  }

  lacking() {
    this.find(".measure").hidden = this.columns.every(({ known }) => known);
  }

  // Model after model, in the order that they stand in.
  async measure() {
    this.find(".measure").disabled = true;
    this.leave = new AbortController();
    const { signal } = this.leave;
    try {
      for (const column of this.columns.filter(({ known }) => !known)) {
        const { id, title } = column.model.model;
        const progress = ({ done }) => this.say(`Measuring ${title}: ${Math.floor(100 * (done ?? 0))} %`);
        column.figures(await fetchTold("/compare/figures", { model: id }, { signal, progress }));
      }
      this.say("");
    } catch (error) {
      if (!signal.aborted) this.say(error.message);
    }
    this.find(".measure").disabled = false;
    this.lacking();
  }

  clear() {
    this.leave?.abort();
    this.queue.clear();
    for (const column of this.columns) column.close();
    this.columns = [];
    this.find(".eq-columns").replaceChildren();
  }

  close() {
    this.clear();
    this.queue.close();
    this.pointed.close();
  }
}

// Where most codes are, and the prior.
function reach(cloud) {
  const range = (axis) => {
    const sorted = cloud.map((code) => code[axis] ?? 0).sort((a, b) => a - b),
      last = sorted.length - 1;
    return [
      Math.min(sorted[Math.floor(TAIL * last)], -LEAST),
      Math.max(sorted[Math.ceil((1 - TAIL) * last)], LEAST),
    ];
  };
  return { x: range(0), y: range(1) };
}

// The pictures of an answer as tiles, so many in a row.
function tiled(canvas, tile, answer, across) {
  const context = canvas.getContext("2d");
  for (let k = 0; k < answer.count; k++) {
    paint(tile, answer, k);
    context.drawImage(tile, (k % across) * answer.width, Math.floor(k / across) * answer.height);
  }
}

export default mounting(Regularization);
