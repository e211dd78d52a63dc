// Points into pixels, by plain loops over typed arrays: no GPU, and a million points fit into a frame.
//
// A pixel is one Uint32, 0xAABBGGRR: canvases keep R, G, B, A in that order in memory, and every machine that runs
// a browser today is little-endian. Alpha is straight, not premultiplied, as ImageData has it. The loops see pixels
// as Int32: the same bits, but integers to a JavaScript engine, where those of a Uint32 beyond 2^31 become doubles.

export const LARGEST = 9; // px

const FINE = 8; // samples per pixel and axis of a stamp's coverage

// What `draw` draws into; `image.data` is an ImageData for putImageData.
export function makeImage(width, height) {
  const data = new ImageData(Math.max(width, 1), Math.max(height, 1));
  return { data, pixels: new Uint32Array(data.data.buffer), width: data.width, height: data.height };
}

// Clear the image and draw points as a view shows them; returns how many of them lie inside the view.
//   image   { pixels: Uint32Array, width, height }, in device pixels; the view may count in CSS pixels
//   points  xy: Float32Array (2n); NaN is skipped
//           colours: Uint8Array (n) index into the palette, or null for 0
//           classes: integers (n) that `visible` is about, or null: the colours
//           weight: Uint8Array (n) opacity of each point, 0 (not drawn, not counted) to 255, or null
//           order: Uint32Array, which points to draw, the last one on top, or null for all as they come
//   style   palette: Uint32Array of pixels; visible: array over the classes, 0 hides one, or null;
//           size: 1 to 9 px; clear: false draws over what is there
export function draw(image, points, view, { palette, visible = null, size = 1, clear = true }) {
  if (clear) image.pixels.fill(0);
  const canvas = { pixels: signed(image.pixels), width: image.width, height: image.height };
  const { xy, classes = null, weight = null, order = null } = points;
  const colours = points.colours ?? new Uint8Array(xy.length >> 1);
  const mask = classes && visible,
    inks = inksOf(palette, classes ? null : visible);
  const side = Math.min(Math.max(Math.round(size), 1), LARGEST),
    place = placeOf(image, view);
  const opaque = weight === null && palette.every((ink) => ink >>> 24 === 255);
  if (side === 1 && opaque && order === null)
    return drawDots(canvas, xy, colours, classes, mask, inks, place);
  return drawStamps(
    canvas,
    { xy, colours, classes, weight, order },
    mask,
    inks,
    place,
    stamp(side, image.width),
  );
}

// How visible a point at some distance from the slice is: 255 on it, fading as a Gaussian with deviation `reach`.
export function fade(distances, reach) {
  const weight = new Uint8Array(distances.length),
    factor = -0.5 / (reach * reach);
  for (let i = 0; i < weight.length; i++)
    weight[i] = Math.round(255 * Math.exp(factor * distances[i] * distances[i]));
  return weight;
}

const signed = (pixels) => new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length);

// The palette as 256 inks; 0 is a hidden one.
function inksOf(palette, visible) {
  return Int32Array.from({ length: 256 }, (_, i) =>
    visible && !visible[i] ? 0 : palette[i % palette.length],
  );
}

// px = x * sx + ox and py = oy - y * sy, in the image's pixels.
function placeOf({ width, height }, view) {
  const sx = (view.scale * width) / view.width,
    sy = (view.scale * height) / view.height;
  return { sx, sy, ox: width / 2 - view.x * sx, oy: height / 2 + view.y * sy };
}

function drawDots({ pixels, width, height }, xy, colours, classes, mask, inks, { sx, sy, ox, oy }) {
  const end = xy.length >> 1;
  let inside = 0;
  for (let i = 0; i < end; i++) {
    const px = xy[2 * i] * sx + ox,
      py = oy - xy[2 * i + 1] * sy;
    if (!(px >= 0 && px < width && py >= 0 && py < height)) continue; // NaN too
    const ink = inks[colours[i]];
    if (ink === 0 || (mask !== null && !mask[classes[i]])) continue;
    pixels[(py | 0) * width + (px | 0)] = ink;
    inside++;
  }
  return inside;
}

function drawStamps(image, { xy, colours, classes, weight, order }, mask, inks, { sx, sy, ox, oy }, shape) {
  const { pixels, width, height } = image,
    { side, solid, offsets, coverage } = shape;
  const back = (side - 1) / 2,
    count = order ? order.length : xy.length >> 1,
    all = offsets.length;
  let inside = 0;
  for (let k = 0; k < count; k++) {
    const i = order === null ? k : order[k];
    const px = xy[2 * i] * sx + ox,
      py = oy - xy[2 * i + 1] * sy;
    if (!(px > -side && px < width + side && py > -side && py < height + side)) continue;
    const ink = inks[colours[i]];
    if (ink === 0 || (mask !== null && !mask[classes[i]])) continue;
    const alpha = weight === null ? ink >>> 24 : times(ink >>> 24, weight[i]);
    if (alpha === 0) continue;
    if (px >= 0 && px < width && py >= 0 && py < height) inside++;
    const left = Math.floor(px - back),
      top = Math.floor(py - back);
    if (left < 0 || top < 0 || left + side > width || top + side > height) {
      clipped(image, left, top, ink, alpha, shape);
      continue;
    }
    const corner = top * width + left;
    let s = 0;
    if (alpha === 255) for (; s < solid; s++) pixels[corner + offsets[s]] = ink;
    for (; s < all; s++) {
      const at = corner + offsets[s];
      pixels[at] = over(pixels[at], ink, times(alpha, coverage[s]));
    }
  }
  return inside;
}

// A stamp that the image's edge cuts.
function clipped({ pixels, width, height }, left, top, ink, alpha, { columns, rows, coverage }) {
  for (let s = 0; s < coverage.length; s++) {
    const x = left + columns[s],
      y = top + rows[s];
    if (x < 0 || y < 0 || x >= width || y >= height) continue;
    pixels[y * width + x] = over(pixels[y * width + x], ink, times(alpha, coverage[s]));
  }
}

// The product of two shares of 255, itself one; exact where either is 0 or 255.
const times = (a, b) => (a * b + 255) >> 8;

// Ink of some alpha (0 to 255) over a pixel (Porter & Duff 1984). Red and blue are mixed in one go: they do not meet.
function over(below, ink, alpha) {
  if (alpha === 0) return below;
  const under = below >>> 24;
  if (under === 0) return (alpha << 24) | (ink & 0xffffff);
  const total = alpha + under - times(alpha, under);
  const share = under === 255 ? alpha + (alpha >> 7) : ((256 * alpha) / total + 0.5) | 0; // of 256, so that a shift divides
  const rest = 256 - share;
  const redBlue = ((Math.imul(below & 0xff00ff, rest) + Math.imul(ink & 0xff00ff, share)) >>> 8) & 0xff00ff;
  const green = ((Math.imul(below & 0xff00, rest) + Math.imul(ink & 0xff00, share)) >>> 8) & 0xff00;
  return (total << 24) | redBlue | green;
}

const stamps = new Map();

// A square up to 2 px, else a disc, as its pixels: the fully covered ones first.
function stamp(side, width) {
  const key = side * 65536 + width;
  if (!stamps.has(key)) {
    if (stamps.size > 64) stamps.clear(); // widths of a window that is being resized
    stamps.set(key, makeStamp(side, width));
  }
  return stamps.get(key);
}

function makeStamp(side, width) {
  const all = Array.from({ length: side * side }, (_, i) => ({ x: i % side, y: Math.floor(i / side) }));
  const pixels = all
    .map(({ x, y }) => ({ x, y, share: side <= 2 ? 255 : Math.round(255 * covered(x, y, side / 2)) }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
  return {
    side,
    solid: pixels.filter(({ share }) => share === 255).length,
    columns: Int32Array.from(pixels, ({ x }) => x),
    rows: Int32Array.from(pixels, ({ y }) => y),
    offsets: Int32Array.from(pixels, ({ x, y }) => y * width + x),
    coverage: Uint8Array.from(pixels, ({ share }) => share),
  };
}

// The share of the pixel (x, y) that a disc of radius r in the middle of its square covers.
function covered(x, y, r) {
  let hits = 0;
  for (let i = 0; i < FINE * FINE; i++) {
    const dx = x + ((i % FINE) + 0.5) / FINE - r,
      dy = y + (Math.floor(i / FINE) + 0.5) / FINE - r;
    hits += dx * dx + dy * dy <= r * r;
  }
  return hits / (FINE * FINE);
}
