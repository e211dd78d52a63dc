// Step 3: log p(x) = ELBO + KL. The true posterior of one x, and a q to drag over it.

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { floats, gaussianDraws } from "../../kit/subject.js";
import { dimensionName, number } from "../../kit/words.js";
import { JointGrid } from "./bound.js";
import { Bars, Ellipse, Heat, Stage } from "./draw.js";
import { cholesky, times } from "./plane.js";
import { mounting } from "./step.js";
import { ModelStep } from "./subject.js";

const Q = "#ff8c2b";
const DRAWS = 7; // of q, as pictures
const SPANS = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 1e5, 1e6]; // nats that the bars show below log p(x)
const EDGE = 0.18; // share of the grid beyond each edge of the stage, for what a wide q reaches
const GLIDE_MS = 450;
const KINDS = { encoder: "Encoder's q", best: "Best q", full: "Best q, turned" };
const TITLES = {
  encoder: "What the encoder answers for this x",
  best: "The diagonal Gaussian with the largest ELBO of this x: what is left of KL is the approximation gap",
  full: "The Gaussian of any covariance with the largest ELBO of this x",
};

const TEMPLATE = `
  <div class="eq-two fit">
    <figure><div class="plane"></div><figcaption>p(z|x) by quadrature, brighter is denser; <b class="q">q(z)</b> at 1σ and 2σ: drag its centre or an end of its axes</figcaption></figure>
    <div class="eq-side">
      <div class="eq-buttons" role="group" aria-label="Choose q">${Object.entries(KINDS)
        .map(
          ([kind, words]) =>
            `<button type="button" data-q="${kind}" title="${TITLES[kind]}">${words}</button>`,
        )
        .join("")}
        <label><input type="checkbox" class="aligned"> diagonal, as the encoder's</label></div>
      <div class="bars"></div>
      <p class="scale"></p>
      <p class="parts"></p>
      <p class="closes" role="status"></p>
      <div class="eq-row"><figure><canvas class="again" role="img" aria-label="Decoded mean of q"></canvas><figcaption>f(mean)</figcaption></figure>
        <figure class="wide"><canvas class="draws" role="img" aria-label="Decoded draws of q"></canvas><figcaption>draws of q, decoded</figcaption></figure></div>
    </div>
  </div>`;

class Evidence extends ModelStep {
  constructor(root, facts) {
    super(root, facts, TEMPLATE);
    this.bars = new Bars(this.find(".bars"), {
      evidence: ["log p(x)", "var(--evidence)"],
      elbo: ["ELBO(q)", "var(--elbo)"],
      kl: ["KL(q ‖ p(z|x))", "var(--kl)"],
    });
    this.heat = new Heat();
    this.noise = gaussianDraws({ mean: [0, 0], std: [1, 1] }, DRAWS);
    this.images = new Channel({
      onAnswer: (answer) => this.draw(answer),
      onError: (sentence) => this.say(sentence),
    });
    for (const button of root.querySelectorAll("[data-q]"))
      button.addEventListener("click", () => this.glide(this.found?.[button.dataset.q]));
    this.find(".aligned").addEventListener("change", ({ target }) => this.align(target.checked));
  }

  async take(_example, signal) {
    const found = await this.ask("evidence", {}, signal);
    if (signal.aborted) return;
    const grid = { ...found.grid, values: floats(found.grid.values) };
    Object.assign(this, { found, joint: new JointGrid(grid, found.gridEvidence) });
    const most = grid.values.reduce((a, b) => Math.max(a, b));
    this.heat.set(grid, (i) => Math.exp(grid.values[i] - most));
    this.place(grid);
    this.move(this.ellipse);
  }

  // The stage on the grid, with q where the encoder puts it.
  place({ left, bottom, cell, columns, rows }) {
    const [x, y] = [
      [left, columns],
      [bottom, rows],
    ].map(([low, count]) => [EDGE, 1 - EDGE].map((share) => low + share * (count - 1) * cell));
    const { mean, covariance } = this.found.encoder;
    if (this.stage) {
      this.stage.view(x, y);
      return this.ellipse.set(mean, covariance);
    }
    this.stage = new Stage(this.find(".plane"), {
      x,
      y,
      equal: true,
      names: [0, 1].map((d) => `${dimensionName(d)} →`),
      label: "The posterior p(z|x) as a heat map",
    });
    this.stage.under((context, stage) => this.heat.paint(context, stage));
    this.ellipse = new Ellipse(this.stage, {
      name: "q",
      mean,
      covariance,
      colour: Q,
      least: cell / 2,
      aligned: this.find(".aligned").checked,
      move: (q) => this.move(q),
    });
  }

  align(aligned) {
    if (!this.ellipse) return;
    this.ellipse.aligned = aligned;
    if (!aligned) return;
    const { mean, covariance } = this.ellipse;
    this.glide({
      mean,
      covariance: [
        [covariance[0][0], 0],
        [0, covariance[1][1]],
      ],
    });
  }

  // q on its way to another, so that the bars are seen to move.
  glide(to) {
    if (!to) return;
    if (to === this.found.full) this.find(".aligned").checked = this.ellipse.aligned = false;
    const from = { mean: this.ellipse.mean.slice(), covariance: this.ellipse.covariance },
      started = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    cancelAnimationFrame(this.frame);
    const step = (now) => {
      const share = still ? 1 : Math.min(Math.max((now - started) / GLIDE_MS, 0), 1),
        eased = share * share * (3 - 2 * share);
      const mix = (a, b) => (share === 1 ? b : a + eased * (b - a));
      const mean = from.mean.map((value, d) => mix(value, to.mean[d]));
      const covariance = from.covariance.map((line, i) =>
        line.map((value, j) => mix(value, to.covariance[i][j])),
      );
      this.ellipse.set(mean, covariance);
      this.move({ mean, covariance }, true);
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  move({ mean, covariance }, gliding = false) {
    if (!gliding) cancelAnimationFrame(this.frame);
    const { logEvidence } = this.found,
      { elbo, kl, reconstruction, rate, doubt } = this.joint.bound(mean, covariance);
    const span = SPANS.find((each) => each >= 1.15 * kl) ?? SPANS.at(-1);
    this.bars.show(
      {
        evidence: { from: -Infinity, to: logEvidence, open: true },
        elbo: { from: -Infinity, to: elbo, open: true },
        kl: { from: elbo, to: elbo + kl, text: number(kl) },
      },
      logEvidence - span,
      logEvidence + 0.04 * span,
      logEvidence,
    );
    this.find(".scale").textContent =
      `nats; the bars show the last ${span.toLocaleString("en")} of them up to log p(x)`;
    this.find(".parts").innerHTML =
      `ELBO = E<sub>q</sub>[log p(x|z)] − KL(q ‖ p(z)) = ${number(reconstruction)} − ${number(rate)} = ${number(elbo)}`;
    const off = logEvidence - elbo - kl;
    this.find(".closes").classList.toggle("doubt", Boolean(doubt));
    this.find(".closes").textContent =
      doubt || `log p(x) − ELBO − KL = ${number(off, 4)} nats, each computed on its own`;
    this.picture(mean, covariance);
  }

  picture(mean, covariance) {
    const root = cholesky(covariance),
      payload = new Float32Array(2 * (DRAWS + 1));
    payload.set(mean);
    for (let k = 0; k < DRAWS; k++) {
      const [x, y] = times(root, [this.noise[2 * k], this.noise[2 * k + 1]]);
      payload.set([mean[0] + x, mean[1] + y], 2 * (k + 1));
    }
    this.images.ask({ model: this.facts.model.id, kind: DECODE, count: DRAWS + 1, width: 2, payload });
  }

  draw(answer) {
    const { width, height } = answer;
    this.find(".again").style.aspectRatio = `${width} / ${height}`;
    this.find(".draws").style.aspectRatio = `${DRAWS * width} / ${height}`;
    paint(this.find(".again"), answer);
    paint(this.find(".draws"), answer, 1, DRAWS);
  }

  repaint() {
    this.stage?.paint();
  }

  close() {
    super.close();
    cancelAnimationFrame(this.frame);
    this.stage?.close();
    this.images.close();
  }
}

export default mounting(Evidence);
