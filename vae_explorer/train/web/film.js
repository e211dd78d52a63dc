// The film at one epoch: the codes, the reconstructions of fixed examples, and decoded draws that stay the same.

import { classColour, mark } from "../../kit/colours.js";
import { paint } from "../../kit/paint.js";
import { epochName } from "../../kit/words.js";
import { Scatter } from "./scatter.js";

const COLUMNS = 8,
  SAMPLE_COLUMNS = 4;
const PLACES = 16; // before it is known how many pictures there are

export const FILM = `
  <section class="film" aria-label="Film">
    <figure class="codes">
      <div class="stage"><div class="axes" aria-hidden="true"></div><canvas role="img" aria-label="Held-out codes"></canvas>
        <div class="epoch"></div></div>
      <figcaption></figcaption>
    </figure>
    <figure class="samples"><div class="tiles"></div><figcaption></figcaption></figure>
    <div class="legend" role="group" aria-label="Classes"></div>
    <figure class="pairs"><div class="tiles"></div><figcaption>held-out originals above their reconstructions</figcaption></figure>
  </section>`;

export class Film {
  constructor(root) {
    this.find = (selector) => root.querySelector(`.film ${selector}`);
    this.scatter = new Scatter(root);
    this.observer = new ResizeObserver(() => this.soften());
    this.observer.observe(this.find(".pairs"));
  }

  // Lay out empty pictures of the right shape.
  begin(facts) {
    const [height, width, channels] = facts.pictureShape;
    Object.assign(this, { facts, height, width, channels, items: null, named: "" });
    this.scatter.begin(facts);
    this.originals = [];
    this.reconstructions = [];
    const pairs = Array.from({ length: PLACES / COLUMNS }, () => {
      const pair = element("div", "pair");
      this.originals.push(this.strip(COLUMNS, "Held-out originals"));
      this.reconstructions.push(this.strip(COLUMNS, "Reconstructions"));
      pair.append(this.originals.at(-1), this.reconstructions.at(-1));
      return pair;
    });
    this.find(".pairs .tiles").replaceChildren(...pairs);
    this.find(".pairs").classList.toggle("wide", width > 1.2 * height);
    this.samples = Array.from({ length: PLACES / SAMPLE_COLUMNS }, () =>
      this.strip(SAMPLE_COLUMNS, "Decoded draws"),
    );
    this.find(".samples .tiles").replaceChildren(...this.samples);
    this.find(".samples figcaption").textContent =
      facts.kind === "vae"
        ? "draws from the prior, the same z at every epoch"
        : "no prior: codes drawn from N(0, I) all the same";
    this.find(".legend").replaceChildren();
    this.find(".epoch").textContent = "";
    this.caption(null);
  }

  strip(columns, label) {
    const canvas = element("canvas", "strip");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    canvas.style.setProperty("--columns", columns);
    canvas.style.width = "100%";
    canvas.width = this.width * columns;
    canvas.height = this.height;
    return canvas;
  }

  setItems(items) {
    this.items = items;
    this.paint(this.originals, items.originals, COLUMNS);
    const labels = items.labels.values;
    this.scatter.setLabels(labels.some((label) => label >= 0) ? labels : null);
    this.legend();
    this.soften();
  }

  // The class names may come later than the labels, with the first checkpoint.
  name(classNames) {
    this.facts = { ...this.facts, classNames };
    if (this.items) this.legend();
  }

  show(epoch, frame, bounds) {
    this.scatter.show(epoch, frame, bounds);
    this.paint(this.reconstructions, frame.reconstructions, COLUMNS);
    this.paint(this.samples, frame.samples, SAMPLE_COLUMNS);
    this.find(".epoch").textContent = this.facts.kind === "pca" ? "" : epochName(epoch);
    this.caption(frame);
  }

  paint(canvases, tensor, columns) {
    const [count, height, width, channels] = tensor.shape;
    const answer = { height, width, channels, pixels: tensor.values };
    canvases.forEach((canvas, row) => {
      const here = Math.min(columns, count - row * columns);
      if (here > 0) paint(canvas, answer, row * columns, here);
      canvas.style.setProperty("--columns", Math.max(here, 1));
      canvas.style.width = `${(100 * Math.max(here, 0)) / columns}%`; // a short last row keeps the others' scale
    });
  }

  caption(frame) {
    const { latentDim, kind } = this.facts,
      vae = kind === "vae";
    const share = frame ? `, ${Math.round(100 * frame.explained.values[0])} % of the variance` : "";
    this.text(
      ".codes figcaption",
      latentDim === 1
        ? `codes: mean across, standard deviation up${vae ? "; dashed: the prior’s" : ""}`
        : latentDim === 2
          ? `held-out codes in the latent plane${vae ? "; rings: the prior at 1 and 2 σ" : ""}`
          : `held-out codes, PCA${share}`,
    );
  }

  text(selector, text) {
    const shown = this.find(selector);
    if (shown.textContent !== text) shown.textContent = text;
  }

  // A button per class; pressed, it lets its class stand out.
  legend() {
    const labels = [...new Set(this.items.labels.values)].filter((label) => label >= 0).sort((a, b) => a - b);
    const names = labels.map((label) => this.facts.classNames[label] ?? String(label));
    if (this.named === names.join("\n")) return;
    this.named = names.join("\n");
    this.find(".legend").replaceChildren(...labels.map((label, i) => this.chip(label, names[i])));
  }

  chip(label, name) {
    const chip = element("button", "chip");
    chip.type = "button";
    chip.title = `Let ${name} stand out`;
    chip.setAttribute("aria-pressed", "false");
    const marker = element("canvas", "marker");
    marker.width = marker.height = 24;
    mark(marker.getContext("2d"), label, 12, 12, 8);
    marker.style.setProperty("--colour", classColour(label));
    chip.append(marker, Object.assign(element("span", "of"), { textContent: name }));
    chip.addEventListener("click", () => {
      const pressed = this.scatter.only === label;
      this.scatter.highlight(pressed ? null : label);
      for (const other of this.find(".legend").children)
        other.setAttribute("aria-pressed", String(!pressed && other === chip));
    });
    return chip;
  }

  // Small pictures are enlarged to clear pixels; large ones are reduced smoothly.
  soften() {
    for (const canvas of [
      ...(this.originals ?? []),
      ...(this.reconstructions ?? []),
      ...(this.samples ?? []),
    ]) {
      canvas.classList.toggle("smooth", canvas.clientWidth * window.devicePixelRatio < canvas.width);
    }
  }

  close() {
    this.scatter.close();
    this.observer.disconnect();
  }
}

function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
