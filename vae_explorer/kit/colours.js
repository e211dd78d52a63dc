// Colours that colour-blind people tell apart too, and markers for classes beyond the colours.

// Petroff (2021, arXiv:2107.02270). vae_core/training/film_export.py draws with the same colours and markers.
export const CLASSES = [
  "#3f90da",
  "#ffa90e",
  "#bd1f01",
  "#94a4a2",
  "#832db6",
  "#a96b59",
  "#e76300",
  "#b9ac70",
  "#717581",
  "#92dadd",
];
const MARKERS = [circle, triangle, square, diamond, cross];

export const classColour = (label) => CLASSES[Math.max(label, 0) % CLASSES.length];

// Draw the marker of a class around (x, y); r is the radius of the circle.
export function mark(context, label, x, y, r) {
  context.fillStyle = context.strokeStyle = classColour(label);
  context.lineWidth = r / 1.5;
  context.beginPath();
  MARKERS[Math.floor(Math.max(label, 0) / CLASSES.length) % MARKERS.length](context, x, y, r);
}

function circle(context, x, y, r) {
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.fill();
}

function triangle(context, x, y, r) {
  polygon(context, [
    [x, y - 1.2 * r],
    [x + 1.2 * r, y + r],
    [x - 1.2 * r, y + r],
  ]);
}

function square(context, x, y, r) {
  context.rect(x - r, y - r, 2 * r, 2 * r);
  context.fill();
}

function diamond(context, x, y, r) {
  polygon(context, [
    [x, y - 1.4 * r],
    [x + 1.4 * r, y],
    [x, y + 1.4 * r],
    [x - 1.4 * r, y],
  ]);
}

function cross(context, x, y, r) {
  context.moveTo(x - r, y - r);
  context.lineTo(x + r, y + r);
  context.moveTo(x - r, y + r);
  context.lineTo(x + r, y - r);
  context.stroke();
}

function polygon(context, corners) {
  for (const [x, y] of corners) context.lineTo(x, y);
  context.fill();
}

// Nine points along viridis (van der Walt & Smith 2015), from the least to the most.
const VIRIDIS = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

// The colour of a share from 0 to 1, as 0xAABBGGRR, the way canvases keep pixels.
export function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mix = (i) =>
    Math.round(VIRIDIS[below][i] + (place - below) * (VIRIDIS[below + 1][i] - VIRIDIS[below][i]));
  return (0xff000000 | (mix(2) << 16) | (mix(1) << 8) | mix(0)) >>> 0;
}

export const HEAT_GRADIENT = `linear-gradient(90deg, ${VIRIDIS.map((rgb) => `rgb(${rgb})`).join(", ")})`;
