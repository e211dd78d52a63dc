// The Paths panel: several paths between the same codes, decoded, measured on one scale, scrubbed and played together.
//
// The server makes a path (a list of codes with its figures); its pictures come over the live socket once and are kept,
// so that moving along the paths only draws.

import { codeText, parseCode } from "../../kit/code-text.js";
import { Decoder } from "../../kit/decoder.js";
import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { Trust } from "../../kit/trust.js";
import { ENDS, Ends } from "./ends.js";
import { PLAY, Play } from "./play.js";
import { SAVE, Save } from "./save.js";
import { commonScale, distanceWords, frameAt, number, Row, WAYS } from "./strip.js";
import { TALK, Talk } from "./talk.js";
import { usualGap } from "./wander.js";

const PAUSE_MS = 120; // after the last change of a series
const COUNTS = [30, 60, 120, 240];
const COUNT = 120;
const MOST_CODES = 64e6; // numbers; more than that stays on the server
const SMOOTH = "explore.smooth"; // one choice for all pages
const STATE = ["ends", "names", "paths", "closed", "over", "equal", "frames", "chosen", "at"]; // of a link

export const PATHS = `
  <section class="paths" aria-label="Paths">
    ${ENDS}
    <div class="nothing"><p></p><button type="button" class="random">Two random encoded items</button></div>
    <div class="choices" role="group" aria-label="Paths between the ends">
      ${Object.entries(WAYS)
        .map(
          ([way, { name, title }]) =>
            `<label title="${title}"><input type="checkbox" data-way="${way}"${way === "linear" ? " checked" : ""}> ${name}</label>`,
        )
        .join("")}
      <span class="how"><label title="Go on past both ends, to 1.5 times the path"><input type="checkbox" class="over"> Overshoot</label>
      <label title="Space each path so that every step changes its image equally"><input type="checkbox" class="equal"> Equal visual steps</label>
      <label>Frames <select class="count">${COUNTS.map((n) => `<option${n === COUNT ? " selected" : ""}>${n}</option>`).join("")}</select></label></span>
    </div>
    <div class="walks" hidden>
      <div class="heroes"></div>
      <div class="trust"></div>
      <div class="playing">${PLAY}<span class="extras"><button type="button" class="talk-on" title="Full screen, large, moved by keys">Talk mode</button>${SAVE}</span></div>
      <ol class="rows"></ol>
    </div>
    ${TALK}
  </section>`;

export class Paths {
  // page: { facts: { model: { id, name }, latentDim, dataShape, z, ends: { a, b }, hasPrior, classNames, encodedCount },
  //         data (MapData with codes and label, or null), say(sentence), address(), explore(code) }
  constructor(root, page) {
    Object.assign(this, { page, rows: new Map(), chosen: "linear", jumped: null, gap: null });
    root.querySelector(".paths").outerHTML = PATHS; // a panel that was here before leaves no listeners
    this.root = root.querySelector(".paths");
    this.find = (selector) => this.root.querySelector(selector);
    const say = (sentence) => page.say(sentence);
    this.decoder = new Decoder(() => ({ id: page.facts.model.id, width: page.facts.latentDim }), say);
    this.live = new Channel({ onAnswer: (answer, jumped) => this.looked(answer, jumped), onError: say });
    this.ends = new Ends(this.root, page, this.decoder, {
      changed: () => this.changed(),
      current: () => this.current(),
      jump: (mark) => this.jump(mark),
    });
    this.play = new Play(this.root, {
      frames: () => this.chosenRow()?.n ?? 0,
      legs: () => this.legs(),
      move: (p) => this.move(p),
      change: (playing) => this.move(this.play.p, playing),
      settle: () => page.address(),
    });
    this.save = new Save(this.root, { chosen: () => this.toSave(), model: () => page.facts.model.id });
    this.talk = new Talk(this.root, this);
    this.trust = new Trust(this.find(".trust"));
    this.jumpHero = this.jumpedHero();
    this.jumpCanvas = this.jumpHero.querySelector("canvas");
    this.listen();
    this.smooth(localStorage.getItem(SMOOTH) === "true");
  }

  get facts() {
    return this.page.facts;
  }

  get marks() {
    return this.ends.marks;
  }

  listen() {
    const on = (selector, type, act) => this.find(selector).addEventListener(type, act);
    for (const box of this.root.querySelectorAll(".choices input, .choices select"))
      box.addEventListener("change", () => this.changed());
    on(".random", "click", () => this.ends.from(this.find(".random").dataset.source));
    on(".talk-on", "click", () => this.talk.enter());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.leaving = new AbortController();
    // A press elsewhere closes a menu.
    const shut = (event) => {
      for (const menu of this.root.querySelectorAll("details[open]"))
        if (!event.composedPath().includes(menu)) menu.open = false;
    };
    window.addEventListener("pointerdown", shut, { capture: true, signal: this.leaving.signal });
  }

  // --- another model -------------------------------------------------------------------------------------------

  // The facts are here, or others than before: another model starts anew, of the same one only what is known changes.
  begin() {
    const { id } = this.facts.model;
    if (this.model !== id) {
      this.model = id;
      this.forget();
      this.trust.begin({ ...this.facts, ...this.facts.trust, id });
      const [, height, width] = this.facts.dataShape;
      this.root.style.setProperty("--shape", width / height);
      Object.assign(this, { jumped: null, gap: null, told: undefined, restoring: null });
      this.ends.begin();
      this.play.go(0);
    }
    this.dataHere();
    this.outline();
  }

  // The usual gap between codes, once the codes are here.
  async dataHere() {
    const { data } = this.page;
    if (this.told === data) return;
    Object.assign(this, { told: data, gap: null });
    const without = !data?.has("codes"),
      box = this.find('[data-way="data"]');
    box.disabled = without;
    box.closest("label").classList.toggle("off", without);
    if (without || data.n * data.width > MOST_CODES) return;
    try {
      const codes = await data.want("codes");
      if (this.page.data === data) this.gap = usualGap(codes, data.width);
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
    }
    if (this.page.data === data) this.rescale();
  }

  codes() {
    return this.page.data?.get("codes") ?? null;
  }

  // --- which paths ---------------------------------------------------------------------------------------------

  ways() {
    return [...this.root.querySelectorAll(".choices [data-way]")]
      .filter((box) => box.checked && !box.disabled)
      .map((box) => box.dataset.way);
  }

  get how() {
    return {
      count: Number(this.find(".count").value),
      closed: this.ends.closed,
      overshoot: this.find(".over").checked ? 1.5 : 1,
      equal: this.find(".equal").checked,
    };
  }

  // Ends or choices changed: what is known is out of date at once, and new paths are asked for soon.
  changed() {
    clearTimeout(this.pause);
    this.outline();
    for (const row of this.rows.values()) if (this.text(row) !== row.asked) row.outdate();
    this.page.address();
    this.pause = setTimeout(() => this.ask(), PAUSE_MS);
  }

  // One row for each chosen path, in one order.
  outline() {
    const ways = this.ends.list.length >= 2 ? this.ways() : [];
    for (const way of this.rows.keys()) if (!ways.includes(way)) this.drop(way);
    for (const way of ways) if (!this.rows.has(way)) this.rows.set(way, this.row(way));
    const kept = ways.map((way) => this.rows.get(way));
    this.rows = new Map(ways.map((way, i) => [way, kept[i]]));
    kept.forEach(
      ({ element }, i) =>
        this.find(".rows").children[i] === element ||
        this.find(".rows").insertBefore(element, this.find(".rows").children[i] ?? null),
    );
    if (!ways.includes(this.chosen) && ways.length) this.chosen = ways[0];
    for (const row of kept) row.choose(row.way === this.chosen);
    this.find(".walks").hidden = !ways.length && !this.jumped;
    this.find(".bookmarks .keep").hidden = !this.current();
    this.invite();
    this.heroes();
  }

  row(way) {
    const row = new Row(way, this.decoder, {
      choose: (chosen) => this.choose(chosen),
      changed: () => this.rescale(),
      arrived: () => this.move(this.play.p),
      hold: (p) => this.hold(p),
      settle: () => this.page.address(),
      ends: () => this.ends.list,
      codes: (points) => this.pointCodes(points),
    });
    row.title = WAYS[way].name;
    return row;
  }

  async pointCodes(points) {
    const { data } = this.page;
    if (!data?.has("codes") || data.n * data.width > MOST_CODES) return null;
    await data.want("codes").catch(() => null);
    const codes = points.map((i) => (i >= 0 && i < data.n ? data.code(i) : null));
    return codes.every(Boolean) ? codes : null;
  }

  drop(way) {
    this.rows.get(way).close();
    this.rows.delete(way);
  }

  forget() {
    clearTimeout(this.pause);
    for (const way of [...this.rows.keys()]) this.drop(way);
  }

  body(row) {
    return {
      model: this.model,
      ends: this.ends.list.map(({ code }) => Array.from(code)),
      method: row.way,
      ...this.how,
    };
  }

  text(row) {
    return JSON.stringify(this.body(row));
  }

  // The geodesic takes longest, and the server makes one path at a time: it comes last.
  async ask() {
    const due = [...this.rows.values()].filter((row) => row.asked !== this.text(row) || !row.leave),
      asking = [];
    for (const row of due) row.asked = this.text(row);
    for (const row of due) if (row.way !== "geodesic") asking.push(row.ask(this.body(row)));
    const last = due.find(({ way }) => way === "geodesic"),
      text = last?.asked;
    await Promise.all(asking);
    if (last && this.rows.get("geodesic") === last && last.asked === text && this.text(last) === text)
      last.ask(this.body(last));
  }

  invite() {
    const { list } = this.ends,
      box = this.find(".nothing"),
      button = this.find(".random"),
      data = Boolean(this.page.data?.has("codes"));
    const none = list.length >= 2 && !this.ways().length;
    box.hidden = list.length >= 2 && !none;
    button.hidden = none || list.length > 0 || !data;
    button.dataset.source = "random";
    this.find(".nothing p").textContent = none
      ? "Choose at least one kind of path."
      : list.length === 1
        ? "A path needs one more end: add it beside the first."
        : `A path leads from one code to another: add two ends above${data ? ", or begin with" : "."}`;
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  ready() {
    return [...this.rows.values()].filter(({ answer }) => answer);
  }

  rescale() {
    const ready = this.ready(),
      scale = commonScale(
        ready.map(({ answer }) => answer),
        this.gap,
      );
    for (const row of ready) row.paint(scale, this.gap);
    this.heroes();
    this.save.refresh();
  }

  hero(way, name) {
    const figure = document.createElement("figure");
    figure.dataset.way = way;
    figure.innerHTML = `<canvas width="1" height="1" role="img"></canvas><figcaption><strong><i></i></strong><span></span></figcaption><span class="acts"><button type="button" class="explore" title="Continue with this code on the Explore page">Explore</button></span>`;
    figure.querySelector("strong").append(name);
    figure.querySelector("canvas").setAttribute("aria-label", `${name || "Chosen code"}, decoded`);
    figure.querySelector("canvas").addEventListener("click", () => this.rows.has(way) && this.choose(way));
    figure.querySelector(".explore").addEventListener("click", () => {
      const code =
        way === "jumped"
          ? this.jumped?.code
          : this.rows.get(way)?.answer && this.rows.get(way).code(this.play.p);
      if (code) this.page.explore(code);
    });
    return figure;
  }

  // A bookmark has more to be done with.
  jumpedHero() {
    const figure = this.hero("jumped", ""),
      acts = figure.querySelector(".acts");
    acts.insertAdjacentHTML(
      "beforeend",
      `<button type="button" class="end">Add as end</button><button type="button" class="drop">Remove bookmark</button><button type="button" class="shut" aria-label="Back to the paths">✕</button>`,
    );
    const on = (selector, act) =>
      acts.querySelector(selector).addEventListener("click", () => this.jumped && act(this.jumped));
    on(".end", ({ code, name, number }) =>
      this.ends.add({ code, name: number ? `bookmark ${number}` : name }),
    );
    on(".drop", ({ number }) => {
      this.marks.drop(number);
      this.back();
    });
    on(".shut", () => this.back());
    return figure;
  }

  // One large picture for each path that is there, and one for a bookmark that was called.
  heroes() {
    const figures = this.ready().map((row) => (row.hero ??= this.hero(row.way, row.title)));
    if (this.jumped) figures.push(this.jumpHero);
    const place = this.find(".heroes");
    if (figures.length !== place.children.length || figures.some((figure, i) => figure !== place.children[i]))
      place.replaceChildren(...figures);
    place.style.setProperty("--count", figures.length);
    this.move(this.play.p);
  }

  // How often the distance from one end to the next lies on the way.
  legs() {
    const t = this.chosenRow()?.answer.t,
      ends = this.ends.list.length - (this.ends.closed ? 0 : 1);
    return Math.max(ends, 1) * (t ? t.at(-1) - t[0] : 1);
  }

  // Every path at share p of its way.
  move(p, playing = this.play?.playing) {
    if (!this.play) return;
    this.find(".rows").style.setProperty("--p", p);
    for (const row of this.ready()) {
      row.frame = frameAt(p, row.n);
      if (!row.hero) continue;
      row.film.show(row.hero.querySelector("canvas"), row.frame);
      row.hero.querySelector("figcaption span").textContent = this.near(row);
      row.hero.classList.toggle("chosen", row.way === this.chosen);
    }
    const row = this.chosenRow();
    this.play.show(
      playing,
      row ? `t ${row.t(p).toFixed(2).replace("-", "−")} · ${row.frame + 1} of ${row.n}` : "",
    );
    this.talk?.show();
    this.trusted();
  }

  // The read-out is of the chosen path's code; a talk goes without.
  trusted() {
    const current = this.talk?.open ? null : this.current();
    if (current) this.trust.ask(current.code);
  }

  near(row) {
    const near = row.answer.nearest?.[row.frame];
    return Number.isFinite(near) ? distanceWords(near, this.gap) : "";
  }

  words(row) {
    return [
      `t ${row
        .t(row.frame / (row.n - 1))
        .toFixed(2)
        .replace("-", "−")}`,
      this.near(row),
    ]
      .filter(Boolean)
      .join(" · ");
  }

  hold(p) {
    this.back();
    this.play.hold(p);
  }

  choose(way) {
    this.chosen = way;
    for (const row of this.rows.values()) row.choose(row.way === way);
    this.back();
    this.move(this.play.p);
    this.save.refresh();
    this.page.address();
  }

  chooseNext(by) {
    const ways = this.ready().map(({ way }) => way);
    if (ways.length) this.choose(ways[(ways.indexOf(this.chosen) + by + ways.length) % ways.length]);
  }

  chosenRow() {
    const row = this.rows.get(this.chosen);
    return row?.answer ? row : (this.ready()[0] ?? null);
  }

  // --- a code beside the paths -----------------------------------------------------------------------------------

  // The code in view.
  current() {
    if (this.jumped) return this.jumped;
    const row = this.chosenRow();
    if (row)
      return {
        code: row.code(this.play.p),
        name: `${row.title.toLowerCase()}, t ${number(row.t(this.play.p))}`,
      };
    return this.ends.list.at(-1) ?? null;
  }

  jump(mark) {
    this.play.pause();
    this.look(mark.code, mark.name, mark.number);
  }

  look(code, name, number = 0) {
    const fresh = !this.jumped;
    this.jumped = { code: Float32Array.from(code), name, number };
    this.jumpHero.querySelector("strong").lastChild.textContent = number ? `Bookmark ${number}` : "";
    this.jumpHero.querySelector("figcaption span").textContent = name;
    this.live.ask({
      model: this.model,
      kind: DECODE,
      count: 1,
      width: this.facts.latentDim,
      payload: this.jumped.code,
      tag: this.jumped,
    });
    if (!fresh || this.talk.wander) return;
    this.find(".walks").hidden = false;
    this.heroes();
  }

  looked(answer, { code }) {
    if (!this.jumped || code.length !== this.facts.latentDim) return;
    paint(this.jumpCanvas, answer);
    this.talk.show();
    this.trusted();
  }

  // To the paths again.
  back() {
    if (!this.jumped) return;
    this.jumped = null;
    this.outline();
  }

  left() {
    this.back();
    this.page.address();
    this.find(".talk-on").focus();
  }

  smooth(on) {
    this.smoothed = on;
    this.root.classList.toggle("smoothed", on);
    localStorage.setItem(SMOOTH, on);
  }

  key(event) {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog, select, details, textarea"))
      return;
    if (target.tagName === "INPUT" && !["range", "checkbox"].includes(target.type)) return;
    if (key === " " && target.closest("button, [type=checkbox]")) return;
    if (!this.ready().length) return;
    if ([" ", "ArrowLeft", "ArrowRight", "Home", "End"].includes(key)) this.back();
    if (this.play.key(event)) event.preventDefault();
  }

  toSave() {
    const row = this.chosenRow();
    if (!row) return null;
    const { closed, equal } = this.how,
      fps = Math.min(Math.max(Math.round(row.n / this.play.seconds), 1), 60);
    const frames = row.answer.t.filter((t) => t > -1e-9 && t < 1 + 1e-9).length; // what overshoots comes on top
    return {
      name: this.facts.model.name,
      file: this.facts.model.file,
      ends: this.ends.list,
      way: row.way,
      wayName: row.title,
      codes: row.answer.codes,
      frames,
      fps,
      closed,
      equal,
      pingPong: this.play.after === "pingpong",
      overshoot: this.how.overshoot,
    };
  }

  // --- the link ------------------------------------------------------------------------------------------------

  // What a link must restore, as short strings; nothing for what is as it is at first.
  state() {
    if (this.restoring) return this.restoring;
    const { list, closed } = this.ends,
      { count, overshoot, equal } = this.how,
      state = {};
    if (list.length)
      state.ends = list
        .map(({ code, spec }) => (spec ? `@${encodeURIComponent(spec)}` : codeText(code)))
        .join(";");
    if (list.some(({ spec }) => !spec))
      state.names = list.map(({ name, spec }) => (spec ? "" : name).replaceAll("|", " ")).join("|");
    if (list.length) state.paths = this.ways().join(",");
    if (closed) state.closed = "1";
    if (overshoot > 1) state.over = "1";
    if (equal) state.equal = "1";
    if (count !== COUNT) state.frames = String(count);
    if (list.length && this.chosen !== "linear") state.chosen = this.chosen;
    if (this.play.p) state.at = String(Number(this.play.p.toFixed(4)));
    return state;
  }

  // Take up what state() told; what makes no sense is left out. Until the encoded data that it names are here, it is what
  // state() says.
  async restore(told) {
    const ends = this.toldEnds(told),
      ways = (told.paths ?? "linear").split(",");
    for (const box of this.root.querySelectorAll(".choices [data-way]"))
      box.checked = ways.includes(box.dataset.way);
    this.find(".over").checked = told.over === "1";
    this.find(".equal").checked = told.equal === "1";
    this.find(".count").value = COUNTS.includes(Number(told.frames)) ? told.frames : String(COUNT);
    this.ends.closed = told.closed === "1";
    this.chosen = Object.hasOwn(WAYS, told.chosen) ? told.chosen : "linear";
    this.play.go(Number(told.at) || 0);
    if (ends.some((end) => end instanceof Promise)) await this.awaitEnds(told, ends);
    else this.ends.set(ends);
  }

  async awaitEnds(told, ends) {
    const own = Object.fromEntries(
      STATE.filter((name) => told[name] !== undefined).map((name) => [name, told[name]]),
    );
    this.restoring = own;
    const found = await Promise.allSettled(ends);
    if (this.restoring !== own) return; // another model has been opened, or this page left
    this.restoring = null;
    for (const { reason } of found) if (reason && reason.name !== "AbortError") this.page.say(reason.message);
    this.ends.set([...found.flatMap(({ value }) => value ?? []), ...this.ends.list]);
  }

  // The ends of a link: codes, or promises of what it calls by name ("@12", "@class:3").
  toldEnds({ ends = "", names = "", model }) {
    const { facts } = this;
    if (!ends || (model && model !== facts.model.name)) return [];
    const called = names.split("|");
    return ends.split(";").flatMap((text, i) => {
      if (text.startsWith("@")) return this.ends.named(unescaped(text.slice(1)));
      const [, name, spec] = /^(.*?)(?:@(.*))?$/s.exec(called[i] ?? "");
      try {
        return [
          { code: parseCode(text, facts.latentDim), name: name || `end ${i + 1}`, ...(spec && { spec }) },
        ];
      } catch {
        return [];
      }
    });
  }

  close() {
    this.restoring = null;
    this.leaving.abort();
    this.talk.close();
    this.play.pause();
    this.save.close();
    this.forget();
    this.ends.close();
    this.decoder.close();
    this.trust.close();
    this.live.close();
  }
}

function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
