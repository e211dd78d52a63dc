// The posterior over one or two latent dimensions: the exact p(z|x) as a heat map (over one dimension, as a curve), and
// on it q(z|x), the q that fits this x best, draws by NUTS and the prior.

import { heat } from "../../kit/colours.js";
import { contours, tracePath } from "../../kit/density.js";
import { ticks } from "../../kit/scale.js";

export const LAYERS = {
  exact: {
    name: "p(z|x)",
    title:
      "The true posterior by quadrature; the lines hold 39 % and 86 % of its mass, as much as 1σ and 2σ of a Gaussian in two dimensions",
  },
  q: { name: "q(z|x)", title: "What the encoder answers: its 1σ and 2σ ellipses" },
  best: {
    name: "best q",
    title: "The diagonal Gaussian that fits this x best, found by optimising the ELBO of this x alone",
  },
  draws: { name: "NUTS", title: "Draws of p(z|x) by the No-U-Turn sampler" },
  prior: { name: "p(z)", title: "The prior N(0, I): its circles of 1σ and 2σ" },
};
const SHARES = [1 - Math.exp(-0.5), 1 - Math.exp(-2)]; // of a Gaussian's mass within 1 and 2 sigma, in two dimensions
const COLOURS = { q: "#ff8c2b", best: "#56b4e9", prior: "#9aa0a6", exact: "#ffffff" };
const DASHES = { q: [], best: [7, 4], prior: [2, 4], exact: [] };
const DEEPEST = 12; // nats below the peak: the end of the logarithmic scale
const MOST_DRAWS = 700; // more would hide what they lie on
const CLICK = 4; // px
const STEP = 1 / 40; // of the side, per arrow key

export const PLOT = `
  <figure class="density">
    <div class="frame"><canvas class="map" tabindex="0" role="img"></canvas><span class="wait" role="status"></span></div>
    <figcaption></figcaption>
    <ul class="layers">${Object.entries(LAYERS)
      .map(([layer, { name, title }]) => `<li data-layer="${layer}" title="${title}"><i></i>${name}</li>`)
      .join("")}</ul>
  </figure>`;

export class Plot {
  // on: { hover(place), choose(place) } with the place in the units of the axes, [x] or [x, y]
  constructor(root, on) {
    Object.assign(this, { root: root.querySelector(".density"), on, scene: null, at: null });
    this.find = (selector) => this.root.querySelector(selector);
    this.canvas = this.find(".map");
    this.picture = document.createElement("canvas"); // the heat map, one pixel a cell
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("click", (event) => this.at && !this.dragged(event) && on.choose(this.at));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.paint());
    this.observer.observe(this.canvas);
  }

  // scene: { around, reach, names, exact: { grid, fine } | null, q, best: { mean, std } | null, draws: pairs | null, prior, log }
  //   grid  { left, bottom, cell, columns, rows, values } of log p(z|x) over the window
  //   fine  { density, levels } of `region` around the posterior, or null
  show(scene) {
    this.scene = scene;
    const { exact, q, best, draws, prior } = scene,
      on = { exact: exact?.grid, q, best, draws, prior };
    for (const item of this.root.querySelectorAll("[data-layer]")) item.hidden = !on[item.dataset.layer];
    this.canvas.setAttribute(
      "aria-label",
      `${exact?.grid ? "Exact posterior" : "Posterior"} over ${scene.names.join(" and ")}; arrow keys move, Enter goes to Explore`,
    );
    if (scene.names.length === 2) this.colour();
    this.paint();
  }

  wait(sentence) {
    this.find(".wait").textContent = sentence;
  }

  // --- the heat map ------------------------------------------------------------------------------------------

  colour() {
    const { exact, log } = this.scene;
    if (!exact?.grid) return;
    const { values, columns, rows } = exact.grid,
      most = values.reduce((a, b) => Math.max(a, b));
    this.picture.width = columns;
    this.picture.height = rows;
    const image = new ImageData(columns, rows),
      pixels = new Uint32Array(image.data.buffer);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const below = values[row * columns + column] - most;
        pixels[(rows - 1 - row) * columns + column] = heat(log ? 1 + below / DEEPEST : Math.exp(below));
      }
    }
    this.picture.getContext("2d").putImageData(image, 0, 0);
  }

  paint() {
    const { canvas, scene } = this,
      ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio),
      height = Math.round(canvas.clientHeight * ratio);
    if (!scene || !width) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.side = { width: canvas.clientWidth, height: canvas.clientHeight };
    context.clearRect(0, 0, this.side.width, this.side.height);
    if (scene.names.length === 1) this.paintCurves(context);
    else this.paintPlane(context);
    this.cross(context);
  }

  toScreen = (x, y) => {
    const { around, reach } = this.scene,
      scale = this.side.width / (2 * reach);
    return [
      (x - around[0]) * scale + this.side.width / 2,
      this.side.height / 2 - (y - (around[1] ?? 0)) * scale,
    ];
  };

  paintPlane(context) {
    const { scene } = this;
    if (scene.exact?.grid) {
      const { left, bottom, cell, columns, rows } = scene.exact.grid;
      const [x, y] = this.toScreen(left - cell / 2, bottom + (rows - 0.5) * cell),
        [right, low] = this.toScreen(left + (columns - 0.5) * cell, bottom - cell / 2);
      context.imageSmoothingEnabled = true;
      context.drawImage(this.picture, x, y, right - x, low - y);
    }
    this.axes(context);
    if (scene.prior) for (const k of [1, 2]) this.ellipse(context, "prior", { mean: [0, 0], std: [1, 1] }, k);
    if (scene.draws) this.dots(context);
    if (scene.exact?.fine) this.lines(context);
    for (const layer of ["best", "q"])
      if (scene[layer]) for (const k of [2, 1]) this.ellipse(context, layer, scene[layer], k);
  }

  ellipse(context, layer, { mean, std }, k) {
    const scale = this.side.width / (2 * this.scene.reach),
      [x, y] = this.toScreen(mean[0], mean[1]);
    context.beginPath();
    context.ellipse(
      x,
      y,
      Math.max(k * std[0] * scale, 0.5),
      Math.max(k * std[1] * scale, 0.5),
      0,
      0,
      2 * Math.PI,
    );
    this.stroke(context, layer);
  }

  lines(context) {
    const { fine } = this.scene.exact,
      path = new Path2D();
    for (const level of fine.levels)
      tracePath(path, { toScreen: this.toScreen }, contours(fine.density, level));
    this.stroke(context, "exact", path);
  }

  // A line that is seen on every ground: dark below, its colour above.
  stroke(context, layer, path = null) {
    const thin = layer === "exact" || layer === "prior" ? 1.2 : 2;
    const line = () => (path ? context.stroke(path) : context.stroke());
    context.setLineDash(DASHES[layer]);
    if (this.scene.exact?.grid && layer !== "prior") {
      context.strokeStyle = "rgb(0 0 0 / 0.55)";
      context.lineWidth = thin + 1.8;
      line();
    }
    context.strokeStyle = COLOURS[layer];
    context.lineWidth = thin;
    line();
    context.setLineDash([]);
  }

  dots(context) {
    const { draws, exact } = this.scene,
      stride = 2 * Math.ceil(draws.length / 2 / MOST_DRAWS);
    context.fillStyle = exact?.grid ? "rgb(255 255 255 / 0.75)" : getComputedStyle(this.canvas).color;
    context.globalAlpha = exact?.grid ? 1 : 0.45;
    context.strokeStyle = "rgb(0 0 0 / 0.5)";
    context.lineWidth = 0.6;
    for (let i = 0; i + 1 < draws.length; i += stride) {
      const [x, y] = this.toScreen(draws[i], draws[i + 1]);
      context.beginPath();
      context.arc(x, y, 1.3, 0, 2 * Math.PI);
      context.fill();
      if (exact?.grid) context.stroke();
    }
    context.globalAlpha = 1;
  }

  // --- one dimension -----------------------------------------------------------------------------------------

  paintCurves(context) {
    const { scene } = this,
      { around, reach, exact } = scene,
      { width, height } = this.side,
      n = 400;
    const xs = Array.from({ length: n + 1 }, (_, i) => around[0] + reach * (2 * (i / n) - 1));
    const normal = ({ mean, std }) =>
      xs.map((x) => [x, Math.exp(-0.5 * ((x - mean[0]) / std[0]) ** 2) / (std[0] * Math.sqrt(2 * Math.PI))]);
    const curves = {};
    if (exact?.grid)
      curves.exact = Array.from(exact.grid.values, (value, i) => [
        exact.grid.left + i * exact.grid.cell,
        Math.exp(value),
      ]);
    if (scene.draws) curves.draws = histogram(scene.draws, around[0] - reach, around[0] + reach);
    if (scene.prior) curves.prior = normal({ mean: [0], std: [1] });
    for (const layer of ["best", "q"]) if (scene[layer]) curves[layer] = normal(scene[layer]);
    const most =
      Math.max(
        ...Object.values(curves)
          .flat()
          .map(([, density]) => density),
      ) * 1.06;
    const text = getComputedStyle(this.canvas).color;
    for (const [layer, points] of Object.entries(curves)) {
      context.beginPath();
      for (const [x, density] of points)
        context.lineTo(this.toScreen(x, 0)[0], height * (1 - density / most));
      if (layer === "exact" || layer === "draws") {
        context.lineTo(width, height);
        context.lineTo(0, height);
        context.fillStyle = layer === "exact" ? "rgb(33 144 141 / 0.45)" : "rgb(63 144 218 / 0.35)";
        context.fill();
        continue;
      }
      context.strokeStyle = COLOURS[layer] ?? text;
      context.lineWidth = 2;
      context.setLineDash(DASHES[layer]);
      context.stroke();
      context.setLineDash([]);
    }
    this.axes(context);
  }

  // --- what lies over both -----------------------------------------------------------------------------------

  axes(context) {
    const { around, reach, names, exact } = this.scene,
      { width, height } = this.side;
    context.fillStyle =
      exact?.grid && names.length === 2 ? "rgb(255 255 255 / 0.85)" : getComputedStyle(this.canvas).color;
    context.font = `11px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textAlign = "center";
    for (const { value, text } of ticks(around[0] - reach, around[0] + reach, 5)) {
      const [x] = this.toScreen(value, 0);
      context.fillRect(x, height - 4, 1, 4);
      if (x > 40 && x < width - 12) context.fillText(text, x, height - 7);
    }
    context.textAlign = "left";
    if (names.length === 2) {
      for (const { value, text } of ticks(around[1] - reach, around[1] + reach, 5)) {
        const [, y] = this.toScreen(0, value);
        context.fillRect(0, y, 4, 1);
        if (y > 22 && y < height - 20) context.fillText(text, 7, y + 4);
      }
      context.fillText(`${names[1]} ↑`, 7, 14);
    }
    context.textAlign = "right";
    context.fillText(`${names[0]} →`, width - 6, height - 20);
  }

  cross(context) {
    if (!this.at) return;
    const [x, y] = this.toScreen(this.at[0], this.at[1] ?? 0);
    context.strokeStyle =
      this.scene.exact?.grid && this.scene.names.length === 2
        ? "rgb(255 255 255 / 0.75)"
        : getComputedStyle(this.canvas).color;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, this.side.height);
    if (this.at.length === 2) {
      context.moveTo(0, y);
      context.lineTo(this.side.width, y);
    }
    context.stroke();
  }

  // --- hands -------------------------------------------------------------------------------------------------

  point(event) {
    if (!this.scene) return;
    const { around, reach, names } = this.scene,
      box = this.canvas.getBoundingClientRect();
    const x = around[0] + reach * (2 * ((event.clientX - box.left) / box.width) - 1);
    const y =
      (around[1] ?? 0) -
      (reach * (2 * ((event.clientY - box.top) / box.height) - 1) * box.height) / box.width;
    this.move(names.length === 2 ? [x, y] : [x]);
  }

  press(event) {
    this.pressed = [event.clientX, event.clientY];
    this.point(event);
  }

  // Whether the pointer moved since it was pressed: that was a look around, and no choice.
  dragged(event) {
    return (
      this.pressed && Math.hypot(event.clientX - this.pressed[0], event.clientY - this.pressed[1]) > CLICK
    );
  }

  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter" && this.at) this.on.choose(this.at);
    if (!way || !this.scene) return;
    event.preventDefault();
    const { around, reach } = this.scene,
      from = this.at ?? around;
    const step = 2 * reach * STEP * (event.shiftKey ? 4 : 1);
    this.move(
      from.map((value, d) => Math.min(Math.max(value + way[d] * step, around[d] - reach), around[d] + reach)),
    );
  }

  move(place) {
    this.at = place;
    this.paint();
    this.on.hover(place);
  }

  // Another x: nothing is pointed at.
  forget() {
    this.at = null;
  }

  close() {
    this.observer.disconnect();
  }
}

// A grid of log densities as one of masses, and the levels of it that enclose as much as 1 and 2 sigma would: the
// smallest regions with these shares of the mass (Hyndman 1996). Its rim is cleared, so that every contour closes.
export function region(grid) {
  const { columns, rows } = grid,
    most = grid.values.reduce((a, b) => Math.max(a, b));
  const values = Float32Array.from(grid.values, (value, i) => {
    const column = i % columns,
      row = Math.floor(i / columns);
    return column && row && column < columns - 1 && row < rows - 1 ? Math.exp(value - most) : 0;
  });
  const sorted = Float64Array.from(values).sort().reverse(),
    total = sorted.reduce((a, b) => a + b, 0);
  const levels = SHARES.map((share) => {
    let sum = 0;
    return sorted.find((value) => {
      sum += value;
      return sum >= share * total;
    });
  });
  return { density: { ...grid, values }, levels };
}

// Draws as a density: [x, density] along the tops of bins.
function histogram(draws, left, right, bins = 60) {
  const counts = new Float64Array(bins),
    wide = (right - left) / bins;
  for (const value of draws) if (value >= left && value < right) counts[Math.floor((value - left) / wide)]++;
  return Array.from(counts).flatMap((count, i) =>
    [0, 1].map((side) => [left + (i + side) * wide, count / (draws.length * wide)]),
  );
}
