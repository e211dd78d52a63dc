// Step 8: draws of the prior pushed through the decoder, beside data; MMD and its null distribution.

import { paint } from "../../kit/paint.js";
import { classColour } from "../../kit/palette.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { bytes } from "../../kit/subject.js";
import { fetchTold } from "../../kit/told.js";
import { dimensionName, number } from "../../kit/words.js";
import { curve, dot, Ellipse, Handle, Stage, svg } from "./draw.js";
import { mounting } from "./step.js";

const BINS = 40;
const PRIOR = "#d9480f",
  SAMPLES = "#d9480f",
  HALVES = "#1f9e6e",
  AGAIN = "#a04cc4",
  NORMAL = "#8a6d00";
const COUNTS = [100, 250, 500, 1000];
const REACH = 3.6; // standard deviations that the plane shows at least

const TEMPLATE = `<div class="eq">
  <div class="eq-two eq-push">
    <figure><div class="plane"></div><figcaption class="where"></figcaption></figure>
    <div class="eq-side">
      <div class="eq-row"><figure class="here"><canvas role="img" aria-label="Decoded z"></canvas><figcaption>f(z), at the handle</figcaption></figure>
        <div class="eq-choose"><div class="eq-buttons"><label>examples of each <select aria-label="Examples of each">${COUNTS.map((count) => `<option${count === 500 ? " selected" : ""}>${count}</option>`).join("")}</select></label><button type="button" class="another">New draws</button></div><p class="message" role="status"></p><p class="note says"></p></div></div>
      <figure><figcaption class="of-samples">decoded</figcaption><div class="eq-pictures samples"></div></figure>
      <figure><figcaption class="of-data">data</figcaption><div class="eq-pictures data"></div></figure>
    </div>
  </div>
  <div class="eq-two">
    <figure><div class="null"></div><figcaption>bars: MMD² when both samples are shuffled, so by chance alone</figcaption></figure>
    <div class="eq-side"><div class="eq-figures"></div><p class="closes" role="status"></p></div>
  </div>
</div>`;

class Generation {
  constructor(root, facts) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, facts, seed: 0, found: null });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => (this.find(".message").textContent = sentence);
    this.images = new Channel({ onAnswer: (answer) => this.draw(answer), onError: this.say });
    this.find(".another").addEventListener("click", () => this.open(this.seed + 1));
    this.find("select").addEventListener("change", () => this.open(this.seed));
  }

  begin() {
    this.begun = true;
    this.place();
    this.open(0);
  }

  update(facts) {
    const another = facts.model.id !== this.facts.model.id;
    this.facts = facts;
    if (!this.begun) return;
    if (another) return this.begin();
    this.stage.paint();
    this.histogram?.paint();
  }

  // --- z ----------------------------------------------------------------------------------------------------

  place() {
    const { facts } = this,
      { shown, prior } = facts;
    this.stage?.close();
    this.find(".plane").replaceChildren();
    const line = shown.length < 2; // one latent dimension: the second axis says nothing
    const [x, y] = [0, 1].map((d) =>
      line && d
        ? [-1, 1]
        : span(
            prior.mean[d],
            Math.sqrt(prior.covariance[d][d]),
            facts.cloud.map((code) => code[d]),
          ),
    );
    this.stage = new Stage(this.find(".plane"), {
      x,
      y,
      equal: !line,
      aspect: 1.05,
      names: line ? [`${dimensionName(shown[0])} →`, ""] : shown.map((d) => `${dimensionName(d)} →`),
      label: "The latent space, with draws",
    });
    this.stage.under((context, stage) => this.dots(context, stage));
    if (!line) new Ellipse(this.stage, { name: "What is drawn", ...prior, colour: PRIOR, still: true });
    this.handle = new Handle(this.stage, {
      name: "z",
      at: [prior.mean[0], line ? 0 : prior.mean[1]],
      move: (place) => this.move(place),
    });
    this.handle.element.appendChild(svg("text", { x: 11, y: -9, class: "eq-label" })).textContent = "z";
    this.move(this.handle.at);
    const drawn = facts.hasPrior ? "N(0, I)" : "the Gaussian fitted to the codes";
    const rest =
      facts.latentDim > 2
        ? ` The two dimensions that say most; the handle leaves the other ${facts.latentDim - 2} at ${facts.hasPrior ? "0" : "their mean"}.`
        : "";
    this.find(".where").textContent =
      `${line ? "" : `ellipse: ${drawn} at 1σ and 2σ; `}large dots: the draws on the right, small ones: encoded data. Drag z, or point at a picture.${rest}`;
  }

  code(place) {
    const code = Float32Array.from(this.facts.centre);
    this.facts.shown.forEach((d, i) => (code[d] = place[i]));
    return code;
  }

  move(place) {
    const line = this.facts.shown.length < 2;
    this.handle.set(line ? [place[0], 0] : place);
    this.decode(this.code(place));
  }

  decode(code) {
    this.images.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: 1,
      width: code.length,
      payload: code,
    });
  }

  draw(answer) {
    const canvas = this.find(".here canvas");
    canvas.style.aspectRatio = `${answer.width} / ${answer.height}`;
    paint(canvas, answer);
  }

  dots(context, stage) {
    const { cloud, labels, shown } = this.facts,
      at = (code) => [code[0], code[1] ?? 0];
    context.globalAlpha = 0.5;
    cloud.forEach((code, i) => {
      context.fillStyle = labels ? classColour(Math.max(labels[i], 0)) : stage.colours.text;
      const [x, y] = stage.toScreen(...at(code));
      context.fillRect(x - 1, y - 1, 2, 2);
    });
    context.globalAlpha = 1;
    this.found?.codes.forEach((code, k) =>
      dot(context, stage, at(shown.map((d) => code[d])), {
        colour: SAMPLES,
        radius: k === this.pointed ? 7 : 4,
        rim: "#fff",
      }),
    );
  }

  // --- the comparison ---------------------------------------------------------------------------------------

  async open(seed) {
    this.leave?.abort();
    this.leave = new AbortController();
    const { signal } = this.leave,
      body = { model: this.facts.model.id, seed, count: Number(this.find("select").value) };
    this.seed = seed;
    this.root.classList.add("eq-waits");
    this.say("Drawing and comparing…");
    try {
      const found = await fetchTold("/equations/generation", body, {
        signal,
        progress: ({ done }) => this.say(`Comparing… ${Math.floor(100 * done)} %`),
      });
      if (signal.aborted) return;
      this.found = found;
      this.show();
      this.say("");
    } catch (error) {
      if (!signal.aborted) this.say(error.message);
    }
    if (!signal.aborted) this.root.classList.remove("eq-waits");
  }

  show() {
    const { found } = this,
      drawn = found.prior === "normal" ? "N(0, I)" : "the Gaussian fitted to the codes";
    this.find(".says").textContent = found.says;
    this.find(".of-samples").textContent = `draws of ${drawn}, decoded`;
    this.find(".of-data").textContent =
      found.of === "images" ? "data" : "reconstructions of data, which are not on this machine";
    this.pictures(".samples", found.samples, true);
    this.pictures(".data", found.data, false);
    this.stage.paint();
    this.bars();
    this.words(drawn);
  }

  pictures(selector, pictures, pointed) {
    const list = this.find(selector);
    list.replaceChildren(
      ...pictures.map((picture, k) => {
        const canvas = document.createElement("canvas");
        canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
        paint(canvas, { ...picture, pixels: bytes(picture.pixels) });
        if (pointed) {
          canvas.addEventListener("pointerenter", () => this.point(k));
          canvas.addEventListener("pointerleave", () => this.point(null));
        }
        return canvas;
      }),
    );
  }

  // Which draw a picture is.
  point(k) {
    this.pointed = k;
    if (k !== null) {
      const code = this.found.codes[k],
        place = this.facts.shown.map((d) => code[d]);
      this.handle.set([place[0], place[1] ?? 0]);
      this.decode(Float32Array.from(code));
    }
    this.stage.paint();
  }

  // Every MMD of this comparison: [its name, { mmd, p }, colour, what it says].
  compared() {
    const { found } = this,
      what = found.of === "images" ? "data" : "reconstructions";
    return [
      ["draws and data", found, SAMPLES, `what was asked: the draws, decoded, against ${what}`],
      [
        "data and data",
        found.baseline,
        HALVES,
        `one half of the ${what} against the other: what a perfect generator comes to`,
      ],
      [
        "reconstructions and data",
        found.reconstructed,
        AGAIN,
        "what the decoder alone changes, with codes of data instead of draws",
      ],
      ["N(0, I) and data", found.normal01, NORMAL, "this model was never asked to make its codes normal"],
    ].filter(([, each]) => each);
  }

  bars() {
    const { found } = this,
      { null: chance } = found,
      low = chance[0],
      high = chance.at(-1),
      width = (high - low) / BINS;
    const counts = new Array(BINS).fill(0);
    for (const value of chance) counts[Math.min(Math.floor((value - low) / width), BINS - 1)]++;
    const marks = this.compared().map(([, { mmd }]) => mmd),
      right = Math.max(high, ...marks),
      left = Math.min(low, ...marks),
      room = 0.06 * (right - left);
    const x = [left - room, right + room],
      y = [0, 1.15 * Math.max(...counts)];
    this.counts = { counts, low, width };
    if (!this.histogram) {
      this.histogram = new Stage(this.find(".null"), {
        x,
        y,
        aspect: 2.3,
        names: ["MMD²", "shuffles"],
        label: "MMD and its null distribution",
      });
      this.histogram.under((context, stage) => this.shuffles(context, stage));
    } else this.histogram.view(x, y);
  }

  shuffles(context, stage) {
    const { counts, low, width } = this.counts;
    context.fillStyle = stage.colours.text;
    context.globalAlpha = 0.45;
    counts.forEach((count, i) => {
      const [left, top] = stage.toScreen(low + i * width, count),
        [right, bottom] = stage.toScreen(low + (i + 1) * width, 0);
      context.fillRect(left, top, Math.max(right - left - 0.5, 1), bottom - top);
    });
    context.globalAlpha = 1;
    const mark = (value, colour, dash, wide) =>
      curve(context, stage, [value, value], stage.range.y, { colour, width: wide, dash });
    mark(this.found.limit, stage.colours.text, [3, 3], 1);
    for (const [, { mmd }, colour] of this.compared()) mark(mmd, colour, [], 2.5);
  }

  words(drawn) {
    const { found } = this;
    this.find(".eq-figures").innerHTML = this.compared()
      .map(
        ([name, { mmd, p }, colour, says]) =>
          `<div style="--mark: ${colour}" class="eq-mmd"><span class="name">${name}</span><output>${small(mmd)}</output><span>p = ${number(p, 3)}; ${says}</span></div>`,
      )
      .join("");
    const far = found.mmd > found.limit;
    this.find(".closes").textContent = far
      ? `95 % of shuffles stay below ${small(found.limit)}, and ${drawn} through the decoder is told apart from the data: its MMD² is ${number(found.mmd / found.limit, 1)} times that.`
      : `95 % of shuffles stay below ${small(found.limit)}, and with ${found.count} of each ${drawn} through the decoder is not told apart from the data.`;
  }

  close() {
    this.leave?.abort();
    this.stage?.close();
    this.histogram?.close();
    this.images.close();
  }
}

// A range with the distribution and most data in it.
function span(mean, std, values) {
  const sorted = values.slice().sort((a, b) => a - b),
    at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return [Math.min(mean - REACH * std, at(0.01)), Math.max(mean + REACH * std, at(0.99))];
}

const small = (value) => number(value, 4);

export default mounting(Generation);
