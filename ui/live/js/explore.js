// The Explore page's component: one decoded image, one slider per latent dimension, everything live.
//
// Moving anything asks the server for the image and for the strips of all sliders in one request. Python
// hears of a code only when a move is over ("commit"), which keeps script runs out of the loop.

import { Channel, DECODE } from "./socket.js";
import { paint } from "./paint.js";
import { EncodePanel } from "./encode.js";
import { Slider, TILES, dimensionName } from "./slider.js";

const FEW = 4; // so few dimensions leave room beside the image for wide strips and the Encode panel
const FIRST_SHOWN = 12;
const MORE = 12;
const MAX_CODES = 1024; // per request; the server refuses more
const COMMIT_PAUSE_MS = 350; // after the last key press of a series
const HISTORY = 200;

const TEMPLATE = `
  <div class="explorer">
    <section class="left">
      <div class="stage">
        <figure class="original" hidden><canvas></canvas><figcaption></figcaption></figure>
        <figure class="decoded"><canvas class="image" role="img" aria-label="Decoded image"></canvas>
          <figcaption></figcaption></figure>
      </div>
      <div class="tools" role="toolbar" aria-label="Code">
        <button type="button" class="undo" title="Undo (Ctrl+Z)" aria-label="Undo">↶</button>
        <button type="button" class="redo" title="Redo (Ctrl+Shift+Z)" aria-label="Redo">↷</button>
        <button type="button" class="origin" title="Go to z = 0, the middle of the prior">Origin</button>
        <button type="button" class="prior">Prior draw</button>
        <button type="button" class="point" title="Go to the code of a random encoded data point">Data point</button>
        <button type="button" class="smooth" aria-pressed="false" title="Smooth or pixelated">Smooth</button>
      </div>
      <div class="text"><input class="z" aria-label="Code z as text" spellcheck="false" autocomplete="off">
        <button type="button" class="copy" title="Copy z as text">Copy</button></div>
      <p class="message" role="status" aria-live="polite"></p>
      <div class="encode"></div>
    </section>
    <section class="right">
      <div class="dims"></div>
      <button type="button" class="more" hidden></button>
    </section>
  </div>`;

class Explorer {
  constructor(root, data, commit) {
    this.root = root;
    this.sendCommit = commit;
    root.innerHTML = TEMPLATE;
    this.find = (selector) => root.querySelector(selector);
    this.image = this.find(".image");
    this.channel = new Channel({
      onAnswer: (answer, tag) => this.draw(answer, tag),
      onError: (sentence) => this.complain(sentence),
      onStatus: (connected) => this.complain(connected ? "" : "Waiting for the server…"),
    });
    this.tools();
    this.setModel(data);
  }

  setModel(data) {
    this.panel?.close();
    this.observer?.disconnect();
    Object.assign(this, { model: data.model, encoded: null, history: [], cursor: -1, visible: new Set() });
    this.z = Float32Array.from(data.z);
    this.sliders = new Map(); // dimension index -> Slider, in the order shown
    this.find(".dims").replaceChildren();
    this.find(".original").hidden = true;
    this.observer = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "80px" });
    this.addSliders(FIRST_SHOWN);
    this.panel = new EncodePanel(this.find(".encode"), this.model, this);
    const few = this.z.length <= FEW;
    this.find(".explorer").classList.toggle("few", few);
    this.find(few ? ".right" : ".left").append(this.find(".encode"));
    this.find(".point").disabled = !this.model.encodedCount;
    this.find(".prior").disabled = !this.model.hasPrior;
    this.find(".prior").title = this.model.hasPrior ? "Draw z from the prior N(0, I)" : "A plain autoencoder has no prior to draw from";
    const [channels, height, width] = this.model.dataShape;
    this.image.style.aspectRatio = `${width} / ${height}`;
    this.smooth(localStorage.getItem("explore.smooth") === "true");
    this.remember();
    this.show();
    this.request();
  }

  addSliders(count) {
    const { dimensions } = this.model;
    for (const dimension of dimensions.slice(this.sliders.size, this.sliders.size + count)) {
      const slider = new Slider(dimension, this);
      this.sliders.set(dimension.index, slider);
      slider.strip.dataset.index = dimension.index;
      this.find(".dims").append(slider.element);
      this.observer.observe(slider.strip);
      slider.show(this.z[dimension.index]);
    }
    const rest = dimensions.length - this.sliders.size;
    const more = this.find(".more");
    more.hidden = rest <= 0;
    more.textContent = `Show ${Math.min(rest, MORE)} more of ${rest} dimensions (less informative)`;
  }

  // --- the live loop ---------------------------------------------------------------------------------

  // Ask for the image and for every strip on screen except `moving`'s own, which its own value does not change.
  request(moving = null) {
    // A request that was never sent may have promised other strips: ask for all of them then.
    if (this.channel.newest && this.channel.newest.tag.moving !== moving) moving = null;
    const strips = [...this.sliders.values()]
      .filter((slider) => this.visible.has(slider.dimension.index) && slider.dimension.index !== moving)
      .slice(0, Math.floor((MAX_CODES - 1) / TILES));
    const width = this.z.length, count = 1 + strips.length * TILES;
    const payload = new Float32Array(count * width);
    for (let row = 0; row < count; row++) payload.set(this.z, row * width);
    strips.forEach((slider, s) => slider.traversal().forEach((value, k) => {
      payload[(1 + s * TILES + k) * width + slider.dimension.index] = value;
    }));
    this.channel.ask({ model: this.model.id, kind: DECODE, count, width, payload, tag: { strips, moving } });
  }

  draw(answer, { strips }) {
    paint(this.image, answer);
    strips.forEach((slider, s) => paint(slider.strip, answer, 1 + s * TILES, TILES));
    if (this.painted) return;
    this.painted = true;
    performance.mark("first-decoded-image");
  }

  look(entries) {
    const before = this.visible.size;
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.visible.add(Number(target.dataset.index));
      else this.visible.delete(Number(target.dataset.index));
    }
    if (this.visible.size >= before) this.request();
  }

  // --- the code and its history ----------------------------------------------------------------------

  input(index, value) {
    this.z[index] = value;
    this.sliders.get(index)?.show(this.z[index]);
    this.texts();
    this.request(index);
  }

  go(code) {
    this.z = Float32Array.from(code);
    this.show();
    this.request();
  }

  show() {
    for (const [index, slider] of this.sliders) slider.show(this.z[index]);
    this.texts();
  }

  texts() {
    const text = this.find(".z");
    if (this.root.getRootNode().activeElement !== text) text.value = format(this.z);
    this.find(".undo").disabled = this.cursor <= 0;
    this.find(".redo").disabled = this.cursor >= this.history.length - 1;
    this.caption();
  }

  commit() {
    clearTimeout(this.pause);
    this.complain("");
    if (this.history[this.cursor] && same(this.history[this.cursor], this.z)) return;
    this.remember();
    this.texts();
    this.sendCommit(this.model.id, this.z);
  }

  commitSoon() {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.commit(), COMMIT_PAUSE_MS);
  }

  remember() {
    this.history = [...this.history.slice(0, this.cursor + 1), this.z.slice()].slice(-HISTORY);
    this.cursor = this.history.length - 1;
  }

  travel(step) {
    const target = this.history[this.cursor + step];
    if (!target) return;
    this.cursor += step;
    this.go(target);
    this.sendCommit(this.model.id, this.z);
  }

  // Replace every dimension that is not locked.
  scatter(draw) {
    this.go(this.z.map((value, i) => (this.sliders.get(i)?.locked ? value : draw(i))));
    this.commit();
  }

  // --- buttons and text ------------------------------------------------------------------------------

  tools() {
    const on = (selector, act) => this.find(selector).addEventListener("click", act);
    on(".undo", () => this.travel(-1));
    on(".redo", () => this.travel(1));
    on(".origin", () => this.scatter(() => 0));
    on(".prior", () => this.scatter(gaussian));
    on(".point", () => this.panel?.point());
    this.find(".point").addEventListener("pointerenter", () => this.panel?.warm());
    on(".smooth", () => this.smooth(this.find(".smooth").getAttribute("aria-pressed") !== "true"));
    on(".more", () => this.addSliders(MORE));
    on(".copy", () => this.copy());
    this.find(".z").addEventListener("change", (event) => this.paste(event.target.value));
    this.find(".z").addEventListener("focus", (event) => event.target.select());
    this.root.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.tagName === "INPUT") return;
      event.preventDefault();
      this.travel(event.shiftKey ? 1 : -1);
    });
    this.pad();
  }

  // The two most informative dimensions, in index order: what dragging the image itself moves.
  axes() {
    return this.model.dimensions.slice(0, 2).sort((a, b) => a.index - b.index);
  }

  // To the right and up is larger.
  pad() {
    let last = null;
    this.image.addEventListener("pointerdown", (event) => {
      this.image.setPointerCapture(event.pointerId);
      last = event;
    });
    this.image.addEventListener("pointermove", (event) => {
      if (!last) return;
      const size = this.image.getBoundingClientRect().width;
      const shift = [(event.clientX - last.clientX) / size, (last.clientY - event.clientY) / size];
      last = event;
      this.axes().forEach(({ index, low, high }, axis) => {
        this.z[index] = Math.min(Math.max(this.z[index] + shift[axis] * (high - low), low), high);
      });
      this.show();
      this.request();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.image.addEventListener(end, () => {
        if (last) this.commit();
        last = null;
      });
    }
  }

  smooth(on) {
    this.find(".smooth").setAttribute("aria-pressed", on);
    this.find(".explorer").classList.toggle("smoothed", on);
    localStorage.setItem("explore.smooth", on);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(format(this.z));
      this.say("z is copied; paste it into this field, here or on another machine.");
    } catch {
      this.find(".z").select();
      this.say("This browser does not let the page copy; press Ctrl+C.");
    }
  }

  paste(text) {
    const numbers = text.replace(/[[\]()−]/g, (c) => (c === "−" ? "-" : " ")).trim().split(/[\s,;]+/).map(Number);
    if (numbers.length !== this.z.length || !numbers.every(Number.isFinite)) {
      this.complain(
        numbers.every(Number.isFinite)
          ? `The text holds ${numbers.length} numbers, but this model's code has ${this.z.length}; paste exactly that many.`
          : `"${text.slice(0, 40)}" is not a list of numbers; paste ${this.z.length} of them, separated by commas.`);
      this.find(".z").value = format(this.z);
      return;
    }
    this.go(numbers);
    this.commit();
  }

  // --- encoded images --------------------------------------------------------------------------------

  arrived(answer, source) {
    this.encoded = { ...answer, source };
    const original = this.find(".original");
    original.hidden = !answer.pixels;
    if (answer.pixels) paint(original.querySelector("canvas"), answer);
    original.querySelector("canvas").style.aspectRatio = this.image.style.aspectRatio;
    const isItem = source === "item" || source === "point";
    const label = answer.label >= 0 ? `${this.model.classNames[answer.label]}` : "";
    const where = isItem ? `item ${answer.position}${label ? `, class ${label}` : ""}` : source === "stroke" ? "drawing" : source;
    this.encoded.where = where;
    original.querySelector("figcaption").textContent = `original: ${where}`;
    for (const [index, slider] of this.sliders) slider.showPosterior(answer.mean[index], answer.std?.[index] ?? 0);
    // A random draw leaves locked dimensions alone; an item that was chosen is shown as it is.
    this.go(source === "point" ? answer.mean.map((value, i) => (this.sliders.get(i)?.locked ? this.z[i] : value)) : answer.mean);
    if (source !== "stroke") this.commit();
  }

  caption() {
    const two = this.axes().map(({ index }) => dimensionName(index));
    let text = `decoded · drag the image to move ${two.join(" and ")}`;
    if (this.encoded) {
      const distance = Math.hypot(...this.z.map((value, i) => value - this.encoded.mean[i]));
      text = distance < 1e-4 ? "reconstruction from the posterior mean" : `decoded · ${distance.toFixed(2)} from the code of ${this.encoded.where}`;
    }
    this.find(".decoded figcaption").textContent = text;
  }

  say(sentence) {
    const message = this.find(".message");
    message.textContent = sentence;
    message.classList.remove("wrong");
  }

  complain(sentence) {
    this.say(sentence);
    this.find(".message").classList.toggle("wrong", Boolean(sentence));
  }

  close() {
    this.channel.close();
    this.panel?.close();
    this.observer?.disconnect();
  }
}
const format = (z) => Array.from(z, (value) => String(Number(value.toPrecision(6)))).join(", ");
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

// Box & Muller (1958): one draw from N(0, 1).
const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

const explorers = new WeakMap();

export default function mount({ parentElement, data, setStateValue }) {
  let explorer = explorers.get(parentElement);
  const commit = (model, z) => setStateValue("z", { model, values: Array.from(z) });
  if (!explorer) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    explorer = new Explorer(root, data, commit);
    explorers.set(parentElement, explorer);
  } else {
    explorer.sendCommit = commit;
    if (explorer.model.id !== data.model.id || explorer.model.dataHere !== data.model.dataHere) explorer.setModel(data);
  }
  return () => {
    explorer.close();
    explorers.delete(parentElement);
  };
}
