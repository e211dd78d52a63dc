// Step 4: log N(x; f(z), cI) = -||x - f(z)||^2 / (2c) + const. What c makes of a squared error, and what it trades.

import { heat } from "../../kit/colours.js";
import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { bytes, floats } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { Surface } from "./bound.js";
import { curve, dot, Handle, Heat, Stage } from "./draw.js";
import { mounting } from "./step.js";
import { ModelStep } from "./subject.js";

const FIRST = 3; // c
const FAR = 4; // of the prior's plane
const CLOSE = 6; // standard deviations of the posterior that the plane shows from close by
const HANDLE = "#ff8c2b";
const LOG_2_PI = Math.log(2 * Math.PI);

const TEMPLATE = `
  <div class="eq-two fit">
    <figure><div class="plane"></div><figcaption>p(z|x) if p(x|z) = N(f(z), cI), brighter is denser; drag <b class="q">z</b>. <label><input type="checkbox" class="close"> zoom in</label></figcaption></figure>
    <div class="eq-side">
      <label class="eq-slide">c <input type="range" class="c" step="0.01" disabled aria-label="Variance c of the likelihood"><output></output><button type="button" class="own" hidden>the model's c</button></label>
      <p class="formula"></p>
      <div class="eq-charts">
        <figure><div class="likelihood"></div><figcaption>log N(x; f(z), cI) by the squared error: a line of slope −1/(2c), with <b class="q">z</b> on it</figcaption></figure>
        <figure><div class="trade"></div><figcaption>every c has its posterior; at this one a nat of KL buys 2c = <b class="price"></b> of squared error, the slope of the tangent</figcaption></figure>
      </div>
      <div class="eq-row with-words"><figure><canvas class="original" role="img" aria-label="x"></canvas><figcaption>x</figcaption></figure>
        <figure><canvas class="decoded" role="img" aria-label="f(z)"></canvas><figcaption>f(z)</figcaption></figure>
        <figure><canvas class="errors" role="img" aria-label="Squared error of each pixel"></canvas><figcaption>(x − f(z))²</figcaption></figure>
        <div class="eq-side"><p class="closes" role="status"></p><p class="parts"></p></div></div>
    </div>
  </div>`;

class Reconstruction extends ModelStep {
  constructor(root, facts) {
    super(root, facts, TEMPLATE);
    this.heat = new Heat();
    this.images = new Channel({
      onAnswer: (answer, tag) => this.show(answer, tag),
      onError: (sentence) => this.say(sentence),
    });
    this.slider = this.find(".c");
    this.slider.addEventListener("input", () => this.change());
    this.find(".close").addEventListener("change", () => this.found && this.change());
    this.find(".own").addEventListener("click", () => {
      this.slider.value = Math.log10(this.found.variance);
      this.change();
    });
  }

  async take(_example, signal) {
    const found = await this.ask("reconstruction", {}, signal);
    if (signal.aborted) return;
    const planes = found.grids.map((grid) => refined({ ...grid, values: floats(grid.values) }));
    Object.assign(this, {
      found,
      planes,
      z: found.mean.slice(),
      original: { ...found.x, pixels: bytes(found.x.pixels) },
    });
    const former = this.slider.disabled ? Math.log10(found.variance ?? FIRST) : Number(this.slider.value);
    Object.assign(this.slider, {
      min: Math.log10(found.curve[0].c),
      max: Math.log10(found.curve.at(-1).c),
      disabled: false,
    });
    this.slider.value = former;
    this.find(".own").hidden = found.variance === null;
    for (const canvas of this.root.querySelectorAll(".step .eq-row canvas"))
      canvas.style.aspectRatio = `${this.original.width} / ${this.original.height}`;
    paint(this.find(".original"), this.original);
    this.place();
    this.change();
    this.picture();
  }

  get c() {
    return 10 ** Number(this.slider.value);
  }

  place() {
    const { curve: known } = this.found,
      extent = [-FAR, FAR];
    const most = this.planes[0].values.reduce((a, b) => Math.max(a, b));
    this.charts?.forEach((stage) => stage.close());
    const plane = new Stage(this.find(".plane"), {
      x: extent,
      y: extent,
      equal: true,
      names: [0, 1].map((d) => `${dimensionName(d)} →`),
      label: "The posterior under N(f(z), cI) as a heat map",
    });
    const line = new Stage(this.find(".likelihood"), {
      x: [0, 1.05 * most],
      y: [-1, 0],
      names: ["squared error →", "nats →"],
      aspect: 1.9,
      label: "Log-likelihood by the squared error",
    });
    const rates = known.map((each) => each.rate),
      high = known.at(-1).squared;
    const trade = new Stage(this.find(".trade"), {
      x: [0, 1.05 * Math.max(...rates)],
      y: [0, 1.05 * high],
      names: ["KL(p(z|x) ‖ p(z)) →", "squared error →"],
      aspect: 1.9,
      label: "Expected squared error by KL, for every c",
    });
    Object.assign(this, { plane, line, most, charts: [plane, line, trade] });
    plane.under((context, stage) => this.heat.paint(context, stage));
    line.under((context, stage) => this.paintLine(context, stage));
    trade.under((context, stage) => this.paintTrade(context, stage));
    this.handle = new Handle(plane, {
      name: "z",
      at: this.z,
      colour: HANDLE,
      small: true,
      move: (z) => this.drag(z),
    });
  }

  // Another c: another posterior over the same squared errors, on the finest plane that holds it.
  change() {
    const { c, planes } = this,
      plane = planes.findLast((each) => each.c >= c) ?? planes[0],
      { values, prior, joint, cell } = plane;
    let most = -Infinity;
    for (let i = 0; i < joint.length; i++) {
      joint[i] = prior[i] - values[i] / (2 * c);
      most = Math.max(most, joint[i]);
    }
    let sum = 0,
      squared = 0,
      rate = 0;
    for (let i = 0; i < joint.length; i++) {
      const weight = Math.exp(joint[i] - most);
      sum += weight;
      squared += weight * values[i];
      rate += weight * (joint[i] - prior[i]);
    }
    const logSum = most + Math.log(sum) + 2 * Math.log(cell); // log of the integral, without the constant
    this.now = { squared: squared / sum, rate: rate / sum - logSum, logEvidence: logSum + this.constant };
    this.heat.set(plane, (i) => Math.exp(joint[i] - most));
    this.look(plane, most, sum);
    this.tell();
  }

  // The prior's plane, or around the posterior.
  look({ left, bottom, cell, columns, joint }, most, sum) {
    if (!this.find(".close").checked) return this.plane.view([-FAR, FAR], [-FAR, FAR]);
    const first = [0, 0],
      second = [0, 0];
    for (let i = 0; i < joint.length; i++) {
      const weight = Math.exp(joint[i] - most) / sum,
        place = [left + (i % columns) * cell, bottom + Math.floor(i / columns) * cell];
      for (const d of [0, 1]) {
        first[d] += weight * place[d];
        second[d] += weight * place[d] * place[d];
      }
    }
    const half = CLOSE * Math.sqrt(Math.max(...first.map((mean, d) => second[d] - mean * mean), cell * cell));
    this.plane.view(...first.map((mean) => [mean - half, mean + half]));
    const z = this.plane.within(this.z);
    if (z.some((value, d) => value !== this.z[d])) this.drag(z);
  }

  drag(z) {
    this.z = z;
    this.handle.set(z);
    this.tell();
    this.picture();
  }

  // From the finest plane around z.
  get squaredHere() {
    return (this.planes.findLast(({ surface }) => surface.holds(...this.z)) ?? this.planes[0]).surface.at(
      ...this.z,
    );
  }

  get constant() {
    return -(this.found.count / 2) * (LOG_2_PI + Math.log(this.c));
  }

  tell() {
    const { c, now, found } = this,
      squared = this.squaredHere,
      likelihood = -squared / (2 * c) + this.constant;
    this.find(".eq-slide output").textContent = small(c);
    this.find(".formula").innerHTML =
      `log N(x; f(z), cI) = −${number(squared, 2)} ∕ (2 · ${small(c)}) ${signed(this.constant)} = <b>${number(likelihood, 2)}</b> nats`;
    this.find(".price").textContent = small(2 * c);
    this.find(".parts").textContent =
      `At this c: log p(x) = E[log N(x; f(z), cI)] − KL = ${number(this.constant - now.squared / (2 * c), 2)} − ${number(now.rate, 2)} = ${number(now.logEvidence, 2)} nats, and E‖x − f(z)‖² = ${number(now.squared, 2)} in ${found.count} numbers`;
    const steep = [this.constant - this.most / (2 * c), this.constant];
    this.line.view(
      [0, 1.05 * this.most],
      [steep[0] - 0.03 * (steep[1] - steep[0]), steep[1] + 0.06 * (steep[1] - steep[0])],
    );
    this.charts[2].paint();
    this.check();
  }

  paintLine(context, stage) {
    const { c, most } = this,
      squared = this.squaredHere,
      at = (error) => this.constant - error / (2 * c);
    curve(context, stage, [0, most], [at(0), at(most)], { colour: stage.colours.accent, width: 2 });
    curve(context, stage, [squared, squared, 0], [stage.range.y[0], at(squared), at(squared)], {
      colour: stage.colours.text,
      width: 1,
      dash: [3, 3],
      alpha: 0.7,
    });
    dot(context, stage, [squared, at(squared)], { colour: HANDLE, radius: 6 });
  }

  paintTrade(context, stage) {
    const { curve: known } = this.found,
      { now, c } = this,
      [left, right] = stage.range.x;
    curve(
      context,
      stage,
      known.map((each) => each.rate),
      known.map((each) => each.squared),
      { colour: stage.colours.accent, width: 2 },
    );
    curve(
      context,
      stage,
      [left, right],
      [left, right].map((rate) => now.squared - 2 * c * (rate - now.rate)),
      { colour: stage.colours.text, width: 1, dash: [5, 4] },
    );
    dot(context, stage, [now.rate, now.squared], { colour: HANDLE, radius: 6 });
  }

  picture() {
    this.images.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: 1,
      width: 2,
      payload: Float32Array.from(this.z),
      tag: this.z,
    });
  }

  show(answer, z) {
    this.decoded = { pixels: answer.pixels.slice(), z };
    paint(this.find(".decoded"), answer);
    const { pixels, channels, height, width } = this.original,
      image = new ImageData(width, height),
      out = new Uint32Array(image.data.buffer);
    for (let i = 0; i < out.length; i++) {
      let error = 0;
      for (let k = i * channels; k < (i + 1) * channels; k++)
        error += ((pixels[k] - answer.pixels[k]) / 255) ** 2 / channels;
      out[i] = heat(error);
    }
    const canvas = this.find(".errors");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    this.check();
  }

  // The same log-likelihood from the pixels on the screen, once the decoded one is that of z.
  check() {
    const { pixels } = this.original,
      says = this.find(".closes");
    if (!this.facts.images || pixels.length !== this.found.count || this.decoded?.z !== this.z) return;
    let sum = 0,
      squared = 0;
    for (let i = 0; i < pixels.length; i++) {
      const error = ((pixels[i] - this.decoded.pixels[i]) / 255) ** 2;
      squared += error;
      sum += -0.5 * (LOG_2_PI + Math.log(this.c)) - error / (2 * this.c);
    }
    says.textContent = `Number by number, from the two pictures in 256 shades${this.facts.cut ? ", f(z) cut to [0, 1]" : ""}: Σ log N = ${number(sum, 2)} nats, ‖x − f(z)‖² = ${number(squared, 2)}`;
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

// A plane of squared errors with a point between every two, so that a narrower posterior is told.
function refined(grid) {
  const surface = new Surface(grid),
    columns = 2 * grid.columns - 1,
    rows = 2 * grid.rows - 1,
    cell = grid.cell / 2;
  const fine = { ...grid, columns, rows, cell, values: new Float64Array(columns * rows) };
  for (let i = 0; i < fine.values.length; i++)
    fine.values[i] = surface.at(
      grid.left + (i % columns) * cell,
      grid.bottom + Math.floor(i / columns) * cell,
    );
  return { ...fine, surface, prior: normal(fine), joint: new Float64Array(columns * rows) };
}

// log N(z; 0, I) at the points of a grid over the plane.
function normal({ left, bottom, cell, columns, rows }) {
  const found = new Float64Array(columns * rows);
  for (let i = 0; i < found.length; i++) {
    const x = left + (i % columns) * cell,
      y = bottom + Math.floor(i / columns) * cell;
    found[i] = -LOG_2_PI - (x * x + y * y) / 2;
  }
  return found;
}

const small = (value) => value.toPrecision(2);
const signed = (value) => `${value < 0 ? "−" : "+"} ${number(Math.abs(value), 2)}`;

export default mounting(Reconstruction);
