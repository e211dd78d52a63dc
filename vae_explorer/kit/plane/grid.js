// A street map of decoded tiles: a plane of the latent space, N x N of its places on the screen at home.
//
// Dragging pans, the wheel and two fingers zoom. Tiles keep to fixed places of the plane, so that what is decoded is
// used again; what is missing comes over the live socket, coarse to fine, the newest view first. The tiles of the level
// before stay underneath until their successors are there, and those of the plane before until they are replaced.

import { paint } from "../paint.js";
import { View } from "../view.js";
import { Cache } from "./cache.js";
import { Hand } from "./hand.js";
import { Layer } from "./layer.js";
import { Over } from "./over.js";
import { EXTENT, LEAST, Linear, MOST, Quantile } from "./spacing.js";
import { Stream, wanted } from "./stream.js";

const MARGIN = 1; // cells around the screen that are decoded too, when nothing else is to be done
const SLIVER = 0.5; // px; a tile of which less is to be seen is off the screen
const UNDER = 2; // former levels that may show through
const KEPT_BYTES = 64e6,
  KEPT_TILES = 20_000; // decoded tiles in memory: the fewer of the two, but a screenful always
const SCREENFUL = 5000;
const LARGEST = 8; // pixels along a side for each pixel of a saved tile
const RESTING_MS = 250; // after the last change, the view counts as chosen

export const GRID = `
  <div class="walk-grid" tabindex="0" role="application" aria-label="Grid of decoded codes: arrow keys pan, plus and minus zoom, 0 shows the whole range, Enter chooses the framed tile">
    <canvas class="tiles"></canvas><canvas class="over"></canvas>
  </div>`;

export class Grid {
  // page: { facts: { model: { id }, latentDim, dataShape }, plane() -> { origin, axes: [u, v] },
  //         hover(place or null, code), choose(place, code), viewed(), say(sentence), perhaps moved(),
  //         shade: null or (u, v) -> 0..1, how far a tile is veiled; outline: null or (u, v) -> a CSS colour or null }
  // A place is { u, v, x, y, side }: of the tile's middle on the plane, and on the element in CSS px.
  constructor(root, page, { connect, kept } = {}) {
    this.element = root.querySelector(".walk-grid");
    Object.assign(this, {
      page,
      tiles: 20,
      extent: EXTENT,
      spacing: new Linear(20),
      keptAtMost: kept,
      view: null,
      home: null,
    });
    Object.assign(this, {
      edition: 0,
      layer: null,
      under: [],
      hovered: null,
      point: null,
      pending: null,
      frames: 0,
      over: new Over(page),
    });
    this.contexts = ["tiles", "over"].map((name) =>
      this.element.querySelector(`canvas.${name}`).getContext("2d"),
    );
    this.lay();
    this.stream = new Stream({
      connect,
      arrived: (answer, tag) => this.arrived(answer, tag),
      refused: (sentence) => this.refused(sentence),
    });
    this.hand = new Hand(this.element, this);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.element);
    this.begin();
  }

  // What drawing and fingers rely on, whatever the page's style sheet says.
  lay() {
    if (getComputedStyle(this.element).position === "static") this.element.style.position = "relative";
    Object.assign(this.element.style, { touchAction: "none", userSelect: "none", overflow: "hidden" });
    for (const { canvas } of this.contexts)
      Object.assign(canvas.style, {
        position: "absolute",
        left: 0,
        top: 0,
        width: "100%",
        height: "100%",
        pointerEvents: "none",
      });
  }

  // --- what is shown -----------------------------------------------------------------------------------------

  // Another model: nothing of before is of use.
  begin() {
    const [channels, height, width] = this.page.facts.dataShape;
    this.shape = { width, height };
    const most = Math.max(
      SCREENFUL,
      Math.min(KEPT_TILES, Math.floor(KEPT_BYTES / (channels * width * height))),
    );
    this.cache = new Cache(this.keptAtMost ?? most);
    this.layer = null;
    this.under = [];
    this.replane();
  }

  // The plane is another (a slider beside it moved, other axes): every tile is decoded anew, and shown until then.
  replane(cause) {
    this.plane = this.page.plane();
    this.edition++;
    this.cache.clear();
    this.over.forget();
    this.changed(cause);
    if (this.hovered) this.tell(this.hovered.cell);
  }

  // tiles: across at home, 5 to 40; spacing: "linear" or "quantile"; extent: linear spacing goes from minus to plus it.
  set({ tiles = this.tiles, spacing = this.spacing.name, extent = this.extent }) {
    if (!Number.isInteger(tiles) || tiles < LEAST || tiles > MOST) {
      this.page.say(`tiles = ${tiles} is not possible: choose a whole number from ${LEAST} to ${MOST}.`);
      return false;
    }
    const atHome = !this.view || this.view.equals(this.home),
      same = this.spacing.name === spacing;
    if (same && this.tiles === tiles && this.extent === extent) return true;
    Object.assign(this, {
      tiles,
      extent,
      spacing: spacing === "quantile" ? new Quantile(tiles) : new Linear(tiles, extent),
    });
    this.cache.clear();
    this.over.forget();
    if (!same) Object.assign(this, { layer: null, under: [] });
    if (!this.home) return true;
    this.home = this.fitted(this.home);
    this.view = this.spacing.bounded(
      atHome || !same
        ? this.home
        : this.home.with({ x: this.view.x, y: this.view.y, scale: this.view.scale }),
    );
    this.changed();
    this.rest();
    return true;
  }

  // The shades or outlines are others.
  remark() {
    this.over.forget();
    this.redraw();
  }

  // Everything that is shown in a few characters, and back; what is no view shows the home one.
  get text() {
    return this.view && !this.view.equals(this.home) ? this.view.text : "";
  }

  open(text) {
    if (!this.home) this.pending = text;
    else this.look(this.home.parse(text) ?? this.home);
  }

  fitted({ width, height }) {
    return View.fit(this.spacing.box, width, height, 0);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.density = Math.max(1, Math.min(window.devicePixelRatio, 2));
    for (const { canvas } of this.contexts)
      [canvas.width, canvas.height] = [width, height].map((length) => Math.round(length * this.density));
    this.theme();
    const before = this.home;
    this.home = this.fitted({ width, height });
    const moved = before && !this.view.equals(before) ? this.home.at(this.view.toJSON()) : null;
    this.view = this.spacing.bounded(moved ?? this.home.parse(this.pending) ?? this.home);
    this.pending = null;
    if (before) this.rest();
    this.layer = null;
    this.under = [];
    this.changed();
  }

  theme() {
    const style = getComputedStyle(this.element),
      ink = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    this.over.colours = {
      text: ink("--st-text-color", "#222"),
      halo: ink("--st-background-color", "#fff"),
      accent: ink("--st-primary-color", "#e4572e"),
    };
    this.over.font = `11px ${ink("--st-font", "sans-serif")}`;
    this.redraw();
  }

  // --- moving ------------------------------------------------------------------------------------------------

  // cause: the time of the event behind it, as performance.now() counts.
  look(view, cause) {
    const next = this.spacing.bounded(view);
    if (next.equals(this.view)) return;
    this.view = next;
    this.changed(cause);
    this.rest();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.page.viewed(), RESTING_MS);
  }

  reset() {
    if (!this.home) return;
    this.look(this.home);
    this.hoverAt(this.point);
  }

  zoomBy(factor) {
    this.look(this.view.zoomAt(this.view.width / 2, this.view.height / 2, factor));
    this.hoverAt(this.point);
  }

  // By so many tiles to the right and up; the tile in the middle is then the one that Enter chooses.
  step(right, up) {
    const side = this.spacing.side(this.spacing.level(this.view));
    this.look(this.view.with({ x: this.view.x + right * side, y: this.view.y + up * side }));
    this.hoverAt([this.view.width / 2, this.view.height / 2]);
  }

  // --- the tile pointed at -----------------------------------------------------------------------------------

  hoverAt(point) {
    this.point = point;
    const cell = point && this.cellAt(point),
      former = this.hovered?.cell;
    if (!cell && !former) return;
    if (!cell) {
      this.hovered = null;
      this.page.hover(null, null);
    } else if (former?.level !== cell.level || former.i !== cell.i || former.j !== cell.j) this.tell(cell);
    else return;
    this.redraw();
  }

  cellAt([px, py]) {
    const level = this.spacing.level(this.view),
      [x, y] = this.view.toPlace(px, py);
    const [i, j] = [this.spacing.cell(level, x), this.spacing.cell(level, y)],
      [first, last] = this.spacing.cells(level);
    return Math.min(i, j) < first || Math.max(i, j) > last ? null : { level, i, j };
  }

  tell(cell) {
    this.hovered = { cell, place: this.place(cell) };
    this.page.hover(this.hovered.place, this.code(cell));
  }

  choose(event) {
    if (!this.hovered) this.hoverAt([this.view.width / 2, this.view.height / 2]);
    if (this.hovered) this.page.choose(this.place(this.hovered.cell), this.code(this.hovered.cell), event);
  }

  place({ level, i, j }) {
    const { spacing } = this,
      [x, y] = [spacing.middle(level, i), spacing.middle(level, j)],
      [px, py] = this.view.toScreen(x, y);
    return {
      u: spacing.value(x),
      v: spacing.value(y),
      x: px,
      y: py,
      side: spacing.side(level) * this.view.scale,
    };
  }

  code({ level, i, j }, into = new Float32Array(this.plane.origin.length)) {
    const { origin, axes } = this.plane,
      { spacing } = this;
    const u = spacing.value(spacing.middle(level, i)),
      v = spacing.value(spacing.middle(level, j));
    for (let d = 0; d < origin.length; d++) into[d] = origin[d] + u * axes[0][d] + v * axes[1][d];
    return into;
  }

  // --- decoding ----------------------------------------------------------------------------------------------

  changed(cause = performance.now()) {
    this.due = { first: this.due?.first ?? cause, last: cause };
    this.stopped = false;
    this.ask();
    this.redraw();
    this.page.moved?.();
  }

  // Let the layer hold what the view needs. Returns the cells on the screen and those with the margin around them.
  arrange() {
    const { spacing, view } = this,
      level = spacing.level(view),
      { left, right, bottom, top } = view.bounds;
    if (this.layer?.level !== level || this.layer.spacing !== spacing) this.relayer(level);
    const [first, last] = spacing.cells(level),
      held = (i) => Math.min(Math.max(i, first), last),
      sliver = SLIVER / view.scale;
    const around = (margin) => ({
      left: held(spacing.cell(level, left + sliver) - margin),
      right: held(spacing.cell(level, right - sliver) + margin),
      bottom: held(spacing.cell(level, bottom + sliver) - margin),
      top: held(spacing.cell(level, top - sliver) + margin),
    });
    const seen = around(0),
      window = around(MARGIN);
    this.layer.show(window, (i, j) => this.fill(i, j));
    return { seen, window };
  }

  relayer(level) {
    const { spacing, view, shape, layer } = this,
      side = Math.min(view.width, view.height) / this.tiles;
    if (layer) this.under = [...this.under.filter((former) => former.level !== level), layer].slice(-UNDER);
    const hold = (length) => Math.ceil((length * Math.SQRT2) / side) + 2 * MARGIN + 2; // where the level's tiles are smallest
    const reduce = Math.max(
      1,
      Math.floor(Math.max(shape.width, shape.height) / (side * Math.SQRT2 * this.density)),
    );
    this.layer = new Layer({
      level,
      spacing,
      columns: hold(view.width),
      rows: hold(view.height),
      shape,
      reduce,
    });
  }

  // A cell came into view: its tile if that is kept.
  fill(i, j) {
    const own = this.kept(i, j);
    if (own) this.layer.lend(i, j, own, this.edition, 1, { across: 0, down: 0 });
  }

  kept(i, j) {
    return this.cache.get(this.spacing.key(this.layer.level, i, j));
  }

  ask() {
    if (!this.view) return;
    while (!this.stopped && this.stream.free && this.request()) this.mark("sent");
  }

  // Ask for tiles that the screen lacks, or if it lacks none and nothing is under way, for those around it. Returns
  // whether there were any.
  request() {
    const { seen, window } = this.arrange(),
      { level } = this.layer,
      width = this.page.facts.latentDim;
    const underWay = this.stream.underWay
      .filter((tag) => tag.spacing === this.spacing && tag.cache === this.cache && tag.level === level)
      .map((tag) => tag.names);
    const skip = (i, j) => underWay.some((names) => names.has(name(i, j)));
    let cells = wanted(this.layer, seen, this.edition, skip);
    if (!cells.length && !this.stream.underWay.length) cells = wanted(this.layer, window, this.edition);
    cells.length = Math.min(cells.length, this.stream.count(cells.length));
    if (!cells.length) return false;
    const payload = new Float32Array(cells.length * width);
    cells.forEach(({ i, j }, k) => this.code({ level, i, j }, payload.subarray(k * width, (k + 1) * width)));
    const { spacing, edition, cache } = this;
    const names = new Set(cells.map(({ i, j }) => name(i, j)));
    this.stream.ask(this.page.facts.model.id, width, payload, {
      cells,
      names,
      level,
      spacing,
      edition,
      cache,
    });
    return true;
  }

  arrived(answer, { cells, level, spacing, edition, cache }) {
    this.mark("answered", true);
    if (spacing === this.spacing && cache === this.cache) this.keep(answer, cells, level, edition);
    this.mark("kept", true);
    this.ask();
    this.redraw();
  }

  keep({ pixels, channels, width, height }, cells, level, edition) {
    const bytes = width * height * channels;
    cells.forEach(({ i, j }, k) => {
      const tile = { channels, pixels: pixels.slice(k * bytes, (k + 1) * bytes) };
      if (edition === this.edition) this.cache.set(this.spacing.key(level, i, j), tile);
      const [x, y] = [i, j].map((cell) => this.spacing.renumbered(cell, level, this.layer?.level));
      if (this.layer && Number.isInteger(x) && Number.isInteger(y)) this.layer.put(x, y, tile, edition);
    });
  }

  // Asking again at once would be refused again.
  refused(sentence) {
    if (this.stopped) return; // the same was said of the request before
    this.stopped = true;
    this.page.say(sentence);
  }

  // --- drawing -----------------------------------------------------------------------------------------------

  redraw() {
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = null;
    if (!this.view) return;
    this.mark("frame", true);
    const { seen } = this.arrange(),
      [tiles, over] = this.contexts,
      { density, view } = this;
    const missing = this.layer.lacks(seen, this.edition);
    if (missing) this.layer.standIns(seen, this.edition, (i, j) => this.kept(i, j));
    else this.under = [];
    tiles.clearRect(0, 0, tiles.canvas.width, tiles.canvas.height);
    for (const layer of [...this.under, this.layer]) layer.draw(tiles, view, density);
    this.over.draw(over, this, seen);
    this.frames++;
    if (!missing && this.due) this.settle(seen);
  }

  // --- the picture -------------------------------------------------------------------------------------------

  // What is on the screen, as `vae_core walk` is told of it: whole tiles, the place in their middle and the distance from
  // one to the next in the units of the view (probabilities for quantiles), and the whole number of pixels that each
  // pixel of a tile is nearest to on the screen. Null before anything is shown.
  get shown() {
    if (!this.view) return null;
    const { seen } = this.arrange(),
      {
        spacing,
        layer: { level },
        shape,
      } = this,
      { left, right, bottom, top } = seen;
    // Twelve digits are far finer than codes are, and say 0 where rounding has left 8.9e-16.
    const middle = (first, last) =>
      Number(((spacing.middle(level, first) + spacing.middle(level, last)) / 2).toFixed(12));
    const step = spacing.side(level),
      scale = Math.round((step * this.view.scale) / Math.max(shape.width, shape.height));
    return {
      seen,
      columns: right - left + 1,
      rows: top - bottom + 1,
      centre: [middle(left, right), middle(bottom, top)],
      step,
      scale: Math.min(Math.max(scale, 1), LARGEST),
      spacing: spacing.name,
    };
  }

  // A canvas with these tiles, in their own pixels enlarged; waits until all of them are decoded.
  async picture() {
    while (this.due && !this.stopped) await this.settled;
    if (this.stopped)
      throw new Error("The tiles on the screen are not all decoded; move the grid to try again.");
    const {
        seen: { left, right, bottom, top },
        columns,
        rows,
        scale,
      } = this.shown,
      { width, height } = this.shape;
    const canvas = Object.assign(document.createElement("canvas"), {
      width: columns * width * scale,
      height: rows * height * scale,
    });
    const context = canvas.getContext("2d"),
      one = document.createElement("canvas");
    context.imageSmoothingEnabled = false;
    for (let j = bottom; j <= top; j++) {
      for (let i = left; i <= right; i++) {
        paint(one, { width, height, ...this.kept(i, j) });
        context.drawImage(
          one,
          (i - left) * width * scale,
          (top - j) * height * scale,
          width * scale,
          height * scale,
        );
      }
    }
    return canvas;
  }

  // --- measuring ---------------------------------------------------------------------------------------------

  // When something on the way to the newest view happened: the first time, or the latest one.
  mark(name, latest = false) {
    if (this.due && (latest || this.due[name] === undefined)) this.due[name] = performance.now();
  }

  // Every tile of the newest view is painted. Told to whoever waits, and as an event of the element whose detail holds
  // times of performance.now(): of the first and the newest of the changes behind it (first, last), of its first request
  // (sent; not there if all was known), of its last answer (answered) and when that was taken in (kept), when its frame
  // came (frame) and when the picture was complete (at). And how many tiles and requests there have been so far
  // (asked, requests), and how many tiles are on the screen (tiles).
  settle({ left, right, bottom, top }) {
    const { asked, requests } = this.stream,
      tiles = (right - left + 1) * (top - bottom + 1);
    const detail = { ...this.due, at: performance.now(), asked, requests, tiles };
    this.due = null;
    if (!performance.getEntriesByName("first-grid").length) performance.mark("first-grid");
    this.element.dispatchEvent(new CustomEvent("settled", { detail }));
  }

  // Resolves when every tile of the newest view is painted; at once where that is so.
  get settled() {
    if (!this.due && this.view) return Promise.resolve(null);
    return new Promise((done) =>
      this.element.addEventListener("settled", ({ detail }) => done(detail), { once: true }),
    );
  }

  close() {
    this.observer.disconnect();
    this.hand.close();
    this.stream.close();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
  }
}

const name = (i, j) => `${i}/${j}`;
