// Step 2: KL(N0 || N1) of two Gaussians to drag, term by term and both ways round.

import { number } from "../../kit/words.js";
import { Ellipse, Stage } from "./draw.js";
import { divergence, divergenceByQuadrature, logDensity } from "./kl.js";
import { covarianceOf } from "./plane.js";
import { mounting } from "./step.js";

const RANGE = 4,
  LEAST = 0.12; // of the axes; of a standard deviation
const SIDE = 96; // of the picture of where KL comes from
const COLOURS = ["#e0701a", "#2f84d6"],
  RGB = [
    [224, 112, 26],
    [47, 132, 214],
  ];
const NAMES = ["N₀", "N₁"];
const GLIDE_MS = 450;
const gaussian = (mean, std, degrees = 0) => ({
  mean,
  covariance: covarianceOf(std, (degrees * Math.PI) / 180),
});
const SCENES = {
  turned: ["Turned", [gaussian([-0.9, 0.4], [1.15, 0.45], 30), gaussian([0.7, -0.2], [1.3, 0.8], -25)]],
  equal: ["Equal", [gaussian([0, 0], [1.2, 0.7], 20), gaussian([0, 0], [1.2, 0.7], 20)]],
  inside: ["Narrow in wide", [gaussian([0, 0], [0.35, 0.35]), gaussian([0, 0], [1.6, 1.6])]],
  prior: ["A posterior and the prior", [gaussian([1.1, -0.7], [0.3, 0.2]), gaussian([0, 0], [1, 1])]],
};
const ROWS = [
  ["trace", "tr(Σ₁⁻¹Σ₀)", "how wide N₀ is, measured in widths of N₁: 2 where they agree"],
  ["distance", "(μ₁−μ₀)ᵀΣ₁⁻¹(μ₁−μ₀)", "how far apart the centres are, in widths of N₁"],
  ["dimensions", "− k", "the number of dimensions"],
  ["determinants", "ln(det Σ₁ / det Σ₀)", "how much larger N₁'s ellipse is than N₀'s, squared"],
];

const TEMPLATE = `<div class="eq"><div class="eq-two">
  <figure><div class="plane"></div><figcaption><b style="color: ${COLOURS[0]}">N₀</b> and <b style="color: ${COLOURS[1]}">N₁</b> at 1σ and 2σ: drag a centre, or an end of an axis. Shaded: where <span class="which"></span> comes from, <b style="color: ${COLOURS[0]}">for it</b> and <b style="color: ${COLOURS[1]}">against it</b></figcaption></figure>
  <div class="eq-side">
    <div class="eq-buttons" role="group" aria-label="Begin with">${Object.entries(SCENES)
      .map(([name, [words]]) => `<button type="button" data-scene="${name}">${words}</button>`)
      .join("")}<button type="button" class="swap" title="N₀ becomes N₁ and N₁ becomes N₀">Swap</button></div>
    <div class="eq-scroll"><table class="eq-table terms">
      <thead><tr><th></th><th><button type="button" data-way="0" aria-pressed="true">KL(N₀ ‖ N₁)</button></th><th><button type="button" data-way="1" aria-pressed="false">KL(N₁ ‖ N₀)</button></th></tr></thead>
      <tbody>${ROWS.map(([key, name, title]) => `<tr data-term="${key}" title="${title}"><th scope="row">${name}</th><td></td><td></td></tr>`).join("")}</tbody>
      <tfoot><tr data-term="kl"><th scope="row">½ × their sum</th><td></td><td></td></tr></tfoot>
    </table></div>
    <p class="closes" role="status"></p>
    <p class="note">The other direction has the indices 0 and 1 exchanged. KL is 0 only where both are equal, and is no distance: the two columns differ.</p>
  </div>
</div></div>`;

class Gaussians {
  constructor(root) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, way: 0 });
    this.find = (selector) => root.querySelector(selector);
    for (const button of root.querySelectorAll("[data-scene]"))
      button.addEventListener("click", () => this.glide(SCENES[button.dataset.scene][1]));
    for (const button of root.querySelectorAll("[data-way]"))
      button.addEventListener("click", () => this.turn(Number(button.dataset.way)));
    this.find(".swap").addEventListener("click", () => this.glide([...this.pair].reverse()));
  }

  begin() {
    this.pair = SCENES.turned[1];
    this.picture = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    this.stage = new Stage(this.find(".plane"), {
      x: [-RANGE, RANGE],
      y: [-RANGE, RANGE],
      equal: true,
      label: "Two Gaussians in the plane",
    });
    this.stage.under((context, stage) => this.shade(context, stage));
    this.ellipses = [1, 0]
      .map(
        (i) =>
          new Ellipse(this.stage, {
            name: NAMES[i],
            ...this.pair[i],
            colour: COLOURS[i],
            least: LEAST,
            move: (to) => this.move(i, to),
          }),
      )
      .reverse();
    this.show();
  }

  update() {
    this.stage?.paint();
  }

  turn(way) {
    this.way = way;
    for (const button of this.root.querySelectorAll("[data-way]"))
      button.setAttribute("aria-pressed", String(Number(button.dataset.way) === way));
    this.show();
  }

  move(i, to) {
    cancelAnimationFrame(this.frame);
    this.pair = this.pair.map((each, k) => (k === i ? to : each));
    this.show();
  }

  // Both on their way to a scene, so that the numbers are seen to change.
  glide(to) {
    const from = this.pair,
      started = performance.now(),
      still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    cancelAnimationFrame(this.frame);
    const step = (now) => {
      const share = still ? 1 : Math.min(Math.max((now - started) / GLIDE_MS, 0), 1),
        eased = share * share * (3 - 2 * share);
      this.pair = share === 1 ? to : from.map((each, i) => mixed(each, to[i], eased));
      this.ellipses.forEach((ellipse, i) => ellipse.set(this.pair[i].mean, this.pair[i].covariance));
      this.show();
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  show() {
    const [zero, one] = this.pair,
      found = [divergence(zero, one), divergence(one, zero)];
    for (const row of this.root.querySelectorAll("[data-term]")) {
      const { term } = row.dataset,
        sign = term === "dimensions" ? -1 : 1;
      row.querySelectorAll("td").forEach((cell, way) => (cell.textContent = number(sign * found[way][term])));
    }
    const shown = this.way ? [one, zero] : [zero, one],
      { kl } = found[this.way],
      check = divergenceByQuadrature(...shown);
    const name = `KL(${this.way ? "N₁ ‖ N₀" : "N₀ ‖ N₁"})`;
    const off = Math.abs(kl - check);
    this.find(".closes").textContent =
      `${name} = ${number(kl, 4)} nats by the formula, ${number(check, 4)} by integrating the densities: ${off < 5e-5 ? "equal to four decimals" : `${off.toExponential(1)} apart`}`;
    this.find(".which").textContent = name;
    this.contributions(...shown);
    this.stage.paint();
  }

  // p0 (log p0 - log p1) over the plane: what adds up to KL.
  contributions(zero, one) {
    const [p0, p1] = [zero, one].map(logDensity),
      values = new Float64Array(SIDE * SIDE),
      cell = (2 * RANGE) / SIDE;
    let most = 1e-9;
    for (let k = 0; k < values.length; k++) {
      const x = -RANGE + ((k % SIDE) + 0.5) * cell,
        y = RANGE - (Math.floor(k / SIDE) + 0.5) * cell,
        log = p0(x, y);
      values[k] = Math.exp(log) * (log - p1(x, y));
      most = Math.max(most, Math.abs(values[k]));
    }
    const image = new ImageData(SIDE, SIDE);
    for (let k = 0; k < values.length; k++) {
      image.data.set(RGB[values[k] > 0 ? 0 : 1], 4 * k);
      image.data[4 * k + 3] = 210 * Math.sqrt(Math.abs(values[k]) / most);
    }
    this.picture.getContext("2d").putImageData(image, 0, 0);
  }

  shade(context, stage) {
    const [left, top] = stage.toScreen(-RANGE, RANGE),
      [right, low] = stage.toScreen(RANGE, -RANGE);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.picture, left, top, right - left, low - top);
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.stage?.close();
  }
}

function mixed(from, to, share) {
  const mix = (a, b) => a + share * (b - a);
  return {
    mean: from.mean.map((value, d) => mix(value, to.mean[d])),
    covariance: from.covariance.map((line, i) => line.map((value, j) => mix(value, to.covariance[i][j]))),
  };
}

export default mounting(Gaussians);
