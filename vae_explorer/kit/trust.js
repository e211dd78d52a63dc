// The trust read-out: how far the code in view can be believed, told while it moves.
//
// It has a channel of its own and the server a thread of its own for it, so that no picture waits for it; it asks a few
// times a second and only while somebody can see it. What a model cannot be asked is left out.

import { soon, tell } from "./pace.js";
import { paint } from "./paint.js";
import { Channel, CLIFFS, DRIFT, MEASURE, TRUST } from "./socket.js";
import { FIGURES } from "./trust-figures.js";

const PER_SECOND = 10;
const REST = 4; // times as long as the last answer took: a machine that is busy measures less often
const LONGEST_REST_MS = 400; // also after a first answer for which the data were read
const FIRST_MS = 400; // the page itself comes first
const AFTER_REFUSAL_MS = 5000;
const USUAL = [0.05, 0.95]; // quantiles over the model's sample of encoded data

export class Trust {
  // root is an element that is filled here; it keeps its height, whether it has something to say or not.
  constructor(root) {
    root.innerHTML = FIGURES.map(
      ({
        name,
      }) => `<div class="figure absent" data-name="${name}">${name === "realism" ? `<canvas role="img" aria-label="Nearest encoded image"></canvas>` : ""}
      <dl><dt>${name}</dt><dd><span class="value"></span> <span class="word"></span></dd></dl></div>`,
    ).join("");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Trust read-out");
    Object.assign(this, {
      root,
      model: null,
      newest: null,
      due: 0,
      told: null,
      usual: null,
      timer: null,
      inView: false,
    });
    this.picture = root.querySelector("canvas");
    this.channel = new Channel({
      onAnswer: (answer, model) => this.answered(answer, model),
      onError: () => this.refused(),
    });
    this.leaving = new AbortController();
    document.addEventListener("visibilitychange", () => this.wake(), { signal: this.leaving.signal });
    // Told by the browser after its own layout: to ask whether it is visible would force one at every move.
    // A screen further on counts as well: whoever scrolls there finds the figures.
    this.watch = new IntersectionObserver(
      (entries) => {
        this.inView = entries.at(-1).isIntersecting;
        this.wake();
      },
      { rootMargin: "100% 0px" },
    );
    this.watch.observe(root);
  }

  // model: { id, classNames, hasPrior, usual: codes at which its usual figures are taken }
  begin(model) {
    this.follow(model);
    Object.assign(this, { newest: null, due: performance.now() + FIRST_MS });
    this.root.classList.remove("refused");
    this.root.classList.add("waiting");
    for (const figure of this.root.children) figure.classList.add("absent");
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
    if (wait > 0) {
      this.timer = setTimeout(() => this.waited(), wait);
      return;
    }
    const payload = this.newest;
    this.newest = null;
    this.asked = performance.now();
    this.due = this.asked + 1000 / PER_SECOND;
    this.channel.ask({
      model: this.model.id,
      kind: MEASURE,
      height: TRUST,
      count: 1,
      width: payload.length,
      payload,
      tag: this.model,
    });
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
    this.root.classList.remove("refused", "waiting");
    FIGURES.forEach(({ name, says }) => {
      const figure = this.root.querySelector(`[data-name="${name}"]`),
        said = says(values, this.model, this.usual ?? {});
      if (figure.classList.contains("absent") === Boolean(said)) figure.classList.toggle("absent");
      if (!said) return;
      if (figure.title !== said.title) figure.title = said.title;
      if (figure.classList.contains("bad") !== Boolean(said.bad)) figure.classList.toggle("bad");
      tell(figure.querySelector("dt"), said.label ?? name);
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

// --- what is usual -------------------------------------------------------------------------------------------

const usuals = new Map(); // model id -> a promise of { stretch, drift }: [least, most] that is usual, or null

function usualOf(model) {
  if (!usuals.has(model.id)) usuals.set(model.id, measure(model));
  return usuals.get(model.id);
}

async function measure({ id, usual: codes }) {
  if (!codes?.length) return {};
  const payload = Float32Array.from(codes.flat()),
    request = { model: id, kind: MEASURE, count: codes.length, width: codes[0].length, payload };
  const cliffs = await once({ ...request, height: CLIFFS }),
    drifts = await once({ ...request, height: DRIFT });
  const rows = (answer) =>
    Array.from({ length: answer?.rows ?? 0 }, (_, i) =>
      answer.values.subarray(i * answer.columns, (i + 1) * answer.columns),
    );
  return {
    stretch: range(rows(cliffs).map(([stretch]) => stretch)),
    drift: range(rows(drifts).map((drift) => Math.hypot(...drift))),
  };
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
