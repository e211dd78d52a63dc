// What the pictures of the Equations page are made of: a stage with two axes, handles that pointer, touch and arrow keys
// drag, the ellipse of a Gaussian with three of them, bars on one scale. Styled by eq-draw.css.
//
// A stage paints in two layers: `under` draws on a canvas, what people take hold of is SVG above it. Colours follow
// Streamlit's theme.

import { heat } from "../../kit/colours.js";
import { ticks } from "../../kit/scale.js";
import { MINUS, number } from "../../kit/words.js";
import { covarianceOf, principal } from "./plane.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 1 / 100; // of an axis, per arrow key; with Shift five times as much
const FASTER = 5;
const APART = { x: 56, y: 45 }; // px between two numbers along an axis, at least about so many
const MARGIN = { left: 44, right: 10, top: 20, bottom: 34 }; // px around the field, for the numbers
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// The theme's colours, for canvases: { text, line, ground, field, accent }.
export function colours(element) {
  const style = getComputedStyle(element),
    name = (key) => style.getPropertyValue(`--st-${key}`).trim();
  return {
    text: style.color,
    line: name("border-color") || "#8886",
    ground: name("background-color") || "#fff",
    field: name("secondary-background-color") || "#f2f5f7",
    accent: name("primary-color") || "#0b6b86",
  };
}

export class Stage {
  // parent: an element that the stage fills; axes: { x, y: [low, high], names: [x's, y's], log: [x's, y's] (base 10),
  // aspect: width / height of the whole, equal: one unit is as long along both axes (the range that has room grows) }
  constructor(
    parent,
    { x, y, names = ["", ""], log = [false, false], aspect = 1, equal = false, label = "" },
  ) {
    Object.assign(this, { parent, names, log, equal, painters: [], parts: [], size: null });
    parent.classList.add("eq-stage");
    parent.style.aspectRatio = String(aspect);
    parent.innerHTML = `<canvas role="img" aria-label="${label}"></canvas>`;
    this.canvas = parent.firstChild;
    this.svg = parent.appendChild(svg("svg"));
    this.clip = svg("clipPath", { id: `eq-${Math.random().toString(36).slice(2)}` });
    this.field = this.clip.appendChild(svg("rect"));
    this.svg.append(this.clip);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(parent);
    this.view(x, y);
  }

  // Another range of both axes.
  view(x, y) {
    this.asked = { x, y };
    this.resize();
  }

  // draw(context, stage) is called at every paint, in the order given, below the handles and within the field.
  under(draw) {
    this.painters.push(draw);
    return this;
  }

  // --- from numbers to pixels and back ----------------------------------------------------------------------

  resize() {
    const width = this.parent.clientWidth,
      height = this.parent.clientHeight;
    if (!width || !height) return;
    const { left, right, top, bottom } = MARGIN;
    this.size = { width, height, left, top, across: width - left - right, down: height - top - bottom };
    this.range = { x: this.asked.x.slice(), y: this.asked.y.slice() };
    if (this.equal) this.equalise();
    for (const [name, value] of [
      ["x", left],
      ["y", top],
      ["width", this.size.across],
      ["height", this.size.down],
    ])
      this.field.setAttribute(name, value);
    this.paint();
  }

  equalise() {
    const { x, y } = this.range,
      { across, down } = this.size;
    const unit = Math.max((x[1] - x[0]) / across, (y[1] - y[0]) / down);
    for (const [range, pixels] of [
      [x, across],
      [y, down],
    ]) {
      const more = (unit * pixels - (range[1] - range[0])) / 2;
      range[0] -= more;
      range[1] += more;
    }
  }

  share(axis, value) {
    const [low, high] = this.range[axis ? "y" : "x"];
    return this.log[axis] ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }

  toScreen = (x, y) => {
    const { left, top, across, down } = this.size;
    return [left + across * this.share(0, x), top + down * (1 - this.share(1, y))];
  };

  toWorld = (px, py) => {
    const { left, top, across, down } = this.size,
      shares = [(px - left) / across, 1 - (py - top) / down];
    return shares.map((share, axis) => {
      const [low, high] = this.range[axis ? "y" : "x"];
      return this.log[axis] ? low * (high / low) ** share : low + share * (high - low);
    });
  };

  // Where a pointer is, in the units of the axes.
  place(event) {
    const box = this.parent.getBoundingClientRect();
    return this.toWorld(event.clientX - box.left, event.clientY - box.top);
  }

  // A place kept within the field.
  within([x, y]) {
    return [clamp(x, ...this.range.x), clamp(y, ...this.range.y)];
  }

  // What one arrow key moves along an axis at a place: [from here, the other way] are the same on a log axis.
  stepped([x, y], [right, up], fast) {
    const share = STEP * (fast ? FASTER : 1),
      along = [right, up];
    return [x, y].map((value, axis) => {
      const [low, high] = this.range[axis ? "y" : "x"];
      return this.log[axis]
        ? value * (high / low) ** (share * along[axis])
        : value + share * along[axis] * (high - low);
    });
  }

  // --- painting ---------------------------------------------------------------------------------------------

  paint() {
    if (!this.size) return;
    const { canvas, size } = this,
      ratio = window.devicePixelRatio || 1;
    const width = Math.round(size.width * ratio),
      height = Math.round(size.height * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    this.colours = colours(this.parent);
    context.fillStyle = this.colours.field;
    context.fillRect(size.left, size.top, size.across, size.down);
    context.save();
    context.beginPath();
    context.rect(size.left, size.top, size.across, size.down);
    context.clip();
    for (const draw of this.painters) {
      context.save();
      draw(context, this);
      context.restore();
    }
    context.restore();
    this.axes(context);
    for (const part of this.parts) part.render();
  }

  axes(context) {
    const { size, names } = this,
      low = size.top + size.down,
      { text, line } = this.colours;
    Object.assign(context, {
      fillStyle: text,
      strokeStyle: line,
      lineWidth: 1,
      font: `11px ${getComputedStyle(this.parent).fontFamily}`,
      textBaseline: "middle",
    });
    context.strokeRect(size.left + 0.5, size.top + 0.5, size.across - 1, size.down - 1);
    context.globalAlpha = 0.85;
    context.textAlign = "center";
    for (const { value, text: words } of this.ticks(0, Math.max(2, Math.floor(size.across / APART.x)))) {
      const [x] = this.toScreen(value, this.range.y[0]);
      context.fillRect(x - 0.5, low, 1, 4);
      context.fillText(words, Math.min(x, size.width - context.measureText(words).width / 2), low + 11);
    }
    context.textAlign = "right";
    for (const { value, text: words } of this.ticks(1, Math.max(2, Math.floor(size.down / APART.y)))) {
      const [, y] = this.toScreen(this.range.x[0], value);
      context.fillRect(size.left - 4, y - 0.5, 4, 1);
      context.fillText(words, size.left - 6, clamp(y, 6, size.height - 6));
    }
    context.font = `600 11px ${getComputedStyle(this.parent).fontFamily}`;
    context.fillText(names[0], size.width - MARGIN.right, low + 26);
    context.textAlign = "left";
    context.fillText(names[1].replace("→", "↑"), 4, size.top - 10);
    context.globalAlpha = 1;
  }

  ticks(axis, most) {
    const [low, high] = this.range[axis ? "y" : "x"];
    if (!this.log[axis]) return ticks(low, high, most);
    const first = Math.ceil(Math.log10(low) - 1e-9),
      last = Math.floor(Math.log10(high) + 1e-9);
    const powers = Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => 10 ** (first + i));
    return powers.map((value) => ({
      value,
      text: value >= 1 ? value.toLocaleString("en") : String(Number(value.toPrecision(1))),
    }));
  }

  // --- what people take hold of -----------------------------------------------------------------------------

  // A part has render(), and may hold SVG within `layer(clipped)`.
  add(part) {
    this.parts.push(part);
    if (this.size) part.render();
    return part;
  }

  layer(clipped = false) {
    return this.svg.appendChild(svg("g", clipped ? { "clip-path": `url(#${this.clip.id})` } : {}));
  }

  close() {
    this.observer.disconnect();
  }
}

// A point to drag: by pointer, by touch, and with arrow keys when it has the focus.
export class Handle {
  // said: { name, at: [x, y], colour, small, move([x, y]), done() }; move is told a place within the field, and decides:
  // the handle stands where `set` puts it. Several parts may share one layer, drawn in the order they were made.
  constructor(stage, { name, at, colour = "", small = false, move, done = () => {} }) {
    Object.assign(this, { stage, name, at, move, done });
    this.element = stage.layer().appendChild(
      svg("g", {
        class: `eq-handle${small ? " small" : ""}`,
        tabindex: 0,
        role: "slider",
        "aria-label": name,
      }),
    );
    if (colour) this.element.style.setProperty("--handle", colour);
    this.element.append(
      svg("circle", { class: "hit", r: small ? 14 : 20 }),
      svg("circle", { class: "dot", r: small ? 5.5 : 7.5 }),
    );
    this.element.addEventListener("pointerdown", (event) => this.grab(event));
    this.element.addEventListener("pointermove", (event) => this.held && this.drag(event));
    for (const type of ["pointerup", "pointercancel"]) this.element.addEventListener(type, () => this.drop());
    this.element.addEventListener("keydown", (event) => this.key(event));
    stage.add(this);
  }

  grab(event) {
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    this.element.focus({ preventScroll: true });
    const at = this.stage.toScreen(...this.at),
      box = this.stage.parent.getBoundingClientRect();
    this.held = [at[0] - (event.clientX - box.left), at[1] - (event.clientY - box.top)]; // it does not jump to the finger
  }

  drag(event) {
    const box = this.stage.parent.getBoundingClientRect();
    const place = this.stage.toWorld(
      event.clientX - box.left + this.held[0],
      event.clientY - box.top + this.held[1],
    );
    this.move(this.stage.within(place));
  }

  drop() {
    if (this.held) this.done();
    this.held = null;
  }

  key(event) {
    const way = WAYS[event.key];
    if (!way) return;
    event.preventDefault();
    this.move(this.stage.within(this.stage.stepped(this.at, way, event.shiftKey)));
    this.done();
  }

  set(at) {
    this.at = at;
    if (this.stage.size) this.render();
  }

  render() {
    const [x, y] = this.stage.toScreen(...this.at);
    this.element.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    this.element.dataset.at = this.at.join(" ");
    this.element.setAttribute("aria-valuenow", this.at[0].toPrecision(4));
    this.element.setAttribute("aria-valuetext", this.at.map((value) => figure(value)).join(", "));
  }
}

// N(mean, covariance) as its ellipses of 1 and 2 standard deviations, with handles at the centre and at the end of each
// axis; an end that is dragged turns the ellipse and says how long its axis is.
export class Ellipse {
  // said: { name, mean, covariance, colour, least: the smallest standard deviation, aligned: axes stay parallel to the
  // stage's, move({ mean, covariance }), done(), still: no handles }
  constructor(
    stage,
    {
      name,
      mean,
      covariance,
      colour = "",
      least = 1e-3,
      aligned = false,
      move = () => {},
      done = () => {},
      still = false,
      reach = 2,
    },
  ) {
    Object.assign(this, { stage, name, least, aligned, reach, move, handles: [] });
    const layer = stage.layer(true);
    this.lines = [1, reach].map((k) =>
      layer.appendChild(svg("path", { class: `eq-ellipse${k === 1 ? " strong" : ""}` })),
    );
    if (colour) layer.style.setProperty("--handle", colour);
    Object.assign(this, { mean: mean.slice(), ...principal(covariance) });
    stage.add(this);
    if (still) return;
    const handle = (words, act, small) =>
      new Handle(stage, { name: `${words} of ${name}`, at: mean, colour, small, move: act, done });
    this.handles = [
      handle("Centre", (place) => this.change({ mean: place }), false),
      handle("First axis", (place) => this.pull(0, place), true),
      handle("Second axis", (place) => this.pull(1, place), true),
    ];
    this.render();
  }

  get covariance() {
    return covarianceOf(this.std, this.angle);
  }

  set(mean, covariance) {
    Object.assign(this, { mean: mean.slice(), ...principal(covariance) });
    if (this.stage.size) this.render();
  }

  // Without turning, each end says the standard deviation along its own axis of the stage.
  pull(axis, [x, y]) {
    const away = [x - this.mean[0], y - this.mean[1]],
      std = this.std.slice();
    if (this.aligned) {
      std[axis] = Math.max(Math.abs(away[axis]) / this.reach, this.least);
      return this.change({ std, angle: 0 });
    }
    std[axis] = Math.max(Math.hypot(...away) / this.reach, this.least);
    this.change({ std, angle: Math.atan2(away[1], away[0]) - (axis * Math.PI) / 2 });
  }

  change(some) {
    Object.assign(this, some);
    this.render();
    this.move({ mean: this.mean.slice(), covariance: this.covariance });
  }

  // The end of an axis, k standard deviations out.
  end(axis, k) {
    const angle = this.angle + (axis * Math.PI) / 2,
      long = k * this.std[axis];
    return [this.mean[0] + long * Math.cos(angle), this.mean[1] + long * Math.sin(angle)];
  }

  render() {
    if (!this.stage.size) return;
    for (const [i, k] of [1, this.reach].entries()) this.lines[i].setAttribute("d", this.outline(k));
    this.handles[0]?.set(this.mean);
    this.handles[1]?.set(this.end(0, this.reach));
    this.handles[2]?.set(this.end(1, this.reach));
  }

  outline(k) {
    const cos = Math.cos(this.angle),
      sin = Math.sin(this.angle),
      points = [];
    for (let i = 0; i < 90; i++) {
      const turn = (i * Math.PI) / 45,
        a = k * this.std[0] * Math.cos(turn),
        b = k * this.std[1] * Math.sin(turn);
      const [x, y] = this.stage.toScreen(this.mean[0] + a * cos - b * sin, this.mean[1] + a * sin + b * cos);
      points.push(`${x.toFixed(2)} ${y.toFixed(2)}`);
    }
    return `M${points.join("L")}Z`;
  }
}

// Bars on one scale, each with its name before and its number behind.
export class Bars {
  // names: { key: [name, colour], ... } from above to below
  constructor(parent, names) {
    parent.classList.add("eq-bars");
    parent.innerHTML = Object.entries(names)
      .map(
        ([key, [name, colour]]) => `
      <div class="eq-bar" data-bar="${key}" style="--bar: ${colour}"><span class="name">${name}</span><span class="track"><i></i><b></b></span><output></output></div>`,
      )
      .join("");
    this.rows = Object.fromEntries(
      Object.keys(names).map((key) => [key, parent.querySelector(`[data-bar="${key}"]`)]),
    );
  }

  // found: { key: { from, to, text, open } }; open: the bar begins further left than the scale does. low, high: the scale;
  // mark: a value to mark in every row, or null.
  show(found, low, high, mark = null) {
    const share = (value) => 100 * clamp((value - low) / (high - low), 0, 1);
    for (const [key, { from = 0, to, text = number(to), open = false }] of Object.entries(found)) {
      const bar = this.rows[key].querySelector("i"),
        ends = [share(Math.min(from, to)), share(Math.max(from, to))];
      this.rows[key].classList.toggle("open", open);
      Object.assign(bar.style, { left: `${ends[0]}%`, width: `${ends[1] - ends[0]}%` });
      this.rows[key].querySelector("output").textContent = text;
      this.rows[key].querySelector(".track b").style.left = mark === null ? "-1rem" : `${share(mark)}%`;
    }
  }
}

// --- for painters ---------------------------------------------------------------------------------------------

// A line through points; those that are not finite break it.
export function curve(context, stage, xs, ys, { colour, width = 1.6, dash = [], alpha = 1 }) {
  Object.assign(context, { strokeStyle: colour, lineWidth: width, globalAlpha: alpha, lineJoin: "round" });
  context.setLineDash(dash);
  context.beginPath();
  let drawing = false;
  for (let i = 0; i < xs.length; i++) {
    const finite = Number.isFinite(xs[i]) && Number.isFinite(ys[i]);
    if (finite) context[drawing ? "lineTo" : "moveTo"](...stage.toScreen(xs[i], ys[i]));
    drawing = finite;
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

// A dot that is seen on every ground.
export function dot(context, stage, [x, y], { colour, radius = 3, rim = "rgb(0 0 0 / 0.55)" }) {
  context.beginPath();
  context.arc(...stage.toScreen(x, y), radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  Object.assign(context, { strokeStyle: rim, lineWidth: 0.8 });
  context.stroke();
}

// Shares in [0, 1] on a grid { left, bottom, cell, columns, rows }, row by row from below, as a heat map.
export class Heat {
  constructor() {
    this.picture = document.createElement("canvas");
  }

  set(grid, shareOf) {
    this.grid = grid;
    const { columns, rows } = grid;
    if (this.image?.width !== columns || this.image?.height !== rows) {
      Object.assign(this.picture, { width: columns, height: rows });
      this.image = new ImageData(columns, rows);
    }
    const pixels = new Uint32Array(this.image.data.buffer);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        pixels[(rows - 1 - row) * columns + column] = heat(shareOf(row * columns + column));
    this.picture.getContext("2d").putImageData(this.image, 0, 0);
  }

  paint(context, stage) {
    if (!this.grid) return;
    const { left, bottom, cell, columns, rows } = this.grid;
    const [x, y] = stage.toScreen(left - cell / 2, bottom + (rows - 0.5) * cell),
      [right, low] = stage.toScreen(left + (columns - 0.5) * cell, bottom - cell / 2);
    context.fillStyle = "#440154"; // beyond the grid there is as good as nothing
    context.fillRect(0, 0, stage.size.width, stage.size.height);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.picture, x, y, right - x, low - y);
  }
}

// As many digits as a place on a stage needs.
export const figure = (value, digits = 2) => value.toFixed(digits).replace("-", MINUS);

export function svg(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
