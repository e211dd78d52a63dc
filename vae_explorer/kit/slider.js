// One latent dimension: a slider whose track shows where the encoded data lie, over a strip of what the
// decoder makes of that dimension. Track and strip share one horizontal scale, so the pointer always stands
// above the picture it leads to. Dragging works on both.

import { dimensionName } from "./words.js";

const TILES = 9;

// Browsers hold pointermove back until the next frame, up to 16 ms. Where they tell of the pointer at once, listen
// to that: the answer is then there before the frame is drawn.
export const MOVE = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";

const BIG_STEP = 10;

export class Slider {
  // on.drag(index, value) while a pointer moves it, on.input(index, value) for a single step,
  // on.commit() when a move is over, on.commitSoon() after a step of a series, on.complain(sentence)
  constructor(dimension, on) {
    Object.assign(this, { dimension, on, locked: false, value: 0 });
    this.step = roundStep((dimension.high - dimension.low) / 120); // 0.05 for the range +-3
    this.element = document.createElement("div");
    this.element.className = `dim${dimension.active ? "" : " dead"}`;
    this.element.innerHTML = `
      <div class="head">
        <span class="name"></span><span class="kl"></span>
        <input class="value" inputmode="decimal" spellcheck="false" autocomplete="off">
        <button class="lock" type="button" aria-pressed="false"><svg viewBox="0 0 16 16" aria-hidden="true">
          <path class="shackle" d="M5 7V5a3 3 0 0 1 6 0v2"/><rect x="3.5" y="7" width="9" height="6.5" rx="1.2"/>
        </svg></button>
      </div>
      <div class="track" role="slider" tabindex="0">
        <svg class="histogram" viewBox="0 0 64 1" preserveAspectRatio="none" aria-hidden="true"><path/></svg>
        <div class="zero"></div><div class="band" hidden></div>
        <canvas class="strip" width="9" height="1"></canvas>
        <div class="rail"><div class="needle"><div class="thumb"></div></div></div>
      </div>`;
    const find = (selector) => this.element.querySelector(selector);
    this.find = find;
    this.track = find(".track");
    this.strip = find(".strip");
    this.needle = find(".needle");
    this.band = find(".band");
    this.input = find(".value");
    this.lockButton = find(".lock");
    this.describe(find);
    this.listen();
  }

  redescribe(dimension) {
    this.dimension = dimension;
    this.element.classList.toggle("dead", !dimension.active);
    this.describe(this.find);
  }

  describe(find) {
    const { index, kl, variance, active, low, high, histogram } = this.dimension;
    const name = dimensionName(index);
    find(".name").textContent = name;
    const measure =
      kl === null
        ? histogram.some(Boolean)
          ? `variance ${variance.toPrecision(3)}`
          : ""
        : `KL ${kl.toFixed(2)} nats`;
    find(".kl").textContent = active ? measure : `${measure} · dead`;
    find(".kl").title = active
      ? "How much this dimension tells about the data: its mean KL divergence from the prior"
      : "Dead: its posterior mean hardly varies over the data, so the decoder has learned to ignore it";
    find("path:not(.shackle)").setAttribute("d", area(histogram));
    find(".zero").style.left = `${this.percent(0)}%`;
    this.input.setAttribute("aria-label", `${name}, exact value`);
    this.lockButton.setAttribute("aria-label", `Lock ${name}`);
    this.lockButton.title = "Lock: random draws leave this dimension alone";
    const aria = {
      label: [name, find(".kl").textContent].filter(Boolean).join(", "),
      valuemin: low,
      valuemax: high,
    };
    for (const [key, text] of Object.entries(aria)) this.track.setAttribute(`aria-${key}`, text);
  }

  listen() {
    const track = this.track;
    track.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      track.setPointerCapture(event.pointerId);
      track.focus({ preventScroll: true, focusVisible: false });
      this.dragging = track.getBoundingClientRect(); // measured once: asking for it at each move costs a layout
      this.hold(true);
      this.drag(event);
    });
    track.addEventListener(MOVE, (event) => this.dragging && this.drag(event));
    const end = () => {
      if (!this.dragging) return;
      this.dragging = null;
      this.hold(false);
      this.on.commit();
    };
    track.addEventListener("pointerup", end);
    track.addEventListener("pointercancel", end);
    track.addEventListener("dblclick", () => this.move(0, true));
    track.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("change", () => this.type());
    this.input.addEventListener("focus", () => this.input.select());
    this.lockButton.addEventListener("click", () => {
      this.locked = !this.locked;
      this.lockButton.setAttribute("aria-pressed", this.locked);
    });
  }

  drag(event) {
    const { left, width } = this.dragging;
    const { index, low, high } = this.dimension;
    const share = Math.min(Math.max((event.clientX - left) / width, 0), 1);
    this.on.drag(index, low + share * (high - low));
  }

  key(event) {
    const { low, high } = this.dimension;
    const step = this.step * (event.shiftKey ? BIG_STEP : 1);
    const moves = {
      ArrowLeft: this.value - step,
      ArrowDown: this.value - step,
      ArrowRight: this.value + step,
      ArrowUp: this.value + step,
      PageDown: this.value - 10 * this.step,
      PageUp: this.value + 10 * this.step,
      Home: low,
      End: high,
      Delete: 0,
    };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const clear = Math.round(moves[event.key] * 1e6) / 1e6; // 0.05 + 0.1 is 0.15 to a reader
    this.move(Math.min(Math.max(clear, low), high), false);
    this.on.commitSoon();
  }

  type() {
    const value = Number(this.input.value.trim().replace("−", "-").replace(",", "."));
    if (this.input.value.trim() === "" || !Number.isFinite(Math.fround(value))) {
      this.on.complain(
        `${dimensionName(this.dimension.index)} = "${this.input.value}" is not a number; type one like -1.25.`,
      );
      this.show(this.value);
      return;
    }
    this.move(value, true);
  }

  move(value, commit) {
    this.on.input(this.dimension.index, value);
    if (commit) this.on.commit();
  }

  percent(value) {
    const { low, high } = this.dimension;
    return Math.min(Math.max((value - low) / (high - low), 0), 1) * 100;
  }

  show(value) {
    this.point(value);
    this.tell();
  }

  // Whether its needle is about to move with a hand.
  hold(on) {
    this.element.classList.toggle("held", on);
  }

  // Only the needle, which moves without a layout.
  point(value) {
    this.value = value;
    this.needle.style.transform = `translateX(${this.percent(value)}%)`;
  }

  // The value in words, where it differs from what stands there.
  tell() {
    const { value, dimension } = this,
      text = (Math.abs(value) < 0.005 ? 0 : value).toFixed(2); // never −0.00
    const typed = text.replace("-", "−"),
      outside = value < dimension.low || value > dimension.high;
    if (this.input.value !== typed) this.input.value = typed;
    if (this.track.getAttribute("aria-valuenow") !== text) this.track.setAttribute("aria-valuenow", text);
    if (this.element.classList.contains("outside") !== outside)
      this.element.classList.toggle("outside", outside);
  }

  // Draw the posterior of an encoded image, mean +- one standard deviation, or nothing.
  showPosterior(mean, std) {
    this.band.hidden = mean === null;
    if (mean === null) return;
    const left = this.percent(mean - std),
      right = this.percent(mean + std);
    this.band.style.left = `${left}%`;
    this.band.style.width = `${Math.max(right - left, 0.3)}%`;
    this.band.title = std ? `posterior ${mean.toFixed(2)} ± ${std.toFixed(2)}` : `code ${mean.toFixed(2)}`;
  }

  // The values along which the strip varies this dimension: the middles of TILES equal parts of the track.
  traversal() {
    const { low, high } = this.dimension;
    return Array.from({ length: TILES }, (_, k) => low + ((k + 0.5) / TILES) * (high - low));
  }
}

// The largest of 1, 2 or 5 times a power of ten that is at most `size`.
function roundStep(size) {
  const power = 10 ** Math.floor(Math.log10(size * 1.001));
  return power * [5, 2, 1].find((digit) => digit * power <= size * 1.001);
}

function area(histogram) {
  const most = Math.max(...histogram);
  if (!most) return "";
  // The square root keeps thin tails visible beside a tall peak.
  const points = histogram.flatMap((count, i) => {
    const y = (1 - Math.sqrt(count / most)).toFixed(3);
    return [`${i} ${y}`, `${i + 1} ${y}`];
  });
  return `M0 1L${points.join("L")}L64 1Z`;
}
