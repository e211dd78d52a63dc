// The timeline: curves and the KL strip over one axis of epochs. All of it is one slider, whose value is an epoch.

import { ticks } from "../../kit/scale.js";
import { MOVE } from "../../kit/slider.js";
import { epochName, number } from "../../kit/words.js";
import { Curve } from "./curves.js";
import { HeatStrip } from "./heat.js";

const NO_KL = {
  autoencoder:
    "An autoencoder has no posterior, so there is no KL term and no ELBO: this is the reconstruction term alone.",
  pca: "PCA has no posterior, so there is no KL term and no ELBO: this is the reconstruction term alone.",
};

export const TIMELINE = `
  <section class="timeline" aria-label="Timeline">
    <p class="key"><span class="swatch strong"></span>held-out <span class="swatch thin"></span>train
      <span class="unit">nats per example</span></p>
    <div class="plots" role="slider" tabindex="0" aria-label="Epoch" aria-valuemin="0" aria-valuemax="0" aria-valuenow="0">
      <div class="curves"></div>
      <div class="axis"></div>
      <div class="cursor-track"><div class="cursor" hidden><div class="grip"></div></div></div>
    </div>
    <p class="note"></p>
  </section>`;

export class Timeline {
  // on.move(epoch) when somebody chooses an epoch, on.play() when they press the space bar.
  constructor(root, on) {
    Object.assign(this, { on, rows: new Map(), stops: [], epoch: null });
    this.find = (selector) => root.querySelector(`.timeline ${selector}`);
    this.plots = this.find(".plots");
    this.cursor = this.find(".cursor");
    this.listen();
  }

  // Lay out the curves for a kind of model.
  begin({ kind, latentDim }) {
    this.curves =
      kind === "vae"
        ? { elbo: new Curve("ELBO"), reconstruction: new Curve("reconstruction"), kl: new Curve("KL") }
        : { reconstruction: new Curve("reconstruction") };
    this.heat = kind === "vae" ? new HeatStrip(latentDim) : null;
    const parts = [...Object.values(this.curves), this.heat].filter(Boolean);
    this.find(".curves").replaceChildren(...parts.map((part) => part.element));
    this.find(".curves").classList.toggle("alone", kind !== "vae");
    this.find(".note").textContent = NO_KL[kind] ?? "";
  }

  // rows: epoch -> figures; stops: the epochs that the cursor may stand on; last: where the axis ends.
  update(rows, stops, last, best) {
    Object.assign(this, { rows, stops, best });
    const gaps = stops.slice(1).map((epoch, i) => epoch - stops[i]);
    this.interval = gaps.length ? Math.min(...gaps) : 1;
    this.last = Math.max(last, stops.at(-1) ?? 0, 1);
    const figures = [...rows.values()],
      share = (epoch) => this.share(epoch);
    for (const [name, curve] of Object.entries(this.curves)) {
      curve.draw(
        figures.map((row) => ({ epoch: row.epoch, ...row[name] })),
        share,
        name === "elbo" || !this.heat ? best : null,
      );
    }
    this.heat?.draw(this.columns(figures));
    this.axis();
    this.plots.setAttribute("aria-valuemin", stops[0] ?? 0);
    this.plots.setAttribute("aria-valuemax", stops.at(-1) ?? 0);
    this.show(this.epoch);
  }

  // Half an interval of room on either side, so that the columns of the first and the last snapshot are whole.
  share(epoch) {
    return (epoch + this.interval / 2) / (this.last + this.interval);
  }

  columns(figures) {
    return figures.map((row, i) => {
      const before = figures[i - 1]?.epoch ?? row.epoch - this.interval;
      const after = figures[i + 1]?.epoch ?? Math.min(row.epoch + this.interval, this.last + this.interval);
      return {
        kl: row.dimensions,
        left: this.share((before + row.epoch) / 2),
        right: this.share((row.epoch + after) / 2),
      };
    });
  }

  axis() {
    const whole = ticks(0, this.last, 6).filter(({ value }) => Number.isInteger(value));
    this.find(".axis").innerHTML = whole
      .map(({ value, text }) => `<span style="left:${100 * this.share(value)}%">${text}</span>`)
      .join("");
  }

  // Stand on an epoch.
  show(epoch) {
    this.epoch = epoch;
    this.cursor.hidden = epoch === null;
    if (epoch === null) return;
    this.cursor.style.left = `${100 * this.share(epoch)}%`;
    const row = this.rows.get(epoch);
    for (const [name, curve] of Object.entries(this.curves)) curve.values(row?.[name]);
    this.heat?.values(row?.dimensions);
    this.plots.setAttribute("aria-valuenow", epoch);
    this.plots.setAttribute("aria-valuetext", this.words(epoch, row));
  }

  words(epoch, row) {
    const figure = row && (this.heat ? ["ELBO", row.elbo] : ["reconstruction", row.reconstruction]);
    const best = epoch === this.best ? ", the best" : "";
    return (
      epochName(epoch) + (figure ? `, held-out ${figure[0]} ${number(figure[1].heldOut)} nats${best}` : "")
    );
  }

  // --- the scrubber -------------------------------------------------------------------------------------

  listen() {
    this.plots.addEventListener("pointerdown", (event) => {
      if (event.button || !this.stops.length) return;
      this.plots.setPointerCapture(event.pointerId);
      this.plots.focus({ preventScroll: true, focusVisible: false });
      this.dragging = this.find(".axis").getBoundingClientRect(); // measured once: asking at each move costs a layout
      this.drag(event);
    });
    this.plots.addEventListener(MOVE, (event) => this.dragging && this.drag(event));
    for (const over of ["pointerup", "pointercancel"])
      this.plots.addEventListener(over, () => (this.dragging = null));
    this.plots.addEventListener("keydown", (event) => this.key(event));
  }

  drag(event) {
    const { left, width } = this.dragging;
    const epoch = ((event.clientX - left) / width) * (this.last + this.interval) - this.interval / 2;
    this.on.move(nearest(this.stops, epoch));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.stops.length) return;
    if (event.key === " ") {
      event.preventDefault();
      this.on.play();
      return;
    }
    const at = this.stops.indexOf(this.epoch),
      end = this.stops.length - 1;
    const moves = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 0,
      End: end,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.on.move(this.stops[Math.min(Math.max(moves[event.key], 0), end)]);
  }
}

// The stop closest to an epoch; stops are in order.
export function nearest(stops, epoch) {
  return stops.reduce(
    (best, stop) => (Math.abs(stop - epoch) < Math.abs(best - epoch) ? stop : best),
    stops[0],
  );
}
