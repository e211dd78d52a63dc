// Step 2, as the VAE uses it: q(z|x) = N(m, diag s^2) of one x against N(0, I), dimension by dimension, with a slider for
// each mean and each width.

import { paint } from "../../kit/paint.js";
import { classColour } from "../../kit/palette.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { gaussianDraws } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { clamp, curve, figure, Handle, Stage, svg } from "./draw.js";
import { toPrior, toPriorByQuadrature } from "./kl.js";
import { mounting } from "./step.js";
import { ModelStep } from "./subject.js";

const FAR = 4,
  NARROW = 0.01,
  WIDE = 2; // of means and standard deviations
const LEVELS = [0.1, 0.5, 1, 2, 4]; // nats
const DRAWS = 7;
const GLIDE_MS = 450;

const TEMPLATE = `<div class="eq-two">
  <figure><div class="plane"></div><figcaption>each dimension by its mean and its width: drag it. Lines of equal KL, at ${LEVELS.join(", ")} nats; it is 0 at μ = 0, σ = 1, where a dimension says nothing of x</figcaption></figure>
  <div class="eq-side">
    <div class="eq-buttons"><button type="button" class="encoder">Encoder's q(z|x)</button><button type="button" class="prior">The prior</button></div>
    <div class="eq-dims"></div>
    <p class="closes" role="status"></p>
    <div class="eq-row"><figure><canvas class="again" role="img" aria-label="Decoded mean"></canvas><figcaption>f(μ)</figcaption></figure>
      <figure class="wide"><canvas class="draws" role="img" aria-label="Decoded draws"></canvas><figcaption>draws of N(μ, σ²), decoded</figcaption></figure></div>
  </div>
</div>`;

const HEAD = `<div class="eq-dim head"><span></span><span>mean μ</span><span></span><span>width σ</span><span></span><span>KL: <b class="place">mean</b> + <b class="width">width</b></span><span></span></div>`;

class Diagonal extends ModelStep {
  constructor(root, facts) {
    super(root, facts, TEMPLATE);
    this.images = new Channel({
      onAnswer: (answer) => this.draw(answer),
      onError: (sentence) => this.say(sentence),
    });
    this.find(".encoder").addEventListener("click", () => this.glide(this.found.mean, this.found.std));
    this.find(".prior").addEventListener("click", () =>
      this.glide(
        this.mean.map(() => 0),
        this.mean.map(() => 1),
      ),
    );
  }

  take(found) {
    this.found = { mean: Array.from(found.mean), std: Array.from(found.std) };
    const { mean, std } = this.found,
      width = mean.length;
    Object.assign(this, { mean: mean.slice(), std: std.slice() });
    if (this.built !== this.facts.model.id) this.build();
    this.noise = gaussianDraws({ mean: mean.map(() => 0), std: mean.map(() => 1) }, DRAWS);
    this.noise = Array.from({ length: DRAWS }, (_, k) => this.noise.subarray(k * width, (k + 1) * width));
    this.show();
  }

  // Rows in the order of how much a dimension says.
  build() {
    const { order } = this.facts,
      list = this.find(".eq-dims");
    this.built = this.facts.model.id;
    list.innerHTML =
      HEAD +
      order
        .map(
          (d) => `
      <div class="eq-dim" data-d="${d}" style="--dimension: ${classColour(d)}"><span class="dimension">${dimensionName(d)}</span>
        <input type="range" class="mean" min="${-FAR}" max="${FAR}" step="0.01" aria-label="Mean of ${dimensionName(d)}"><output class="m"></output>
        <input type="range" class="std" min="${Math.log(NARROW)}" max="${Math.log(WIDE)}" step="0.005" aria-label="Width of ${dimensionName(d)}"><output class="s"></output>
        <span class="parts"><i></i><i></i></span><output class="kl"></output></div>`,
        )
        .join("");
    this.rows = new Map(order.map((d) => [d, list.querySelector(`[data-d="${d}"]`)]));
    for (const [d, row] of this.rows) {
      row
        .querySelector(".mean")
        .addEventListener("input", ({ target }) => this.set(d, Number(target.value), this.std[d]));
      row
        .querySelector(".std")
        .addEventListener("input", ({ target }) => this.set(d, this.mean[d], Math.exp(Number(target.value))));
    }
    this.stage?.close();
    this.find(".plane").replaceChildren();
    this.stage = new Stage(this.find(".plane"), {
      x: [-FAR, FAR],
      y: [NARROW, WIDE],
      log: [false, true],
      names: ["mean μ", "width σ"],
      label: "KL by mean and width",
    });
    this.stage.under((context, stage) => levels(context, stage));
    this.handles = new Map([...order].reverse().map((d) => [d, this.handle(d)]));
  }

  handle(d) {
    const made = new Handle(this.stage, {
      name: `${dimensionName(d)}`,
      at: [this.mean[d], this.std[d]],
      colour: classColour(d),
      small: this.mean.length > 4,
      move: ([m, s]) => this.set(d, m, s),
    });
    const words = made.element.appendChild(svg("text", { x: 10, y: -8, class: "eq-label" }));
    words.textContent = dimensionName(d);
    return made;
  }

  set(d, mean, std) {
    cancelAnimationFrame(this.frame);
    this.mean[d] = mean;
    this.std[d] = clamp(std, NARROW, WIDE);
    this.show();
  }

  glide(mean, std) {
    if (!this.found) return;
    const from = [this.mean.slice(), this.std.slice()],
      started = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    cancelAnimationFrame(this.frame);
    const step = (now) => {
      const share = still ? 1 : clamp((now - started) / GLIDE_MS, 0, 1),
        eased = share * share * (3 - 2 * share);
      this.mean = from[0].map((value, d) => value + eased * (mean[d] - value));
      this.std = from[1].map((value, d) => value * (std[d] / value) ** eased);
      this.show();
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  show() {
    const parts = this.mean.map((mean, d) => toPrior(mean, this.std[d])),
      most = Math.max(1, ...parts.map(({ kl }) => kl));
    for (const [d, row] of this.rows) {
      const { place, width, kl } = parts[d],
        [first, second] = row.querySelectorAll(".parts i");
      row.querySelector(".mean").value = this.mean[d];
      row.querySelector(".std").value = Math.log(this.std[d]);
      row.querySelector(".m").textContent = figure(this.mean[d]);
      row.querySelector(".s").textContent = figure(this.std[d], this.std[d] < 0.1 ? 3 : 2);
      row.querySelector(".kl").textContent = number(kl);
      first.style.width = `${(100 * place) / most}%`;
      second.style.width = `${(100 * width) / most}%`;
      this.handles.get(d).set([clamp(this.mean[d], -FAR, FAR), clamp(this.std[d], NARROW, WIDE)]);
    }
    const total = parts.reduce((sum, { kl }) => sum + kl, 0);
    const check = this.mean.reduce((sum, mean, d) => sum + toPriorByQuadrature(mean, this.std[d]), 0);
    this.find(".closes").textContent =
      `KL(q ‖ p) = ${number(total, 4)} nats, the sum of ${parts.length} dimensions; ${number(check, 4)} by integrating the densities`;
    this.picture();
  }

  picture() {
    const width = this.mean.length,
      payload = new Float32Array(width * (DRAWS + 1));
    payload.set(this.mean);
    for (let k = 0; k < DRAWS; k++)
      payload.set(
        this.mean.map((mean, d) => mean + this.std[d] * this.noise[k][d]),
        width * (k + 1),
      );
    this.images.ask({ model: this.facts.model.id, kind: DECODE, count: DRAWS + 1, width, payload });
  }

  draw(answer) {
    const { width, height } = answer;
    this.find(".again").style.aspectRatio = `${width} / ${height}`;
    this.find(".draws").style.aspectRatio = `${DRAWS * width} / ${height}`;
    paint(this.find(".again"), answer);
    paint(this.find(".draws"), answer, 1, DRAWS);
  }

  repaint() {
    this.stage?.paint();
  }

  close() {
    super.close();
    cancelAnimationFrame(this.frame);
    this.stage?.close();
    this.images.close();
  }
}

// Lines of equal KL around (0, 1): at each width the means that make it, from tip to tip.
function levels(context, stage) {
  const { text, accent } = stage.colours,
    count = 240;
  Object.assign(context, {
    font: `11px ${getComputedStyle(stage.parent).fontFamily}`,
    textAlign: "left",
    textBaseline: "middle",
  });
  for (const level of LEVELS) {
    const [low, high] = tips(level),
      means = [],
      widths = [];
    for (let i = 0; i <= 2 * count; i++) {
      const turn = (Math.PI * i) / count,
        std = low * (high / low) ** ((1 - Math.cos(turn)) / 2);
      widths.push(std);
      means.push((i <= count ? 1 : -1) * Math.sqrt(Math.max(2 * (level - toPrior(0, std).width), 0)));
    }
    curve(context, stage, means, widths, { colour: text, width: 1, alpha: 0.45 });
    context.fillStyle = text;
    context.fillText(` ${level}`, ...stage.toScreen(Math.sqrt(2 * level), 1));
  }
  const [x, y] = stage.toScreen(0, 1);
  Object.assign(context, { strokeStyle: accent, lineWidth: 2 });
  for (const [dx, dy] of [
    [5, 0],
    [0, 5],
  ]) {
    context.beginPath();
    context.moveTo(x - dx, y - dy);
    context.lineTo(x + dx, y + dy);
    context.stroke();
  }
}

// The smallest and the largest width at which a dimension with mean 0 has this KL.
function tips(level) {
  return [
    [NARROW * NARROW, 1],
    [2 * Math.exp(level), 1],
  ].map(([outside, inside]) => {
    for (let i = 0; i < 60; i++) {
      const middle = Math.sqrt(outside * inside);
      if (toPrior(0, middle).width > level) outside = middle;
      else inside = middle;
    }
    return inside;
  });
}

export default mounting(Diagonal);
