// A plot with two axes as SVG that fills its place: what the rate-distortion plane and the errors are drawn on.

import { ticks } from "../../kit/scale.js";

const LEFT = 52,
  RIGHT = 14,
  TOP = 10,
  BOTTOM = 40; // px around the axes
const NEAR = 15,
  LETTER = 6.6; // px: the height of a name, and how wide its letters are

let made = 0; // plots, each with an edge of its own to cut lines off at

export class Plot {
  // element: an empty box; x, y: what the axes say; draw(plot): called whenever there is something to draw anew
  constructor(element, { x, y, draw }) {
    Object.assign(this, { element, x, y, draw, edge: `edge-${made++}` });
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(element);
  }

  redraw() {
    if (this.element.clientWidth) this.draw(this);
  }

  // across, up: { low, high, ticks, scale } where scale takes a value to what is drawn linearly.
  begin(across, up) {
    Object.assign(this, { across, up, parts: [], taken: [] });
    this.width = this.element.clientWidth;
    this.height = this.element.clientHeight;
    for (const { value, text } of across.ticks) {
      const at = this.px(value);
      this.parts.push(
        line(at, TOP, at, this.height - BOTTOM, "grid"),
        word(at, this.height - BOTTOM + 16, text, "middle", "tick"),
      );
    }
    for (const { value, text } of up.ticks) {
      const at = this.py(value);
      this.parts.push(
        line(LEFT, at, this.width - RIGHT, at, "grid"),
        word(LEFT - 7, at + 4, text, "end", "tick"),
      );
    }
    this.parts.push(word((LEFT + this.width - RIGHT) / 2, this.height - 6, this.x, "middle", "axis"));
    const middle = (TOP + this.height - BOTTOM) / 2;
    this.parts.push(
      `<text class="axis" text-anchor="middle" transform="translate(12 ${middle}) rotate(-90)">${escaped(this.y)}</text>`,
    );
  }

  px(value) {
    const { low, high, scale } = this.across;
    return LEFT + ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (this.width - LEFT - RIGHT);
  }

  py(value) {
    const { low, high, scale } = this.up;
    return (
      this.height -
      BOTTOM -
      ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (this.height - TOP - BOTTOM)
    );
  }

  // A line through places, cut off at the edges.
  path(places, style) {
    const d = places
      .map(([x, y], i) => `${i ? "L" : "M"}${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`)
      .join("");
    this.parts.push(`<path class="${style}" clip-path="url(#${this.edge})" d="${d}"/>`);
  }

  // A mark of a model with its name beside it, moved out of the way of other names.
  point([x, y], { mark = "●", ink = "currentColor", name = "", title = name, strong = true, above = false }) {
    const [px, py] = [this.px(x), this.py(y)],
      size = strong ? 17 : 11;
    this.parts.push(
      `<text class="mark" x="${px.toFixed(1)}" y="${(py + 0.35 * size).toFixed(1)}" text-anchor="middle" style="font-size:${size}px;fill:${ink}"><title>${escaped(title)}</title>${mark}</text>`,
    );
    this.taken.push({ left: px - NEAR / 2, right: px + NEAR / 2, at: py });
    if (!name) return;
    const late = px > LEFT + 0.6 * (this.width - LEFT - RIGHT),
      edge = px + (above ? NEAR / 2 : late ? -11 : 11);
    const label = {
      left: late ? edge - LETTER * name.length : edge,
      right: late ? edge : edge + LETTER * name.length,
      at: above ? py - NEAR : py,
    };
    for (const other of this.taken.sort((a, b) => a.at - b.at)) {
      if (other.left < label.right && label.left < other.right && Math.abs(other.at - label.at) < NEAR)
        label.at = other.at + NEAR;
    }
    this.taken.push(label);
    this.parts.push(word(edge, label.at + 4, name, late ? "end" : "start", strong ? "name strong" : "name"));
  }

  // `lift` px above its place.
  word(x, y, text, { anchor = "start", style = "note", lift = 0 } = {}) {
    this.parts.push(word(this.px(x), this.py(y) - lift, text, anchor, style));
  }

  end(label) {
    const box = `x="${LEFT}" y="${TOP}" width="${this.width - LEFT - RIGHT}" height="${this.height - TOP - BOTTOM}"`;
    this.element.innerHTML = `<svg width="${this.width}" height="${this.height}" role="img" aria-label="${escaped(label)}">
      <clipPath id="${this.edge}"><rect ${box}/></clipPath>${this.parts.join("")}</svg>`;
  }

  close() {
    this.observer.disconnect();
  }
}

// An axis whose units are all as long.
export function linear(low, high, most = 6) {
  return { low, high, ticks: ticks(low, high, most), scale: (value) => value };
}

// An axis from 0 on which each doubling beyond the first few takes as much room.
export function widening(high) {
  const at = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256].filter((value) => value <= high);
  return { low: 0, high, ticks: at.map((value) => ({ value, text: String(value) })), scale: Math.log1p };
}

export const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const line = (x1, y1, x2, y2, style) =>
  `<line class="${style}" x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`;
const word = (x, y, text, anchor, style) =>
  `<text class="${style}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(text)}</text>`;
