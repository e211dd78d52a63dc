// One model: what it makes of the item, the walk through the item's code, its encoded data, and what each dimension tells.

import { MapData } from "../../kit/columns.js";
import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { dimensionName, number } from "../../kit/words.js";
import { SCATTER, Scatter } from "./scatter.js";
import { REACH, spreads } from "./stroll.js";

const TILES = 9; // of the strip; the middle one is the reconstruction
const STEPS = Array.from({ length: TILES }, (_, i) => REACH * ((2 * i) / (TILES - 1) - 1));
const NAMED = 12; // dimensions that have their names below the bars

// Four that colour-blind people tell apart, and in print by their marks (Okabe & Ito 2008); classes have others.
export const INKS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];
export const MARKS = ["●", "■", "▲", "◆"];

const TEMPLATE = `
  <header><h3><i class="mark" aria-hidden="true"></i><span></span></h3><p class="about"></p></header>
  <div class="images">
    <figure class="reconstruction"><canvas role="img"></canvas><figcaption></figcaption></figure>
    <figure class="walked"><canvas role="img"></canvas><figcaption></figcaption></figure>
  </div>
  <div class="strip"><canvas role="img"></canvas><i class="needle"></i></div>
  ${SCATTER}
  <div class="kl"><div class="bars"></div><p class="says"></p></div>`;

export class Column {
  // model: what Python says of it; page: { walk, point(index), items, stroll, explore(model, code), say }
  constructor(model, place, page) {
    Object.assign(this, {
      model,
      place,
      page,
      rank: 0,
      t: 0,
      base: null,
      stale: true,
      indices: null,
      reconstruction: null,
    });
    const element = document.createElement("article");
    this.element = element;
    element.className = "model";
    element.style.setProperty("--ink", INKS[place]);
    element.innerHTML = TEMPLATE;
    this.find = (selector) => element.querySelector(selector);
    this.find("header span").textContent = model.title;
    this.find("header h3").title = model.title;
    this.find(".mark").textContent = MARKS[place];
    this.find(".about").textContent =
      `${model.kind} · ${model.latentDim} latent dimension${model.latentDim > 1 ? "s" : ""}`;
    const [, height, width] = model.dataShape;
    element.style.setProperty("--shape", `${width} / ${height}`);
    element.style.setProperty("--strip", `${TILES * width} / ${height}`);
    this.label(".reconstruction canvas", `Reconstruction by ${model.title}`);
    this.label(".walked canvas", `Walk through ${model.title}`);
    this.label(".strip canvas", `Traversal of ${model.title}`);
    this.data = new MapData(model);
    this.scatter = new Scatter(element, this);
    this.images = new Channel({ onAnswer: (answer, asked) => this.draw(answer, asked), onError: page.say });
    this.find(".walked canvas").title = "Continue with this code on the Explore page";
    this.find(".walked canvas").addEventListener(
      "click",
      () => this.base && page.explore(model.model.id, this.code(this.t)),
    );
    this.dragStrip();
  }

  label(selector, text) {
    this.find(selector).setAttribute("aria-label", text);
  }

  // Codes, labels and indices of the encoded data.
  async fetch() {
    const names = ["codes", "index", "label"].filter((name) => this.data.has(name));
    await Promise.all(names.map((name) => this.data.want(name)));
    this.indices = this.data.get("index");
    this.places = new Map(Array.from(this.indices, (index, place) => [index, place]));
    this.scatter.begin(this.data.get("codes"), this.data.get("label"));
  }

  // Where among this model's codes an example is; -1: not at all.
  placeOf(index) {
    return this.places?.get(index) ?? -1;
  }

  // --- the item and the walk -----------------------------------------------------------------------------------

  setItem(index) {
    const place = this.placeOf(index);
    this.base = place < 0 ? null : this.data.code(place);
    this.find(".images").classList.toggle("lacking", !this.base);
    if (!this.base) this.find(".reconstruction figcaption").textContent = "this model has not encoded it";
    this.scatter.mark(place);
    this.stale = true;
    this.ask();
  }

  setOriginal(picture) {
    this.original = picture;
    this.error();
  }

  walk(rank, t) {
    const turned = rank !== this.rank;
    Object.assign(this, { rank, t });
    this.stale ||= turned;
    this.ask();
    this.find(".needle").style.left = `${(100 * (t / REACH) * (TILES - 1)) / (2 * TILES) + 50}%`;
    this.find(".walked figcaption").textContent = this.dimension
      ? `walk ${dimensionName(this.dimension.index)} ${spreads(t)}`
      : `no ${rank + 1}${rank === 1 ? "nd" : rank === 2 ? "rd" : "th"} dimension`;
    for (const bar of this.element.querySelectorAll(".bars [data-rank]"))
      bar.classList.toggle("walked", Number(bar.dataset.rank) === rank);
  }

  // The dimension that is walked along; undefined where the model has fewer.
  get dimension() {
    return this.model.dimensions[this.rank];
  }

  code(t) {
    const code = Float32Array.from(this.base),
      { dimension } = this;
    if (dimension) code[dimension.index] += t * dimension.spread;
    return code;
  }

  // Ask for where the walk stands, and for the strip with it while that is out of date: one request per column is under
  // way at a time, so that all columns move together.
  ask() {
    if (!this.base) return;
    const steps = this.stale ? [this.t, ...STEPS] : [this.t],
      width = this.base.length;
    const payload = new Float32Array(steps.length * width);
    steps.forEach((t, row) => payload.set(this.code(t), row * width));
    const asked = { base: this.base, rank: this.rank };
    this.images.ask({
      model: this.model.model.id,
      kind: DECODE,
      count: steps.length,
      width,
      payload,
      tag: asked,
    });
    this.scatter.walk(this.dimension ? [this.code(-REACH), this.code(REACH), this.code(this.t)] : null);
  }

  draw(answer, asked) {
    paint(this.find(".walked canvas"), answer);
    if (answer.count > 1) this.drawStrip(answer, asked);
  }

  drawStrip(answer, { base, rank }) {
    if (base === this.base && rank === this.rank) this.stale = false;
    const middle = 1 + (TILES - 1) / 2,
      size = answer.height * answer.width * answer.channels;
    paint(this.find(".strip canvas"), answer, 1, TILES);
    paint(this.find(".reconstruction canvas"), answer, middle, 1);
    this.reconstruction = { ...answer, pixels: answer.pixels.slice(middle * size, (middle + 1) * size) };
    this.error();
  }

  // What this model loses of this item, as the figures count it: pixels are from 0 to 1.
  error() {
    const { original, reconstruction } = this,
      caption = this.find(".reconstruction figcaption");
    if (!this.base) return;
    caption.textContent = "reconstruction";
    if (!original || original.pixels.length !== reconstruction?.pixels.length) return;
    let sum = 0;
    for (let i = 0; i < original.pixels.length; i++)
      sum += ((original.pixels[i] - reconstruction.pixels[i]) / 255) ** 2;
    caption.innerHTML = `reconstruction <b>${(sum / original.pixels.length).toFixed(4)}</b>`;
    caption.title = "Its error: the mean over pixels of the squared difference to the original";
  }

  // The strip is a slider, too.
  dragStrip() {
    const strip = this.find(".strip");
    const go = (event) => {
      const box = strip.getBoundingClientRect(),
        share = (event.clientX - box.left) / box.width;
      const t = (2 * share - 1) * REACH * (TILES / (TILES - 1));
      this.page.stroll.stop();
      this.page.stroll.go(Math.min(Math.max(t, -REACH), REACH));
    };
    strip.addEventListener("pointerdown", (event) => {
      strip.setPointerCapture(event.pointerId);
      go(event);
    });
    strip.addEventListener("pointermove", (event) => strip.hasPointerCapture(event.pointerId) && go(event));
    strip.addEventListener("pointerup", () => this.page.address());
  }

  // --- the encoded data ----------------------------------------------------------------------------------------

  point(index) {
    this.scatter.point(index === null ? -1 : this.placeOf(index));
  }

  // --- what each dimension tells -------------------------------------------------------------------------------

  // One bar per dimension, the most informative first; `most` nats fill the height.
  information(most) {
    const { dimensions } = this.model,
      bars = this.find(".bars"),
      known = dimensions[0]?.kl !== null;
    bars.hidden = !known;
    if (!known) {
      this.find(".says").textContent = "It encodes to points: there is no KL term.";
      return;
    }
    const total = dimensions.reduce((sum, { kl }) => sum + kl, 0),
      active = dimensions.filter((each) => each.active).length;
    this.find(".says").textContent = `KL ${number(total)} nats · ${active} of ${dimensions.length} active`;
    bars.replaceChildren(
      ...dimensions.map(({ index, kl, active }, rank) => {
        const bar = document.createElement("button");
        bar.type = "button";
        bar.dataset.rank = rank;
        bar.className = active ? "" : "dead";
        bar.title = `${dimensionName(index)}: KL ${number(kl)} nats${active ? "" : ", not active"}; click to walk along it`;
        bar.setAttribute("aria-label", bar.title);
        bar.innerHTML = `<i style="height:${Math.max((100 * kl) / most, 1)}%"></i>${dimensions.length <= NAMED ? `<span>${dimensionName(index)}</span>` : ""}`;
        bar.addEventListener("click", () => this.page.stroll.choose(rank));
        return bar;
      }),
    );
  }

  close() {
    this.data.close();
    this.scatter.close();
    this.images.close();
  }
}
