// From measured values to colours: scales that stay the same while the view moves, and the legends that explain them.
//
// Palettes hold 256 pixels (0xAABBGGRR); entry 0 is for what has no value, 1 to 255 go from one end to the other.

import { quantiles } from "../../kit/bounds.js";
import { css, pixel, sequential } from "../../kit/palette.js";
import { ticks } from "../../kit/scale.js";

// Ten points along vik (Crameri, Shephard & Heron 2020, doi:10.1038/s41467-020-19160-7), which colour-blind people can
// read too; here from brown, where data are missing, to blue.
const VIK = [
  "#590008",
  "#8b2706",
  "#be6533",
  "#d39774",
  "#eacebd",
  "#c9dde7",
  "#71a8c4",
  "#1e6f9d",
  "#033e7d",
  "#001261",
];

const LEAST_SPAN = 4; // of a logarithmic scale: what varies less than that looks flat, as it is
const DEEPEST = 1e4; // the most that a logarithmic scale spans; a fold's zero is off any
const HALF_OCTAVES = 3; // of data ratios to each side of 1
const MARKS = 5; // at most, along a legend
const FRACTIONS = { "-3": "⅛", "-2": "¼", "-1": "½" };

export const VIRIDIS = sequential("viridis"),
  CIVIDIS = sequential("cividis"),
  DIVERGING = diverging();

function diverging() {
  const rgb = VIK.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  const mixed = (share) => {
    const place = share * (rgb.length - 1),
      below = Math.min(Math.floor(place), rgb.length - 2);
    return rgb[below].map((value, i) => Math.round(value + (place - below) * (rgb[below + 1][i] - value)));
  };
  const hex = (share) =>
    `#${mixed(share)
      .map((value) => value.toString(16).padStart(2, "0"))
      .join("")}`;
  return Uint32Array.from({ length: 256 }, (_, i) => pixel(i ? hex((i - 1) / 254) : "#8a8a8a"));
}

// A scale is { palette, share(value) -> 0..1 or NaN, marks: [{ share, text, strong }] }.

// Logarithmic, from the 1st to the 99th percentile of a sample; null where nothing in it is above zero.
export function logarithmic(sample, palette = VIRIDIS) {
  const above = Float32Array.from(sample).filter((value) => value > 0 && value < Infinity);
  if (!above.length) return null;
  let [low, high] = quantiles(above, [0.01, 0.99]);
  low = Math.max(low, high / DEEPEST);
  const wider = Math.sqrt(Math.max(LEAST_SPAN / (high / low), 1));
  [low, high] = [low / wider, high * wider];
  const share = (value) => clamp(Math.log(value / low) / Math.log(high / low));
  return {
    palette,
    share,
    marks: steps(low, high).map((value) => ({ share: share(value), text: words(value) })),
  };
}

// Data ratios, on a logarithmic scale to both sides of 1.
export function ratios(palette = DIVERGING) {
  const share = (value) => clamp((Math.log2(value) / HALF_OCTAVES + 1) / 2);
  const octaves = [-3, -2, -1, 0, 1, 2, 3];
  return {
    palette,
    share,
    marks: octaves.map((k) => ({
      share: share(2 ** k),
      text: FRACTIONS[k] ?? String(2 ** k),
      strong: k === -1,
    })),
  };
}

// From the 1st to the 99th percentile of a sample, and at least over `within`; `strong` is marked.
export function linear(sample, { within = [0, 0], strong = null, palette = VIRIDIS } = {}) {
  const [first, last] = quantiles(sample, [0.01, 0.99]),
    low = Math.min(within[0], first),
    high = Math.max(within[1], last);
  if (!(high > low)) return null;
  const share = (value) => clamp((value - low) / (high - low));
  const marked = ticks(low, high, 4).map(({ value, text }) => ({
    share: share(value),
    text,
    strong: value === strong,
  }));
  if (strong !== null && !marked.some((mark) => mark.strong))
    marked.push({ share: share(strong), text: words(strong), strong: true });
  return { palette, share, marks: apart(marked) };
}

// Without the marks that stand too close to a strong one.
const apart = (marks) =>
  marks.filter(
    (mark) =>
      mark.strong || marks.every((other) => !other.strong || Math.abs(other.share - mark.share) > 0.12),
  );

// The pixel of a value; of what is not a number, none at all.
export function ink({ palette, share }, value) {
  const at = share(value);
  return Number.isNaN(at) ? 0 : palette[1 + Math.round(at * 254)];
}

export function gradient({ palette }) {
  return `linear-gradient(90deg, ${Array.from({ length: 17 }, (_, i) => css(palette[1 + Math.round((i * 254) / 16)])).join(", ")})`;
}

// A number in as many digits as a caption needs.
export function words(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size && (size >= 1e5 || size < 1e-3))
    return value.toExponential(1).replace("e+", "e").replaceAll("-", "−");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || !size ? 2 : 3;
  return String(Number(value.toFixed(digits))).replace("-", "−");
}

// Round numbers of a logarithmic scale, few enough to be read beside each other.
function steps(low, high) {
  const decades = (digits) => {
    const found = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++)
      for (const digit of digits) found.push(Number(`${digit}e${k}`));
    return found.filter((value) => value >= low && value <= high);
  };
  const choices = [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1]].map(decades);
  const chosen = choices.find((values) => values.length <= MARKS) ?? choices.at(-1),
    every = Math.ceil(chosen.length / MARKS);
  return chosen.filter((_, i) => i % every === 0);
}

const clamp = (share) => Math.min(Math.max(share, 0), 1);
