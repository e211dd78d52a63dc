// What is drawn under and over the points: the grid, the decoded manifold, contours of the data and of the prior, class
// means, the selection, posterior ellipses, pins and ends.

import { contours, density, levels, tracePath } from "../../kit/density.js";
import { drawGrid, drawLabels, scaleTo } from "./axes.js";
import { outline } from "./stage.js";

const SHARES = [0.5, 0.8, 0.95]; // of the points, inside the lines
const PRIOR = [0.5, 0.9, 0.99]; // of the prior's mass within its circles in the plane
const MOST_ELLIPSES = 150;
const RING_PX = 7;
const THEME_MS = 500; // so often it is looked whether people have changed the theme

export const LAYERS = [
  ["tiles", "Decoded images", true],
  ["density", "Data density", false],
  ["prior", "Prior", true],
  ["means", "Class means", false],
  ["ellipses", "Posterior ellipses", true],
  ["slice", "Fade away from the slice", false],
];

export class Layers {
  // page: { data, facts, colours, tiles, selection, hovered, pinned, found, redraw }
  constructor(root, page) {
    Object.assign(this, { page, on: Object.fromEntries(LAYERS.map(([name, , on]) => [name, on])) });
    this.menu = root.querySelector(".layers-list");
  }

  begin() {
    this.cache = {};
    const { facts } = this.page,
      plane = facts.method === "plane" && facts.latentDim > 1; // one dimension stands beside its spread
    this.possible = {
      tiles: Boolean(facts.axes),
      density: true,
      prior: plane && facts.hasPrior,
      means: facts.classNames.length > 0,
      ellipses: plane && this.page.data.has("log_variance"),
      slice: Boolean(facts.axes) && facts.latentDim > 2,
    };
    this.menu.replaceChildren(
      ...LAYERS.filter(([name]) => this.possible[name]).map(([name, text]) => {
        const label = document.createElement("label");
        label.innerHTML = `<input type="checkbox" name="${name}"> `;
        label.append(text);
        const box = label.firstChild;
        box.checked = this.on[name];
        box.addEventListener("change", () => {
          this.on[name] = box.checked;
          this.page.layer(name);
        });
        return label;
      }),
    );
  }

  shows(name) {
    return this.on[name] && this.possible[name];
  }

  theme(element) {
    this.looked = performance.now();
    const style = getComputedStyle(element),
      text = style.getPropertyValue("--st-text-color").trim(),
      back = style.getPropertyValue("--st-background-color").trim();
    this.ink = text;
    this.paper = back;
    const mixed = (share) => `color-mix(in srgb, ${text} ${share}%, transparent)`;
    this.colours = {
      grid: mixed(7),
      zero: mixed(22),
      label: mixed(75),
      halo: `color-mix(in srgb, ${back} 80%, transparent)`,
      line: mixed(60),
    };
    this.font = `11px ${style.getPropertyValue("--st-font") || "sans-serif"}`;
  }

  // --- under the points --------------------------------------------------------------------------------------

  under(context, view, zoom) {
    if (performance.now() - this.looked > THEME_MS) this.theme(this.page.root);
    drawGrid(context, view, this.colours);
    if (this.shows("tiles")) this.page.tiles.draw(context, view, zoom);
    if (this.shows("density")) this.density(context, view);
    if (this.shows("prior")) this.prior(context, view);
  }

  density(context, view) {
    this.cache.density ??= this.lines();
    const lines = this.cache.density;
    context.strokeStyle = this.colours.line;
    lines.forEach((loops, k) => {
      context.beginPath();
      tracePath(context, view, loops);
      context.lineWidth = 1.6 - 0.4 * k;
      context.stroke();
    });
  }

  lines() {
    const xy = this.page.data.get("xy"),
      grid = density(xy);
    return grid ? levels(grid, xy, SHARES).map((level) => contours(grid, level)) : [];
  }

  // Circles in the plane of two dimensions that hold these shares of the prior's mass there.
  prior(context, view) {
    context.strokeStyle = this.colours.line;
    context.setLineDash([4, 4]);
    context.lineWidth = 1;
    for (const share of PRIOR) {
      const radius = Math.sqrt(-2 * Math.log(1 - share)) * view.scale,
        [x, y] = view.toScreen(0, 0);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
    context.setLineDash([]);
  }

  priorWords(context, view) {
    for (const share of PRIOR) {
      const radius = Math.sqrt(-2 * Math.log(1 - share)) * view.scale,
        [x, y] = view.toScreen(0, 0);
      this.text(
        context,
        `${100 * share} % of the prior`,
        x + radius * Math.SQRT1_2 + 4,
        y - radius * Math.SQRT1_2 - 4,
        "left",
      );
    }
  }

  // --- over them ---------------------------------------------------------------------------------------------

  over(context, view) {
    scaleTo(context, view);
    context.clearRect(0, 0, view.width, view.height);
    drawLabels(context, view, this.colours, this.font);
    if (this.shows("prior")) this.priorWords(context, view);
    const { page } = this,
      { selection, hovered, pinned, found } = page;
    if (selection) this.selection(context, view, selection);
    if (this.shows("means")) this.means(context, view);
    const near = [
      ...new Set([hovered, pinned].filter((target) => target?.point >= 0).map(({ point }) => point)),
    ];
    if (this.shows("ellipses")) this.ellipses(context, view, selection, near);
    for (const i of found ?? []) this.ring(context, view, i, RING_PX - 2, "#e8a200");
    for (const i of near) this.ring(context, view, i, RING_PX, this.ink);
    if (pinned) this.pin(context, view, pinned);
    for (const [name, place] of Object.entries(page.ends))
      if (place) this.end(context, view, name.toUpperCase(), place);
  }

  selection(context, view, { polygon, indices }) {
    if (polygon.length) return outline(context, corners(polygon, view), this.ink);
    const xy = this.page.data.get("xy");
    context.strokeStyle = this.ink;
    context.globalAlpha = 0.6;
    for (const i of indices) {
      const [x, y] = view.toScreen(xy[2 * i], xy[2 * i + 1]);
      context.strokeRect(x - 2.5, y - 2.5, 5, 5);
    }
    context.globalAlpha = 1;
  }

  means(context, view) {
    this.cache.means ??= classMeans(this.page);
    const found = this.cache.means;
    context.font = `600 12px ${this.font.slice(5)}`;
    found.forEach((place, label) => {
      if (!place || this.page.colours.hidden.has(label)) return;
      const [x, y] = view.toScreen(...place);
      this.text(context, this.page.facts.classNames[label], x, y + 4, "center", this.ink);
    });
    context.font = this.font;
  }

  // One standard deviation of q(z|x) in the plane.
  ellipses(context, view, selection, near) {
    const logVariance = this.page.data.get("log_variance"),
      xy = this.page.data.get("xy");
    if (!logVariance) return;
    const { dims, latentDim } = this.page.facts;
    const chosen = new Set([
      ...(selection && selection.indices.length <= MOST_ELLIPSES ? selection.indices : []),
      ...near,
    ]);
    context.lineWidth = 1.2;
    for (const i of chosen) {
      const [rx, ry] = dims.map((d) => Math.exp(logVariance[i * latentDim + d] / 2) * view.scale);
      context.strokeStyle = this.ink;
      context.beginPath();
      context.ellipse(
        ...view.toScreen(xy[2 * i], xy[2 * i + 1]),
        Math.max(rx, 0.5),
        Math.max(ry, 0.5),
        0,
        0,
        2 * Math.PI,
      );
      context.stroke();
    }
  }

  ring(context, view, i, radius, colour) {
    const xy = this.page.data.get("xy"),
      [x, y] = view.toScreen(xy[2 * i], xy[2 * i + 1]);
    for (const [width, ink] of [
      [4, this.paper],
      [2, colour],
    ]) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      Object.assign(context, { lineWidth: width, strokeStyle: ink });
      context.stroke();
    }
  }

  pin(context, view, { x, y }) {
    const [px, py] = view.toScreen(x, y);
    context.beginPath();
    context.moveTo(px, py);
    context.bezierCurveTo(px - 11, py - 13, px - 8, py - 24, px, py - 24);
    context.bezierCurveTo(px + 8, py - 24, px + 11, py - 13, px, py);
    Object.assign(context, { fillStyle: "#c2410c", strokeStyle: this.paper, lineWidth: 1.5 });
    context.fill();
    context.stroke();
  }

  end(context, view, name, [x, y]) {
    const [px, py] = view.toScreen(x, y);
    context.beginPath();
    context.arc(px, py, 9, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: "#0b6a86", strokeStyle: this.paper, lineWidth: 1.5 });
    context.fill();
    context.stroke();
    Object.assign(context, {
      fillStyle: "#fff",
      textAlign: "center",
      textBaseline: "middle",
      font: `600 11px ${this.font.slice(5)}`,
    });
    context.fillText(name, px, py);
    context.font = this.font;
  }

  text(context, words, x, y, align, colour = this.colours.label) {
    Object.assign(context, {
      textAlign: align,
      textBaseline: "alphabetic",
      fillStyle: colour,
      strokeStyle: this.colours.halo,
      lineWidth: 3,
    });
    const dash = context.getLineDash();
    context.setLineDash([]);
    context.strokeText(words, x, y);
    context.fillText(words, x, y);
    context.setLineDash(dash);
    context.strokeStyle = this.colours.line;
    context.lineWidth = 1;
  }
}

export function corners(polygon, view) {
  const screen = new Array(polygon.length);
  for (let k = 0; k < polygon.length; k += 2)
    [screen[k], screen[k + 1]] = view.toScreen(polygon[k], polygon[k + 1]);
  return screen;
}

// Where the mean of each class lies on the map; null for a class without points.
function classMeans({ data, facts }) {
  const labels = data.get("label"),
    xy = data.get("xy");
  const sums = facts.classNames.map(() => [0, 0, 0]);
  if (labels)
    labels.forEach((label, i) => {
      if (label < 0) return;
      sums[label][0] += xy[2 * i];
      sums[label][1] += xy[2 * i + 1];
      sums[label][2]++;
    });
  return sums.map(([x, y, count]) => (count ? [x / count, y / count] : null));
}
