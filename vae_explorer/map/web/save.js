// The map as a file: the picture as PNG or SVG, the points as CSV or Parquet.

import { gridLines } from "./axes.js";

const MOST_CIRCLES = 20000; // of an SVG; more points go into it as one picture

export const SAVE = `
  <details class="save"><summary>Save</summary>
    <div><button type="button" data-as="png">PNG picture</button><button type="button" data-as="svg">SVG drawing</button>
    <a class="csv" download>CSV of codes and labels</a><a class="parquet" download>Parquet</a></div></details>`;

export class Save {
  // page: { stage, layers, data, facts, colours }
  constructor(root, page) {
    this.page = page;
    this.root = root.querySelector(".save");
    for (const button of this.root.querySelectorAll("button"))
      button.addEventListener("click", () => this[button.dataset.as]());
    this.root.addEventListener("focusout", (event) => {
      if (!this.root.contains(event.relatedTarget)) this.root.open = false;
    });
  }

  begin() {
    for (const suffix of ["csv", "parquet"])
      this.root.querySelector(`.${suffix}`).href = `/maps/${this.page.data.id}/points.${suffix}`;
  }

  get name() {
    const { facts } = this.page;
    return `${facts.model.name.replaceAll(/[^\w-]+/g, "-")}-${facts.method}`;
  }

  png() {
    const { stage, layers } = this.page,
      canvas = document.createElement("canvas"),
      { back, points, marks } = stage.layers;
    [canvas.width, canvas.height] = [back.canvas.width, back.canvas.height];
    const context = canvas.getContext("2d");
    context.fillStyle = layers.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const layer of [back, points, marks]) context.drawImage(layer.canvas, 0, 0);
    canvas.toBlob((blob) => offer(blob, `${this.name}.png`));
  }

  svg() {
    const { stage, layers } = this.page,
      { view } = stage,
      { width, height } = view;
    const lines = gridLines(view),
      ink = layers.ink;
    const grid = [
      ...lines.x.map(
        ({ at, text }) =>
          `<line x1="${px(at)}" x2="${px(at)}" y2="${height}"/><text x="${px(at)}" y="${height - 4}" text-anchor="middle">${text}</text>`,
      ),
      ...lines.y.map(
        ({ at, text }) =>
          `<line y1="${px(at)}" y2="${px(at)}" x2="${width}"/><text x="4" y="${px(at + 4)}">${text}</text>`,
      ),
    ].join("");
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">` +
      `<rect width="100%" height="100%" fill="${layers.paper}"/><g stroke="${ink}" stroke-opacity="0.12" fill="${ink}" font-family="sans-serif" font-size="11">` +
      `${grid.replaceAll("<text", '<text stroke="none"')}</g>${this.circles(view)}</svg>`;
    offer(new Blob([svg], { type: "image/svg+xml" }), `${this.name}.svg`);
  }

  circles(view) {
    const { stage, colours, data } = this.page,
      xy = data.get("xy"),
      accept = colours.accept;
    const { left, right, bottom, top } = view.bounds,
      radius = Math.max(stage.style.size / 2, 0.7);
    const inside = stage.index.inRect({ left, right, bottom, top }, { accept });
    if (inside.length > MOST_CIRCLES)
      return `<image width="${view.width}" height="${view.height}" href="${stage.layers.points.canvas.toDataURL()}"/>`;
    const one = (i) => {
      const [x, y] = view.toScreen(xy[2 * i], xy[2 * i + 1]);
      return `<circle cx="${px(x)}" cy="${px(y)}" r="${radius}" fill="${colours.of(i)}"/>`;
    };
    return `<g>${Array.from(inside, one).join("")}</g>`;
  }
}

const px = (value) => Number(value.toFixed(1));

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
