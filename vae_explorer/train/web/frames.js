// The pictures of a run's film, fetched ahead and kept, so that moving between epochs waits for nothing.

import { runUrl } from "./poll.js";
import { parse } from "./safetensors.js";

const AT_ONCE = 4; // a browser opens six connections to a server; the rest stay free for what is asked meanwhile
const RETRY_MS = 2000;

export class Frames {
  // on.frame(epoch) is told of each picture that arrived, on.items() of what they all share.
  constructor(id, on) {
    Object.assign(this, {
      id,
      on,
      items: null,
      kept: new Map(),
      wanted: new Set(),
      under: new Set(),
      failed: new Set(),
    });
    this.closing = new AbortController();
    this.bounds = null; // [left, bottom, right, top] of all points so far
    this.near = 0;
  }

  get(epoch) {
    return this.kept.get(epoch);
  }

  // Tell which epochs have a picture; those near the epoch that is shown come first.
  want(epochs, near) {
    this.wanted = new Set(epochs);
    this.near = near ?? this.near;
    this.fill();
  }

  fill() {
    if (!this.wanted.size || this.closing.signal.aborted) return;
    if (!this.items && !this.under.has("items") && !this.failed.has("items")) this.load("items");
    const missing = [...this.wanted].filter(
      (epoch) => !this.kept.has(epoch) && !this.under.has(epoch) && !this.failed.has(epoch),
    );
    missing.sort((a, b) => Math.abs(a - this.near) - Math.abs(b - this.near));
    for (const epoch of missing) {
      if (this.under.size >= AT_ONCE) return;
      this.load(epoch);
    }
  }

  async load(what) {
    this.under.add(what);
    try {
      const response = await fetch(runUrl(this.id, `/film/${what}`), { signal: this.closing.signal });
      if (!response.ok) throw new TypeError(`The server answers ${response.status}.`);
      this.keep(what, parse(await response.arrayBuffer()));
    } catch (error) {
      if (this.closing.signal.aborted) return;
      if (!(error instanceof TypeError)) throw error;
      this.failed.add(what);
      setTimeout(() => this.failed.delete(what) && this.fill(), RETRY_MS);
    } finally {
      this.under.delete(what);
    }
    this.fill();
  }

  keep(what, tensors) {
    if (what === "items") {
      this.items = tensors;
      this.on.items();
      return;
    }
    this.kept.set(what, tensors);
    this.widen(tensors.points.values);
    this.on.frame(what);
  }

  widen(points) {
    this.bounds ??= [Infinity, Infinity, -Infinity, -Infinity];
    const bounds = this.bounds;
    for (let i = 0; i < points.length; i += 2) {
      if (points[i] < bounds[0]) bounds[0] = points[i];
      if (points[i] > bounds[2]) bounds[2] = points[i];
      if (points[i + 1] < bounds[1]) bounds[1] = points[i + 1];
      if (points[i + 1] > bounds[3]) bounds[3] = points[i + 1];
    }
  }

  close() {
    this.closing.abort();
  }
}
