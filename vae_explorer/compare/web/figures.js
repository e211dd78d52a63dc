// All figures of the models in one table, the best in bold, and the rate-distortion plane beside it.
//
// What the checkpoints know is there at once; the rest is measured when somebody asks for it, model after model.

import { fetchTold, post } from "../../kit/told.js";
import { number } from "../../kit/words.js";
import { INKS, MARKS } from "./column.js";
import { PLANE, Plane } from "./plane.js";
import { escaped } from "./plot.js";

const UP = 1,
  DOWN = -1; // which way is better
const NATS = ["reconstruction", "elbo", "distortion"]; // compare between models of one kind of likelihood only

// [key, name, unit, better, digits, what it is]
const ROWS = [
  [
    "squared_error",
    "Squared error",
    "per pixel",
    DOWN,
    4,
    "Mean over pixels of (x − x̂)², with one draw of z from q(z|x) per held-out example",
  ],
  ["reconstruction", "Reconstruction", "nats", UP, 1, "E log p(x|z) over held-out examples"],
  [
    "rate",
    "Rate R",
    "nats",
    0,
    2,
    "KL(q(z|x) ‖ p(z)): what the code says of the example (Alemi et al. 2018)",
  ],
  [
    "distortion",
    "Distortion D",
    "nats",
    DOWN,
    1,
    "−E log p(x|z): what the code leaves open (Alemi et al. 2018)",
  ],
  [
    "elbo",
    "ELBO = −(R + D)",
    "nats",
    UP,
    1,
    "The evidence lower bound on log p(x), mean over held-out examples",
  ],
  [
    "active_units",
    "Active units",
    "",
    0,
    0,
    "Dimensions whose posterior means vary by more than 0.01 over the data (Burda et al. 2015)",
  ],
  [
    "continuity",
    "Continuity",
    "",
    UP,
    2,
    "Close codes decode to close images: 1 where the image changes at one rate along straight lines; with its 95 % interval",
  ],
  [
    "completeness",
    "Completeness",
    "",
    UP,
    2,
    "The share of the prior’s mass that has data near it; with its 95 % interval. Rather too high with many latent dimensions: no best one between models of different ones",
  ],
  [
    "knn_accuracy",
    "k-NN accuracy",
    "",
    UP,
    3,
    "The share of codes whose class is what their 15 nearest other codes say",
  ],
  [
    "mig",
    "MIG",
    "",
    UP,
    3,
    "Mutual information gap (Chen et al. 2018): does one dimension alone know each factor?",
  ],
  [
    "dci_disentanglement",
    "DCI disentanglement",
    "",
    UP,
    3,
    "Does each dimension know one factor only? (Eastwood & Williams 2018)",
  ],
  [
    "dci_completeness",
    "DCI completeness",
    "",
    UP,
    3,
    "Is each factor known by one dimension only? (Eastwood & Williams 2018)",
  ],
  [
    "dci_informativeness",
    "DCI informativeness",
    "",
    UP,
    3,
    "How well are the factors predicted from the code? (Eastwood & Williams 2018)",
  ],
  ["sap", "SAP", "", UP, 3, "Separated attribute predictability (Kumar et al. 2018)"],
  [
    "factor_vae",
    "FactorVAE score",
    "",
    UP,
    3,
    "Does one dimension stand still where one factor does? (Kim & Mnih 2018)",
  ],
];
const OF_FACTORS = [
  "mig",
  "dci_disentanglement",
  "dci_completeness",
  "dci_informativeness",
  "sap",
  "factor_vae",
];

export const FIGURES = `
  <div class="figures">
    <div class="board">
      <div class="scroll"><table><thead></thead><tbody></tbody></table></div>
      <div class="ask"><button type="button" class="measure">Measure the rest</button><button type="button" class="cancel" hidden>Cancel</button>
        <p class="note">Best in <b>bold</b>; ranges are 95 % intervals. <span class="apart"></span></p></div>
    </div>
    ${PLANE}
  </div>`;

export class Figures {
  // page: { facts, say }
  constructor(root, page) {
    this.page = page;
    this.find = (selector) => root.querySelector(`.figures ${selector}`);
    this.plane = new Plane(root.querySelector(".rate-distortion"));
    this.find(".measure").addEventListener("click", () => this.measure());
    this.find(".cancel").addEventListener("click", () => this.stop());
  }

  begin() {
    this.models = this.page.facts.models;
    this.figures = new Map(); // model id -> figures
    this.working = new Map(); // model id -> share that is measured
    this.complete = {};
    this.head();
    this.show();
    this.known();
  }

  async known() {
    const { models } = this;
    try {
      const found = await (await post("/compare/known", { models: ids(models) })).json();
      if (models !== this.models) return;
      for (const [id, figures] of Object.entries(found.figures)) this.figures.set(id, figures);
      this.complete = found.complete;
      this.show();
    } catch (error) {
      this.page.say(error.message);
    }
  }

  async measure() {
    const { models } = this,
      leaving = new AbortController();
    this.leaving = leaving;
    const open = models.filter(({ model }) => !this.complete[model.id]);
    for (const { model } of open) this.working.set(model.id, { done: 0, says: "Waiting" });
    this.show();
    await Promise.all(
      open.map(async ({ model }) => {
        const progress = ({ done, says }) => {
          this.working.set(model.id, { done, says: says || this.working.get(model.id)?.says });
          this.bars();
        };
        try {
          const figures = await fetchTold(
            "/compare/figures",
            { model: model.id },
            { signal: leaving.signal, progress },
          );
          this.figures.set(model.id, figures);
          this.complete[model.id] = true;
        } catch (error) {
          if (error.name !== "AbortError") this.page.say(error.message);
        }
        if (leaving !== this.leaving) return;
        this.working.delete(model.id);
        this.show();
      }),
    );
  }

  stop() {
    this.leaving?.abort();
    this.leaving = null;
    this.working.clear();
    this.show();
  }

  // --- the table -----------------------------------------------------------------------------------------------

  head() {
    const cells = this.models.map(
      ({ model, title, kind }, place) =>
        `<th scope="col" data-model="${model.id}" title="${escaped(kind)}"><i style="color:${INKS[place]}">${MARKS[place]}</i> ${escaped(title)}<progress max="1" hidden></progress><small role="status"></small></th>`,
    );
    this.find("thead").innerHTML = `<tr><th></th>${cells.join("")}</tr>`;
  }

  show() {
    this.find("tbody").innerHTML = this.rows()
      .map((row) => this.row(row))
      .join("");
    this.bars();
    const open = this.models.some(({ model }) => model.id in this.complete && !this.complete[model.id]);
    this.find(".measure").hidden = this.working.size > 0 || !open;
    this.find(".cancel").hidden = this.working.size === 0;
    this.find(".apart").textContent = this.mixed
      ? "Log-likelihoods of pixels and of densities do not compare: reconstruction, distortion and ELBO have no best one here."
      : "";
    this.plane.show(
      this.models.map((model, place) => ({
        ...model,
        place,
        figures: this.figures.get(model.model.id) ?? null,
      })),
    );
  }

  // Where no model has known factors, one row says so instead of six.
  rows() {
    const missing = (key) => this.models.every(({ model }) => this.figures.get(model.id)?.missing[key]);
    if (!OF_FACTORS.every(missing)) return ROWS;
    return [
      ...ROWS.filter(([key]) => !OF_FACTORS.includes(key)),
      [
        OF_FACTORS[0],
        "Disentanglement",
        "",
        UP,
        3,
        "MIG, DCI, SAP and the FactorVAE score take data whose factors are known",
      ],
    ];
  }

  // Whether the models' log-likelihoods are of different kinds.
  get mixed() {
    const kinds = this.models.map(({ model }) => this.figures.get(model.id)?.likelihood).filter(Boolean);
    return new Set(kinds).size > 1;
  }

  row([key, name, unit, better, digits, meaning]) {
    const values = this.models.map(({ model }) => this.figures.get(model.id)?.[key]);
    const wide = new Set(this.models.map(({ latentDim }) => latentDim)).size > 1;
    const comparable = better && !(this.mixed && NATS.includes(key)) && !(wide && key === "completeness"),
      finite = values.filter(Number.isFinite);
    const best =
      comparable && finite.length > 1
        ? number(better * Math.max(...finite.map((value) => better * value)), digits)
        : null;
    const arrow = better === UP ? "↑" : better === DOWN ? "↓" : "";
    const cells = this.models.map(({ model, latentDim }, i) => {
      const figures = this.figures.get(model.id),
        value = values[i];
      if (!Number.isFinite(value)) {
        const why = figures?.missing[key];
        return why
          ? `<td class="missing" title="${escaped(why)}"><span aria-label="${escaped(why)}">–</span></td>`
          : `<td class="open" title="Not measured yet">…</td>`;
      }
      const text = key === "active_units" ? `${value} of ${latentDim}` : number(value, digits);
      const [low, high] = [figures[`${key}_low`], figures[`${key}_high`]];
      const range = Number.isFinite(low)
        ? ` <small>${number(low, digits)}–${number(high, digits)}</small>`
        : "";
      return `<td>${text === best ? `<b>${text}</b>` : text}${range}</td>`;
    });
    return `<tr data-figure="${key}"><th scope="row" title="${escaped(meaning)}">${name} <small>${unit} ${arrow}</small></th>${cells.join("")}</tr>`;
  }

  bars() {
    for (const head of this.find("thead").querySelectorAll("[data-model]")) {
      const working = this.working.get(head.dataset.model),
        bar = head.querySelector("progress");
      bar.hidden = !working;
      if (working) bar.value = working.done ?? 0;
      head.querySelector("small").textContent = working?.says ?? "";
    }
  }

  close() {
    this.leaving?.abort();
    this.leaving = null;
  }
}

const ids = (models) => models.map(({ model }) => model.id);
