// What is drawn over the tiles: the veil and the outlines of each, the hovered one's frame, and z along two edges.

import { ticks } from "../scale.js";

const APART = 44; // px between two numbers, at least
const ENOUGH = 110; // px to a number; finer ones are not looked for then
const EDGE = 4,
  TICK = 6; // px
const VEIL = 0.8; // how much of a tile the strongest shade hides
const STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]; // of z, where ticks cannot be evenly spaced

// The numbers along one axis as [{ value, text, at }], `at` in px; place(x) says where a coordinate is.
export function axisTicks(spacing, low, high, length, place) {
  if (spacing.name === "linear")
    return ticks(low, high, Math.max(2, Math.floor(length / (2 * APART)))).map((tick) => ({
      ...tick,
      at: place(tick.value),
    }));
  const tiny = 1e-4,
    [from, to] = [Math.max(low, tiny), Math.min(high, 1 - tiny)].map((p) => spacing.value(p)),
    found = [];
  for (const step of STEPS) {
    if (found.length * ENOUGH > length) break;
    for (const tick of ticks(from, to, Math.ceil((to - from) / step) + 2)) {
      const at = place(spacing.at(tick.value)),
        whole = Math.abs(tick.value / step - Math.round(tick.value / step)) < 1e-6;
      if (whole && found.every((other) => Math.abs(other.at - at) >= APART)) found.push({ ...tick, at });
    }
  }
  return found.sort((a, b) => a.value - b.value);
}

// One unit of the context is a pixel of the view. colours: { text, halo }.
export function drawAxes(context, view, spacing, colours, font) {
  const { left, right, bottom, top } = view.bounds,
    foot = view.height - EDGE;
  Object.assign(context, {
    font,
    fillStyle: colours.text,
    strokeStyle: colours.halo,
    lineWidth: 3,
    lineJoin: "round",
  });
  for (const { at, text } of axisTicks(spacing, left, right, view.width, (x) => view.toScreen(x, 0)[0])) {
    const half = context.measureText(text).width / 2;
    if (at - half < 34 || at + half > view.width - EDGE) continue; // the corner belongs to the other axis
    mark(context, at - 1, view.height - TICK, 2, TICK);
    write(context, text, at, foot - TICK, "center", "alphabetic");
  }
  for (const { at, text } of axisTicks(spacing, bottom, top, view.height, (y) => view.toScreen(0, y)[1])) {
    if (at < 10 || at > view.height - 12) continue;
    mark(context, 0, at - 1, TICK, 2);
    write(context, text, EDGE + TICK, at, "left", "middle");
  }
}

// tiles: [{ x, y, side, shade, outline }] in px.
export function drawMarks(context, tiles, colours) {
  context.fillStyle = colours.halo;
  for (const { x, y, side, shade } of tiles) {
    if (!(shade > 0)) continue;
    context.globalAlpha = VEIL * Math.min(shade, 1);
    context.fillRect(x, y, side, side);
  }
  context.globalAlpha = 1;
  context.lineWidth = 2;
  for (const { x, y, side, outline } of tiles) {
    if (!outline) continue;
    context.strokeStyle = outline;
    context.strokeRect(x + 1.5, y + 1.5, side - 3, side - 3);
  }
}

export function drawHovered(context, { x, y, side }, colours) {
  for (const [ink, wide] of [
    [colours.halo, 5],
    [colours.accent, 2.5],
  ]) {
    Object.assign(context, { strokeStyle: ink, lineWidth: wide });
    context.strokeRect(x, y, side, side);
  }
}

function mark(context, x, y, width, height) {
  context.strokeRect(x, y, width, height);
  context.fillRect(x, y, width, height);
}

function write(context, text, x, y, align, baseline) {
  context.textAlign = align;
  context.textBaseline = baseline;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
