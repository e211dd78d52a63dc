// From values to colours. A palette is a Uint32Array of pixels (0xAABBGGRR) whose entry 0 is for points that have no
// value: label -1 is index 0, class c is index c + 1; of a ramp's 256 entries 1 to 255 go from the least to the most.

import { quantiles } from "./bounds.js";
import { CLASSES, heat } from "./colours.js";

export const NONE = "#c6c9ce"; // lighter than the two greys among the classes, and seen in both themes
export const MIDDLE = 128; // the index of every value of a column that does not vary

// Ten points along cividis (Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239), from the least to the
// most; its lightness rises evenly and it looks much the same with and without colour blindness.
const CIVIDIS = [
  "#00224e",
  "#123570",
  "#3b496c",
  "#575d6d",
  "#707173",
  "#8a8678",
  "#a59c74",
  "#c3b369",
  "#e1cc55",
  "#fee838",
];

const SHADES = [0, -0.4, 0.45]; // of one colour: as it is, towards black, towards white
const RAMPS = { viridis: heat, cividis };

// --- classes -------------------------------------------------------------------------------------------------

// Colours for classes 0 to count - 1 after the grey. Petroff's ten first, the same ones a class has everywhere in the
// explorer; the next ten are darker and then lighter shades of them; after thirty they start again.
export function categorical(count) {
  return Uint32Array.from([NONE, ...Array.from({ length: count }, (_, c) => classColour(c))], (colour) =>
    pixel(colour),
  );
}

export function classColour(label) {
  const shade = SHADES[Math.floor(label / CLASSES.length) % SHADES.length],
    to = shade < 0 ? 0 : 255;
  const mixed = channels(CLASSES[label % CLASSES.length]).map((value) =>
    Math.round(value + Math.abs(shade) * (to - value)),
  );
  return hex(mixed);
}

// Labels (integers; negative: none) as indices into such a palette. From class 255 on they start again at 1.
export function classIndices(labels) {
  const indices = new Uint8Array(labels.length);
  for (let i = 0; i < indices.length; i++) indices[i] = labels[i] < 0 ? 0 : 1 + (labels[i] % 255);
  return indices;
}

// --- numbers -------------------------------------------------------------------------------------------------

// 256 entries of "viridis" or "cividis"; entry 0 is the grey.
export function sequential(name = "cividis") {
  return Uint32Array.from({ length: 256 }, (_, i) => (i === 0 ? pixel(NONE) : RAMPS[name]((i - 1) / 254)));
}

// Numbers as { colours: Uint8Array of indices into a ramp, low, high, missing }. The ramp spans the 1st to the 99th
// percentile unless told otherwise; values beyond take its ends; what is not a number is index 0 and counted.
export function scaled(values, { low, high } = {}) {
  const [first, last] = quantiles(values, [0.01, 0.99]);
  low ??= first;
  high ??= last;
  const colours = new Uint8Array(values.length),
    perUnit = high > low ? 254 / (high - low) : 0;
  let missing = 0;
  for (let i = 0; i < colours.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) missing++;
    else if (perUnit === 0) colours[i] = value < low ? 1 : value > high ? 255 : MIDDLE;
    else colours[i] = 1.5 + Math.min(Math.max((value - low) * perUnit, 0), 254);
  }
  return { colours, low, high, missing };
}

// A ramp for a legend, as CSS.
export function gradient(name = "cividis") {
  const palette = sequential(name);
  return `linear-gradient(90deg, ${Array.from({ length: 9 }, (_, i) => css(palette[1 + Math.round((i * 254) / 8)])).join(", ")})`;
}

function cividis(share) {
  const place = share * (CIVIDIS.length - 1),
    below = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const [from, to] = [channels(CIVIDIS[below]), channels(CIVIDIS[below + 1])];
  return pixel(hex(from.map((value, i) => Math.round(value + (place - below) * (to[i] - value)))));
}

// --- notations -----------------------------------------------------------------------------------------------

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const hex = (rgb) => `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

// "#rrggbb" as a pixel; alpha from 0 to 255.
export function pixel(colour, alpha = 255) {
  const [r, g, b] = channels(colour);
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

// A pixel as "#rrggbb".
export const css = (ink) => hex([ink & 255, (ink >>> 8) & 255, (ink >>> 16) & 255]);
