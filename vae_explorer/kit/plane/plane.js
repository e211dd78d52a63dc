// Which plane the grid shows: two dimensions, two principal directions, or three codes; how its tiles are spaced; and one
// more dimension that moves the whole plane while it is dragged.

import { codeText } from "../code-text.js";
import { quoted } from "../command-text.js";
import { dimensionName } from "../words.js";

const FEWEST = 5,
  MOST = 40,
  USUAL = 16;
const PRIOR = 3; // standard deviations of the prior to each side

export const PLANE = `
  <div class="bar" role="toolbar" aria-label="Plane">
    <label>Plane <select class="kind"><option value="dimensions">two dimensions</option><option value="principal">principal directions</option><option value="codes">three codes</option></select></label>
    <span class="dims"><label>across <select class="first"></select></label> <label>up <select class="second"></select></label></span>
    <span class="three"><label>A <select class="code-a"></select></label> <label>B <select class="code-b"></select></label> <label>C <select class="code-c"></select></label></span>
    <label>Tiles <input type="range" class="tiles-across" min="${FEWEST}" max="${MOST}" step="1"><output></output></label>
    <label>Spacing <select class="spacing"><option value="linear">linear</option><option value="quantile">prior quantiles</option></select></label>
    <label class="check"><input type="checkbox" class="shade-density"> Shade where data are few</label>
    <label class="check"><input type="checkbox" class="outline-class"> Outline by nearest class</label>
  </div>
  <div class="bar third"><label>Also move <select class="also"></select></label><input type="range" class="depth" step="0.01" aria-label="Value of the third dimension"><output class="depth-value"></output></div>`;

export class Plane {
  // page: { facts, grid, planeChanged(), say }
  constructor(root, page) {
    Object.assign(this, { root, page });
    this.find = (selector) => root.querySelector(selector);
    const on = (selector, type, act) => (this.find(selector)[`on${type}`] = act); // set, not added: the page may open another model
    for (const name of ["kind", "first", "second", "code-a", "code-b", "code-c"])
      on(`.${name}`, "change", () => this.changed());
    on(".also", "change", () => this.third());
    on(".depth", "input", () => this.depth());
    on(".tiles-across", "input", () => this.tiles());
    on(".spacing", "change", () => this.tiles());
    on(".shade-density", "change", () => page.planeChanged());
    on(".outline-class", "change", () => page.planeChanged());
  }

  begin(said) {
    const { facts } = this.page,
      { dimensions } = facts;
    const fill = (selector, options) =>
      this.find(selector).replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    const names = dimensions.map(({ index }) => [index, dimensionName(index)]);
    fill(".first", names);
    fill(".second", names);
    fill(".also", names);
    const codes = this.codes();
    for (const name of ["a", "b", "c"])
      fill(
        `.code-${name}`,
        codes.map(({ key, words }) => [key, words]),
      );
    const principal = this.find('.kind option[value="principal"]');
    principal.disabled = !facts.principal;
    this.find('.kind option[value="codes"]').disabled = facts.latentDim < 2 || codes.length < 3;
    const wanted = (name, value) =>
      said[name] !== undefined &&
      [...this.find(`.${name}`).options].some((option) => option.value === said[name] && !option.disabled)
        ? said[name]
        : value;
    this.find(".kind").value = wanted("kind", "dimensions");
    // The two most informative ones, in their own order.
    const [first, second = first] = dimensions
      .slice(0, 2)
      .map(({ index }) => index)
      .sort((a, b) => a - b);
    this.find(".first").value = wanted("first", String(first));
    this.find(".second").value = wanted("second", String(second));
    ["a", "b", "c"].forEach(
      (name, k) =>
        (this.find(`.code-${name}`).value = wanted(`code-${name}`, codes[Math.min(k, codes.length - 1)].key)),
    );
    this.find(".spacing").value = wanted("spacing", "linear");
    this.find(".tiles-across").value = Number(said.tiles) || USUAL;
    this.base = Float32Array.from(facts.z);
    this.changed();
  }

  // The codes that a plane may go through.
  codes() {
    const { facts } = this.page;
    const means = (facts.classMeans ?? [])
      .map((code, label) => ({ key: `class:${label}`, words: `mean of ${facts.classNames[label]}`, code }))
      .filter(({ code }) => code);
    const ends = ["a", "b"]
      .filter((name) => facts.ends[name])
      .map((name) => ({
        key: `end:${name}`,
        words: `${name.toUpperCase()} of the path`,
        code: facts.ends[name],
      }));
    return [
      ...means,
      ...ends,
      { key: "explore", words: "Explore's code", code: facts.z },
      { key: "origin", words: "the origin", code: facts.z.map(() => 0) },
    ];
  }

  changed() {
    const { facts } = this.page,
      kind = this.find(".kind").value;
    this.find(".dims").hidden = kind !== "dimensions" || facts.latentDim < 3;
    this.find(".three").hidden = kind !== "codes";
    try {
      this.plane = {
        dimensions: () => this.dimensions(),
        principal: () => this.principal(),
        codes: () => this.threeCodes(),
      }[kind]();
    } catch (error) {
      return this.page.say(error.message);
    }
    this.page.say(
      facts.latentDim === 1
        ? "This model has one latent dimension, which makes a line and no plane: every row shows the same."
        : "",
    );
    this.thirdOptions();
    this.page.planeChanged();
    this.tiles();
  }

  dimensions() {
    const first = Number(this.find(".first").value);
    let second = Number(this.find(".second").value);
    if (first === second)
      second = this.page.facts.dimensions.map(({ index }) => index).find((index) => index !== first) ?? first;
    this.find(".second").value = String(second);
    const axes = [first, second].map((dimension) => unit(this.base.length, dimension));
    const origin = this.base.slice();
    origin[first] = origin[second] = 0;
    this.names = [dimensionName(first), dimensionName(second)];
    this.inside = [first, second];
    const known = this.page.facts.dimensions.filter(({ index }) => this.inside.includes(index));
    this.extent = this.page.facts.hasPrior
      ? PRIOR
      : Math.max(...known.flatMap(({ low, high }) => [-low, high]));
    return { origin, axes: first === second ? [axes[0], new Float32Array(this.base.length)] : axes };
  }

  principal() {
    const { origin, axes, reach } = this.page.facts.principal;
    this.extent = reach;
    this.names = ["PC1", "PC2"];
    this.inside = [];
    // As planes.moved_to.
    const start = single(origin),
      rows = axes.map(single),
      moved = Array.from(this.base, (value, d) => value - start[d]);
    const along = rows.map((axis) => dot(axis, moved));
    return {
      origin: Float32Array.from(
        start,
        (value, d) => value + moved[d] - (along[0] * rows[0][d] + along[1] * rows[1][d]),
      ),
      axes: rows.map((axis) => Float32Array.from(axis)),
    };
  }

  // Through three codes: the origin in their middle, u from A towards B, C above that line (as planes.through).
  codesPlane(a, b, c) {
    const first = b.map((value, d) => value - a[d]),
      second = c.map((value, d) => value - a[d]),
      length = Math.hypot(...first);
    if (!length) throw new Error("A and B are the same code; a plane takes three different ones.");
    const u = first.map((value) => value / length),
      less = (vector) => vector.map((value, d) => value - along * u[d]);
    let along = dot(second, u);
    let up = less(second);
    along = dot(up, u);
    up = less(up); // once more: what rounding has left
    const high = Math.hypot(...up);
    if (high <= 1e-6 * Math.hypot(...second))
      throw new Error("A, B and C lie on one line, so they span no plane; choose another C.");
    return {
      origin: Float32Array.from(a, (value, d) => value + (first[d] + second[d]) / 3),
      axes: [Float32Array.from(u), Float32Array.from(up, (value) => value / high)],
    };
  }

  threeCodes() {
    const known = Object.fromEntries(this.codes().map(({ key, code }) => [key, single(code)]));
    const chosen = ["a", "b", "c"].map((name) => known[this.find(`.code-${name}`).value]);
    this.names = ["u", "v"];
    this.inside = [];
    const plane = this.codesPlane(...chosen);
    this.extent =
      1.4 * Math.max(...chosen.map((code) => Math.hypot(...code.map((value, d) => value - plane.origin[d]))));
    return plane;
  }

  // --- the third dimension -----------------------------------------------------------------------------------

  thirdOptions() {
    const { dimensions } = this.page.facts,
      free = dimensions.filter(({ index }) => !this.inside.includes(index));
    const menu = this.find(".also"),
      before = menu.value;
    this.find(".third").hidden = !free.length || this.find(".kind").value !== "dimensions";
    menu.replaceChildren(...free.map(({ index }) => new Option(dimensionName(index), index)));
    if (free.some(({ index }) => String(index) === before)) menu.value = before;
    this.third();
  }

  third() {
    const index = Number(this.find(".also").value),
      dimension = this.page.facts.dimensions.find((each) => each.index === index);
    if (!dimension) return;
    const slider = this.find(".depth");
    [slider.min, slider.max] = [dimension.low, dimension.high];
    slider.value = this.base[index];
    this.find(".depth-value").textContent = this.base[index].toFixed(2).replace("-", "−");
  }

  depth() {
    const index = Number(this.find(".also").value),
      value = Number(this.find(".depth").value);
    this.base[index] = value;
    this.find(".depth-value").textContent = value.toFixed(2).replace("-", "−");
    this.plane = this.dimensions();
    this.page.planeChanged();
  }

  // --- the tiles ---------------------------------------------------------------------------------------------

  tiles() {
    const count = Number(this.find(".tiles-across").value),
      spacing = this.find(".spacing").value;
    this.find(".tiles-across + output").textContent = `${count} × ${count}`;
    this.page.grid?.set({ tiles: count, spacing, extent: this.extent });
    this.page.address();
  }

  get shades() {
    return this.find(".shade-density").checked;
  }

  get outlines() {
    return this.find(".outline-class").checked;
  }

  // The command line that makes the tiles on the screen, as Save PNG does. shown: as Grid tells it.
  command(shown) {
    if (!shown) return "";
    const { model } = this.page.facts,
      kind = this.find(".kind").value,
      base = this.base.some((value) => value) ? [`--base=${quoted(codeText(this.base))}`] : [];
    const known = Object.fromEntries(this.codes().map(({ key, code }) => [key, code]));
    const called = (key) =>
      quoted(
        key.startsWith("class:")
          ? `class:${this.page.facts.classNames[Number(key.slice(6))]}`
          : codeText(known[key]),
      );
    const where = {
      dimensions: () => [
        "--first",
        this.find(".first").value,
        "--second",
        this.find(".second").value,
        ...base,
      ],
      // Without a base the plane goes through the mean of the data, and the page's through this code, be it 0.
      principal: () => ["--principal", `--base=${quoted(codeText(this.base))}`],
      codes: () => ["--through", ...["a", "b", "c"].map((each) => called(this.find(`.code-${each}`).value))],
    }[kind]();
    const { columns, rows, centre, step, scale, spacing } = shown;
    return [
      "python -m vae_core walk",
      /^[\w./-]+$/.test(model.file) ? model.file : quoted(model.file),
      `--columns ${columns} --rows ${rows}`,
      ...where,
      ...(spacing === "quantile" ? ["--spacing quantile"] : []),
      `--centre ${centre.join(",")} --step ${step} --scale ${scale} --out grid.png`,
    ].join(" ");
  }

  state() {
    const kind = this.find(".kind").value,
      said = { kind, tiles: this.find(".tiles-across").value, spacing: this.find(".spacing").value };
    if (kind === "dimensions")
      Object.assign(said, { first: this.find(".first").value, second: this.find(".second").value });
    if (kind === "codes")
      for (const name of ["a", "b", "c"]) said[`code-${name}`] = this.find(`.code-${name}`).value;
    return { ...said, view: this.page.grid?.text ?? "" };
  }
}

function unit(length, dimension) {
  const axis = new Float32Array(length);
  axis[dimension] = 1;
  return axis;
}

// Plain numbers, each as float32 has it.
const single = (code) => Array.from(code, Math.fround);

const dot = (a, b) => a.reduce((sum, value, d) => sum + value * b[d], 0);
