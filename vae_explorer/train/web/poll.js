// Asks how a run is doing: once a second while it is busy, never twice at a time, and not at all once it is over.

const EVERY_MS = 1000;
const RETRY_MS = [1000, 2000, 5000];
const PATIENCE_MS = 10_000;

export const runUrl = (id, rest = "") =>
  new URL(`/runs/${encodeURIComponent(id)}${rest}`, location.origin).href;

// A refusal that asking again will not change.
class Refused extends Error {}

export class Poll {
  // on.facts(facts) gets each answer, on.away() is told when there is none, on.refused(sentence) when there is no such run;
  // on.after() says after which epoch figures are wanted.
  constructor(id, on) {
    Object.assign(this, { id, on, failures: 0, closing: new AbortController() });
    const { signal } = this.closing;
    document.addEventListener("visibilitychange", () => document.hidden || this.ask(), { signal });
    window.addEventListener("online", () => this.ask(), { signal });
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.asking) {
      this.again = true; // what is being answered may be from before whatever made somebody ask
      return;
    }
    this.asking = true;
    this.again = false;
    const pause = await this.once().finally(() => (this.asking = false));
    if (this.closing.signal.aborted) return;
    if (this.again) this.ask();
    else if (pause) this.timer = setTimeout(() => this.ask(), pause);
  }

  // Returns how long to wait before the next question; 0: ask no more.
  async once() {
    let facts;
    try {
      facts = await this.fetch();
    } catch (error) {
      return this.missed(error);
    }
    this.failures = 0;
    this.on.facts(facts);
    return facts.busy ? EVERY_MS : 0;
  }

  missed(error) {
    if (this.closing.signal.aborted) return 0;
    if (error instanceof Refused) {
      this.on.refused(error.message);
      return 0;
    }
    this.on.away();
    return RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
  }

  async fetch() {
    const after = this.on.after();
    const url = runUrl(this.id, after === null ? "" : `?after=${after}`);
    const response = await fetch(url, {
      signal: AbortSignal.any([this.closing.signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
    if (response.status >= 400 && response.status < 500) throw new Refused(await response.text());
    if (!response.ok) throw new Error(`The server answers ${response.status}.`);
    return response.json();
  }

  close() {
    clearTimeout(this.timer);
    this.closing.abort();
  }
}
