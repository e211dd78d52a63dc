// The maps of the Continuity page: a plane of the latent space decoded as a grid, and beside it what was measured there.
//
// All of them are one view: dragging, zooming and the keyboard work on each, and a cross in all of them says where the
// pointer is in one, or which place a click has pinned.

import { paint } from "../../kit/paint.js";
import { GRID, Grid } from "../../kit/plane/grid.js";
import { PLANE, Plane } from "../../kit/plane/plane.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { words } from "./colours.js";
import { PANEL, Panel, place } from "./panel.js";
import { comparedWith, SPECS } from "./specs.js";
import { Spot } from "./spot.js";

const REST_MS = 250; // after the last change the maps may be refined
const FREE = "Click, tap or Enter pins a place.",
  PINNED = "Pinned until Esc, Free or a click.";
const SPREAD = 6; // dimensions' ranges are about so many standard deviations

export const MAPS = `
  <div class="controls">${PLANE}</div>
  <div class="atlas">
    <div class="board">${GRID}<i class="cross" hidden></i></div>
    <aside class="spot">
      <figure class="decoded"><canvas role="img" aria-label="Decoded image"></canvas><figcaption>decoded</figcaption></figure>
      <div class="held">
        <p class="where"></p>
        <button type="button" class="explore" disabled title="Continue with this code on the Explore page">Open in Explore</button>
        <button type="button" class="free" hidden title="Let the maps follow the pointer again (Escape)">Free</button>
        <p class="pin" role="status">${FREE}</p>
      </div>
      <figure class="nearest" hidden><canvas role="img" aria-label="Nearest encoded image"></canvas><figcaption></figcaption></figure>
    </aside>
    <div class="measures">${SPECS.map(({ name }) => PANEL(name)).join("")}</div>
  </div>`;

export class Maps {
  // page: { facts, said: what the address said, say(sentence), explore(code), address() }
  constructor(root, page) {
    Object.assign(this, {
      root,
      page,
      facts: page.facts,
      grid: null,
      target: null,
      pointed: null,
      pinned: false,
      shade: null,
      outline: null,
      moving: true,
    });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => page.say(sentence);
    this.images = new Channel({
      onAnswer: (answer) => paint(this.find(".decoded canvas"), answer),
      onError: this.say,
      onStatus: (on) => this.say(on ? "" : "Waiting for the server…"),
    });
    this.spot = new Spot(this, () => this.told());
    this.find(".free").onclick = () => this.free();
    this.find(".explore").onclick = () => this.target && page.explore(this.target.code);
  }

  begin() {
    const { facts } = this,
      { said } = this.page;
    this.planes = new Plane(this.root, this);
    this.planes.begin(said);
    const base = parsed(said.base, facts.latentDim);
    if (base) {
      this.planes.base = base;
      this.planes.changed();
    }
    this.grid = new Grid(this.root, this);
    this.find(".walk-grid").setAttribute(
      "aria-label",
      "Grid of decoded codes: arrow keys pan, plus and minus zoom, 0 shows the whole range, Enter pins the framed tile, Escape frees it",
    );
    this.panels = SPECS.map((spec) => new Panel(this.root, this, spec));
    this.planes.tiles();
    this.axes = this.plane().axes.join();
    this.promised = pair(said.pin);
    this.grid.open(said.view);
    for (const figure of this.root.querySelectorAll(".spot canvas"))
      figure.style.aspectRatio = `${facts.dataShape[2]} / ${facts.dataShape[1]}`;
  }

  // The same model: Explore's code or an end of a path has changed.
  update(facts) {
    this.facts = facts;
    this.planes.changed();
  }

  // --- what grid, plane and panels ask of their page ---------------------------------------------------------

  plane() {
    return this.planes.plane;
  }

  planeChanged() {
    if (!this.grid) return;
    this.grid.replane();
    const axes = this.plane().axes.join();
    if (axes !== this.axes) this.free(); // the same numbers are another place then
    this.axes = axes;
    if (this.target) this.aim(this.target.u, this.target.v);
    this.address();
  }

  // The view or the plane changed: coarse maps follow at once, fine ones when it has been still for a while.
  moved() {
    if (!this.panels) return;
    if (this.sought && this.grid.view) this.locate(this.sought);
    if (this.promised && this.grid.view) this.keep(this.promised);
    this.moving = true;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rested(), REST_MS);
    const { view, spacing } = this.grid;
    if (this.target)
      Object.assign(this.target, { x: spacing.at(this.target.u), y: spacing.at(this.target.v) }); // the spacing may be another
    else if (view) this.pointAt(view.x, view.y);
    this.follow();
  }

  rested() {
    this.moving = false;
    this.address(); // of a view that came from an address too, which took effect when the grid had a size
    this.follow();
  }

  // Which panel is to be refined: of those that are not, the quickest.
  get turn() {
    return this.panels.filter((panel) => !panel.settled).sort((a, b) => a.each - b.each)[0] ?? null;
  }

  // A panel has nothing more to ask: the next one may have.
  passed() {
    if (!this.moving) this.turn?.pump();
  }

  follow() {
    for (const panel of this.panels) panel.moved();
    if (this.grid.view) place(this.find(".board > .cross"), this.grid.view, this.target);
  }

  hover(tile) {
    if (tile) this.point(tile.u, tile.v);
  }

  // A place of the view, where a panel is pointed at.
  pointAt(x, y) {
    this.point(this.grid.spacing.value(x), this.grid.spacing.value(y));
  }

  // The pointer is here; a place that is pinned stays what the maps are about.
  point(u, v) {
    this.pointed = { u, v };
    if (!this.pinned) this.aim(u, v);
  }

  // A place of the plane: what all captions, crosses and pictures are about.
  aim(u, v) {
    const code = this.code(u, v),
      { spacing, view } = this.grid,
      { names } = this.planes;
    if (!code.every(Number.isFinite)) return; // beyond all quantiles there is none
    this.target = { u, v, x: spacing.at(u), y: spacing.at(v), code };
    this.find(".explore").disabled = false;
    this.images.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: 1,
      width: code.length,
      payload: code,
    });
    this.spot.ask(this.target);
    this.find(".where").textContent = `${names[0]} ${fixed(u)} · ${names[1]} ${fixed(v)}`;
    place(this.find(".board > .cross"), view, this.target);
    for (const panel of this.panels) {
      panel.caption();
      panel.redraw();
    }
  }

  // A click, or Enter, pins the place or frees it. A finger has no other way to point: where it taps next is pinned next.
  choose(_place, _code, event) {
    const { pointed } = this;
    if (!this.pinned) return this.pin();
    if (event?.pointerType !== "touch") return this.free();
    this.aim(pointed.u, pointed.v);
    this.pin();
  }

  pin() {
    if (this.target) this.hold(true);
  }

  // Whether something was pinned. The maps go on with where the pointer is.
  free() {
    if (!this.pinned) return false;
    this.hold(false);
    if (this.pointed) this.aim(this.pointed.u, this.pointed.v);
    return true;
  }

  hold(pinned) {
    this.pinned = pinned;
    this.root.classList.toggle("pinned", pinned);
    this.find(".free").hidden = !pinned;
    this.find(".pin").textContent = pinned ? PINNED : FREE;
    this.address();
  }

  // Pin a place of the plane, once the grid is laid out.
  keep([u, v]) {
    this.promised = null;
    this.aim(u, v);
    this.pin();
  }

  viewed() {
    this.address();
  }

  address() {
    this.page.address();
  }

  code(u, v, into = new Float32Array(this.facts.latentDim)) {
    const { origin, axes } = this.plane();
    for (let d = 0; d < origin.length; d++) into[d] = origin[d] + u * axes[0][d] + v * axes[1][d];
    return into;
  }

  // The codes at the middles of some of a raster's cells, one after the other.
  codes(cells, raster) {
    const width = this.facts.latentDim,
      found = new Float32Array(cells.length * width),
      { spacing } = this.grid;
    cells.forEach((cell, k) => {
      const [x, y] = raster.middle(cell);
      this.code(spacing.value(x), spacing.value(y), found.subarray(k * width, (k + 1) * width));
    });
    return found;
  }

  // So many draws of the prior, always the same ones; a model without a prior is given the range of its codes.
  draws(count) {
    const { dimensions, hasPrior, latentDim } = this.facts,
      found = new Float32Array(count * latentDim),
      next = normal();
    for (let k = 0; k < count; k++) {
      for (const { index, low, high } of dimensions) {
        const [middle, spread] = hasPrior ? [0, 1] : [(low + high) / 2, (high - low) / SPREAD];
        found[k * latentDim + index] = middle + spread * next();
      }
    }
    return found;
  }

  // --- the exact figures -------------------------------------------------------------------------------------

  get found() {
    const { found } = this.spot;
    return found && { values: found.answer.values, within: found.within };
  }

  // Whether the newest figures are still of another place.
  get awaited() {
    return this.spot.found?.target !== this.target;
  }

  told() {
    const { found } = this,
      figure = this.find(".nearest"),
      answer = this.spot.found?.answer,
      against = comparedWith(found);
    // The data came, or went: what the colours compared with is not what the number is of.
    if (this.against && against && against !== this.against)
      this.panels.find(({ spec }) => spec.name === "realism").again();
    this.against = against || this.against;
    for (const panel of this.panels) panel.caption();
    figure.hidden = !answer?.pixels;
    if (figure.hidden) return;
    const label = answer.values[7],
      name = label >= 0 ? this.facts.classNames[label] : null;
    paint(figure.querySelector("canvas"), answer);
    figure.querySelector("figcaption").textContent =
      `nearest ${against === "images" ? "encoded image" : "reconstruction"}${name ? `: ${name}` : ""}`;
  }

  // --- from elsewhere ----------------------------------------------------------------------------------------

  // Let the plane pass through a code, and its place be in the middle.
  locate(code) {
    this.sought = this.grid.view ? null : code; // the grid is laid out when this tab is first in view
    if (this.sought) return;
    const { planes } = this;
    planes.base = Float32Array.from(code);
    this.find(".kind").value = "dimensions";
    planes.changed();
    const [u, v] = planes.inside.map((d) => code[d]),
      { spacing, view } = this.grid;
    if (view) this.grid.look(view.with({ x: spacing.at(u), y: spacing.at(v) }));
    this.aim(u, v);
    this.pin();
  }

  state() {
    if (!this.planes?.plane) return {};
    const { base } = this.planes,
      { latentDim, z } = this.facts,
      moved = latentDim > 2 && base.some((value, d) => Math.abs(value - z[d]) > 1e-4);
    const pin = this.pinned
      ? [this.target.u, this.target.v].map((value) => Number(value.toFixed(4))).join(",")
      : "";
    return {
      ...this.planes.state(),
      pin,
      base: moved ? Array.from(base, (value) => Number(value.toFixed(4))).join(",") : "",
    };
  }

  close() {
    clearTimeout(this.resting);
    for (const part of [this.grid, this.images, this.spot, ...(this.panels ?? [])]) part?.close();
  }
}

// Two numbers from an address; null for anything else.
const pair = (text) => parsed(text, 2);

// A code from an address; null for anything else.
function parsed(text, width) {
  const values = String(text ?? "")
    .split(",")
    .map((part) => (part.trim() === "" ? NaN : Number(part)));
  return values.length === width && values.every(Number.isFinite) ? Float32Array.from(values) : null;
}

const fixed = (value) => (Number.isFinite(value) ? value.toFixed(2).replace("-", "−") : words(value));

// Standard normal numbers from a fixed seed (mulberry32; Box & Muller 1958).
function normal(state = 1) {
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
