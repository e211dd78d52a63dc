// Step 5: the gradient of E_q[log p(x|z)], draw by draw: reparameterized, and by the score function.

import { floats } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { curve, Stage } from "./draw.js";
import { mounting } from "./step.js";
import { ModelStep } from "./subject.js";

const DRAWS = 1000,
  LEAST = 2;
const BINS = 60;
const EDGES = [0.01, 0.99]; // of the widest estimator's draws: the common scale
const ROADS = {
  score: { name: "score function", colour: "#e76300" },
  baseline: { name: "score function with a baseline", colour: "#a96b59" },
  reparameterized: { name: "reparameterization", colour: "#3f90da" },
};

const TEMPLATE = `
  <div class="eq-two fit">
    <figure><div class="cloud"></div><figcaption>one dot per draw: the gradient by two parameters at once<span class="of-exact">; dashed: the exact gradient</span></figcaption></figure>
    <div class="eq-side">
      <div class="eq-buttons"><span>by</span><span class="parameters" role="group" aria-label="Parameter"></span>
        <label><input type="checkbox" class="close"> zoom in on reparameterization</label><label><input type="checkbox" class="with-baseline"> baseline</label></div>
      <label class="eq-slide">draws <input type="range" class="n" min="0" max="100" value="100" disabled aria-label="Number of draws"><output></output><button type="button" class="again">Draw anew</button></label>
      <div class="eq-charts">
        <figure><div class="histogram"></div><figcaption>the draws as histograms, each to its own peak</figcaption></figure>
        <figure><div class="running"></div><figcaption>their mean after n draws, ± 2 standard errors<span class="of-exact">; dashed: exact</span></figcaption></figure>
      </div>
      <div class="eq-sideways"><table class="eq-roads"><thead><tr><th></th><th>mean</th><th>± error</th><th>off exact by</th><th>variance</th><th>ratio</th></tr></thead><tbody>
        ${Object.entries(ROADS)
          .map(
            ([road, { name, colour }]) =>
              `<tr data-road="${road}"><th scope="row"><i style="background: ${colour}"></i>${name}</th><td class="mean"></td><td class="error"></td><td class="off"></td><td class="variance"></td><td class="ratio"></td></tr>`,
          )
          .join("")}
      </tbody></table></div>
      <p class="closes" role="status"></p>
    </div>
  </div>`;

class Gradients extends ModelStep {
  constructor(root, facts) {
    super(root, facts, TEMPLATE);
    Object.assign(this, { seed: 0, parameter: 0 });
    this.slider = this.find(".n");
    this.slider.addEventListener("input", () => this.slide());
    this.find(".again").addEventListener("click", () => this.draw());
    for (const box of [".close", ".with-baseline"])
      this.find(box).addEventListener("change", () => this.found && this.place());
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
    const found = await this.ask("gradients", { draws: DRAWS, seed: this.seed }, signal);
    if (signal.aborted) return;
    this.found = {
      ...found,
      draws: Object.fromEntries(Object.keys(ROADS).map((road) => [road, floats(found[road].draws)])),
    };
    if (this.parameter >= found.parameters.length) this.parameter = 0;
    this.slider.disabled = false;
    for (const words of this.root.querySelectorAll(".of-exact")) words.hidden = !found.exact;
    this.choices();
    this.choose(this.parameter);
  }

  // Means and widths of the dimensions that say most.
  choices() {
    const { order, latentDim } = this.facts,
      most = latentDim === 2 ? [0, 1] : order.slice(0, 2),
      places = [...most, ...most.map((d) => d + latentDim)];
    this.places = places;
    if (!places.includes(this.parameter)) this.parameter = places[0];
    this.find(".parameters").replaceChildren(
      ...places.map((place) => {
        const button = Object.assign(document.createElement("button"), {
          type: "button",
          innerHTML: name(place, latentDim),
        });
        button.dataset.parameter = place;
        button.addEventListener("click", () => this.choose(place));
        return button;
      }),
    );
  }

  choose(place) {
    this.parameter = place;
    for (const button of this.root.querySelectorAll("[data-parameter]"))
      button.setAttribute("aria-pressed", String(Number(button.dataset.parameter) === place));
    const { latentDim } = this.facts,
      half = this.places.length / 2,
      at = this.places.indexOf(place);
    this.pair = at < half ? this.places.slice(0, half) : this.places.slice(half);
    if (latentDim === 1) this.pair = this.places;
    this.tracks = Object.fromEntries(
      Object.keys(ROADS).map((road) => [road, running(this.column(road, place))]),
    );
    this.place();
  }

  column(road, place) {
    const wide = this.found.parameters.length,
      draws = this.found.draws[road];
    return Float64Array.from({ length: draws.length / wide }, (_, i) => draws[i * wide + place]);
  }

  get roads() {
    return Object.keys(ROADS).filter((road) => road !== "baseline" || this.find(".with-baseline").checked);
  }

  // Stages on the scale of the widest estimator, or of the narrow one.
  place() {
    const wide = this.find(".close").checked ? "reparameterized" : "score",
      [a, b] = this.pair;
    const x = extent(this.column(wide, a)),
      y = extent(this.column(wide, b)),
      along = extent(this.column(wide, this.parameter)),
      text = (place) => plain(place, this.facts.latentDim);
    const [mean, error] = [this.tracks[wide].mean, this.tracks[wide].error],
      first = 9,
      last = mean.at(-1);
    const reach = 1.1 * Math.max(Math.abs(mean[first] - last) + 2 * error[first], 4 * error.at(-1), 1e-12);
    this.charts?.forEach((stage) => stage.close());
    const make = (selector, options, draw) => new Stage(this.find(selector), options).under(draw);
    this.charts = [
      make(
        ".cloud",
        {
          x,
          y,
          names: [`∂ by ${text(a)} →`, `∂ by ${text(b)} →`],
          label: "Per-draw gradients of two parameters",
        },
        (context, stage) => this.paintCloud(context, stage),
      ),
      make(
        ".histogram",
        {
          x: along,
          y: [0, 1.08],
          names: [`∂ by ${text(this.parameter)} →`, ""],
          aspect: 1.6,
          label: "Histograms of per-draw gradients",
        },
        (context, stage) => this.paintHistogram(context, stage),
      ),
      make(
        ".running",
        {
          x: [LEAST, DRAWS],
          y: [last - reach, last + reach],
          log: [true, false],
          names: ["draws n →", "mean →"],
          aspect: 1.6,
          label: "Running means of the gradient",
        },
        (context, stage) => this.paintRunning(context, stage),
      ),
    ];
    this.slide();
  }

  get n() {
    return Math.round(LEAST * (DRAWS / LEAST) ** (Number(this.slider.value) / 100));
  }

  slide() {
    const { n, found, tracks } = this,
      exact = found.exact?.[this.parameter],
      narrow = tracks.reparameterized.variance[n - 1];
    this.find(".eq-slide output").textContent = n.toLocaleString("en");
    for (const road of Object.keys(ROADS)) {
      const row = this.find(`[data-road="${road}"]`),
        { mean, error, variance } = tracks[road],
        set = (key, words) => (row.querySelector(`.${key}`).textContent = words);
      set("mean", number(mean[n - 1]));
      set("error", number(error[n - 1]));
      set(
        "off",
        exact === undefined ? "–" : `${number(Math.abs(mean[n - 1] - exact) / error[n - 1], 1)} errors`,
      );
      set("variance", short(variance[n - 1]));
      set("ratio", road === "reparameterized" ? "1" : `× ${short(variance[n - 1] / narrow)}`);
    }
    const ratio = tracks.score.variance[n - 1] / narrow;
    const known = exact === undefined ? "" : `Exact, by quadrature: ${number(exact)}. `;
    this.find(".closes").textContent =
      `${known}Both means estimate the same gradient; the score function needs ${short(ratio)} times as many draws for the same error.`;
    this.charts.forEach((stage) => stage.paint());
  }

  paintCloud(context, stage) {
    const { found, n, pair } = this,
      wide = found.parameters.length,
      { x, y } = stage.range,
      line = { colour: stage.colours.text, width: 1, dash: [6, 4] };
    if (found.exact) {
      const [right, up] = pair.map((place) => found.exact[place]);
      curve(context, stage, [right, right], y, line);
      curve(context, stage, x, [up, up], line);
    }
    for (const road of this.roads) {
      const draws = found.draws[road];
      context.fillStyle = ROADS[road].colour;
      context.globalAlpha = n > 300 ? 0.45 : 0.75;
      for (let i = 0; i < n; i++) {
        const [across, down] = stage.toScreen(draws[i * wide + pair[0]], draws[i * wide + pair[1]]);
        context.fillRect(across - 1.4, down - 1.4, 2.8, 2.8);
      }
    }
  }

  paintHistogram(context, stage) {
    const [low, high] = stage.range.x,
      exact = this.found.exact?.[this.parameter];
    for (const road of this.roads) {
      const heights = histogram(this.column(road, this.parameter).subarray(0, this.n), low, high),
        step = (high - low) / BINS;
      const xs = heights.flatMap((_, i) => [low + i * step, low + (i + 1) * step]),
        ys = heights.flatMap((value) => [value, value]);
      context.fillStyle = ROADS[road].colour;
      context.globalAlpha = 0.25;
      for (const [i, value] of heights.entries()) {
        const [x, y] = stage.toScreen(low + i * step, value),
          [right, floor] = stage.toScreen(low + (i + 1) * step, 0);
        context.fillRect(x, y, right - x, floor - y);
      }
      curve(context, stage, xs, ys, { colour: ROADS[road].colour, width: 1.8 });
    }
    if (exact !== undefined)
      curve(context, stage, [exact, exact], stage.range.y, { colour: stage.colours.text, dash: [6, 4] });
  }

  paintRunning(context, stage) {
    const exact = this.found.exact?.[this.parameter],
      { text } = stage.colours;
    for (const road of this.roads) {
      const { mean, error } = this.tracks[road],
        { colour } = ROADS[road],
        counts = Array.from({ length: DRAWS - LEAST + 1 }, (_, i) => i + LEAST);
      const edge = (side) => counts.map((n) => mean[n - 1] + 2 * side * error[n - 1]);
      context.fillStyle = colour;
      context.globalAlpha = 0.18;
      context.beginPath();
      for (const [i, value] of edge(1).entries()) context.lineTo(...stage.toScreen(counts[i], value));
      for (const [i, value] of edge(-1).reverse().entries())
        context.lineTo(...stage.toScreen(counts[counts.length - 1 - i], value));
      context.fill();
      curve(
        context,
        stage,
        counts,
        counts.map((n) => mean[n - 1]),
        { colour, width: 1.8 },
      );
    }
    if (exact !== undefined)
      curve(context, stage, [LEAST, DRAWS], [exact, exact], { colour: text, dash: [6, 4] });
    curve(context, stage, [this.n, this.n], stage.range.y, { colour: text, width: 1, alpha: 0.7 });
  }

  repaint() {
    this.charts?.forEach((stage) => stage.paint());
  }

  close() {
    super.close();
    this.charts?.forEach((stage) => stage.close());
  }
}

// Mean, variance and standard error of the mean of the first 1, 2, ... values (Welford 1962).
function running(values) {
  const mean = new Float64Array(values.length),
    variance = new Float64Array(values.length),
    error = new Float64Array(values.length);
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const before = i ? mean[i - 1] : 0,
      away = values[i] - before;
    mean[i] = before + away / (i + 1);
    sum += away * (values[i] - mean[i]);
    variance[i] = i ? sum / i : NaN;
    error[i] = Math.sqrt(variance[i] / (i + 1));
  }
  return { mean, variance, error };
}

function histogram(values, low, high) {
  const counts = new Array(BINS).fill(0);
  for (const value of values)
    if (value >= low && value < high) counts[Math.floor((BINS * (value - low)) / (high - low))]++;
  const most = Math.max(...counts, 1);
  return counts.map((count) => count / most);
}

// The range of most values, with room.
function extent(values) {
  const sorted = Float64Array.from(values).sort(),
    [low, high] = EDGES.map((share) => sorted[Math.round(share * (sorted.length - 1))]),
    room = 0.08 * (high - low) || 1;
  return [low - room, high + room];
}

const short = (value) =>
  value >= 100 || value < 0.01
    ? Number(value.toPrecision(2)).toLocaleString("en", { maximumSignificantDigits: 2 })
    : Number(value.toPrecision(2)).toString();
const plain = (place, latentDim) =>
  `${place < latentDim ? "m" : "s"}${dimensionName(place % latentDim).slice(1)}`;
const name = (place, latentDim) => `${place < latentDim ? "mean" : "width"} ${plain(place, latentDim)}`;

export default mounting(Gradients);
