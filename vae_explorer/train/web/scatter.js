// Where the held-out codes are: a cloud of points on a canvas, over axes that stay where they are for the whole film.

import { mark } from "../../kit/colours.js";
import { ticks } from "../../kit/scale.js";
import { epochName } from "../../kit/words.js";

const MANY = 800; // points; then they are drawn smaller
const PADDING = 0.05;

export class Scatter {
  constructor(root) {
    this.find = (selector) => root.querySelector(`.codes ${selector}`);
    this.stage = this.find(".stage");
    this.canvas = this.find("canvas");
    this.context = this.canvas.getContext("2d");
    this.sprites = new Map();
    this.only = null; // the class that stands out
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
  }

  begin({ kind, latentDim }) {
    Object.assign(this, { kind, latentDim, labels: null, frame: null, bounds: null, view: null });
    this.find(".axes").replaceChildren();
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  resize() {
    this.ratio = Math.max(1, window.devicePixelRatio);
    this.canvas.width = Math.round(this.stage.clientWidth * this.ratio);
    this.canvas.height = Math.round(this.stage.clientHeight * this.ratio);
    this.sprites.clear();
    this.view = null;
    this.draw();
  }

  setLabels(labels) {
    this.labels = labels;
    this.draw();
  }

  // bounds: [left, bottom, right, top] of all points of the film so far.
  show(epoch, frame, bounds) {
    if (frame === this.frame && bounds.every((value, i) => value === this.bounds?.[i])) return;
    if (!this.bounds || bounds.some((value, i) => value !== this.bounds[i])) this.view = null;
    this.bounds = [...bounds];
    this.frame = frame;
    this.draw();
    this.canvas.setAttribute(
      "aria-label",
      `Codes of ${frame.points.shape[0].toLocaleString("en")} held-out examples, ${epochName(epoch)}`,
    );
  }

  highlight(label) {
    this.only = label;
    this.draw();
  }

  draw() {
    if (!this.frame || !this.ratio || !this.canvas.width) return; // a canvas nobody has measured yet says 300
    if (!this.view) this.setView();
    const { context, canvas, view } = this,
      { values } = this.frame.points;
    const scaleX = canvas.width / (view.right - view.left),
      scaleY = canvas.height / (view.top - view.bottom);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const count = values.length / 2;
    for (const front of this.only === null ? [true] : [false, true]) {
      context.globalAlpha = front ? 1 : 0.15;
      for (let i = 0; i < count; i++) {
        const label = this.labels ? this.labels[i] : -1;
        if (this.only !== null && (label === this.only) !== front) continue;
        const sprite = this.sprite(label, count),
          half = sprite.width / 2;
        const x = (values[2 * i] - view.left) * scaleX,
          y = (view.top - values[2 * i + 1]) * scaleY;
        context.drawImage(sprite, Math.round(x - half), Math.round(y - half));
      }
    }
  }

  // Copying a small picture is several times faster than drawing a disc.
  sprite(label, count) {
    let sprite = this.sprites.get(label);
    if (sprite) return sprite;
    const r = (count > MANY ? 2.4 : 3.2) * this.ratio,
      side = 2 * Math.ceil(1.5 * r) + 1;
    sprite = document.createElement("canvas");
    sprite.width = sprite.height = side;
    const context = sprite.getContext("2d");
    context.globalAlpha = 0.85;
    mark(context, label, side / 2, side / 2, r);
    this.sprites.set(label, sprite);
    return sprite;
  }

  // --- axes ------------------------------------------------------------------------------------------------

  setView() {
    let [left, bottom, right, top] = this.bounds;
    if (this.latentDim === 1) {
      bottom = 0; // a standard deviation
      top = Math.max(top, 1.1);
    }
    this.view = padded(left, bottom, right, top);
    if (this.latentDim === 1) this.view.bottom = 0;
    else this.equalUnits();
    this.axes();
  }

  equalUnits() {
    const { view } = this,
      wide = this.canvas.width / this.canvas.height;
    const height = Math.max(view.top - view.bottom, (view.right - view.left) / wide);
    const middleX = (view.left + view.right) / 2,
      middleY = (view.bottom + view.top) / 2;
    Object.assign(view, {
      left: middleX - (height * wide) / 2,
      right: middleX + (height * wide) / 2,
      bottom: middleY - height / 2,
      top: middleY + height / 2,
    });
  }

  axes() {
    const { left, right, bottom, top } = this.view;
    const x = (value) => ((100 * (value - left)) / (right - left)).toFixed(3),
      y = (value) => ((100 * (top - value)) / (top - bottom)).toFixed(3);
    const zero = (value) => (value === 0 ? " zero" : "");
    const inside = (share) => share > 4 && share < 94;
    const across = ticks(left, right, 5).map(
      ({ value, text }) =>
        `<div class="x${zero(value)}" style="left:${x(value)}%">${inside(x(value)) ? `<span>${text}</span>` : ""}</div>`,
    );
    const up = ticks(bottom, top, 5).map(
      ({ value, text }) =>
        `<div class="y${zero(value)}" style="top:${y(value)}%">${inside(y(value)) ? `<span>${text}</span>` : ""}</div>`,
    );
    this.find(".axes").innerHTML = [...across, ...up, ...this.prior(x, y)].join("");
  }

  // The prior N(0, I): rings at one and two standard deviations in the plane, a line at 1 for one dimension.
  prior(x, y) {
    if (this.kind !== "vae" || this.latentDim > 2) return [];
    if (this.latentDim === 1) return [`<div class="y prior" style="top:${y(1)}%"></div>`];
    return [1, 2].map(
      (r) =>
        `<div class="ring prior" style="left:${x(-r)}%;top:${y(r)}%;width:${(x(r) - x(-r)).toFixed(3)}%;height:${(y(-r) - y(r)).toFixed(3)}%"></div>`,
    );
  }

  close() {
    this.observer.disconnect();
  }
}

// A little room around the points, with edges on round numbers, so that a new snapshot seldom moves them.
function padded(left, bottom, right, top) {
  const span = Math.max(right - left, top - bottom, 1e-6);
  const step = 10 ** Math.floor(Math.log10(span)) / 4,
    room = PADDING * span;
  const down = (value) => Math.floor((value - room) / step) * step,
    up = (value) => Math.ceil((value + room) / step) * step;
  return { left: down(left), bottom: down(bottom), right: up(right), top: up(top) };
}
