// The page's side of the strips: what the painter is to know. It works in a thread of its own, so that the page's is
// free for the pointer; where the browser has none that paints, or it breaks, the same painter works on the page.

import { StripsPainter } from "./strips-painter.js";

const PERIOD_MS = 8; // between two codes: a mouse may move a thousand times a second, which no strip follows
const PAINTS_APART =
  "Worker" in globalThis &&
  "OffscreenCanvas" in globalThis &&
  "transferControlToOffscreen" in HTMLCanvasElement.prototype;

export class Strips {
  // onError(sentence) gets a refusal.
  constructor(onError) {
    Object.assign(this, { onError, sliders: new Map(), visible: new Set(), timer: null });
    this.observer = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "80px" });
    if (PAINTS_APART) this.hire();
    else this.painter = new StripsPainter(onError);
  }

  hire() {
    this.worker = new Worker(new URL("./strips-worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.onError(data);
    this.worker.onerror = () => this.stay();
  }

  // Another model, which has no strips yet.
  begin(model) {
    clearTimeout(this.timer);
    Object.assign(this, { model, code: null, timer: null });
    this.observer.disconnect();
    this.sliders.clear();
    this.visible.clear();
    this.do("begin", model.id);
  }

  add(slider) {
    const [, height, width] = this.model.dataShape,
      { index } = slider.dimension,
      values = slider.traversal();
    const { strip } = slider;
    Object.assign(strip, { width: values.length * width, height });
    strip.dataset.index = index;
    this.sliders.set(index, slider);
    const canvas = this.worker ? strip.transferControlToOffscreen() : strip; // which a canvas does only once
    this.do("add", { index, values, canvas }, this.worker ? [canvas] : []);
    this.observer.observe(strip);
  }

  // Newer weights of the model: the sliders' ranges may be others.
  follow(model) {
    this.model = model;
    const values = new Map([...this.sliders].map(([index, slider]) => [index, slider.traversal()]));
    this.do("follow", { model: model.id, values });
  }

  // The code in view, which may go on changing; the newest is told, a moment later: the image under the pointer is asked
  // for first, and does not wait behind strips.
  at(code) {
    this.code = code;
    this.timer ??= setTimeout(() => this.tell(), PERIOD_MS);
  }

  tell() {
    this.timer = null;
    this.do("at", this.code.slice());
  }

  look(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.visible.add(Number(target.dataset.index));
      else this.visible.delete(Number(target.dataset.index));
    }
    this.do("see", new Set(this.visible));
  }

  do(method, argument, transferred = []) {
    if (this.worker) this.worker.postMessage([method, argument], transferred);
    else this.painter[method](argument);
  }

  // The worker did not start, or broke. Its canvases went with it, so that the sliders get new ones.
  stay() {
    if (!this.worker) return;
    this.worker.terminate();
    this.worker = null;
    this.painter = new StripsPainter(this.onError);
    if (!this.model) return;
    const { code, sliders } = this;
    this.sliders = new Map();
    this.begin(this.model);
    for (const slider of sliders.values()) {
      const canvas = slider.strip.cloneNode();
      slider.strip.replaceWith(canvas);
      slider.strip = canvas;
      this.add(slider);
    }
    if (code) this.at(code);
  }

  close() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    if (this.worker)
      this.worker.terminate(); // and with it its socket
    else this.painter.close();
  }
}
