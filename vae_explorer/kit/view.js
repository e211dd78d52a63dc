// What part of the map is on the screen. A view never changes: what moves it returns another one, so that undo is
// a list of views and "is this already drawn?" a comparison. One scale serves both axes; y points up.

const FARTHEST = 1 / 16,
  CLOSEST = 1e4; // of the scale that fits everything; closer than this float32 shows its steps
const PADDING = 24; // px
const SMALLEST_BOX = 4; // px; a smaller one is a click

export class View {
  // x, y: the place in the middle; scale: px per unit; width, height: of the screen, px; home: the scale that fits all.
  constructor({ x, y, scale, width, height, home = scale }) {
    Object.assign(this, { x, y, width: Math.max(width, 1), height: Math.max(height, 1), home });
    this.scale = Math.min(Math.max(scale, home * FARTHEST), home * CLOSEST);
    Object.freeze(this);
  }

  // The view that shows a box of places { left, bottom, right, top } (null: around 0) with `padding` px around it.
  static fit(bounds, width, height, padding = PADDING) {
    const { left, bottom, right, top } = bounds ?? { left: -1, bottom: -1, right: 1, top: 1 };
    const across = right - left,
      up = top - bottom,
      room = (side) => Math.max(side - 2 * padding, side / 2, 1);
    const scale =
      across > 0 || up > 0
        ? Math.min(room(width) / across, room(height) / up)
        : room(Math.min(width, height)) / 2;
    return new View({ x: (left + right) / 2, y: (bottom + top) / 2, scale, width, height });
  }

  with(changes) {
    return new View({ ...this, ...changes });
  }

  // Show another box of places within the limits of this view's zoom.
  fit(bounds, padding = PADDING) {
    const { x, y, scale } = View.fit(bounds, this.width, this.height, padding);
    return this.with({ x, y, scale });
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (this.y - y) * this.scale + this.height / 2];
  }

  toPlace(px, py) {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  // Move what is seen by so many px to the right and down: the place under a dragging pointer stays under it.
  pan(dx, dy) {
    return this.with({ x: this.x - dx / this.scale, y: this.y + dy / this.scale });
  }

  // Zoom in (factor > 1) or out about a point of the screen, whose place stays where it is.
  zoomAt(px, py, factor) {
    const [x, y] = this.toPlace(px, py),
      zoomed = this.with({ scale: this.scale * factor });
    const [nowX, nowY] = zoomed.toPlace(px, py);
    return zoomed.with({ x: zoomed.x + x - nowX, y: zoomed.y + y - nowY });
  }

  // Fill the screen with the box between two points of it.
  zoomBox(px0, py0, px1, py1) {
    const wide = Math.abs(px1 - px0),
      high = Math.abs(py1 - py0);
    if (Math.max(wide, high) < SMALLEST_BOX) return this;
    const [x, y] = this.toPlace((px0 + px1) / 2, (py0 + py1) / 2);
    return this.with({ x, y, scale: this.scale * Math.min(this.width / wide, this.height / high) });
  }

  // The same places on a screen of another size.
  resized(width, height) {
    const grown = Math.max(Math.min(width, height), 1) / Math.min(this.width, this.height);
    return this.with({ width, height, scale: this.scale * grown, home: this.home * grown });
  }

  get bounds() {
    const [left, top] = this.toPlace(0, 0),
      [right, bottom] = this.toPlace(this.width, this.height);
    return { left, bottom, right, top };
  }

  // How many units the screen's shorter side shows: means the same on every screen, which the scale does not.
  get span() {
    return Math.min(this.width, this.height) / this.scale;
  }

  equals(other) {
    return ["x", "y", "scale", "width", "height"].every((key) => this[key] === other?.[key]);
  }

  toJSON() {
    return { x: this.x, y: this.y, span: this.span };
  }

  // Another part of the map on this screen, within this view's limits; null for anything but three numbers.
  at(part) {
    const { x, y, span } = part ?? {};
    if (![x, y, span].every(Number.isFinite) || span <= 0) return null;
    return this.with({ x, y, scale: Math.min(this.width, this.height) / span });
  }

  // "x,y,span" with as many digits as the screen can tell apart.
  get text() {
    const digits = Math.min(Math.max(Math.ceil(4 - Math.log10(this.span)), 0), 20);
    return [this.x.toFixed(digits), this.y.toFixed(digits), this.span.toPrecision(6)].map(Number).join(",");
  }

  // What `text` says, on this screen; null where it says nothing of the kind.
  parse(text) {
    const parts = String(text ?? "").split(",");
    const [x, y, span] = parts.map((part) => (part.trim() === "" ? NaN : Number(part)));
    return parts.length === 3 ? this.at({ x, y, span }) : null;
  }
}
