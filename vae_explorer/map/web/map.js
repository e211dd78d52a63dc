// The Map page's component: a scatter of the encoded data in which every place answers.
//
// Points come as binary arrays over our own route, pictures over the live socket; Python runs only when somebody leaves
// for another page or sets an end of a path. What is shown stands in the address.

import { write } from "../../kit/address.js";
import { MapData } from "../../kit/columns.js";
import { Places } from "../../kit/places.js";
import { list, Remote } from "../../kit/remote.js";
import { BESIDE, Beside } from "./beside.js";
import { COLOURS, Colours } from "./colours.js";
import { GROUPS, Groups } from "./groups.js";
import { Index } from "./index.js";
import { parsePolygon, polygonText, simplify } from "./lasso.js";
import { Layers } from "./layers.js";
import { PANEL, Panel } from "./panel.js";
import { fade } from "./raster.js";
import { SAVE, Save } from "./save.js";
import { SEARCH, Search } from "./search.js";
import { STAGE, Stage } from "./stage.js";
import { Tiles } from "./tiles.js";

const HISTORY = 100;
const NEAREST = 12;
const SAMPLE = 200; // points whose nearest neighbours tell the usual gap
const MOST_CODES = 64e6; // numbers; more than that stays on the server
const ADDRESS_CORNERS = 40;

const TEMPLATE = `
  <div class="map" aria-busy="true">
    <div class="board">
      <div class="bar" role="toolbar" aria-label="Map">
        <span class="tools" role="group" aria-label="Tool">
          <button type="button" data-tool="pan" aria-pressed="true" title="Drag moves the map, a click pins">Move</button>
          <button type="button" data-tool="lasso" aria-pressed="false" title="Draw around points (or hold Shift and drag)">Lasso</button>
          <button type="button" data-tool="box" aria-pressed="false" title="Select a box">Box</button>
          <button type="button" data-tool="zoom" aria-pressed="false" title="Zoom into a box">Zoom</button>
        </span>
        <span role="group" aria-label="View">
          <button type="button" class="in" aria-label="Zoom in" title="Zoom in (+, wheel, double click)">+</button><button type="button" class="out" aria-label="Zoom out" title="Zoom out (−)">−</button><button type="button" class="fit" title="Show all points (0)">All</button>
        </span>
        <span role="group" aria-label="History">
          <button type="button" class="undo" aria-label="Undo" title="Undo (Ctrl+Z)" disabled>↶</button><button type="button" class="redo" aria-label="Redo" title="Redo (Ctrl+Shift+Z)" disabled>↷</button>
        </span>
        ${COLOURS}
        <details class="layers"><summary>Layers</summary><div class="layers-list"></div></details>
        ${SAVE}
        ${BESIDE}
      </div>
      ${STAGE}
      <div class="under"><div class="legend"></div><p class="count" role="status"></p></div>
      <p class="belief"></p>
      <p class="message" role="status" aria-live="polite"></p>
    </div>
    <aside class="side">
      <div class="panel">${PANEL}</div>
      ${SEARCH}
      ${GROUPS}
    </aside>
  </div>`;

class MapPage {
  constructor(root, facts, tell) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, tell, ends: {}, history: [], cursor: -1 });
    this.find = (selector) => root.querySelector(selector);
    this.stage = new Stage(root, this);
    this.layers = new Layers(root, this);
    this.colours = new Colours(root, this);
    this.tiles = new Tiles({
      change: () => this.stage.redraw("back"),
      say: (sentence) => this.say(sentence),
    });
    this.beside = new Beside(root, this);
    this.panel = new Panel(this.find(".panel"), this);
    this.groups = new Groups(root, this);
    this.search = new Search(root, this);
    this.save = new Save(root, this);
    this.buttons();
    this.open(facts);
  }

  // --- another map -------------------------------------------------------------------------------------------

  async open(facts) {
    this.data?.close();
    const data = new MapData(facts);
    Object.assign(this, {
      facts,
      data,
      selection: null,
      hovered: null,
      pinned: null,
      found: null,
      typical: null,
      target: null,
      counted: null,
      history: [],
      cursor: -1,
    });
    this.find(".map").setAttribute("aria-busy", "true");
    this.find(".belief").textContent = facts.belief;
    this.beside.hide();
    this.note();
    try {
      const xy = await data.want("xy");
      if (this.data !== data) return;
      await this.begin(xy);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message);
    }
  }

  async begin(xy) {
    const { data, facts } = this,
      said = new URLSearchParams(location.search);
    this.index = new Index(xy);
    this.places = new Places(facts, data, this.index);
    this.layers.theme(this.root);
    this.layers.begin();
    this.tiles.begin(this);
    this.panel.begin();
    this.groups.begin();
    this.search.begin();
    this.save.begin();
    this.setEnds();
    this.points = { xy, colours: null, classes: null, weight: null };
    this.started = false;
    const labels = this.colours.begin(said.get("colour"));
    await labels;
    if (this.data !== data) return;
    this.started = true;
    const size = xy.length > 4e5 ? 1 : xy.length > 6e4 ? 2 : xy.length > 1e4 ? 3 : 4;
    this.stage.style = { ...this.inks(), size };
    this.stage.ink = this.layers.ink;
    const linked = !this.linked && !facts.note; // a link's view and lasso are of the map it asks for
    this.linked ||= linked;
    this.stage.begin(this.points, this.index, linked ? said.get("view") : null);
    const polygon = linked ? parsePolygon(said.get("lasso")) : null;
    if (polygon) this.select(polygon, false);
    this.remember();
    this.find(".map").setAttribute("aria-busy", "false");
    this.showBase();
    this.later();
  }

  // Until somebody points somewhere, the code that Explore shows.
  showBase() {
    const place = this.places.place(this.places.base); // null where that takes codes that are still on their way
    if (!place || this.target) return;
    this.target = {
      x: place[0],
      y: place[1],
      code: this.places.base.slice(),
      distance: null,
      point: -1,
      words: "the code that Explore shows, decoded",
    };
    this.panel.show(this.target);
  }

  // What can wait until the points are on the screen: first what the map itself needs, then what points are asked for.
  async later() {
    const { data, facts } = this;
    try {
      if (facts.n * facts.latentDim <= MOST_CODES) await data.want("codes");
      if (this.data === data) this.settle();
      for (const name of ["log_variance", "kl", "error"]) if (data.has(name)) await data.want(name);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message);
    }
    if (this.data !== data) return;
    this.stage.redraw("marks");
    if (this.target) this.panel.show(this.target);
  }

  settle() {
    this.typical = this.usualGap();
    this.fadeSlice();
    this.showBase();
    if (this.target) this.panel.show(this.target);
    this.believe(this.data);
  }

  // How faithful a map is that was made at once: measured when it is on the screen.
  async believe(data) {
    if (!this.facts.toMeasure) return;
    try {
      const { trustworthiness, continuity, rows } = await data.json("faithful");
      if (this.data !== data) return;
      this.find(".belief").textContent = [
        this.facts.belief,
        `Trustworthiness ${trustworthiness.toFixed(3)}, continuity ${continuity.toFixed(3)}` +
          (rows < this.facts.n ? ` (estimated from ${rows.toLocaleString("en")} points)` : "") +
          ".",
      ]
        .filter(Boolean)
        .join(" ");
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message);
    }
  }

  // The median distance from an encoded code to its nearest neighbour, from a sample.
  usualGap() {
    if (!this.data.get("codes") || this.facts.n < 3) return null;
    const step = Math.max(1, Math.floor(this.facts.n / (this.facts.n > 2e5 ? SAMPLE / 10 : SAMPLE)));
    const gaps = [];
    for (let i = 0; i < this.facts.n; i += step)
      gaps.push(this.places.nearest(this.data.code(i), 2)[1].distance);
    return gaps.sort((a, b) => a - b)[gaps.length >> 1];
  }

  // Newer values of the same map: the code in view or an end changed.
  update(facts) {
    if (facts.map !== this.facts.map || facts.model.id !== this.facts.model.id) return void this.open(facts);
    this.facts = facts;
    Object.assign(this.data, { facts });
    this.linked ||= !facts.note;
    this.note();
    this.setEnds();
    this.panel.ends();
    this.stage.redraw("marks");
    this.address();
  }

  // This map stays in view without the one that was asked for: dimmed while that is being made.
  note() {
    const { note = "", dimmed = false } = this.facts,
      element = this.find(".note");
    element.textContent = note;
    element.hidden = !note;
    this.find(".map").dataset.dimmed = String(dimmed);
  }

  setEnds() {
    const place = (code) => (code ? this.places.place(code) : null);
    this.ends = { a: place(this.facts.ends.a), b: place(this.facts.ends.b) };
  }

  // --- what the parts ask of the page ------------------------------------------------------------------------

  inks() {
    return { palette: this.colours.found.palette, visible: this.colours.visible };
  }

  changed() {
    this.points.colours = this.colours.found.colours;
    if (!this.started) return;
    Object.assign(this.stage.style, this.inks());
    this.stage.accept = this.colours.accept;
    this.stage.redraw("points", "marks");
    this.address();
  }

  layer(name) {
    if (name === "slice") this.fadeSlice();
    this.stage.redraw(name === "slice" ? "points" : "back", "marks");
  }

  // Points fade with their distance from the slice that the map decodes.
  fadeSlice() {
    this.points.weight = null;
    if (!this.layers.shows("slice") || !this.data.get("codes")) return;
    const distances = Float32Array.from({ length: this.facts.n }, (_, i) => this.places.across(i));
    const sorted = distances.slice().sort();
    this.points.weight = fade(distances, Math.max(sorted[Math.floor(sorted.length / 4)], 1e-6));
  }

  background(context, view, zoom) {
    this.layers.under(context, view, zoom);
  }

  foreground(context, view) {
    this.layers.over(context, view);
  }

  drew(count) {
    if (count === this.counted) return;
    this.counted = count;
    const all = this.facts.n,
      shown =
        count === all
          ? `${all.toLocaleString("en")} points`
          : `${count.toLocaleString("en")} of ${all.toLocaleString("en")} points in view`;
    this.find(".count").textContent = shown;
  }

  // The pointer is over a place. The panel follows it, unless a pin holds the panel: then the picture beside the
  // pointer does. `live` says whether the panel follows; a finger takes the pin along.
  hover(place, point, screen, live = !this.pinned) {
    if (!place) {
      this.hovered = null;
      this.beside.hide();
      this.follow();
      this.stage.redraw("marks");
      return;
    }
    const found = this.places.code(...place);
    if (!found) return;
    const former = this.hovered?.point ?? -1;
    this.hovered = { x: place[0], y: place[1], point, ...found };
    this.beside.over(this.hovered, screen, live);
    if (live) {
      this.target = this.hovered;
      this.panel.show(this.target);
    }
    if (former !== point) this.stage.redraw("marks");
  }

  // What the panel speaks of: what is pinned, else what is under the pointer, else what it spoke of last.
  follow() {
    this.target = this.pinned ?? this.hovered ?? this.target;
    if (this.target) this.panel.show(this.target);
  }

  // Keep what is under the pointer. On a point, its own code counts, wherever the slice runs.
  pin() {
    if (!this.hovered) return;
    const { point } = this.hovered,
      own = point >= 0 ? this.data.code(point) : null;
    this.pinned = { ...this.hovered, words: "this place, decoded" };
    if (own) {
      const xy = this.data.get("xy"),
        words = `point ${(point + 1).toLocaleString("en")}, its own code decoded`;
      Object.assign(this.pinned, {
        x: xy[2 * point],
        y: xy[2 * point + 1],
        code: own.slice(),
        distance: null,
        words,
      });
    }
    this.follow();
    this.remember();
    this.stage.redraw("marks");
  }

  unpin() {
    this.free();
    this.remember();
  }

  free() {
    this.pinned = null;
    if (!this.beside.docked) this.beside.hide();
    this.follow();
    this.stage.redraw("marks");
  }

  escape() {
    if (!this.pinned && !this.selection && !this.found) return;
    Object.assign(this, { selection: null, found: null });
    this.groups.show(null);
    this.search.close();
    this.free();
    this.remember();
  }

  // A code that is none of a place: decode it, show where it lies, and say what it is.
  showCode(code, words) {
    const place = this.places.place(code) ?? [NaN, NaN];
    this.pinned = {
      x: place[0],
      y: place[1],
      code: Float32Array.from(code),
      distance: null,
      point: -1,
      words,
    };
    this.follow();
    this.stage.redraw("marks");
  }

  goTo(point) {
    const xy = this.data.get("xy"),
      [x, y] = [xy[2 * point], xy[2 * point + 1]];
    this.hovered = { x, y, point, ...(this.places.code(x, y) ?? {}) };
    const { left, right, bottom, top } = this.stage.view.bounds;
    if (x < left || x > right || y < bottom || y > top) this.stage.look(this.stage.view.with({ x, y }));
    this.pin();
  }

  mark(points) {
    this.found = points;
    if (this.points) this.stage.redraw("marks");
  }

  showNearest({ code }) {
    const near = this.places.nearest(code, NEAREST);
    if (!near) return this.say("The codes are still on their way.");
    this.mark(near.map(({ i }) => i));
    this.say(
      `The ${near.length} encoded codes nearest to this one, ${near[0].distance.toFixed(3)} to ${near.at(-1).distance.toFixed(3)} away, are ringed.`,
    );
  }

  select(polygon, remember = true) {
    const indices = this.index.inPolygon(polygon, { accept: this.colours.accept });
    this.selection = { polygon, indices };
    this.groups.show(this.selection);
    if (remember) this.remember();
    this.stage.redraw("marks");
  }

  selectPoints(indices) {
    this.selection = { polygon: new Float64Array(0), indices };
    this.groups.show(this.selection);
    this.stage.redraw("marks");
  }

  act(name, code) {
    this.tell(name, { model: this.facts.model.id, values: Array.from(code) });
  }

  say(sentence) {
    this.find(".message").textContent = sentence;
  }

  // --- undo, redo and the address ------------------------------------------------------------------------------

  viewed() {
    this.remember();
  }

  remember() {
    if (!this.started || !this.stage.home) return;
    const state = { view: this.stage.view.toJSON(), selection: this.selection, pinned: this.pinned };
    this.history = [...this.history.slice(0, this.cursor + 1), state].slice(-HISTORY);
    this.cursor = this.history.length - 1;
    this.travelled();
  }

  travel(step) {
    const state = this.history[this.cursor + step];
    if (!state) return;
    this.cursor += step;
    Object.assign(this, { selection: state.selection, pinned: state.pinned });
    this.groups.show(this.selection);
    this.follow();
    this.stage.look(this.stage.view.at(state.view) ?? this.stage.home, false);
    this.stage.redraw("marks");
    this.travelled();
  }

  travelled() {
    this.find(".undo").disabled = this.cursor <= 0;
    this.find(".redo").disabled = this.cursor >= this.history.length - 1;
    this.address();
  }

  address() {
    if (!this.started) return;
    const said = new URLSearchParams({
      model: this.facts.model.name,
      ...this.facts.address,
      colour: this.colours.name,
    });
    if (this.facts.note) return this.promise(said);
    if (this.stage.zoom !== 1 || !this.stage.view.equals(this.stage.home))
      said.set("view", this.stage.view.text);
    const polygon = this.selection?.polygon;
    if (polygon?.length)
      said.set(
        "lasso",
        polygonText(
          polygon.length > 2 * ADDRESS_CORNERS ? simplify(polygon, 2 / this.stage.view.scale) : polygon,
        ),
      );
    write("map", Object.fromEntries(said));
  }

  // The address of a map that is not there yet: the view and the lasso that its link came with stay for it.
  promise(said) {
    const now = new URLSearchParams(location.search);
    for (const name of this.linked ? [] : ["view", "lasso"]) if (now.has(name)) said.set(name, now.get(name));
    write("map", Object.fromEntries(said));
  }

  // --- buttons -------------------------------------------------------------------------------------------------

  buttons() {
    const on = (selector, act) => this.find(selector).addEventListener("click", act);
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.addEventListener("click", () => this.tool(button.dataset.tool));
    on(".in", () => this.stage.zoomBy(1.5));
    on(".out", () => this.stage.zoomBy(1 / 1.5));
    on(".fit", () => this.stage.reset());
    on(".undo", () => this.travel(-1));
    on(".redo", () => this.travel(1));
    const layers = this.find(".layers");
    layers.addEventListener("focusout", (event) => {
      if (!layers.contains(event.relatedTarget)) layers.open = false;
    });
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.escape();
      if (
        !(event.ctrlKey || event.metaKey) ||
        event.key.toLowerCase() !== "z" ||
        event.target.tagName === "INPUT"
      )
        return;
      event.preventDefault();
      this.travel(event.shiftKey ? 1 : -1);
    });
  }

  tool(name) {
    this.stage.tool = name;
    this.stage.element.dataset.tool = name;
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  close() {
    this.data.close();
    for (const part of [this.stage, this.tiles, this.beside, this.panel, this.groups]) part.close();
  }
}

const pages = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let page = pages.get(parentElement);
  const tell = (name, value) => setTriggerValue(name, value);
  if (!page) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    page = new MapPage(root, data, tell);
    page.remote = new Remote(
      window,
      list(root, ".search .results button", (point) => point.click()),
    );
    pages.set(parentElement, page);
  } else {
    page.tell = tell;
    page.update(data);
  }
  return () => {
    page.remote.close();
    page.close();
    pages.delete(parentElement);
  };
}
