// The same walk in all models: one slider, t spreads along the k-th most informative dimension of each.

export const REACH = 3; // spreads to each side
const PERIOD_MS = 6000; // there and back again
const ORDINALS = ["most", "2nd most", "3rd most"];

export const STROLL = `
  <section class="stroll" aria-label="Walk">
    <label>Walk along the <select class="rank"></select> informative dimension of each model</label>
    <div class="way"><button type="button" class="play" aria-pressed="false" aria-label="Walk to and fro" title="Walk to and fro">▶</button>
      <input type="range" class="t" min="${-REACH}" max="${REACH}" step="0.01" aria-label="Spreads along the dimension">
      <output></output></div>
    <p class="hint">σ: how widely each model’s own codes spread along it</p>
  </section>`;

export class Stroll {
  // page: { columns, walk(rank, t), address() }
  constructor(root, page) {
    Object.assign(this, { page, rank: 0, t: 0, playing: 0 });
    this.find = (selector) => root.querySelector(`.stroll ${selector}`);
    this.find(".rank").addEventListener("change", () => this.choose(Number(this.find(".rank").value)));
    this.find(".t").addEventListener("input", () => {
      this.stop();
      this.go(Number(this.find(".t").value));
    });
    this.find(".t").addEventListener("change", () => page.address());
    this.find(".play").addEventListener("click", () => (this.playing ? this.stop() : this.play()));
  }

  begin({ k, t }) {
    const most = Math.max(...this.page.columns.map(({ model }) => model.latentDim));
    this.find(".rank").replaceChildren(
      ...Array.from({ length: most }, (_, rank) => new Option(ORDINALS[rank] ?? `${rank + 1}th most`, rank)),
    );
    this.rank = clamp(Number.parseInt(k ?? "1", 10) - 1 || 0, 0, most - 1);
    this.find(".rank").value = this.rank;
    this.go(clamp(Number.parseFloat(t ?? "0") || 0, -REACH, REACH));
  }

  choose(rank) {
    this.rank = rank;
    this.find(".rank").value = rank;
    this.go(this.t);
    this.page.address();
  }

  go(t) {
    this.t = t;
    this.find(".t").value = t;
    this.find("output").textContent = spreads(t);
    this.page.walk(this.rank, t);
  }

  // From where it stands to one end, the other, and so on.
  play() {
    const start = performance.now() - (Math.asin(this.t / REACH) / (2 * Math.PI)) * PERIOD_MS;
    const step = (now) => {
      this.go(REACH * Math.sin((2 * Math.PI * (now - start)) / PERIOD_MS));
      this.playing = requestAnimationFrame(step);
    };
    this.playing = requestAnimationFrame(step);
    this.pressed();
  }

  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.pressed();
    this.page.address();
  }

  pressed() {
    this.find(".play").setAttribute("aria-pressed", String(Boolean(this.playing)));
    this.find(".play").textContent = this.playing ? "❚❚" : "▶";
  }

  state() {
    return { k: this.rank ? String(this.rank + 1) : "", t: this.t ? this.t.toFixed(2) : "" };
  }
}

export const spreads = (t) => `${t < -0.005 ? "−" : t > 0.005 ? "+" : ""}${Math.abs(t).toFixed(2)} σ`;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
