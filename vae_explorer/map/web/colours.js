// What the points' colours say, the legend that explains it, and which classes are hidden.

import {
  categorical,
  classColour,
  classIndices,
  css,
  gradient,
  scaled,
  sequential,
} from "../../kit/palette.js";

const RAMP = "viridis";
const MANY = 30; // classes; the legend lists no more
const PLAIN = "#3f7ea6"; // where there is nothing to tell points apart

// The columns that colours can stand for, in the order of the menu.
const NUMBERS = [
  ["error", "Reconstruction error"],
  ["kl", "KL to the prior"],
  ["log_prior", "Prior log-density"],
  ["spread", "Posterior spread"],
];

export const COLOURS = `
  <label class="colour">Colour <select></select></label>`;

export class Colours {
  // page: { data, facts, changed(), say }
  constructor(root, page) {
    Object.assign(this, { page, hidden: new Set(), name: null });
    this.menu = root.querySelector(".colour select");
    this.legend = root.querySelector(".legend");
    this.menu.addEventListener("change", () => this.choose(this.menu.value));
  }

  options() {
    const { facts, data } = this.page;
    const factors = facts.factorNames.map((name, k) => [`factor:${k}`, `Factor: ${name}`]);
    const numbers = NUMBERS.filter(([name]) => data.has(name));
    return [
      ...(data.has("label") ? [["label", `By ${facts.labelName}`]] : []),
      ...(data.has("factors") ? factors : []),
      ...numbers,
      ["none", "One colour"],
    ];
  }

  async begin(wanted) {
    this.hidden.clear();
    const options = this.options();
    this.menu.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    await this.choose(options.some(([value]) => value === wanted) ? wanted : options[0][0]);
  }

  // { colours, classes } of map-raster's points and { palette, visible } of its style.
  async choose(name) {
    const chosen = {};
    this.chosen = chosen;
    this.menu.value = name;
    try {
      const found = await this.find(name);
      if (this.chosen !== chosen) return; // another one was chosen meanwhile
      Object.assign(this, { name, found });
      this.explain();
      this.page.changed();
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
    }
  }

  async find(name) {
    const { data, facts } = this.page;
    if (name === "none") return { colours: null, palette: Uint32Array.of(0xff000000 | bgr(PLAIN)) };
    if (name === "label") {
      const labels = await data.want("label");
      const count = Math.max(facts.classNames.length, 1);
      return { colours: classIndices(labels), palette: categorical(count), labels, count };
    }
    const values = name.startsWith("factor:")
      ? column(await data.want("factors"), Number(name.slice(7)), facts.factorNames.length)
      : await data.want(name);
    return { ...scaled(values), palette: sequential(RAMP), values };
  }

  get visible() {
    if (!this.hidden.size || this.name !== "label") return null;
    return Array.from({ length: this.found.count + 1 }, (_, c) => (this.hidden.has(c - 1) ? 0 : 1));
  }

  // Whether a point is shown; null where all are.
  get accept() {
    if (!this.hidden.size || this.name !== "label") return null;
    const { labels } = this.found;
    return (i) => !this.hidden.has(labels[i]);
  }

  of(i) {
    const { colours, palette } = this.found;
    return css(palette[colours ? colours[i] : 0]);
  }

  // --- the legend ------------------------------------------------------------------------------------------

  explain() {
    if (this.name === "label") this.chips();
    else if (this.found.values) this.ramp();
    else this.legend.replaceChildren();
  }

  chips() {
    const { classNames } = this.page.facts,
      counts = this.counts();
    this.legend.replaceChildren(
      ...classNames.slice(0, MANY).map((name, label) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "chip";
        chip.title = `${counts[label].toLocaleString("en")} points; click hides or shows them, a double click only them`;
        chip.setAttribute("aria-pressed", String(!this.hidden.has(label)));
        chip.innerHTML = `<i style="background:${classColour(label)}"></i><span></span>`;
        chip.querySelector("span").textContent = name;
        chip.addEventListener("click", () => this.toggle(label));
        chip.addEventListener("dblclick", () => this.only(label));
        return chip;
      }),
    );
    if (classNames.length > MANY) this.legend.append(`… and ${classNames.length - MANY} more`);
  }

  counts() {
    const counts = new Array(this.page.facts.classNames.length).fill(0);
    for (const label of this.found.labels) if (label >= 0) counts[label]++;
    return counts;
  }

  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    this.shown();
  }

  only(label) {
    const others = this.page.facts.classNames.map((_, other) => other).filter((other) => other !== label);
    const alone = others.every((other) => this.hidden.has(other));
    this.hidden = new Set(alone ? [] : others);
    this.shown();
  }

  shown() {
    [...this.legend.querySelectorAll(".chip")].forEach((chip, label) =>
      chip.setAttribute("aria-pressed", String(!this.hidden.has(label))),
    );
    this.page.changed();
  }

  ramp() {
    const { low, high, missing } = this.found;
    const words = [low, high].map((value) =>
      Number.isFinite(value) ? Number(value.toPrecision(3)).toLocaleString("en") : "–",
    );
    this.legend.innerHTML = `<span>${words[0]}</span><span class="gradient" style="background:${gradient(RAMP)}"></span><span>${words[1]}</span>`;
    this.legend.append(
      missing
        ? ` 1st to 99th percentile; ${missing.toLocaleString("en")} points have no value`
        : " 1st to 99th percentile",
    );
  }
}

const bgr = (colour) => parseInt(colour.slice(5, 7) + colour.slice(3, 5) + colour.slice(1, 3), 16);

function column(values, k, width) {
  return Float32Array.from({ length: values.length / width }, (_, i) => values[i * width + k]);
}
