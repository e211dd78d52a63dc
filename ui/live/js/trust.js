// The trust read-out: how far the code in view can be believed, told while it moves.
//
// It has a channel of its own and the server a thread of its own for it, so that no picture waits for it; it asks a few
// times a second and only while somebody can see it. What a model cannot be asked is left out.

import { CLIFFS, Channel, DRIFT, MEASURE, TRUST } from "./socket.js";
import { paint } from "./paint.js";
import { soon, tell } from "./pace.js";

const PER_SECOND = 10;
const REST = 4; // times as long as the last answer took: a machine that is busy measures less often
const LONGEST_REST_MS = 400; // also after a first answer for which the data were read
const FIRST_MS = 400; // the page itself comes first
const AFTER_REFUSAL_MS = 5000;
const RIM = 0.9, OUTSIDE = 0.99; // shares of the prior's mass
const HOLE = 0.5, DENSE = 2; // encoded data for each that the prior promises
const CLIFF = 1.5, LEAVES = 3; // times the most that is usual for encoded data
const FAR = 2; // times the usual distance from an image to the nearest other one
const USUAL = [0.05, 0.95]; // quantiles over the model's sample of encoded data

export class Trust {
  // root is an element that is filled here; it is hidden while there is nothing to say.
  constructor(root) {
    root.innerHTML = FIGURES.map(({ name }) => `<div class="figure" data-name="${name}" hidden>${name === "realism" ? `<canvas role="img" aria-label="Nearest encoded image"></canvas>` : ""}
      <dl><dt>${name}</dt><dd><span class="value"></span> <span class="word"></span></dd></dl></div>`).join("");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Trust read-out");
    Object.assign(this, { root, model: null, newest: null, due: 0, told: null, usual: null, timer: null, inView: false });
    this.picture = root.querySelector("canvas");
    this.channel = new Channel({ onAnswer: (answer, model) => this.answered(answer, model), onError: () => this.refused() });
    this.leaving = new AbortController();
    document.addEventListener("visibilitychange", () => this.wake(), { signal: this.leaving.signal });
    // Told by the browser after its own layout: to ask whether it is visible would force one at every move.
    this.watch = new IntersectionObserver((entries) => {
      this.inView = entries.at(-1).isIntersecting;
      this.wake();
    });
    this.watch.observe(root);
  }

  // model: { id, classNames, hasPrior, usual: codes at which its usual figures are taken, against }
  begin(model) {
    this.follow(model);
    Object.assign(this, { newest: null, due: performance.now() + FIRST_MS });
    this.root.classList.remove("refused");
    for (const figure of this.root.children) figure.hidden = true;
  }

  // Newer weights: what is shown stays until there are newer figures.
  follow(model) {
    Object.assign(this, { model, told: null, usual: null });
  }

  ask(code) {
    this.newest = Float32Array.from(code);
    this.wake();
  }

  // Ask if there is something to ask and somebody to see the answer.
  wake() {
    if (this.timer || !this.newest || this.channel.busy || document.hidden || !this.inView) return;
    const wait = this.due - performance.now();
    if (wait > 0) return void (this.timer = setTimeout(() => this.waited(), wait));
    const payload = this.newest;
    this.newest = null;
    this.asked = performance.now();
    this.due = this.asked + 1000 / PER_SECOND;
    this.channel.ask({ model: this.model.id, kind: MEASURE, height: TRUST, count: 1, width: payload.length, payload, tag: this.model });
  }

  waited() {
    this.timer = null;
    this.wake();
  }

  answered(answer, model) {
    const now = performance.now();
    this.due = Math.max(this.due, now + Math.min(REST * (now - this.asked), LONGEST_REST_MS));
    if (model === this.model) {
      this.told = answer;
      soon(this, () => this.show());
      this.compare(model);
    }
    this.wake();
  }

  // No page message is worth it: the read-out goes, and comes back when there is an answer.
  refused() {
    this.root.classList.add("refused");
    this.due = performance.now() + AFTER_REFUSAL_MS;
    this.wake();
  }

  // What is usual for the model is measured once, after the first answer.
  async compare(model) {
    if (this.usual) return;
    this.usual = {};
    const usual = await usualOf(model);
    if (model !== this.model) return;
    this.usual = usual;
    soon(this, () => this.show());
  }

  show() {
    if (!this.told) return; // another model came meanwhile
    const { values, pixels } = this.told;
    this.root.classList.remove("refused");
    FIGURES.forEach(({ name, says }) => {
      const figure = this.root.querySelector(`[data-name="${name}"]`), said = says(values, this.model, this.usual ?? {});
      figure.hidden = !said;
      if (!said) return;
      if (figure.title !== said.title) figure.title = said.title;
      if (figure.classList.contains("bad") !== Boolean(said.bad)) figure.classList.toggle("bad");
      tell(figure.querySelector(".value"), said.value);
      tell(figure.querySelector(".word"), said.word);
    });
    this.picture.hidden = !pixels;
    if (pixels) paint(this.picture, this.told);
  }

  close() {
    clearTimeout(this.timer);
    this.watch.disconnect();
    this.leaving.abort();
    this.channel.close();
  }
}

// --- the figures ---------------------------------------------------------------------------------------------

// Of the answer's columns: prior percentile, stretch, magnification, data ratio, realism, drift, nearest index, label.
// says(values, model, usual) gives { value, word, bad, title }, or null where the figure is not defined.
const FIGURES = [
  {
    name: "prior",
    says([percentile], { hasPrior }) {
      if (!Number.isFinite(percentile)) return null;
      const percent = percentile > OUTSIDE ? (percentile > 0.9995 ? "> 99.9 %" : `${(100 * percentile).toFixed(1)} %`) : `${Math.round(100 * percentile)} %`;
      const prior = hasPrior ? "prior" : "Gaussian fitted to the encoded codes (this model has no prior)";
      return {
        value: percent, bad: percentile > OUTSIDE, word: percentile > OUTSIDE ? "outside" : percentile > RIM ? "rim" : "inside",
        title: `${percent} of the mass of the ${prior} lies closer to its centre than this code; beyond 99 % a draw from it hardly ever lands.`,
      };
    },
  },
  {
    name: "data",
    says([, , , ratio]) {
      if (!Number.isFinite(ratio)) return null;
      const value = `${number(ratio)} ×`;
      return {
        value, bad: ratio < HOLE, word: ratio < HOLE ? "a hole" : ratio > DENSE ? "dense" : "as promised",
        title: `Around this code lie ${value} as many encoded data as the prior promises; below 1/2 it is a hole, with no data near it.`,
      };
    },
  },
  {
    name: "stretch",
    says([, stretch, magnification], model, { stretch: usual }) {
      if (!Number.isFinite(stretch)) return null;
      const [least, most] = usual ?? [NaN, NaN];
      const compared = usual ? `; ${number(least)} to ${number(most)} are usual for encoded data of this model (nine in ten)` : "";
      const volume = Number.isFinite(magnification) ? ` Magnification factor ${number(magnification)}.` : "";
      return {
        value: number(stretch), bad: stretch > CLIFF * most,
        word: stretch > CLIFF * most ? "a cliff" : stretch > most ? "steep" : stretch < least ? "flat" : usual ? "usual" : "",
        title: `In its steepest direction the image changes by ${number(stretch)} (Euclidean distance of pixels) per unit of z${compared}.${volume}`,
      };
    },
  },
  {
    name: "drift",
    says([, , , , , drift], model, { drift: usual }) {
      if (!Number.isFinite(drift)) return null;
      const most = usual?.[1] ?? NaN;
      const compared = usual ? `; encoded data of this model usually move by ${number(most)} at most (95 % of them)` : "";
      return {
        value: number(drift), bad: drift > LEAVES * most,
        word: drift > LEAVES * most ? "leaves" : drift > most ? "moves" : usual ? "stays" : "",
        title: `Decoded and encoded again, this code comes back ${number(drift)} away from where it was${compared}. Where codes move far, the model does not own the place.`,
      };
    },
  },
  {
    name: "realism",
    says([, , , , realism, , index, label], { classNames, against }) {
      if (!Number.isFinite(realism)) return null;
      const of = label >= 0 ? classNames[label] ?? label : "";
      const which = against === "images" ? "encoded image" : "reconstruction of an encoded image (the images are not at hand)";
      const nearest = index >= 0 ? ` It is no. ${index}${of === "" ? "" : `, class ${of}`}, shown here.` : "";
      return {
        value: `${number(realism)} ×`, bad: realism > FAR, word: of === "" ? "to the nearest" : `nearest: ${of}`,
        title: `The nearest ${which} is ${number(realism)} × as far from the decoded image as such images are from their nearest others (median).${nearest}`,
      };
    },
  },
];

// Two figures and a minus that is one; no more digits than can be meant.
function number(value) {
  const size = Math.abs(value);
  if (size < 0.005) return size ? "< 0.01" : "0";
  return (size >= 9.95 ? value.toFixed(0) : size >= 0.995 ? value.toFixed(1) : value.toFixed(2)).replace("-", "−");
}

// --- what is usual -------------------------------------------------------------------------------------------

const usuals = new Map(); // model id -> a promise of { stretch, drift }: [least, most] that is usual, or null

function usualOf(model) {
  if (!usuals.has(model.id)) usuals.set(model.id, measure(model));
  return usuals.get(model.id);
}

async function measure({ id, usual: codes }) {
  if (!codes?.length) return {};
  const payload = Float32Array.from(codes.flat()), request = { model: id, kind: MEASURE, count: codes.length, width: codes[0].length, payload };
  const cliffs = await once({ ...request, height: CLIFFS }), drifts = await once({ ...request, height: DRIFT });
  const rows = (answer) => Array.from({ length: answer?.rows ?? 0 }, (_, i) => answer.values.subarray(i * answer.columns, (i + 1) * answer.columns));
  return { stretch: range(rows(cliffs).map(([stretch]) => stretch)), drift: range(rows(drifts).map((drift) => Math.hypot(...drift))) };
}

// One answer, or null where the model refuses.
function once(request) {
  return new Promise((done) => {
    const over = (answer) => {
      channel.close();
      done(answer);
    };
    const channel = new Channel({ onAnswer: over, onError: () => over(null) });
    channel.ask(request);
  });
}

function range(values) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  return known.length ? USUAL.map((share) => known[Math.round(share * (known.length - 1))]) : null;
}
