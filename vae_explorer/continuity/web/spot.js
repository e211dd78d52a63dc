// The exact figures at one place: what every page prints there, asked by the same request. The maps' cells only colour.

import { Channel, CLIFFS_IN_PLANE, DRIFT, MEASURE, TRUST } from "../../kit/socket.js";

const PER_SECOND = 15;

export class Spot {
  // page: { facts: { model: { id }, latentDim }, plane() -> { axes } }; told(): there are newer figures, or none any more.
  constructor(page, told, { connect = (on) => new Channel(on) } = {}) {
    // found: { target, answer, within }: the newest figures and whose they are. within: what remains of stretch,
    // magnification and drift within the plane; null until it is known, and where the plane is all there is.
    Object.assign(this, { page, told, wanted: null, due: 0, timer: null, found: null });
    this.channel = connect({
      onAnswer: (answer, tag) => this.answered(answer, tag),
      onError: () => this.refused(),
    });
  }

  // target: { code }, the same object for as long as the place is the same.
  ask(target) {
    this.wanted = target;
    this.wake();
  }

  // A few times a second at most: the maps are measured by the same thread of the server.
  wake() {
    if (this.timer || !this.wanted || this.channel.busy) return;
    const wait = this.due - performance.now();
    if (wait > 0) {
      this.timer = setTimeout(() => this.waited(), wait);
      return;
    }
    const target = this.wanted;
    this.wanted = null;
    this.due = performance.now() + 1000 / PER_SECOND;
    this.send(TRUST, [target.code], { target, step: "all" });
  }

  waited() {
    this.timer = null;
    this.wake();
  }

  send(measure, rows, tag) {
    this.step = tag.step;
    const { model, latentDim: width } = this.page.facts,
      payload = new Float32Array(rows.length * width);
    rows.forEach((row, k) => payload.set(row, k * width));
    this.channel.ask({
      model: model.id,
      kind: MEASURE,
      height: measure,
      count: rows.length,
      width,
      payload,
      tag,
    });
  }

  answered(answer, tag) {
    this[tag.step](answer, tag);
    this.told();
    this.wake();
  }

  all(answer, { target }) {
    this.found = { target, answer, within: null };
    if (this.page.facts.latentDim < 3 || this.wanted) return;
    const { axes } = this.page.plane();
    this.send(CLIFFS_IN_PLANE, [...axes, target.code], { target, axes, step: "cliffs" });
  }

  cliffs({ values: [stretch, magnification] }, { target, axes }) {
    this.send(DRIFT, [target.code], { target, axes, stretch, magnification, step: "drift" });
  }

  drift({ values }, { target, axes, stretch, magnification }) {
    const along = axes.map((axis) => axis.reduce((sum, part, d) => sum + part * values[d], 0));
    if (this.found.target === target)
      this.found.within = { stretch, magnification, drift: Math.hypot(...along) };
  }

  // The maps say in their places what cannot be measured.
  refused() {
    if (this.step === "all") this.found = null;
    this.told();
    this.wake();
  }

  close() {
    clearTimeout(this.timer);
    this.channel.close();
  }
}
