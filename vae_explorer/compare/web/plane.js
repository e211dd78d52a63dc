// The rate-distortion plane (Alemi et al. 2018): a model is a point (R, D), and all points of a diagonal have one ELBO.

import { ticks } from "../../kit/scale.js";
import { number } from "../../kit/words.js";
import { INKS, MARKS } from "./column.js";
import { linear, Plot } from "./plot.js";

const ROOM = 0.18; // beside the points, as a share of what they span
const LEAST = 8; // nats that the axes span at least
const FAR = 0.3; // of the axis: the line of a model without a rate
const BOTH = { bernoulli: "probabilities of pixels", density: "densities" };

export const PLANE = `
  <figure class="rate-distortion">
    <figcaption><b>Rate and distortion</b><span>ELBO = −(R + D), so that each diagonal has one ELBO; the lower left is better</span></figcaption>
    <div class="plot"></div><p class="note"></p>
  </figure>`;

export class Plane {
  constructor(root) {
    this.note = root.querySelector(".note");
    this.models = [];
    this.plot = new Plot(root.querySelector(".plot"), {
      x: "rate R = KL(q(z|x) ‖ p(z)), nats",
      y: "distortion D, nats",
      draw: (plot) => this.draw(plot),
    });
  }

  // models: [{ title, place, figures }], figures null while they are not known
  show(models) {
    const known = models.filter(({ figures }) => Number.isFinite(figures?.distortion));
    const first = known.find(({ figures }) => Number.isFinite(figures.rate)) ?? known[0];
    this.models = known.filter(({ figures }) => figures.likelihood === first.figures.likelihood);
    const left = known.filter((model) => !this.models.includes(model)).map(({ title }) => title);
    this.note.textContent = left.length
      ? `${left.join(" and ")} ${left.length > 1 ? "are" : "is"} not shown: ${BOTH[left.length && known.find(({ title }) => title === left[0]).figures.likelihood]} and ${BOTH[first.figures.likelihood]} have no common scale.`
      : "";
    this.plot.redraw();
  }

  draw(plot) {
    if (!this.models.length) {
      plot.element.textContent = "";
      return;
    }
    const rates = this.models.map(({ figures }) => figures.rate).filter(Number.isFinite);
    const across = padded([0, ...rates]),
      up = padded(this.models.map(({ figures }) => figures.distortion));
    plot.begin(linear(Math.max(across[0], 0), across[1]), linear(...up));
    this.diagonals(plot);
    for (const { title, place, figures } of this.models) {
      const ink = INKS[place],
        mark = MARKS[place],
        { rate, distortion } = figures;
      if (Number.isFinite(rate)) {
        plot.point([rate, distortion], {
          ink,
          mark,
          name: title,
          title: `${title}: R ${number(rate)}, D ${number(distortion)}, ELBO ${number(figures.elbo)} nats`,
        });
      } else {
        // A code that is a point says without end: its rate is infinite, and only its distortion is comparable.
        const { low, high } = plot.across;
        plot.path(
          [
            [high - FAR * (high - low), distortion],
            [high, distortion],
          ],
          "endless",
        );
        plot.point([high, distortion], {
          ink,
          mark,
          name: `${title}: R = ∞`,
          above: true,
          title: `${title} encodes to points: its rate is infinite; D ${number(distortion)} nats`,
        });
      }
    }
    plot.end("Rate-distortion plane");
  }

  // Lines of one ELBO: R + D = c.
  diagonals(plot) {
    const { across, up } = plot;
    for (const { value: sum } of ticks(across.low + up.low, across.high + up.high, 7)) {
      plot.path(
        [
          [across.low, sum - across.low],
          [across.high, sum - across.high],
        ],
        "diagonal",
      );
      const x = Math.max(across.low, sum - up.high),
        y = sum - x;
      if (y > up.low) plot.word(x, y, `ELBO ${number(-sum, 0)}`, { lift: 4 });
    }
  }

  close() {
    this.plot.close();
  }
}

function padded(values) {
  const low = Math.min(...values),
    high = Math.max(...values),
    middle = (low + high) / 2;
  const half = Math.max(high - low, LEAST) * (0.5 + ROOM);
  return [middle - half, middle + half];
}
