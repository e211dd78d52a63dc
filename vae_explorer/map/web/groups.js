// Selected points and what can be done with them: count, mix and mean; named groups; the difference of two groups as a
// direction, tried on any code; A - B + C.

import { paint } from "../../kit/paint.js";
import { classColour } from "../../kit/palette.js";
import { Channel, DECODE } from "../../kit/socket.js";

const REACH = 3; // strengths from minus to plus this many times the vector
const NAME_LENGTH = 40;

export const GROUPS = `
  <section class="groups" aria-label="Groups">
    <p class="hint">Draw a lasso around points (or hold Shift and drag) to see what they have in common.</p>
    <div class="selected" hidden>
      <canvas class="mean" role="img" aria-label="Mean code of the selection, decoded"></canvas>
      <div><strong class="count"></strong><div class="mix" role="img"></div><p class="spread"></p>
        <span class="save-group"><input class="name" placeholder="Name of the group" maxlength="${NAME_LENGTH}" aria-label="Name of the group"><button type="button" class="keep">Keep</button><button type="button" class="clear" title="Forget the selection (Escape)">Clear</button></span></div>
    </div>
    <ul class="named"></ul>
    <div class="attribute" hidden>
      <label>From <select class="from"></select></label> <label>to <select class="to"></select></label>
      <p class="effect" role="status"></p>
      <label class="strength">Strength <input type="range" min="-${REACH}" max="${REACH}" step="0.01" value="0"><output>0</output></label>
    </div>
    <div class="arithmetic" hidden>
      <label>A <select class="a"></select></label> − <label>B <select class="b"></select></label> + <label>C <select class="c"></select></label>
      <button type="button" class="sum">Decode</button>
      <p class="why" role="status"></p>
    </div>
  </section>`;

export class Groups {
  // page: { data, facts, say, escape(), selectPoints(indices), showCode(code, words), target }
  constructor(root, page) {
    Object.assign(this, { page, kept: [], summary: null, direction: null, base: null });
    this.root = root.querySelector(".groups");
    this.find = (selector) => this.root.querySelector(selector);
    this.channel = new Channel({
      onAnswer: (answer, canvas) => paint(canvas, answer),
      onError: (sentence) => page.say(sentence),
    });
    this.means = new Channel({
      onAnswer: (answer, canvases) => canvases.forEach((canvas, k) => paint(canvas, answer, k)),
      onError: (sentence) => page.say(sentence),
    });
    const on = (selector, type, act) => this.find(selector).addEventListener(type, act);
    on(".keep", "click", () => this.keep());
    on(".name", "keydown", (event) => event.key === "Enter" && this.keep());
    on(".clear", "click", () => page.escape());
    on(".from", "change", () => this.measure());
    on(".to", "change", () => this.measure());
    on(".strength input", "pointerdown", () => (this.base = null));
    on(".strength input", "input", () => this.apply());
    for (const selector of [".a", ".b", ".c"]) on(selector, "change", () => this.weigh());
    on(".sum", "click", () => this.add());
  }

  begin() {
    this.kept = recall(this.page.data.id);
    this.show(null);
    this.list();
  }

  // --- the selection -----------------------------------------------------------------------------------------

  async show(selection) {
    this.find(".selected").hidden = !selection;
    this.find(".hint").hidden = Boolean(selection) || this.kept.length > 0;
    Object.assign(this, { selection, summary: null });
    if (!selection) return;
    const count = selection.indices.length;
    this.find(".count").textContent = `${count.toLocaleString("en")} point${count === 1 ? "" : "s"}`;
    this.find(".mix").replaceChildren();
    this.find(".spread").textContent = "";
    this.find(".keep").disabled = true; // until its mean is here
    this.find(".mean").hidden = count === 0;
    if (count === 0) return;
    const summary = await this.ask("summary", selection.indices);
    if (!summary || this.selection !== selection) return;
    this.summary = summary;
    this.find(".keep").disabled = false;
    this.mix(summary, count);
    this.find(".spread").textContent = `RMS distance to their mean ${summary.radius.toFixed(2)}`;
    this.decode(summary.mean, this.find(".mean"));
  }

  mix({ classes }, count) {
    const { classNames } = this.page.facts;
    const parts = classes
      .map((n, label) => ({ n, label }))
      .filter(({ n }) => n > 0)
      .sort((a, b) => b.n - a.n);
    const words = parts.map(({ n, label }) => `${classNames[label]}: ${n.toLocaleString("en")}`);
    this.find(".mix").setAttribute("aria-label", words.join(", "));
    this.find(".mix").title = words.join("\n");
    this.find(".mix").replaceChildren(
      ...parts.map(({ n, label }) => {
        const part = document.createElement("span");
        part.style.cssText = `flex:${n};background:${classColour(label)}`;
        if (n / count > 0.12) part.textContent = classNames[label];
        return part;
      }),
    );
  }

  // --- named groups ------------------------------------------------------------------------------------------

  keep() {
    const { selection, summary } = this,
      field = this.find(".name");
    if (!selection?.indices.length || !summary) return;
    const name = field.value.trim() || unused(this.kept.map((group) => group.name));
    this.kept = [
      ...this.kept.filter((group) => group.name !== name),
      { name, indices: selection.indices, mean: summary.mean },
    ];
    field.value = "";
    this.remember();
    this.list();
  }

  list() {
    const canvases = [];
    this.find(".named").replaceChildren(
      ...this.kept.map((group) => {
        const row = document.createElement("li");
        row.innerHTML = `<canvas></canvas><button type="button" class="show"><span></span> <small></small></button><button type="button" class="drop" aria-label="Forget this group">✕</button>`;
        row.querySelector("span").textContent = group.name;
        row.querySelector("small").textContent = group.indices.length.toLocaleString("en");
        row.querySelector(".show").addEventListener("click", () => this.page.selectPoints(group.indices));
        row.querySelector(".drop").addEventListener("click", () => this.drop(group));
        canvases.push(row.querySelector("canvas"));
        return row;
      }),
    );
    if (canvases.length)
      this.decodeAll(
        this.kept.map((group) => group.mean),
        canvases,
      );
    this.find(".hint").hidden = Boolean(this.selection) || this.kept.length > 0;
    this.menus();
  }

  drop(group) {
    this.kept = this.kept.filter((other) => other !== group);
    this.remember();
    this.list();
  }

  remember() {
    const plain = this.kept.map(({ name, indices, mean }) => ({ name, indices: Array.from(indices), mean }));
    try {
      sessionStorage.setItem(`map.groups:${this.page.data.id}`, JSON.stringify(plain));
    } catch {
      this.page.say("These groups are too large to outlive the page; they stay until it is left.");
    }
  }

  menus() {
    const names = this.kept.map((group) => group.name),
      two = names.length >= 2;
    this.find(".attribute").hidden = this.find(".arithmetic").hidden = !two;
    const fill = (selector, wanted, ...more) => {
      const menu = this.find(selector),
        before = menu.value;
      menu.replaceChildren(...more, ...names.map((name) => new Option(name, name)));
      menu.value = names.includes(before) ? before : wanted;
      return menu.value;
    };
    if (!two) return;
    fill(".from", names[0]);
    fill(".to", names[1]);
    const used = [fill(".a", names[0]), fill(".b", names[1])];
    fill(".c", names.find((name) => !used.includes(name)) ?? "", new Option("choose…", ""));
    this.measure();
    this.weigh();
  }

  group(selector) {
    return this.kept.find((group) => group.name === this.find(selector).value);
  }

  // --- the direction between two groups -----------------------------------------------------------------------

  async measure() {
    const from = this.group(".from"),
      to = this.group(".to");
    this.direction = null;
    this.find(".strength input").disabled = true;
    if (!from || !to) return;
    const why = unfit(from, to);
    this.find(".effect").textContent = why;
    if (why) return;
    const found = await this.ask("attribute", to.indices, from.indices);
    if (!found || this.group(".from") !== from || this.group(".to") !== to) return;
    this.direction = found.vector;
    this.find(".strength input").disabled = false;
    const p = found.p_value < 0.01 ? found.p_value.toPrecision(1) : found.p_value.toFixed(2);
    const effect = found.effect === null ? "" : `, effect size d = ${found.effect.toFixed(2)}`;
    this.find(".effect").textContent =
      `${found.length.toFixed(2)} long${effect}; ` +
      `${found.null_length.toFixed(2)} for 95 % of random pairs of groups as large (p ${found.p_value <= found.smallest_p ? "<" : "="} ${p})`;
  }

  // Move the code in view along the direction, while the slider is dragged.
  apply() {
    const strength = Number(this.find(".strength input").value),
      said = strength.toFixed(2).replace("-", "−");
    this.find(".strength output").textContent = said;
    this.base ??= this.page.target?.code.slice() ?? Float32Array.from(this.page.facts.z);
    const words = `moved ${said} × the way from ${this.group(".from")?.name} to ${this.group(".to")?.name}`;
    if (this.direction)
      this.page.showCode(
        this.base.map((value, d) => value + strength * this.direction[d]),
        words,
      );
  }

  // --- A - B + C ----------------------------------------------------------------------------------------------

  // Whether the three groups make a sum that is none of them.
  weigh() {
    const [a, b, c] = [".a", ".b", ".c"].map((selector) => this.group(selector));
    let why = "";
    if (!c)
      why =
        this.kept.length < 3
          ? "Keep a third group for C, or choose one of these two."
          : "Choose a group for C.";
    else if (a === b) why = `A and B are the same group, so the result would be ${c.name} itself.`;
    else if (b === c) why = `B and C are the same group, so the result would be ${a.name} itself.`;
    this.find(".sum").disabled = Boolean(why);
    this.find(".why").textContent = why;
  }

  add() {
    const [a, b, c] = [".a", ".b", ".c"].map((selector) => this.group(selector));
    this.page.showCode(
      Float32Array.from(a.mean, (value, d) => value - b.mean[d] + c.mean[d]),
      `${a.name} − ${b.name} + ${c.name}, decoded`,
    );
  }

  // --- the server --------------------------------------------------------------------------------------------

  async ask(path, first, second = null) {
    const body = new Uint32Array(1 + first.length + (second?.length ?? 0));
    body[0] = first.length;
    body.set(first, 1);
    if (second) body.set(second, 1 + first.length);
    try {
      return await this.page.data.json(path, body);
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
      return null;
    }
  }

  decode(code, canvas) {
    this.channel.ask({
      model: this.page.facts.model.id,
      kind: DECODE,
      count: 1,
      width: code.length,
      payload: Float32Array.from(code),
      tag: canvas,
    });
  }

  decodeAll(codes, canvases) {
    const width = codes[0].length,
      payload = Float32Array.from(codes.flat());
    this.means.ask({
      model: this.page.facts.model.id,
      kind: DECODE,
      count: codes.length,
      width,
      payload,
      tag: canvases,
    });
  }

  close() {
    this.channel.close();
    this.means.close();
  }
}

// Why two groups have no direction between them; empty where they have one.
function unfit(from, to) {
  if (from === to) return "Choose two different groups.";
  const known = new Set(from.indices),
    shared = to.indices.reduce((count, i) => count + known.has(i), 0);
  if (!shared) return "";
  const points = `${shared.toLocaleString("en")} point${shared === 1 ? "" : "s"}`;
  return `${from.name} and ${to.name} share ${points}: draw one of them again without the other's, so that the two can differ.`;
}

function unused(names) {
  for (let k = 1; ; k++) if (!names.includes(`Group ${k}`)) return `Group ${k}`;
}

function recall(id) {
  try {
    const found = JSON.parse(sessionStorage.getItem(`map.groups:${id}`) ?? "[]");
    return found.map((group) => ({ ...group, indices: Uint32Array.from(group.indices) }));
  } catch {
    return [];
  }
}
