// The Explore page's component: one decoded image, one slider per latent dimension, everything live.
//
// Moving anything asks the server for the image, and for the strips of the sliders behind it. Python hears
// of a code only when a move is over ("commit"), which keeps script runs out of the loop.

import { write } from "../../kit/address.js";
import { codeText, parseCode } from "../../kit/code-text.js";
import { soon, tell } from "../../kit/pace.js";
import { paint } from "../../kit/paint.js";
import { buttons, Remote } from "../../kit/remote.js";
import { MOVE, Slider } from "../../kit/slider.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { Trust } from "../../kit/trust.js";
import { dimensionName } from "../../kit/words.js";
import { EncodePanel, itemText } from "./encode.js";
import { Spread } from "./spread.js";
import { Strips } from "./strips.js";

const FEW = 4; // so few dimensions leave room beside the image for wide strips and the Encode panel
const FIRST_SHOWN = 12;
const MORE = 12;
const COMMIT_PAUSE_MS = 350; // after the last key press of a series
const HISTORY = 200;
const WAITING = "Waiting for the server…";
const MOST_LEFT = 32; // models whose view a tab remembers
const NARROW_REM = 46; // as in the style sheet: below, everything is in one column

const TEMPLATE = `
  <div class="explorer">
    <section class="left">
      <div class="stage">
        <figure class="decoded"><canvas class="image" role="img" aria-label="Decoded image"></canvas>
          <figcaption></figcaption></figure>
        <figure class="original"><canvas role="img" aria-label="Original image" hidden></canvas>
          <figcaption>encode an image to see it here</figcaption></figure>
        <figure class="spread" hidden><canvas role="img" aria-label="Pixel uncertainty" hidden></canvas><figcaption></figcaption></figure>
      </div>
      <div class="tools" role="toolbar" aria-label="Code">
        <button type="button" class="undo" title="Undo (Ctrl+Z)" aria-label="Undo">↶</button>
        <button type="button" class="redo" title="Redo (Ctrl+Shift+Z)" aria-label="Redo">↷</button>
        <button type="button" class="origin" title="Go to z = 0, the middle of the prior">Origin</button>
        <button type="button" class="prior">Prior draw</button>
        <button type="button" class="point" title="Go to the code of a random encoded data point">Data point</button>
        <button type="button" class="smooth" aria-pressed="false" title="Smooth or pixelated">Smooth</button>
      </div>
      <span class="text"><input class="z" aria-label="Code z as text" spellcheck="false" autocomplete="off">
        <button type="button" class="copy" title="Copy z as text">Copy</button></span>
      <p class="message" role="status" aria-live="polite"></p>
      <div class="encode"></div>
    </section>
    <section class="right">
      <div class="trust"></div>
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
    this.original = this.find(".original canvas");
    const onError = (sentence) => this.complain(sentence);
    this.strips = new Strips(onError);
    this.images = new Channel({
      onAnswer: (answer) => this.draw(answer),
      onError,
      onStatus: (connected) => {
        if (!connected) this.complain(WAITING);
        else if (this.find(".message").textContent === WAITING) this.complain("");
      },
    });
    this.trust = new Trust(this.find(".trust"));
    this.spread = new Spread(this.find(".spread"));
    this.tools();
    this.place();
    this.setModel(data);
  }

  setModel(data) {
    this.leave();
    this.panel?.close();
    clearTimeout(this.pause);
    Object.assign(this, {
      model: data.model,
      encoded: null,
      item: null,
      comparing: null,
      history: [],
      cursor: -1,
    });
    this.z = Float32Array.from(data.z);
    this.sliders = new Map(); // dimension index -> Slider, in the order shown
    this.find(".dims").replaceChildren();
    this.original.hidden = true;
    this.find(".original figcaption").textContent = "encode an image to see it here";
    this.strips.begin(this.model);
    this.trust.begin({ ...this.model, ...this.model.trust });
    this.spread.begin(this.model);
    this.addSliders(FIRST_SHOWN);
    this.panel = new EncodePanel(this.find(".encode"), this.model, this);
    const few = this.z.length <= FEW;
    this.find(".explorer").classList.toggle("few", few);
    this.find(few ? ".right" : ".left").append(this.find(".encode"));
    this.find(".point").disabled = !this.model.encodedCount;
    this.find(".prior").disabled = !this.model.hasPrior;
    this.find(".prior").title = this.model.hasPrior
      ? "Draw z from the prior N(0, I)"
      : "A plain autoencoder has no prior to draw from";
    const [, height, width] = this.model.dataShape;
    this.image.style.aspectRatio = `${width} / ${height}`;
    this.remember();
    this.show();
    this.request();
    this.restore();
    this.address();
  }

  // Beside the code: what the address says, or what this tab showed when it left this view for another page or model.
  restore() {
    const said = Object.fromEntries(new URLSearchParams(location.search)),
      fits = said.model === this.model.name;
    this.smooth(
      said.smooth ? said.smooth === "1" : (smoothing ?? localStorage.getItem("explore.smooth") === "true"),
    );
    const held = left.get(this.model.id),
      known = held && same(held.z, this.z) ? held : null;
    const item = fits ? said.item : known?.item;
    if (item) this.item = this.panel.linked(item) ? item : null;
    else if (known?.encoded && !known.item) this.beside(known.encoded); // a picture, which no address holds
  }

  leave() {
    if (!this.model) return;
    left.set(this.model.id, { z: this.history[this.cursor], item: this.item, encoded: this.encoded });
    if (left.size > MOST_LEFT) left.delete(left.keys().next().value);
  }

  // Newer weights of the run in view: the code stays, and so does a drag under way.
  follow(model) {
    this.model = this.panel.model = this.spread.model = model;
    this.trust.follow({ ...model, ...model.trust });
    for (const dimension of model.dimensions) {
      const slider = this.sliders.get(dimension.index);
      slider?.redescribe(dimension);
      slider?.show(this.z[dimension.index]);
    }
    this.strips.follow(model);
    this.request();
  }

  addSliders(count) {
    const { dimensions } = this.model;
    for (const dimension of dimensions.slice(this.sliders.size, this.sliders.size + count)) {
      const slider = new Slider(dimension, this);
      this.sliders.set(dimension.index, slider);
      this.find(".dims").append(slider.element);
      this.strips.add(slider);
      slider.show(this.z[dimension.index]);
      if (this.encoded)
        slider.showPosterior(this.encoded.mean[dimension.index], this.encoded.std?.[dimension.index] ?? 0);
    }
    const rest = dimensions.length - this.sliders.size;
    const more = this.find(".more");
    more.hidden = rest <= 0;
    more.textContent =
      rest > MORE
        ? `Show ${MORE} more of ${rest} less informative dimensions`
        : `Show the last ${rest} dimensions`;
  }

  // --- the live loop ---------------------------------------------------------------------------------

  // Ask for the image and what goes with it.
  request() {
    const width = this.z.length;
    this.images.ask({ model: this.model.id, kind: DECODE, count: 1, width, payload: this.z.slice() });
    this.strips.at(this.z);
    this.trust.ask(this.z);
  }

  draw(answer) {
    if (!this.comparing) paint(this.image, answer);
    if (this.painted) return;
    this.painted = true;
    performance.mark("first-decoded-image");
  }

  // --- the code and its history ----------------------------------------------------------------------

  // A hand moves a slider: needle and picture follow at once, the words about them a few times a second.
  drag(index, value) {
    this.z[index] = value;
    this.sliders.get(index)?.point(this.z[index]);
    this.request();
    soon(this, () => this.tell());
  }

  input(index, value) {
    this.drag(index, value);
    this.tell();
  }

  go(code) {
    this.z = Float32Array.from(code);
    this.show();
    this.request();
  }

  show() {
    for (const [index, slider] of this.sliders) slider.point(this.z[index]);
    this.tell();
  }

  // Everything that says in words where the code is.
  tell() {
    for (const slider of this.sliders.values()) slider.tell();
    const text = this.find(".z"),
      z = codeText(this.z, ", ");
    if (text.value !== z && this.root.getRootNode().activeElement !== text) text.value = z;
    this.find(".undo").disabled = this.cursor <= 0;
    this.find(".redo").disabled = this.cursor >= this.history.length - 1;
    this.caption();
  }

  commit() {
    clearTimeout(this.pause);
    if (this.images.live.open) this.complain("");
    if (this.history[this.cursor] && same(this.history[this.cursor], this.z)) return this.tell();
    this.remember();
    this.tell();
    this.address();
    this.sendCommit(this.model.id, this.z);
  }

  address() {
    const z = codeText(this.history[this.cursor]),
      smooth = this.smoothed ? "1" : "0";
    write("", { model: this.model.name, z, item: this.item, smooth });
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
    this.address();
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
    on(".smooth", () => {
      smoothing = !this.smoothed;
      localStorage.setItem("explore.smooth", smoothing);
      this.smooth(smoothing);
      this.address();
    });
    on(".more", () => this.addSliders(MORE));
    on(".copy", () => this.copy());
    this.find(".z").addEventListener("change", (event) => this.paste(event.target.value));
    this.find(".z").addEventListener("focus", (event) => event.target.select());
    this.root.addEventListener("keydown", (event) => {
      if (
        !(event.ctrlKey || event.metaKey) ||
        event.key.toLowerCase() !== "z" ||
        event.target.tagName === "INPUT"
      )
        return;
      event.preventDefault();
      this.travel(event.shiftKey ? 1 : -1);
    });
    this.compare();
    this.pad();
  }

  // While the pointer is on the original it takes the reconstruction's place: the eye compares two images best
  // when they take turns.
  compare() {
    const show = (on) => {
      this.comparing = on && this.encoded?.pixels;
      if (this.comparing) paint(this.image, this.encoded);
      else this.request();
      this.caption();
    };
    this.original.addEventListener("pointerenter", () => show(true));
    for (const end of ["pointerleave", "pointercancel"])
      this.original.addEventListener(end, () => show(false));
  }

  // The two most informative dimensions, in index order: what dragging the image itself moves.
  axes() {
    return this.model.dimensions.slice(0, 2).sort((a, b) => a.index - b.index);
  }

  // To the right and up is larger.
  pad() {
    let last = null,
      size = 1;
    const hold = (on) => this.axes().forEach(({ index }) => this.sliders.get(index)?.hold(on));
    this.image.addEventListener("pointerdown", (event) => {
      this.image.setPointerCapture(event.pointerId);
      last = event;
      size = this.image.clientWidth; // measured once: asking for it at each move costs a layout
      hold(true);
    });
    this.image.addEventListener(MOVE, (event) => {
      if (!last) return;
      const shift = [(event.clientX - last.clientX) / size, (last.clientY - event.clientY) / size];
      last = event;
      this.axes().forEach(({ index, low, high }, axis) => {
        this.z[index] = Math.min(Math.max(this.z[index] + shift[axis] * (high - low), low), high);
        this.sliders.get(index)?.point(this.z[index]);
      });
      this.request();
      soon(this, () => this.tell());
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.image.addEventListener(end, () => {
        if (last) this.commit();
        last = null;
        hold(false);
      });
    }
  }

  // The read-out stays in view: with the image where there is one column, else above the sliders.
  place() {
    const trust = this.find(".trust"),
      rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.width = new ResizeObserver(() => {
      const home = this.root.clientWidth <= NARROW_REM * rem ? ".stage" : ".right";
      if (trust.parentElement.matches(home)) return;
      if (home === ".stage") this.find(home).append(trust);
      else this.find(home).prepend(trust);
    });
    this.width.observe(this.root);
  }

  smooth(on) {
    this.smoothed = on;
    this.find(".smooth").setAttribute("aria-pressed", on);
    this.find(".explorer").classList.toggle("smoothed", on);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(codeText(this.z, ", "));
      this.say("z is copied; paste it into this field, here or on another machine.");
    } catch {
      this.find(".z").select();
      this.say("This browser does not let the page copy; press Ctrl+C.");
    }
  }

  paste(text) {
    try {
      this.go(parseCode(text, this.z.length));
      this.commit();
    } catch (error) {
      this.complain(error.message);
    }
    this.find(".z").value = codeText(this.z, ", ");
  }

  // --- encoded images --------------------------------------------------------------------------------

  arrived(answer, source) {
    const isItem = ["item", "point", "link"].includes(source);
    const label = answer.label >= 0 ? `${this.model.classNames[answer.label]}` : "";
    const where = isItem
      ? `item ${answer.position}${label ? `, class ${label}` : ""}`
      : source === "stroke"
        ? "drawing"
        : source;
    this.item = isItem ? itemText(answer.position) : null;
    this.beside({ ...answer, where });
    if (source === "link") return this.address(); // its code is in the link, too
    // A random draw leaves locked dimensions alone; an item that was chosen is shown as it is.
    this.go(
      source === "point"
        ? answer.mean.map((value, i) => (this.sliders.get(i)?.locked ? this.z[i] : value))
        : answer.mean,
    );
    if (source === "stroke") return;
    this.commit();
    this.address(); // also where the code is the one that was there
  }

  // Show an encoded image beside the code in view, which stays.
  beside(encoded) {
    this.encoded = encoded;
    this.original.hidden = !encoded.pixels;
    if (encoded.pixels) paint(this.original, encoded);
    this.original.style.aspectRatio = this.image.style.aspectRatio;
    this.find(".original figcaption").textContent = encoded.pixels
      ? `original: ${encoded.where}`
      : `${encoded.where}: its image is not here`;
    for (const [index, slider] of this.sliders)
      slider.showPosterior(encoded.mean[index], encoded.std?.[index] ?? 0);
    this.spread.of(encoded);
    this.caption();
  }

  caption() {
    const two = this.axes().map(({ index }) => dimensionName(index));
    let text = `decoded · drag the image to move ${two.join(" and ")}`;
    if (this.encoded) {
      const distance = Math.hypot(...this.z.map((value, i) => value - this.encoded.mean[i]));
      text =
        distance < 1e-4
          ? "reconstruction from the posterior mean"
          : `decoded · ${distance.toFixed(2)} from the code of ${this.encoded.where}`;
    }
    tell(this.find(".decoded figcaption"), this.comparing ? `original: ${this.encoded.where}` : text);
  }

  say(sentence) {
    const message = this.find(".message");
    tell(message, sentence);
    message.classList.remove("wrong");
  }

  complain(sentence) {
    this.say(sentence);
    this.find(".message").classList.toggle("wrong", Boolean(sentence));
  }

  close() {
    this.leave();
    for (const part of [this.images, this.strips, this.trust, this.spread, this.panel]) part.close();
    this.width.disconnect();
  }
}
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

// Box & Muller (1958): one draw from N(0, 1).
const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

const explorers = new WeakMap();

// What this tab showed when it left: links within the app have no query, and no address holds a picture.
const left = new Map(); // model id -> { z, item, encoded }
let smoothing = null; // as chosen here

const isNewerEpoch = (before, now) =>
  before.name === now.name &&
  now.name.startsWith("run/") &&
  before.id !== now.id &&
  before.dimensions.length === now.dimensions.length &&
  String(before.dataShape) === String(now.dataShape);

export default function mount({ parentElement, data, setStateValue }) {
  let explorer = explorers.get(parentElement);
  const commit = (model, z) => setStateValue("z", { model, values: Array.from(z) });
  if (!explorer) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    explorer = new Explorer(root, data, commit);
    explorer.remote = new Remote(window, buttons(root)); // through the items of the Encode panel
    explorers.set(parentElement, explorer);
  } else {
    explorer.sendCommit = commit;
    if (isNewerEpoch(explorer.model, data.model)) explorer.follow(data.model);
    else if (explorer.model.id !== data.model.id || explorer.model.dataHere !== data.model.dataHere)
      explorer.setModel(data);
    explorer.address();
  }
  return () => {
    explorer.remote.close();
    explorer.close();
    explorers.delete(parentElement);
  };
}
