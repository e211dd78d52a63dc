// The map itself: four canvases on top of each other, drawn once per frame at most, and everything the pointer, the
// wheel, two fingers or the keyboard do to them.
//
//   back    axes, decoded tiles, density and prior contours      points  the points, pixel by pixel
//   marks   selection, ellipses, pins, the crosshair             beside  the decoded picture next to the pointer

import { robustBounds } from "../../kit/bounds.js";
import { View } from "../../kit/view.js";
import { area, box, boxPolygon, simplify } from "./lasso.js";
import { draw, makeImage } from "./raster.js";

export const MOVE = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";
const CLICK_PX = 4; // a press that moves less is a click
const WHEEL = 0.0015,
  KEY_ZOOM = 1.25,
  STEP = 0.02; // of the screen, per arrow key
const HIT_PX = 8; // so near is on a point
const LASSO_PX = 1.5; // corners nearer to the line than this are dropped
const SMALLEST = 30; // square px; a smaller lasso is a click
const RESTING_MS = 250; // after the last change, the view counts as chosen

export const STAGE = `
  <div class="stage" tabindex="0" role="application" aria-label="Map of the encoded data: arrow keys move the crosshair, plus and minus zoom, Enter pins">
    <canvas class="back"></canvas><canvas class="points"></canvas><canvas class="marks"></canvas>
    <canvas class="beside" hidden></canvas>
    <p class="note" role="status" hidden></p>
  </div>`;

export class Stage {
  // page: { hover(place or null, point, screen, live), pin(), escape(), select(polygon), viewed(), drew(count),
  //         background(context, view, zoom), foreground(context, view) }
  constructor(root, page) {
    Object.assign(this, {
      page,
      tool: "pan",
      view: null,
      home: null,
      size: null,
      style: null,
      drawn: 0,
      redraws: 0,
    });
    this.element = root.querySelector(".stage");
    this.layers = Object.fromEntries(
      ["back", "points", "marks"].map((name) => [
        name,
        this.element.querySelector(`.${name}`).getContext("2d"),
      ]),
    );
    this.fingers = new Map(); // pointer id -> [x, y]
    this.stale = new Set();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.element);
    this.listen();
  }

  // points: { xy, colours, classes, weight } and style { palette, visible, size } as map-raster takes them.
  begin(points, index, text) {
    Object.assign(this, { points, index, pointer: null, cross: null, home: null });
    this.resize();
    this.home = View.fit(robustBounds(points.xy) ?? index.bounds, this.view.width, this.view.height);
    this.view = (text && this.home.parse(text)) || this.home;
    this.redraw("back", "points", "marks");
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.ratio = Math.max(1, Math.min(window.devicePixelRatio, 2));
    this.image = makeImage(Math.round(width * this.ratio), Math.round(height * this.ratio));
    for (const { canvas } of Object.values(this.layers))
      [canvas.width, canvas.height] = [this.image.width, this.image.height];
    if (this.home) this.home = this.home.resized(width, height);
    this.view = this.view ? this.view.resized(width, height) : View.fit(null, width, height);
    this.redraw("back", "points", "marks");
  }

  // --- drawing ---------------------------------------------------------------------------------------------

  redraw(...layers) {
    for (const layer of layers) this.stale.add(layer);
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = null;
    if (!this.points || !this.image) return;
    const stale = new Set(this.stale),
      { back, points, marks } = this.layers;
    this.stale.clear();
    if (stale.has("points")) {
      this.drawn = draw(this.image, this.points, this.view, {
        ...this.style,
        size: this.style.size * this.ratio,
      });
      points.putImageData(this.image.data, 0, 0);
      this.redraws++;
      this.page.drew(this.drawn);
    }
    if (stale.has("back")) this.page.background(back, this.view, this.zoom);
    if (stale.has("marks")) this.foreground(marks);
    if (stale.has("points") && !performance.getEntriesByName("first-map").length)
      performance.mark("first-map");
  }

  foreground(context) {
    this.page.foreground(context, this.view);
    if (this.lasso) outline(context, this.lasso.screen, this.ink);
    if (this.cross) crosshair(context, this.view.toScreen(...this.cross), this.ink);
  }

  get zoom() {
    return this.home ? this.view.scale / this.home.scale : 1;
  }

  // --- moving the view -------------------------------------------------------------------------------------

  look(view, chosen = true) {
    if (view.equals(this.view)) return;
    this.view = view;
    this.redraw("back", "points", "marks");
    clearTimeout(this.resting);
    if (chosen) this.resting = setTimeout(() => this.page.viewed(), RESTING_MS);
  }

  reset() {
    this.look(this.home);
  }

  zoomBy(factor) {
    this.look(this.view.zoomAt(this.view.width / 2, this.view.height / 2, factor));
  }

  // --- the pointer -----------------------------------------------------------------------------------------

  listen() {
    const on = (type, act, options) => this.element.addEventListener(type, act, options);
    on("pointerdown", (event) => this.press(event));
    on(MOVE, (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => {
      this.drop(event);
      this.page.hover(null, -1);
    });
    on("pointerleave", () => !this.pressed && this.page.hover(null, -1));
    on("dblclick", (event) => this.doubleClick(event));
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("keydown", (event) => this.key(event));
  }

  at(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // The point there, or -1.
  hit(x, y) {
    const [px, py] = this.view.toPlace(x, y);
    return this.index.nearest(px, py, { within: HIT_PX / this.view.scale, accept: this.accept });
  }

  press(event) {
    if (!this.points || event.target.closest("button")) return;
    this.element.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.fingers.set(event.pointerId, at);
    if (this.fingers.size === 2) return this.pinch();
    const tool = event.shiftKey && this.tool === "pan" ? "lasso" : this.tool;
    this.pressed = {
      at,
      view: this.view,
      tool: event.pointerType === "touch" && tool === "pan" ? "probe" : tool,
      moved: false,
    };
  }

  move(event) {
    if (!this.points) return;
    const at = this.at(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    if (this.spread) return this.pinching();
    if (!this.pressed || this.pressed.tool === "probe")
      return this.point(at, this.pressed ? true : undefined);
    const [dx, dy] = [at[0] - this.pressed.at[0], at[1] - this.pressed.at[1]];
    if (!this.pressed.moved && Math.hypot(dx, dy) < CLICK_PX) return;
    this.pressed.moved = true;
    if (this.pressed.tool === "pan") this.look(this.pressed.view.pan(dx, dy));
    else this.draw(at);
  }

  // Say what the pointer is over; a finger that presses is followed whatever is pinned.
  point(at, live) {
    this.pointer = at;
    if (this.cross) {
      this.cross = null;
      this.redraw("marks");
    }
    this.page.hover(this.view.toPlace(...at), this.hit(...at), at, live);
  }

  draw(at) {
    const { tool, at: start } = this.pressed;
    this.lasso ??= { screen: [...start] };
    if (tool === "lasso") this.lasso.screen.push(...at);
    else this.lasso.screen = [start[0], start[1], at[0], start[1], at[0], at[1], start[0], at[1]];
    this.redraw("marks");
  }

  release(event) {
    const { pressed, lasso } = this,
      at = this.at(event),
      spread = this.spread;
    this.drop(event);
    if (!pressed || spread) return;
    if (lasso && area(lasso.screen) > SMALLEST) return this.enclose(lasso.screen, pressed);
    if (!pressed.moved) {
      this.page.hover(this.view.toPlace(...at), this.hit(...at), at, true);
      this.page.pin();
    }
  }

  drop(event) {
    this.fingers.delete(event.pointerId);
    if (this.fingers.size < 2) this.spread = null;
    this.pressed = this.lasso = null;
    this.redraw("marks");
  }

  enclose(screen, { tool, at }) {
    if (tool === "zoom") return this.look(this.view.zoomBox(at[0], at[1], screen[4], screen[5]));
    const corners =
      tool === "box" ? boxPolygon(box(at[0], at[1], screen[4], screen[5])) : simplify(screen, LASSO_PX);
    const places = Float64Array.from(corners);
    for (let k = 0; k < places.length; k += 2)
      [places[k], places[k + 1]] = this.view.toPlace(corners[k], corners[k + 1]);
    this.page.select(places);
  }

  doubleClick(event) {
    if (event.shiftKey) this.reset();
    else this.look(this.view.zoomAt(...this.at(event), 2));
  }

  wheel(event) {
    if (!this.points) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.look(this.view.zoomAt(...this.at(event), Math.exp(-event.deltaY * lines * WHEEL)));
  }

  pinch() {
    this.pressed = this.lasso = null;
    const [a, b] = [...this.fingers.values()];
    this.spread = {
      view: this.view,
      middle: middle(a, b),
      distance: Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1),
    };
  }

  pinching() {
    const [a, b] = [...this.fingers.values()];
    if (!b) return;
    const { view, middle: from, distance } = this.spread,
      to = middle(a, b);
    const factor = Math.hypot(a[0] - b[0], a[1] - b[1]) / distance;
    this.look(view.zoomAt(...from, factor).pan(to[0] - from[0], to[1] - from[1]));
  }

  // --- the keyboard ----------------------------------------------------------------------------------------

  key(event) {
    if (!this.points || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const act = {
      "+": () => this.zoomBy(KEY_ZOOM),
      "=": () => this.zoomBy(KEY_ZOOM),
      "-": () => this.zoomBy(1 / KEY_ZOOM),
      0: () => this.reset(),
      Enter: () => this.page.pin(),
      " ": () => this.page.pin(),
      Escape: () => this.page.escape(),
    }[event.key];
    if (!act && !steps[event.key]) return;
    event.preventDefault();
    if (act) act();
    else this.step(...steps[event.key].map((step) => step * (event.shiftKey ? 5 : 1)));
  }

  step(dx, dy) {
    const { width, height } = this.view,
      stride = STEP * Math.min(width, height);
    const from = this.cross ? this.view.toScreen(...this.cross) : (this.pointer ?? [width / 2, height / 2]);
    const to = [
      Math.min(Math.max(from[0] + dx * stride, 0), width),
      Math.min(Math.max(from[1] + dy * stride, 0), height),
    ];
    this.pointer = to;
    this.cross = this.view.toPlace(...to);
    this.page.hover(this.cross, this.hit(...to), to);
    this.redraw("marks");
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
  }
}

const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

export function outline(context, screen, ink) {
  context.beginPath();
  for (let k = 0; k < screen.length; k += 2) context.lineTo(screen[k], screen[k + 1]);
  context.closePath();
  context.fillStyle = `color-mix(in srgb, ${ink} 10%, transparent)`;
  context.fill();
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
}

function crosshair(context, [x, y], ink) {
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    context.moveTo(x + 4 * dx, y + 4 * dy);
    context.lineTo(x + 12 * dx, y + 12 * dy);
  }
  context.stroke();
}
