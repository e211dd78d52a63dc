// One path as a row: its film strip, how much the image changes at each step, how far the nearest encoded code is, and
// what that comes to in words. All rows share one scale for each of them.

import { fetchTold } from "../../kit/told.js";
import { Film } from "./film.js";

export const WAYS = {
  linear: { name: "Linear", title: "The straight line between the codes" },
  slerp: {
    name: "Spherical",
    title: "Along the arc between the codes, keeping their distance from 0 (slerp; Shoemake 1985)",
  },
  geodesic: {
    name: "Geodesic",
    title: "The path along which the decoded image changes least (pullback metric; Arvanitidis et al. 2018)",
  },
  data: { name: "Data-following", title: "The shortest path from encoded code to encoded code" },
};
const HEADROOM = 1.06;
// Times the usual (median) step: a step of two skips a picture that an even walk would show, which the eye sees. Of 30
// random lines between encoded data about three in four stay below it in mnist-vae-2d, more in the other bundled VAEs,
// and fewer in the plain autoencoder, whose space is torn.
export const JUMP = 2;

const TEMPLATE = `
  <header><button type="button" class="name" aria-pressed="false"><i></i><span></span></button>
    <p class="words"></p>
    <span class="work" hidden><progress max="1"></progress><span class="says" role="status"></span><button type="button" class="stop">Stop</button></span>
    <button type="button" class="again" hidden>Try again</button></header>
  <div class="strips" hidden>
    <canvas class="filmstrip" role="img"></canvas>
    <div class="plot speed"><svg preserveAspectRatio="none" aria-hidden="true"><path class="bars"/><path class="worst"/></svg><span class="of"></span><span class="flag"></span></div>
    <div class="plot near"><svg preserveAspectRatio="none" aria-hidden="true"><path class="usual"/><path class="under"/><path class="line"/></svg><span class="of"></span></div>
    <div class="notches" aria-hidden="true"></div>
    <div class="cursor"></div>
  </div>
  <p class="tip" aria-hidden="true"></p>`;

// The largest step and the largest distance of all answers: the tops of the common scales.
export function commonScale(answers, gap = null) {
  const most = (lists) =>
    lists.flat().reduce((top, value) => (Number.isFinite(value) && value > top ? value : top), 0);
  const near = most(answers.map((answer) => answer.nearest ?? []));
  return {
    step: most(answers.map((answer) => answer.steps)) || 1,
    near: Math.max(near, near && gap ? gap : 0) || 1,
  };
}

// Which of n pictures is at a share (0 to 1) of the path.
export const frameAt = (share, n) => Math.round(Math.min(Math.max(share, 0), 1) * (n - 1));

export class Row {
  // on: { choose(way), changed(), hold(p), settle(), say(sentence), ends(), codes(points) }
  constructor(way, decoder, on) {
    Object.assign(this, {
      way,
      decoder,
      on,
      answer: null,
      film: null,
      near: null,
      asked: null,
      leave: null,
      state: "new",
    });
    this.element = document.createElement("li");
    this.element.dataset.way = way;
    this.element.innerHTML = TEMPLATE;
    this.find = (selector) => this.element.querySelector(selector);
    this.find(".name span").textContent = WAYS[way].name;
    this.find(".name").title = `${WAYS[way].title}. Press to choose it for talk mode and saving`;
    this.find(".filmstrip").setAttribute("aria-label", `${WAYS[way].name} path, decoded`);
    this.find(".name").addEventListener("click", () => on.choose(way));
    this.find(".stop").addEventListener("click", () => this.stop());
    this.find(".again").addEventListener("click", () => this.ask(this.body));
    this.pointer();
    this.observer = new ResizeObserver(() => this.drawFilm());
    this.observer.observe(this.find(".filmstrip"));
  }

  // --- asking the server ---------------------------------------------------------------------------------------

  // Newest wins: what was asked for before is neither waited for nor shown.
  async ask(body) {
    this.leave?.abort();
    const leave = new AbortController();
    this.leave = leave;
    this.body = body;
    this.show("working");
    this.progress({ done: null, says: "" });
    try {
      const answer = await fetchTold("/walks/path", body, {
        signal: leave.signal,
        progress: (line) => this.leave === leave && this.progress(line),
      });
      if (this.leave === leave) this.take(answer);
    } catch (error) {
      if (this.leave === leave && !leave.signal.aborted) this.fail(error.message);
    }
  }

  // What was asked for is not wanted any more, and something else will be.
  outdate() {
    this.leave?.abort();
    this.leave = null;
    this.show("working");
    this.progress({ done: null, says: "" });
  }

  progress({ done, says }) {
    const bar = this.find("progress");
    if (Number.isFinite(done)) bar.value = done;
    else bar.removeAttribute("value");
    this.find(".says").textContent =
      says || (Number.isFinite(done) ? `${Math.floor(100 * done)} %` : "Waiting for its turn…");
  }

  stop() {
    this.leave?.abort();
    this.leave = null;
    this.fail("Stopped.");
  }

  fail(sentence) {
    this.forget();
    this.find(".words").textContent = sentence;
    this.show("failed");
    this.on.changed();
  }

  take(answer) {
    this.film?.close();
    this.near?.close();
    this.answer = answer;
    this.film = new Film(answer.codes, this.decoder, () => this.arrived());
    this.near = null;
    this.show("ready");
    this.neighbours(answer);
    this.on.changed();
  }

  // The pictures of the nearest encoded codes, once for each code.
  async neighbours(answer) {
    if (!answer.nearestPoint?.some((i) => Number.isInteger(i) && i >= 0)) return;
    const points = [...new Set(answer.nearestPoint)],
      codes = await this.on.codes(points);
    if (!codes || this.answer !== answer) return;
    const places = new Map(points.map((point, k) => [point, k]));
    this.nearPlace = answer.nearestPoint.map((point) => places.get(point));
    this.near = new Film(codes, this.decoder, () => this.drawFilm());
    this.find(".filmstrip").classList.add("two");
  }

  // Nothing is known of this path any more.
  forget() {
    this.film?.close();
    this.near?.close();
    Object.assign(this, { answer: null, film: null, near: null });
    this.find(".filmstrip").classList.remove("two");
  }

  show(state) {
    this.state = this.element.dataset.state = state;
    this.find(".work").hidden = state !== "working";
    this.find(".again").hidden = state !== "failed";
    this.find(".strips").hidden = !this.answer;
    this.find(".words").hidden = state === "working";
  }

  choose(chosen) {
    this.find(".name").setAttribute("aria-pressed", String(chosen));
    this.element.classList.toggle("chosen", chosen);
  }

  get n() {
    return this.answer?.codes.length ?? 0;
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  arrived() {
    this.drawFilm();
    this.on.arrived(this.way);
  }

  // Everything that depends on the scale that all rows share.
  paint(scale, gap) {
    const { answer } = this;
    if (!answer) return;
    Object.assign(this, { scale, gap });
    this.speed(answer, scale.step);
    this.distance(answer, scale.near, gap);
    this.find(".words").textContent = inWords(answer);
    this.notches(answer);
    this.drawFilm();
  }

  speed({ steps, worst }, most) {
    const bar = (value, i) => `M${i + 0.1} 1V${rounded(1 - value / (most * HEADROOM))}H${i + 0.9}V1Z`;
    this.find(".speed svg").setAttribute("viewBox", `0 0 ${steps.length} 1`);
    this.find(".bars").setAttribute(
      "d",
      steps.map((value, i) => (i === worst ? "" : bar(value, i))).join(""),
    );
    this.find(".worst").setAttribute("d", bar(steps[worst], worst));
    const jump = isJump(steps, worst),
      words = `${jump ? "worst jump" : "largest step"} ${number(steps[worst])}`;
    this.find(".speed").classList.toggle("even", !jump);
    this.find(".speed .of").textContent =
      `image change per step, up to ${number(most)}; red: ${JUMP} × the usual step or more`;
    const share = (worst + 0.5) / steps.length,
      flag = this.find(".flag"),
      left = share > 0.6;
    // Beside its bar, towards the middle; the caption keeps out of the way.
    flag.style.left = `${rounded((100 * (left ? worst : worst + 1)) / steps.length)}%`;
    flag.classList.toggle("left", left);
    this.find(".speed").classList.toggle("late", share < 0.34);
    flag.textContent = left ? `${words} ▸` : `◂ ${words}`;
    flag.dataset.step = worst;
  }

  distance({ nearest }, most, gap) {
    this.find(".near").hidden = !nearest;
    if (!nearest) return;
    const y = (value) => rounded(1 - value / (most * HEADROOM)),
      last = nearest.length - 1;
    const points = nearest.map((value, i) => `${i} ${y(value)}`).join("L");
    this.find(".near svg").setAttribute("viewBox", `0 0 ${last} 1`);
    this.find(".line").setAttribute("d", `M${points}`);
    this.find(".under").setAttribute("d", `M0 1L${points}L${last} 1Z`);
    this.find(".usual").setAttribute("d", gap ? `M0 ${y(gap)}H${last}` : "");
    this.find(".near .of").textContent =
      `nearest encoded code, up to ${number(most)} away${gap ? `; dashed: the usual gap, ${number(gap)}` : ""}`;
  }

  // A notch where the path passes an end.
  notches({ codes }) {
    const notches = this.on.ends().map(({ code }) => {
      const notch = document.createElement("i");
      notch.style.left = `${rounded((100 * closest(codes, code)) / (codes.length - 1))}%`;
      return notch;
    });
    this.find(".notches").replaceChildren(...notches);
  }

  drawFilm() {
    const canvas = this.find(".filmstrip"),
      ratio = window.devicePixelRatio,
      shape = this.film?.shape;
    const wide = Math.round(canvas.clientWidth * ratio),
      high = Math.round(canvas.clientHeight * ratio);
    if (!shape || !wide || !high) return;
    Object.assign(canvas, { width: wide, height: high });
    const context = canvas.getContext("2d"),
      upper = this.near ? Math.round((high * 2) / 3) : high;
    const tiles = Math.min(Math.max(2, Math.round(wide / ((upper * shape.width) / shape.height))), this.n);
    this.tiles = Array.from({ length: tiles }, (_, j) => frameAt(j / (tiles - 1), this.n));
    this.tiles.forEach((frame, j) => {
      const left = Math.round((j * wide) / tiles),
        cell = Math.round(((j + 1) * wide) / tiles) - left;
      tile(context, this.film, frame, left, 0, cell, upper);
      if (this.near)
        tile(context, this.near, this.nearPlace[frame], left, upper + ratio, cell, high - upper - ratio);
    });
  }

  // --- the pointer ---------------------------------------------------------------------------------------------

  pointer() {
    const strips = this.find(".strips");
    let held = false;
    const share = (event) => {
      const { left, width } = strips.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - left) / width, 0), 1);
    };
    strips.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      held = true;
      strips.setPointerCapture(event.pointerId);
      this.on.hold(share(event));
    });
    strips.addEventListener("pointermove", (event) => {
      this.tip(share(event));
      if (held) this.on.hold(share(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      strips.addEventListener(end, () => {
        if (held) this.on.settle();
        held = false;
      });
    }
    strips.addEventListener("pointerleave", () => this.tip(null));
  }

  tip(share) {
    const place = this.find(".tip");
    if (share === null || !this.answer) {
      place.textContent = "";
      return;
    }
    const { steps, nearest } = this.answer,
      i = Math.min(Math.floor(share * steps.length), steps.length - 1),
      frame = frameAt(share, this.n);
    const mean = steps.reduce((sum, value) => sum + value, 0) / steps.length;
    place.textContent = [
      `step ${i + 1} of ${steps.length} changes the image by ${number(steps[i])}, ${times(steps[i], mean)} the mean`,
      `t ${number(this.t(share))}`,
      nearest && `${distanceWords(nearest[frame], this.gap)}`,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  // The server's t at a share of the path.
  t(share) {
    const { t } = this.answer,
      at = share * (t.length - 1),
      below = Math.min(Math.floor(at), t.length - 2);
    return t[below] + (at - below) * (t[below + 1] - t[below]);
  }

  code(share) {
    return Float32Array.from(this.answer.codes[frameAt(share, this.n)]);
  }

  close() {
    this.leave?.abort();
    this.leave = null;
    this.observer.disconnect();
    this.forget();
    this.element.remove();
  }
}

export function inWords({ steps, worst, length, energy, seconds, t }, where = t?.[worst]) {
  const middle = usualStep(steps);
  return [
    `image-space length ${number(length)}`,
    `energy ${number(energy)}`,
    `${isJump(steps, worst) ? "worst jump" : "largest step"} ${number(steps[worst])}${middle > 0 ? `, ${times(steps[worst], middle)} the usual step,` : ""} at t ${number(where)}`,
    `made in ${seconds < 0.05 ? "a moment" : `${seconds.toFixed(1)} s`}`,
  ].join(" · ");
}

const usualStep = (steps) => steps.slice().sort((a, b) => a - b)[steps.length >> 1];

const isJump = (steps, worst) => steps[worst] > 0 && steps[worst] >= JUMP * usualStep(steps) * (1 - 1e-6); // rounding aside

export function distanceWords(distance, gap) {
  if (distance < 5e-7) return "an encoded code itself";
  return `nearest encoded code ${number(distance)} away${gap ? `, ${times(distance, gap)} the usual gap` : ""}`;
}

// A picture into a cell, in its own shape, with a hair of room between two.
function tile(context, film, i, left, top, cell, high) {
  const { shape } = film,
    scale = Math.min(Math.max(cell - 1, 1) / shape?.width, high / shape?.height);
  if (!shape) return;
  const w = Math.round(shape.width * scale),
    h = Math.round(shape.height * scale);
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  film.draw(context, i, left + ((cell - w) >> 1), top + ((high - h) >> 1), w, h);
}

function closest(codes, code) {
  let best = 0,
    least = Infinity;
  codes.forEach((other, i) => {
    const square = other.reduce((sum, value, d) => sum + (value - code[d]) ** 2, 0);
    if (square < least) [best, least] = [i, square];
  });
  return best;
}

const rounded = (value) => Number(value.toFixed(4));
const times = (value, of) => `${(value / of).toFixed(1)} ×`;

// Three figures, and a minus that is one.
export function number(value) {
  if (!Number.isFinite(value)) return "unknown";
  if (Math.abs(value) < 5e-7) return "0";
  const text =
    Math.abs(value) >= 100
      ? value.toFixed(0)
      : Math.abs(value) >= 0.01
        ? Number(value.toFixed(value >= 10 ? 1 : 3)).toString()
        : value.toPrecision(2);
  return text.replace("-", "−");
}
