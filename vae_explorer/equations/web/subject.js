// Which x the steps are about: one for all of them, chosen in any.

import { write } from "../../kit/address.js";
import { paint } from "../../kit/paint.js";
import { bytes } from "../../kit/subject.js";
import { fetchTold, post } from "../../kit/told.js";

const SUBJECT = `
  <div class="eq-subject">
    <canvas class="x" role="img" aria-label="x"></canvas>
    <div><div class="choose"><b>x</b>
      <select class="class" aria-label="Class"></select>
      <span class="turn"><button type="button" class="previous" aria-label="Previous example">‹</button><output></output><button type="button" class="next" aria-label="Next example">›</button></span>
      <button type="button" class="any">Random</button></div>
      <p class="note"></p></div>
  </div>`;

const steps = new Set(); // those that are on the page
const examples = new Map(); // what the server said of an x: a promise each
let shared = null; // { label, nth }; label -1: any class

// A step about one x of one model. A subclass has `take(example, signal)`, which may be asynchronous; what it throws is
// shown. example: { picture, mean, std, of, label } as /posterior/example says, its pixels unpacked.
export class ModelStep {
  constructor(root, facts, template) {
    root.innerHTML = `<div class="eq">${SUBJECT}<p class="message" role="status"></p><div class="step">${template}</div></div>`;
    Object.assign(this, { root, facts, begun: false });
    this.find = (selector) => root.querySelector(selector);
    const on = (selector, type, act) => this.find(`.eq-subject ${selector}`).addEventListener(type, act);
    on(".class", "change", ({ target }) => choose({ label: Number(target.value), nth: 0 }));
    on(".previous", "click", () => this.go(this.x.nth - 1));
    on(".next", "click", () => this.go(this.x.nth + 1));
    on(".any", "click", () => this.go(Math.floor(Math.random() * this.count())));
    steps.add(this);
  }

  begin() {
    this.begun = true;
    shared ??= fromAddress();
    const { classNames } = this.facts;
    this.find(".class").replaceChildren(
      new Option("any class", -1),
      ...classNames.map((name, label) => new Option(name, label)),
    );
    this.find(".class").hidden = !classNames.length;
    this.open();
  }

  // The page has run again: another model, or another theme.
  update(facts) {
    const another = facts.model.id !== this.facts.model.id;
    this.facts = facts;
    if (this.begun && another) this.begin();
    else if (this.begun) this.repaint();
  }

  repaint() {}

  // The shared x as far as this model's examples reach.
  get x() {
    const { counts, all } = this.facts,
      label = shared.label < counts.length && counts[shared.label] ? shared.label : -1;
    return { label, nth: Math.min(shared.nth, Math.max((label < 0 ? all : counts[label]) - 1, 0)) };
  }

  count() {
    return this.x.label < 0 ? this.facts.all : this.facts.counts[this.x.label];
  }

  go(nth) {
    choose({ label: this.x.label, nth: ((nth % this.count()) + this.count()) % this.count() });
  }

  // Newest wins: what was asked about the x before is given up.
  async open() {
    this.leave?.abort();
    this.leave = new AbortController();
    const { signal } = this.leave;
    const { x } = this;
    this.find(".class").value = String(x.label);
    this.find(".turn output").textContent = `no. ${x.nth}`;
    this.say("");
    try {
      const found = await example(this.facts.model.id, x);
      if (signal.aborted) return;
      this.body = { model: this.facts.model.id, ...x, decoded: found.decoded };
      this.present(found);
      await this.take(found, signal);
    } catch (error) {
      if (!signal.aborted) this.say(error.message);
    }
  }

  present({ picture, decoded, label, title }) {
    const canvas = this.find(".eq-subject .x"),
      { classNames, instead } = this.facts;
    canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    paint(canvas, picture);
    const what = label >= 0 && this.x.label < 0 ? `class ${classNames[label]}` : "";
    const stands = decoded ? `the images of ${title} are not here, so x is what its code decodes to` : "";
    this.find(".eq-subject .note").textContent = [instead, [what, stands].filter(Boolean).join("; ")]
      .filter(Boolean)
      .join(" ");
  }

  // The answer of a route under /equations/ about this x; progress is shown.
  async ask(name, more, signal) {
    const found = await fetchTold(
      `/equations/${name}`,
      { ...this.body, ...more },
      {
        signal,
        progress: ({ done }) =>
          !signal.aborted &&
          this.say(`Computing… ${Number.isFinite(done) ? `${Math.floor(100 * done)} %` : ""}`),
      },
    );
    if (!signal.aborted) this.say("");
    return found;
  }

  say(sentence) {
    this.find(".message").textContent = sentence;
  }

  close() {
    steps.delete(this);
    this.leave?.abort();
  }
}

function choose(x) {
  shared = x;
  write("equations", {
    ...Object.fromEntries(new URLSearchParams(location.search)),
    x: `${x.label}/${x.nth}`,
  });
  for (const step of steps) if (step.begun) step.open();
}

function fromAddress() {
  const [, label, nth] = /^(-?\d+)\/(\d+)$/.exec(new URLSearchParams(location.search).get("x") ?? "") ?? [
    null,
    -1,
    0,
  ];
  return { label: Number(label), nth: Number(nth) };
}

// Where an image is not on this machine, what its code decodes to stands in for it.
function example(model, x) {
  const key = JSON.stringify([model, x]);
  if (!examples.has(key)) {
    const found = look({ model, ...x });
    examples.set(key, found);
    found.catch(() => examples.delete(key));
  }
  return examples.get(key);
}

async function look(body) {
  let found = await (await post("/posterior/example", body)).json();
  const decoded = Boolean(found.absent);
  if (decoded) found = await (await post("/posterior/example", { ...body, decoded })).json();
  const lack = found.lack ?? found.absent;
  if (lack) throw new Error(lack);
  return { ...found, decoded, picture: { ...found.picture, pixels: bytes(found.picture.pixels) } };
}
