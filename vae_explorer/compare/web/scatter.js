// The encoded data of one model as points on a canvas, with the item, the walk and the point under the pointer on top.

import { classColour, css, pixel } from "../../kit/palette.js";
import { ticks } from "../../kit/scale.js";
import { MOVE } from "../../kit/slider.js";
import { dimensionName } from "../../kit/words.js";

const NEAR = 14; // px around the pointer in which a point is found
const TAIL = 0.002; // of the points on each side that may lie outside
const ROOM = 1.08;
const PLAIN = "#3f7ea6";

export const SCATTER = `
  <figure class="scatter"><div class="ground"></div><canvas class="points" role="img"></canvas><canvas class="over"></canvas>
    <span class="x-name"></span><span class="y-name"></span></figure>`;

export class Scatter {
  constructor(root, column) {
    Object.assign(this, {
      column,
      page: column.page,
      xy: null,
      reach: 1,
      half: 1,
      middle: [0, 0],
      item: -1,
      pointed: -1,
      way: null,
    });
    this.find = (selector) => root.querySelector(`.scatter ${selector}`);
    this.stage = root.querySelector(".scatter");
    this.points = this.find(".points");
    this.over = this.find(".over");
    this.points.setAttribute("aria-label", `Encoded data of ${column.model.title}`);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.pointers();
  }

  begin(codes, labels) {
    Object.assign(this, { codes, labels });
  }

  // --- where things are ------------------------------------------------------------------------------------------

  // Lay the codes out: by the two most informative dimensions, or by the directions of largest variance.
  project(pca) {
    const { model } = this.column,
      { latentDim, principal, dimensions } = model;
    if (pca && principal && latentDim > 1) {
      const [a, b] = principal.axes,
        o = principal.origin;
      const along = (axis) => (code) => axis.reduce((sum, value, i) => sum + value * (code[i] - o[i]), 0);
      Object.assign(this, { across: along(a), up: along(b), names: ["PC1", "PC2"] });
    } else {
      const [first, second] = dimensions
        .slice(0, 2)
        .map(({ index }) => index)
        .sort((a, b) => a - b);
      Object.assign(this, {
        across: (code) => code[first],
        names: [dimensionName(first), second === undefined ? "" : dimensionName(second)],
      });
      this.up = second === undefined ? () => 0 : (code) => code[second];
    }
    if (!this.codes) return;
    const n = this.codes.length / latentDim;
    this.xy = new Float32Array(2 * n);
    for (let i = 0; i < n; i++) {
      const code = this.codes.subarray(i * latentDim, (i + 1) * latentDim);
      this.xy[2 * i] = this.across(code);
      // One dimension has no second axis: spread the points a little, each by its own amount.
      this.xy[2 * i + 1] = latentDim === 1 ? ((i * 0.618034) % 1) - 0.5 : this.up(code);
    }
    this.bounds();
  }

  bounds() {
    const range = (axis) => {
      const values = Float32Array.from(
        { length: this.xy.length / 2 },
        (_, i) => this.xy[2 * i + axis],
      ).sort();
      return [
        values[Math.floor(TAIL * (values.length - 1))],
        values[Math.ceil((1 - TAIL) * (values.length - 1))],
      ];
    };
    const [[left, right], [bottom, top]] = [range(0), range(1)];
    this.middle = [(left + right) / 2, (bottom + top) / 2];
    this.reach = (ROOM * Math.max(right - left, top - bottom)) / 2 || 1;
  }

  // Show `half` to each side of the middle, on the shorter axis of the stage.
  fit(half) {
    this.half = half;
    this.draw();
  }

  resize() {
    this.ratio = Math.max(1, window.devicePixelRatio);
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.round(this.stage.clientWidth * this.ratio);
      canvas.height = Math.round(this.stage.clientHeight * this.ratio);
    }
    this.draw();
  }

  get perUnit() {
    return Math.min(this.stage.clientWidth, this.stage.clientHeight) / 2 / this.half;
  }

  // A place in CSS pixels.
  place(x, y) {
    const { perUnit, middle } = this;
    return [
      this.stage.clientWidth / 2 + (x - middle[0]) * perUnit,
      this.stage.clientHeight / 2 - (y - middle[1]) * perUnit,
    ];
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  draw() {
    if (!this.xy || !this.points.width) return;
    const context = this.points.getContext("2d"),
      side = (this.xy.length > 4000 ? 1.6 : 2.6) * this.ratio;
    context.clearRect(0, 0, this.points.width, this.points.height);
    context.globalAlpha = 0.75;
    const few = this.labels ? [...new Set(this.labels)] : [-1];
    for (const label of few) {
      context.fillStyle = label < 0 ? PLAIN : css(pixel(classColour(label)));
      for (let i = 0; i < this.xy.length / 2; i++) {
        if (this.labels && this.labels[i] !== label) continue;
        const [x, y] = this.place(this.xy[2 * i], this.xy[2 * i + 1]);
        context.fillRect(x * this.ratio - side / 2, y * this.ratio - side / 2, side, side);
      }
    }
    this.axes();
    this.drawOver();
  }

  axes() {
    const { clientWidth: width, clientHeight: height } = this.stage,
      { perUnit, middle } = this;
    const reachX = width / 2 / perUnit,
      reachY = height / 2 / perUnit;
    const lines = ticks(middle[0] - reachX, middle[0] + reachX, 6).map(
      ({ value, text }) =>
        `<i class="x${value === 0 ? " zero" : ""}" style="left:${this.place(value, 0)[0].toFixed(1)}px"><span>${text}</span></i>`,
    );
    if (this.column.model.latentDim > 1) {
      lines.push(
        ...ticks(middle[1] - reachY, middle[1] + reachY, 5).map(
          ({ value, text }) =>
            `<i class="y${value === 0 ? " zero" : ""}" style="top:${this.place(0, value)[1].toFixed(1)}px"><span>${text}</span></i>`,
        ),
      );
    }
    this.find(".ground").innerHTML = lines.join("");
    this.find(".x-name").textContent = `${this.names[0]} →`;
    this.find(".y-name").textContent = this.names[1] && `${this.names[1]} ↑`;
  }

  drawOver() {
    const context = this.over.getContext("2d"),
      { ratio } = this,
      ink = getComputedStyle(this.stage).color;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.over.width, this.over.height);
    context.strokeStyle = ink;
    if (this.way) {
      const [from, to, here] = this.way.map((code) => this.place(this.across(code), this.up(code)));
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
      disc(context, here, 5, getComputedStyle(this.column.element).getPropertyValue("--ink"), ink);
    }
    for (const [point, radius] of [
      [this.item, 7],
      [this.pointed, 5],
    ]) {
      if (point < 0 || !this.xy) continue;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...this.place(this.xy[2 * point], this.xy[2 * point + 1]), radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  mark(item) {
    this.item = item;
    this.drawOver();
  }

  point(pointed) {
    if (pointed === this.pointed) return;
    this.pointed = pointed;
    this.drawOver();
  }

  // way: the codes at both ends of the walk and where it stands, or null.
  walk(way) {
    this.way = way;
    if (this.xy) this.drawOver();
  }

  // --- the pointer ---------------------------------------------------------------------------------------------------

  pointers() {
    this.stage.addEventListener(MOVE, (event) => this.page.point(this.indexAt(event)));
    this.stage.addEventListener("pointerleave", () => this.page.point(null));
    this.stage.addEventListener("click", (event) => {
      const index = this.indexAt(event);
      if (index !== null) this.page.items.choose(index);
    });
  }

  // The example whose point is nearest to the pointer, by its index in the source; null: none is near.
  indexAt(event) {
    if (!this.xy) return null;
    const box = this.stage.getBoundingClientRect(),
      { perUnit, middle, xy } = this;
    const x = middle[0] + (event.clientX - box.left - box.width / 2) / perUnit;
    const y = middle[1] - (event.clientY - box.top - box.height / 2) / perUnit;
    let best = (NEAR / perUnit) ** 2,
      found = -1;
    for (let i = 0; i < xy.length; i += 2) {
      const distance = (xy[i] - x) ** 2 + (xy[i + 1] - y) ** 2;
      if (distance < best) [best, found] = [distance, i / 2];
    }
    return found < 0 ? null : this.column.indices[found];
  }

  close() {
    this.observer.disconnect();
  }
}

function disc(context, [x, y], radius, fill, stroke) {
  context.fillStyle = fill;
  context.strokeStyle = stroke;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}
