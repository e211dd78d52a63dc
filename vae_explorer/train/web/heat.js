// KL per latent dimension over the epochs: a row per dimension, a column per snapshot.

import { HEAT_GRADIENT, heat } from "../../kit/colours.js";
import { dimensionName, number } from "../../kit/words.js";

const WIDTH = 1000; // columns of the canvas; the screen stretches it
const LABELLED = 10; // so many rows have room for a label each

export class HeatStrip {
  constructor(latentDim) {
    this.latentDim = latentDim;
    this.element = document.createElement("div");
    this.element.className = "curve heat";
    this.element.innerHTML = `
      <div class="head"><span class="name">KL per dimension</span><span class="values"></span>
        <span class="scale"><span>0</span><span class="gradient"></span><span class="most"></span></span></div>
      <div class="plot"><div class="rows"></div>
        <canvas role="img" aria-label="KL per latent dimension over the epochs" width="${WIDTH}" height="${latentDim}"></canvas></div>`;
    this.find = (selector) => this.element.querySelector(selector);
    this.find(".gradient").style.background = HEAT_GRADIENT;
    this.canvas = this.find("canvas");
    this.canvas.classList.toggle("fine", latentDim > 64);
    this.find(".plot").style.height = `${Math.min(Math.max(13 * latentDim, 26), 104)}px`;
    this.labels();
  }

  labels() {
    const each = this.latentDim <= LABELLED && this.latentDim > 1 ? this.latentDim : 0;
    const shown =
      each > 7
        ? [0, Math.floor(each / 2), each - 1]
        : each
          ? [...Array(each).keys()]
          : [...new Set([0, this.latentDim - 1])];
    this.find(".rows").innerHTML = shown
      .map(
        (index) =>
          `<span style="top:${(100 * (index + 0.5)) / this.latentDim}%">${dimensionName(index)}</span>`,
      )
      .join("");
  }

  // columns: [{ kl: [...], left, right }, ...] with left and right as shares of the axis, in order.
  draw(columns) {
    const known = columns.filter(({ kl }) => kl.length === this.latentDim);
    const most = Math.max(1e-6, ...known.map(({ kl }) => Math.max(...kl)));
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(WIDTH, this.latentDim);
    const pixels = new Uint32Array(image.data.buffer);
    for (const { kl, left, right } of known) {
      const end = Math.min(Math.round(right * WIDTH), WIDTH);
      for (let row = 0; row < this.latentDim; row++) {
        pixels.fill(
          heat(kl[row] / most),
          row * WIDTH + Math.max(0, Math.round(left * WIDTH)),
          row * WIDTH + end,
        );
      }
    }
    context.putImageData(image, 0, 0);
    this.find(".scale").classList.toggle("empty", !known.length);
    this.find(".most").textContent = `${number(most)} nats`;
  }

  // What the dimensions say at the cursor: all of them if they are few, else the largest.
  values(kl) {
    const words = this.find(".values");
    if (!kl?.length) words.textContent = "";
    else if (kl.length <= 3)
      words.textContent = kl.map((value, index) => `${dimensionName(index)} ${number(value)}`).join("  ");
    else {
      const largest = kl.indexOf(Math.max(...kl));
      words.textContent = `most: ${dimensionName(largest)} ${number(kl[largest])}`;
    }
  }
}
