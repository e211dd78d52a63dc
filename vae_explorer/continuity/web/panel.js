// One measured map of the plane: the window that the grid shows, measured on a few cells while anything moves and on
// many once it rests.
//
// One request is under way at a time; when its answer comes, the next is made up from what the newest view lacks. A
// refinement is therefore over as soon as something moves, and a slow model never builds a queue. Panels refine one after
// the other, the quickest first, as one thread of the server measures them all.

import { tell } from "../../kit/pace.js";
import { Hand } from "../../kit/plane/hand.js";
import { Channel, MEASURE } from "../../kit/socket.js";
import { gradient, ink } from "./colours.js";
import { contour, Raster } from "./raster.js";

const COARSE = 16,
  FINE = 64; // cells to each side
const SAMPLE = 256; // codes that fix a scale
const KEPT = 2; // fine windows that still show while the view moves on
const ANSWER_MS = 150,
  FEWEST = 64,
  MOST = 1022; // cells of a fine window per request: a move waits about that long

export const PANEL = (name) => `
  <article class="measure" data-measure="${name}">
    <div class="field" tabindex="0" role="application"><canvas class="colours"></canvas><canvas class="marks"></canvas><i class="cross" hidden></i><p class="state"></p></div>
    <div class="says">
      <h3></h3>
      <p class="value"><b>–</b> <span></span></p>
      <div class="legend"><p class="coloured"></p><div class="gradient"></div><div class="ticks"></div></div>
      <p class="choices"></p>
      <p class="sentence"></p>
      <details><summary>Definition</summary><div class="definition"></div></details>
    </div>
  </article>`;

export class Panel {
  // maps: { facts, grid, plane(), moving, target: null or { x, y }, found: the exact figures at the newest target that has
  //         any, awaited: whether these are still of another, pointAt(x, y), choose(place, code, event), draws(count),
  //         codes(cells, raster), turn: the panel to refine, passed() }, all of it about the view of the grid
  // spec: what is measured and how it looks, see continuity-specs.js; connect makes a channel.
  constructor(root, maps, spec, { connect = (on) => new Channel(on) } = {}) {
    Object.assign(this, { maps, spec, root: root.querySelector(`[data-measure="${spec.name}"]`) });
    this.find = (selector) => this.root.querySelector(selector);
    this.field = this.find(".field");
    this.contexts = ["colours", "marks"].map((name) => this.find(`canvas.${name}`).getContext("2d"));
    this.find("h3").textContent = spec.title;
    this.find(".definition").innerHTML = spec.definition;
    this.field.setAttribute(
      "aria-label",
      `${spec.title}: the same plane as the grid, moved by the same keys; Enter pins a place`,
    );
    this.channel = connect({
      onAnswer: (answer, tag) => this.answered(answer, tag),
      onError: (sentence) => this.refused(sentence),
    });
    this.hand = new Hand(this.field, mirror(this));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.field);
    this.begin();
  }

  // Another model: nothing of before is of use.
  begin() {
    const { facts } = this.maps;
    Object.assign(this, {
      rasters: [],
      scales: new Map(),
      each: 1,
      refusal: null,
      coarse: null,
      fine: null,
      lacks: this.spec.lacks(facts),
      epoch: {},
    });
    this.choices();
    this.root.classList.toggle("lacking", Boolean(this.lacks));
    this.state(this.lacks ?? "measuring…");
    this.explain(null);
    this.caption();
    this.redraw();
  }

  // What was measured means something else by now.
  again() {
    this.begin();
    this.moved();
  }

  // The menus of what may be shown.
  choices() {
    this.chosen = {};
    const menus = this.lacks ? [] : this.spec.choices(this.maps.facts);
    this.find(".choices").replaceChildren(
      ...menus.map(({ name, label, options }) => {
        const menu = document.createElement("select");
        menu.setAttribute("aria-label", label);
        menu.append(...options.map(([value, text]) => new Option(text, value)));
        this.chosen[name] = menu.value;
        menu.addEventListener("change", () => this.choose(name, menu.value));
        return menu;
      }),
    );
  }

  choose(name, value) {
    this.chosen[name] = value;
    this.caption();
    this.moved();
    this.show();
  }

  // --- measuring ---------------------------------------------------------------------------------------------

  // The view, the plane or the rest changed.
  moved() {
    this.refusal = null;
    this.pump();
    this.redraw();
  }

  // What the newest view is a view of: windows with the same key show parts of one picture.
  get key() {
    const { grid, moving, facts } = this.maps,
      measure = this.spec.measure({ facts, moving, chosen: this.chosen });
    return { edition: grid.edition, spacing: grid.spacing, measure };
  }

  pump() {
    const { maps } = this,
      view = maps.grid?.view;
    this.root.dataset.settled = this.settled;
    if (!view || this.lacks || this.refusal || this.channel.busy || !this.field.clientWidth) return;
    const key = this.key,
      scaleOf = this.spec.scaleOf(key.measure, this.chosen);
    if (!this.scales.has(scaleOf.name)) return this.ask(scaleOf.measure, maps.draws(SAMPLE), { scaleOf });
    const raster = this.lacking(view, key);
    if (!raster) return;
    const cells = raster.next(raster.n === COARSE ? COARSE ** 2 : this.count);
    this.ask(key.measure, maps.codes(cells, raster), { raster, cells });
  }

  // The window to measure next: the newest view's coarse one, then, once all rests, its fine one.
  lacking(view, key) {
    const { bounds } = view,
      columns = this.spec.columns(this.maps.facts);
    if (!covers(this.coarse, bounds, key)) return new Raster({ bounds, n: COARSE, columns, key });
    if (this.maps.moving || this.maps.turn !== this) return null;
    if (!covers(this.fine, bounds, key)) this.fine = new Raster({ bounds, n: FINE, columns, key });
    return this.fine.complete ? null : this.fine;
  }

  // How many cells to ask for at once; what one takes is known from the last answer.
  get count() {
    return Math.min(Math.max(Math.round(ANSWER_MS / this.each), FEWEST), MOST);
  }

  ask(measure, codes, tag) {
    const { facts } = this.maps,
      width = facts.latentDim,
      rows = [...this.spec.axes(measure, this.maps.plane()), codes];
    const payload = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
    let at = 0;
    for (const row of rows) {
      payload.set(row, at);
      at += row.length;
    }
    this.channel.ask({
      model: facts.model.id,
      kind: MEASURE,
      height: measure,
      count: payload.length / width,
      width,
      payload,
      tag: { ...tag, epoch: this.epoch, at: performance.now(), count: codes.length / width },
    });
  }

  answered({ values, columns }, { scaleOf, raster, cells, epoch, at, count }) {
    if (epoch !== this.epoch) return this.pump(); // of the model before
    this.each = (performance.now() - at) / count;
    if (scaleOf) this.scales.set(scaleOf.name, scaleOf.make(values, columns));
    else this.arrived(raster, cells, values);
    this.pump();
    if (!this.channel.busy) this.maps.passed();
  }

  arrived(raster, cells, values) {
    raster.take(cells, values);
    if (raster.n === COARSE) this.coarse = raster;
    // A complete fine window needs no help; until then whatever is known of the same picture shows beside it.
    const alike =
      raster.n === FINE && raster.complete
        ? []
        : this.rasters.filter((other) => other !== raster && same(other.key, raster.key));
    const of = (n, count) => alike.filter((other) => other.n === n).slice(-count);
    this.rasters = [...of(FINE, KEPT), ...of(COARSE, 1), raster];
    this.state("");
    this.show(raster);
  }

  refused(sentence) {
    this.refusal = sentence;
    this.state(sentence);
    this.pump();
    this.maps.passed();
  }

  // Whether the newest view is measured as finely as it will be.
  get settled() {
    const view = this.maps.grid?.view,
      { fine } = this;
    return Boolean(
      this.lacks || this.refusal || (view && fine?.complete && covers(fine, view.bounds, this.key)),
    );
  }

  // --- showing -----------------------------------------------------------------------------------------------

  get newest() {
    return this.rasters.at(-1) ?? null;
  }

  // Colour what has come, or all where the scale is another.
  show(only = null) {
    const key = this.newest?.key;
    if (!key) return;
    const scaleOf = this.spec.scaleOf(key.measure, this.chosen),
      scale = this.scales.get(scaleOf.name);
    if (scale !== this.scale || !only) this.explain(scale);
    const colour = (row) => (scale ? ink(scale, this.spec.value(row, this.chosen)) : 0);
    for (const raster of only ? [only] : this.rasters) raster.colour(colour);
    if (scale === null) this.state(this.spec.flat);
    this.caption();
    this.redraw();
  }

  explain(scale) {
    this.scale = scale;
    this.find(".legend").hidden = !scale;
    if (!scale) return;
    this.find(".gradient").style.background = gradient(scale);
    this.find(".ticks").replaceChildren(
      ...scale.marks.map(({ share, text, strong }) => {
        const tick = document.createElement("span");
        tick.style.left = `${100 * share}%`;
        tick.textContent = text;
        tick.classList.toggle("strong", Boolean(strong));
        return tick;
      }),
    );
  }

  // The number is of the exact place that all maps point at, whatever the cell below it was coloured by.
  caption() {
    const { spec, chosen } = this,
      { facts, found, awaited } = this.maps,
      measure = this.newest?.key.measure;
    const {
      value,
      unit,
      bad,
      title = "",
    } = (found && spec.words(found, { facts, chosen })) || { value: "–", unit: "" };
    tell(this.find(".value b"), value);
    tell(this.find(".value span"), unit);
    tell(this.find("h3"), spec.heading(found, facts));
    tell(this.find(".sentence"), spec.sentence(facts, chosen, found));
    tell(this.find(".coloured"), measure === undefined ? "" : spec.coloured(measure, facts));
    const line = this.find(".value");
    line.classList.toggle("bad", Boolean(bad));
    line.classList.toggle("awaited", Boolean(awaited));
    if (line.title !== title) line.title = title;
  }

  state(sentence) {
    this.find(".state").textContent = sentence;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.field;
    if (!width || !height) return;
    this.density = Math.max(1, Math.min(window.devicePixelRatio, 2));
    for (const { canvas } of this.contexts)
      [canvas.width, canvas.height] = [width * this.density, height * this.density];
    this.pump();
    this.redraw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  get view() {
    const view = this.maps.grid?.view;
    return view && this.field.clientWidth
      ? view.resized(this.field.clientWidth, this.field.clientHeight)
      : null;
  }

  paint() {
    this.frame = null;
    const { view, contexts } = this;
    if (!view || !this.density) return;
    for (const context of contexts) {
      context.setTransform(this.density, 0, 0, this.density, 0, 0);
      context.clearRect(0, 0, view.width, view.height);
    }
    const [colours, marks] = contexts;
    // Large cells below small ones: what was measured finely stays to be seen while the view moves on.
    for (const raster of [...this.rasters].sort((a, b) => b.wide - a.wide)) raster.draw(colours, view);
    for (const level of this.spec.contours) this.line(marks, view, level);
    if (this.spec.arrows && this.coarse && this.rasters.length) this.arrows(marks, view);
    place(this.find(".cross"), view, this.maps.target);
  }

  // Where the windows pass a level; a coarse one only where no fine one is.
  line(context, view, level) {
    const [fine, coarse] = [FINE, COARSE].map((n) =>
      this.rasters.findLast((each) => each.n === n && each.complete),
    );
    context.save();
    if (fine) this.trace(context, view, fine, level);
    if (fine && coarse) {
      const [x, y] = view.toScreen(fine.bounds.left, fine.bounds.top),
        outside = new Path2D();
      outside.rect(0, 0, view.width, view.height);
      outside.rect(x, y, fine.n * fine.wide * view.scale, fine.n * fine.high * view.scale);
      context.clip(outside, "evenodd");
    }
    if (coarse) this.trace(context, view, coarse, level);
    context.restore();
  }

  trace(context, view, raster, level) {
    const { n, bounds, wide, high } = raster,
      field = new Float32Array(n * n);
    for (let cell = 0; cell < field.length; cell++)
      field[cell] = this.spec.level(raster.row(cell), this.chosen);
    const path = new Path2D(),
      at = (i, j) => view.toScreen(bounds.left + i * wide, bounds.top - j * high);
    for (const [x0, y0, x1, y1] of contour(field, n, level)) {
      path.moveTo(...at(x0, y0));
      path.lineTo(...at(x1, y1));
    }
    stroke(context, path, [
      ["rgb(255 255 255 / 0.9)", 3.2],
      ["#14181b", 1.4],
    ]);
  }

  arrows(context, view) {
    const { coarse, maps } = this,
      path = new Path2D();
    for (let cell = 0; cell < coarse.n ** 2; cell++) {
      if (!coarse.known[cell]) continue;
      const [x, y] = coarse.middle(cell),
        { spacing } = coarse.key,
        to = this.spec.arrows(
          [spacing.value(x), spacing.value(y)],
          coarse.row(cell),
          spacing,
          maps.plane().axes,
        );
      if (to) arrow(path, view.toScreen(x, y), view.toScreen(...to));
    }
    stroke(context, path, [
      ["rgb(0 0 0 / 0.6)", 2.2],
      ["#fff", 1],
    ]);
  }

  close() {
    this.observer.disconnect();
    this.hand.close();
    this.channel.close();
    cancelAnimationFrame(this.frame);
  }
}

// Put a cross where a target is on a view; off the screen it is not to be seen.
export function place(cross, view, target) {
  const [x, y] = target ? view.toScreen(target.x, target.y) : [-1, -1];
  cross.hidden = !(x >= 0 && y >= 0 && x <= view.width && y <= view.height);
  cross.style.setProperty("--x", `${x}px`);
  cross.style.setProperty("--y", `${y}px`);
}

// A line on a ground of its own, to be seen on any colour.
function stroke(context, path, lines) {
  for (const [strokeStyle, lineWidth] of lines) {
    Object.assign(context, { strokeStyle, lineWidth, lineCap: "round", lineJoin: "round" });
    context.stroke(path);
  }
}

const same = (a, b) =>
  a.edition === b.edition && a.spacing.name === b.spacing.name && a.measure === b.measure;

function covers(raster, bounds, key) {
  return (
    Boolean(raster) &&
    same(raster.key, key) &&
    ["left", "right", "bottom", "top"].every((side) => raster.bounds[side] === bounds[side])
  );
}

function arrow(path, [x, y], [x1, y1]) {
  const length = Math.hypot(x1 - x, y1 - y);
  if (!(length >= 1.5)) return;
  const head = Math.min(4, length / 2),
    [dx, dy] = [((x1 - x) / length) * head, ((y1 - y) / length) * head];
  path.moveTo(x, y);
  path.lineTo(x1, y1);
  path.moveTo(x1 - dx - dy / 2, y1 - dy + dx / 2);
  path.lineTo(x1, y1);
  path.lineTo(x1 - dx + dy / 2, y1 - dy - dx / 2);
}

// What a hand on a panel does to the grid: the same view, in this panel's pixels.
function mirror(panel) {
  const { maps } = panel;
  return {
    get view() {
      return panel.view;
    },
    look: (view, cause) => maps.grid.look(view.resized(maps.grid.view.width, maps.grid.view.height), cause),
    hoverAt: (point) => point && maps.pointAt(...panel.view.toPlace(...point)),
    choose: (event) => maps.choose(null, null, event),
    reset: () => maps.grid.reset(),
    zoomBy: (factor) => maps.grid.zoomBy(factor),
    step: (right, up) => maps.grid.step(right, up),
  };
}
