// One curve over the epochs: training thin, held-out strong, on an axis with few ticks.

import { ticks } from "../../kit/scale.js";
import { number } from "../../kit/words.js";

const SETTLED = 0.2; // after this share of the snapshots a curve has left its first steep climb
const EXTRA = 1; // as much again as the settled part spans may be added on each side for the climb
const MARGIN = 0.06;

export class Curve {
  constructor(name) {
    this.name = name;
    this.element = document.createElement("div");
    this.element.className = "curve";
    this.element.innerHTML = `
      <div class="head"><span class="name"></span><span class="values"></span><span class="clipped"></span></div>
      <div class="plot"><div class="ticks"></div>
        <svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">
          <path class="train"/><path class="held-out"/></svg>
        <span class="star" hidden>★</span></div>`;
    this.find = (selector) => this.element.querySelector(selector);
    this.find(".name").textContent = name;
  }

  // points: [{ epoch, train, heldOut }, ...]; share(epoch) is its place on the axis; best: an epoch, or null.
  draw(points, share, best) {
    const range = robustRange(points);
    const y = (value) => 100 * (1 - (value - range.low) / (range.high - range.low));
    this.find(".train").setAttribute("d", path(points, "train", share, y));
    this.find(".held-out").setAttribute("d", path(points, "heldOut", share, y));
    this.find(".ticks").innerHTML = !points.length
      ? ""
      : ticks(range.low, range.high, 4)
          .map(({ value, text }) => `<div style="top:${y(value).toFixed(2)}%"><span>${text}</span></div>`)
          .join("");
    this.find(".clipped").textContent = range.clipped;
    this.star(
      points.find((point) => point.epoch === best),
      share,
      y,
    );
  }

  star(point, share, y) {
    const star = this.find(".star");
    star.hidden = !Number.isFinite(point?.heldOut);
    if (star.hidden) return;
    star.style.left = `${100 * share(point.epoch)}%`;
    star.style.top = `${Math.min(Math.max(y(point.heldOut), 0), 100)}%`;
    star.title = `best held-out ${this.name}: epoch ${point.epoch}`;
  }

  values(point) {
    this.find(".values").innerHTML = point
      ? `<b>${number(point.heldOut)}</b> <i>${number(point.train)}</i>`
      : "";
  }
}

// The vertical range: everything, unless the first epochs would squash the rest; then say which are cut off.
export function robustRange(points) {
  const values = (some) => some.flatMap(({ train, heldOut }) => [train, heldOut]).filter(Number.isFinite);
  const all = values(points);
  if (!all.length) return { low: 0, high: 1, clipped: "" };
  const settled = values(points.slice(Math.floor(points.length * SETTLED)));
  const [first, last] = extent(settled.length ? settled : all);
  const room = EXTRA * (last - first);
  const [lowest, highest] = extent(all);
  const [low, high] =
    points.length < 4 ? [lowest, highest] : [Math.max(lowest, first - room), Math.min(highest, last + room)];
  const outside = points.filter((point) => values([point]).some((value) => value < low || value > high));
  const margin = MARGIN * (high - low) || Math.max(Math.abs(high), 1) * MARGIN;
  return { low: low - margin, high: high + margin, clipped: clippedWords(outside) };
}

function clippedWords(outside) {
  if (!outside.length) return "";
  const first = outside[0].epoch,
    last = outside.at(-1).epoch;
  return first === last ? `epoch ${first} is off the scale` : `epochs ${first}–${last} are off the scale`;
}

const extent = (values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];

// A gap where a figure is not finite; a dot where a figure stands alone.
function path(points, key, share, y) {
  let drawing = false;
  return points
    .map((point) => {
      if (!Number.isFinite(point[key])) {
        drawing = false;
        return "";
      }
      const at = `${(1000 * share(point.epoch)).toFixed(1)} ${y(point[key]).toFixed(2)}`;
      const step = drawing ? `L${at}` : `M${at}L${at}`;
      drawing = true;
      return step;
    })
    .join("");
}
