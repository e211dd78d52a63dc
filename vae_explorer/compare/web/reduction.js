// Dimension reduction: how much is lost with each width of the code, by PCA at every width and by the trained models.

import { fetchTold } from "../../kit/told.js";
import { number } from "../../kit/words.js";
import { INKS, MARKS } from "./column.js";
import { linear, Plot, widening } from "./plot.js";

const MOST = 64; // widths shown, or twice that of the widest model
const OTHERS = 12; // models that are named although they are not chosen

export const REDUCTION = `
  <div class="reduction">
    <p class="lead"><b>Reconstruction error against the width of the code.</b> <span class="what"></span></p>
    <div class="work" hidden><progress max="1"></progress><span class="doing" role="status"></span></div>
    <div class="plot"></div>
    <p class="note"></p>
  </div>`;

export class Reduction {
  // page: { facts, say }
  constructor(root, page) {
    this.page = page;
    this.find = (selector) => root.querySelector(`.reduction ${selector}`);
    this.plot = new Plot(this.find(".plot"), {
      x: "latent dimensions",
      y: "squared error per pixel",
      draw: (plot) => this.draw(plot),
    });
  }

  begin() {
    this.found = null;
    this.find(".plot").textContent = "";
    this.find(".note").textContent = "";
    this.find(".what").textContent =
      `Held-out ${this.page.facts.dataTitle}, decoded from the mean of q(z|x).`;
  }

  // Asked for when somebody looks; once.
  async look() {
    if (this.found || this.leaving) return this.plot.redraw();
    const leaving = new AbortController(),
      model = this.page.facts.models[0].model.id;
    this.leaving = leaving;
    this.find(".work").hidden = false;
    const progress = ({ done, says }) => {
      this.find("progress").value = done ?? 0;
      if (says) this.find(".doing").textContent = `${says}…`;
    };
    try {
      const found = await fetchTold("/compare/reduction", { model }, { signal: leaving.signal, progress });
      if (leaving !== this.leaving) return;
      this.found = found;
      this.find(".note").textContent = words(found);
      this.plot.redraw();
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
    }
    if (leaving !== this.leaving) return;
    this.leaving = null;
    this.find(".work").hidden = true;
  }

  draw(plot) {
    if (!this.found) return;
    const { pca, models } = this.found,
      names = this.page.facts.models.map(({ model }) => model.name);
    const widest = Math.max(MOST, ...models.map(({ latent }) => 2 * latent));
    const curve = (pca ?? []).filter(([d]) => d <= widest);
    const last = curve.length ? curve.at(-1)[0] : widest;
    const errors = [...curve.map(([, error]) => error), ...models.map(({ error }) => error)];
    plot.begin(
      widening(Math.max(last, ...models.map(({ latent }) => latent))),
      linear(0, 1.08 * Math.max(...errors)),
    );
    if (curve.length) {
      plot.path(curve, "pca");
      for (const [d, error] of curve.filter(([d]) => d <= 16))
        plot.point([d, error], {
          mark: "●",
          ink: "currentColor",
          strong: false,
          title: `PCA, ${d} dimensions: ${number(error, 4)}`,
        });
      plot.word(...curve[Math.min(24, curve.length - 1)], "PCA", { style: "name strong", lift: 8 });
    }
    let others = 0;
    for (const { name, title, latent, error, kind } of models) {
      const place = names.indexOf(name),
        chosen = place >= 0;
      plot.point([latent, error], {
        mark: chosen ? MARKS[place] : kind === "vae" ? "○" : "□",
        ink: chosen ? INKS[place] : "currentColor",
        name: chosen || others++ < OTHERS ? title : "",
        strong: chosen,
        title: `${title}, ${latent} dimensions: ${number(error, 4)}`,
      });
    }
    plot.end("Reconstruction error against latent dimensions");
  }

  close() {
    this.leaving?.abort();
    this.leaving = null;
  }
}

function words({ examples, fitted, says }) {
  const parts = [];
  if (examples) parts.push(`Means over ${examples.toLocaleString("en")} held-out examples.`);
  if (fitted)
    parts.push(
      `PCA is fitted to ${fitted.toLocaleString("en")} training examples; no linear pair of maps does better on those (Eckart & Young 1936).`,
    );
  parts.push("Filled marks are the models chosen, open ones (○ VAE, □ other) the rest.");
  return [...parts, says].filter(Boolean).join(" ");
}
