// Step 1: p(x) from draws of the prior. Estimates that climb towards log p(x), and the few draws that carry them.

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { floats } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { clamp, curve, dot, Stage } from "./draw.js";
import { mounting } from "./step.js";
import { ModelStep } from "./subject.js";

const REPEATS = 10,
  DRAWS = 10_000;
const PLANE = 2,
  FEWER = 2000; // beyond a plane: decoders are larger, and far more draws would not settle it either
const HEAVY = 0.9; // of the sum that the heaviest draws hold
const SHOWN = 6; // draws as pictures
const FAR = 4; // of the prior's plane
const LEAST_SPAN = 4,
  SETTLING = 10; // nats below log p(x) at least; the axis shows what 10 draws say and better
const CARRIES = "#e76300";

const TEMPLATE = `
  <div class="eq-two fit">
    <figure><div class="plane"></div><figcaption class="where"></figcaption></figure>
    <div class="eq-side">
      <label class="eq-slide">draws n <input type="range" class="n" min="0" value="0" disabled aria-label="Number of draws of the prior"><output></output><button type="button" class="again">Draw anew</button></label>
      <figure><div class="estimates"></div><figcaption>${REPEATS} repeats of the estimate, each from draws of its own; dashed: <b class="evidence"></b></figcaption></figure>
      <div class="eq-figures"><div><output class="mean"></output><span>nats: mean of the ${REPEATS} estimates</span></div>
        <div><output class="spread"></output><span>nats: their standard deviation</span></div>
        <div><output class="effective"></output><span class="of-effective"></span></div>
        <div><output class="needed"></output><span>draws until p(x) is known to 10 %</span></div></div>
      <div class="eq-row even"><figure><canvas class="heavy" role="img" aria-label="The heaviest draws, decoded"></canvas><figcaption>the heaviest draws: <span class="shares"></span></figcaption></figure>
        <figure><canvas class="first" role="img" aria-label="The first draws, decoded"></canvas><figcaption>the first draws, as they come</figcaption></figure></div>
    </div>
  </div>`;

class Marginal extends ModelStep {
  constructor(root, facts) {
    super(root, facts, TEMPLATE);
    this.seed = 0;
    this.slider = this.find(".n");
    this.slider.addEventListener("input", () => this.slide());
    this.find(".again").addEventListener("click", () => this.draw());
    this.images = new Channel({
      onAnswer: (answer, tag) => this.show(answer, tag),
      onError: (sentence) => this.say(sentence),
    });
  }

  async take(_example, signal) {
    await this.measure(signal);
  }

  async draw() {
    this.seed++;
    const { signal } = this.leave;
    try {
      await this.measure(signal);
    } catch (error) {
      if (!signal.aborted) this.say(error.message);
    }
  }

  async measure(signal) {
    const found = await this.ask(
      "marginal",
      { repeats: REPEATS, draws: this.draws, seed: this.seed },
      signal,
    );
    if (signal.aborted) return;
    const { latentDim, order } = this.facts;
    this.pair = latentDim === 2 ? [0, 1] : order.slice(0, 2);
    this.found = { ...found, codes: floats(found.codes), logLikelihood: floats(found.logLikelihood) };
    this.slider.max = found.counts.length - 1;
    if (this.slider.disabled) this.slider.value = nearest(found.counts, 1000);
    this.slider.disabled = false;
    this.place();
    this.slide();
  }

  place() {
    const { counts, estimates, evidence } = this.found,
      first = counts.findIndex((count) => count >= SETTLING);
    const span = Math.max(LEAST_SPAN, ...estimates.map((line) => evidence.value - line[first])),
      top = evidence.value + 0.12 * span;
    const x = [1, this.draws],
      y = [
        evidence.value - 1.05 * span,
        Math.max(top, ...estimates.map((line) => Math.max(...line.slice(first)) + 0.03 * span)),
      ];
    const names = this.pair.map((d) => `${dimensionName(d)} →`);
    this.charts?.forEach((stage) => stage.close());
    const chart = new Stage(this.find(".estimates"), {
      x,
      y,
      log: [true, false],
      names: ["draws n →", "nats →"],
      aspect: 3.5,
      label: "Estimates of log p(x) by the number of draws",
    });
    const plane = new Stage(this.find(".plane"), {
      x: [-FAR, FAR],
      y: [-FAR, FAR],
      equal: true,
      names,
      label: "Draws of the prior; those that carry the estimate are marked",
    });
    this.charts = [
      chart.under((context, stage) => this.paintEstimates(context, stage)),
      plane.under((context, stage) => this.paintDraws(context, stage)),
    ];
    this.find(".evidence").textContent =
      `${evidence.exact ? "log p(x)" : "an importance-weighted bound of log p(x)"} = ${number(evidence.value)}`;
  }

  get draws() {
    return this.facts.latentDim > PLANE ? FEWER : DRAWS;
  }

  get n() {
    return this.found.counts[Number(this.slider.value)];
  }

  slide() {
    const { found, n } = this,
      at = Number(this.slider.value),
      column = found.estimates.map((line) => line[at]);
    this.carriers = heaviest(found.logLikelihood, n);
    const mean = column.reduce((a, b) => a + b) / column.length,
      effective = found.effective.map((line) => line[at]).sort((a, b) => a - b);
    const set = (name, words) => (this.find(`.${name}`).textContent = words);
    set("eq-slide output", n.toLocaleString("en"));
    set("mean", number(mean));
    set("spread", found.spread ? number(found.spread[at]) : "–");
    set("effective", number((effective[4] + effective[5]) / 2, 1));
    set("of-effective", `of ${n.toLocaleString("en")} draws count: effective sample size, median`);
    set("needed", found.needed === null ? "unknown" : count(found.needed));
    const { count: many, shares } = this.carriers;
    this.find(".where").innerHTML =
      `Of the first repeat's ${n.toLocaleString("en")} draws of p(z), <b class="carries">${many.toLocaleString("en")}</b> hold${many === 1 ? "s" : ""} ${100 * HEAVY} % of the sum; the ellipse is q(z|x) at 2σ`;
    set(
      "shares",
      `${shares
        .filter((share, k) => k === 0 || share > 0.0005)
        .map((share) => `${(100 * share).toFixed(share > 0.0995 ? 0 : 1)} %`)
        .join(", ")} of the sum`,
    );
    this.charts.forEach((stage) => stage.paint());
    this.picture();
  }

  paintEstimates(context, stage) {
    const { counts, estimates, evidence } = this.found,
      { accent, text } = stage.colours;
    for (const line of estimates)
      curve(context, stage, counts, line, { colour: accent, width: 1.2, alpha: 0.6 });
    curve(context, stage, [1, this.draws], [evidence.value, evidence.value], {
      colour: text,
      width: 1.5,
      dash: [6, 4],
    });
    curve(context, stage, [this.n, this.n], stage.range.y, { colour: text, width: 1, alpha: 0.6 });
    const at = Number(this.slider.value);
    for (const line of estimates) dot(context, stage, [this.n, line[at]], { colour: accent, radius: 3.2 });
  }

  paintDraws(context, stage) {
    const { codes, mean, std } = this.found,
      { latentDim } = this.facts,
      [a, b] = this.pair,
      { text } = stage.colours;
    const place = (i) => [codes[i * latentDim + a], codes[i * latentDim + b]],
      size = this.n > 3000 ? 1.4 : 2.2;
    context.fillStyle = text;
    context.globalAlpha = this.n > 3000 ? 0.3 : 0.5;
    for (let i = 0; i < this.n; i++) {
      const [x, y] = stage.toScreen(...place(i));
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
    context.globalAlpha = 1;
    for (const i of this.carriers.draws) dot(context, stage, place(i), { colour: CARRIES, radius: 4 });
    const [x, y] = stage.toScreen(mean[a], mean[b]),
      [right, low] = stage.toScreen(mean[a] + 2 * std[a], mean[b] - 2 * std[b]);
    Object.assign(context, { strokeStyle: text, lineWidth: 1.4 });
    context.beginPath();
    context.ellipse(x, y, Math.max(right - x, 3), Math.max(low - y, 3), 0, 0, 2 * Math.PI);
    context.stroke();
  }

  picture() {
    const { codes } = this.found,
      width = this.facts.latentDim,
      payload = new Float32Array(2 * SHOWN * width);
    const shown = Math.min(this.n, SHOWN),
      { order } = this.carriers;
    for (let k = 0; k < SHOWN; k++) {
      const heavy = order[Math.min(k, shown - 1)],
        first = Math.min(k, shown - 1);
      payload.set(codes.subarray(heavy * width, (heavy + 1) * width), k * width);
      payload.set(codes.subarray(first * width, (first + 1) * width), (SHOWN + k) * width);
    }
    this.images.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: 2 * SHOWN,
      width,
      payload,
      tag: shown,
    });
  }

  show(answer, shown) {
    for (const [selector, first] of [
      [".heavy", 0],
      [".first", SHOWN],
    ]) {
      const canvas = this.find(selector);
      canvas.style.aspectRatio = `${SHOWN * answer.width} / ${answer.height}`;
      canvas.style.clipPath = `inset(0 ${100 * (1 - shown / SHOWN)}% 0 0)`;
      paint(canvas, answer, first, SHOWN);
    }
  }

  repaint() {
    this.charts?.forEach((stage) => stage.paint());
  }

  close() {
    super.close();
    this.charts?.forEach((stage) => stage.close());
    this.images.close();
  }
}

// Of the first n draws those that hold HEAVY of the sum of their weights: { draws, count, order: the heaviest first,
// shares: of the sum, in that order }.
function heaviest(logWeights, n) {
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => logWeights[j] - logWeights[i]);
  const weights = order.map((i) => Math.exp(logWeights[i] - logWeights[order[0]])),
    total = weights.reduce((a, b) => a + b, 0);
  let held = 0,
    count = 0;
  while (held < HEAVY * total && count < n) held += weights[count++];
  return {
    draws: order.slice(0, count),
    count,
    order: order.slice(0, SHOWN),
    shares: weights.slice(0, SHOWN).map((weight) => weight / total),
  };
}

const nearest = (counts, wanted) =>
  counts.reduce(
    (best, count, i) =>
      Math.abs(Math.log(count / wanted)) < Math.abs(Math.log(counts[best] / wanted)) ? i : best,
    0,
  );

// Two digits are enough of a number of draws.
function count(value) {
  const digits = clamp(Math.floor(Math.log10(Math.max(value, 1))) - 1, 0, 12),
    unit = 10 ** digits;
  return value < 1e9
    ? (Math.round(value / unit) * unit).toLocaleString("en")
    : value.toExponential(1).replace("e+", " × 10^");
}

export default mounting(Marginal);
