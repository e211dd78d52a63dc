// The grid behind the points and the numbers along it. Lengths are CSS pixels whatever the screen's density.

import { ticks } from "../../kit/scale.js";

const APART = { x: 90, y: 60 }; // px between lines, at least about so many
const EDGE = 4; // px between a number and the edge of the map

// The lines of a view as { x: [{ at, value, text }, …], y: […] }; `at` in px from the left or the top.
export function gridLines(view) {
  const { left, right, bottom, top } = view.bounds;
  const along = (low, high, length, apart, place) =>
    ticks(low, high, Math.max(2, Math.floor(length / apart))).map((tick) => ({
      ...tick,
      at: place(tick.value),
    }));
  return {
    x: along(left, right, view.width, APART.x, (value) => view.toScreen(value, 0)[0]),
    y: along(bottom, top, view.height, APART.y, (value) => view.toScreen(0, value)[1]),
  };
}

// Fill a whole canvas with the lines; clears it first. colours: { grid, zero }.
export function drawGrid(context, view, colours) {
  const ratio = scaleTo(context, view),
    { x, y } = gridLines(view);
  const thick = Math.max(1, Math.floor(ratio)); // device pixels; a line that shares them with its neighbours would be grey
  const crisp = (at) => (Math.round(at * ratio) + (thick % 2) / 2) / ratio;
  context.clearRect(0, 0, view.width, view.height);
  context.lineWidth = thick / ratio;
  for (const zero of [false, true]) {
    context.strokeStyle = zero ? colours.zero : colours.grid;
    context.beginPath();
    for (const { at } of x.filter(({ text }) => (text === "0") === zero))
      line(context, crisp(at), 0, crisp(at), view.height);
    for (const { at } of y.filter(({ text }) => (text === "0") === zero))
      line(context, 0, crisp(at), view.width, crisp(at));
    context.stroke();
  }
}

// Write the numbers along the bottom and left edges. colours: { label, halo }; the halo keeps them readable on points.
export function drawLabels(context, view, colours, font = "11px sans-serif") {
  scaleTo(context, view);
  const { x, y } = gridLines(view),
    bottom = view.height - EDGE;
  Object.assign(context, {
    font,
    fillStyle: colours.label,
    strokeStyle: colours.halo,
    lineWidth: 3,
    lineJoin: "round",
  });
  for (const { at, text } of x) {
    const half = context.measureText(text).width / 2;
    if (at - half >= EDGE && at + half <= view.width - EDGE)
      write(context, text, at, bottom, "center", "alphabetic");
  }
  for (const { at, text } of y)
    if (at > 12 && at < view.height - 24) write(context, text, EDGE, at, "left", "middle");
}

// Let one unit of the canvas be a CSS pixel; returns how many device pixels that is.
export function scaleTo(context, view) {
  const ratio = context.canvas.width / view.width;
  context.setTransform(ratio, 0, 0, context.canvas.height / view.height, 0, 0);
  return ratio;
}

function line(context, x0, y0, x1, y1) {
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
}

function write(context, text, x, y, align, baseline) {
  context.textAlign = align;
  context.textBaseline = baseline;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
