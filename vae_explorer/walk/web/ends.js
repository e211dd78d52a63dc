// The ends of the paths: two or more codes in order, each with its decoded picture; and where more of them come from.

import { codeText, parseCode } from "../../kit/code-text.js";
import { paint } from "../../kit/paint.js";
import { BOOKMARKS, Bookmarks } from "./bookmarks.js";

const MOST = 12; // ends

export const ENDS = `
  <div class="ends">
    <ol class="chips" aria-label="Ends of the paths, in order"></ol>
    <details class="add"><summary>Add an end</summary><div>
      <div class="of-data">
        <label class="of-class">Class <select></select></label>
        <label>No. <input class="number" type="number" min="0" step="1" placeholder="random" aria-label="Number within the class; empty: a random one"></label>
        <button type="button" data-from="item">Encoded item</button>
        <button type="button" data-from="mean" title="The mean of the class's codes">Class mean</button>
      </div>
      <div class="of-page">
        <button type="button" data-from="explore">Explore’s code</button><button type="button" data-from="a">A of the map</button><button type="button" data-from="b">B of the map</button><button type="button" data-from="prior">Prior draw</button>
      </div>
      <div class="of-text"><input class="paste" placeholder="a code: 0.1, −2" aria-label="A code as text" spellcheck="false" autocomplete="off"><button type="button" data-from="text">Add code</button></div>
      <div class="of-marks" aria-label="Bookmarks"></div>
    </div></details>
    <label class="closed"><input type="checkbox"> Closed loop</label>
    ${BOOKMARKS}
  </div>`;

export class Ends {
  // page as for Paths; on: { changed(), current() -> { code, name } or null, jump(mark) }
  constructor(root, page, decoder, on) {
    Object.assign(this, { page, decoder, on, list: [], closed: false });
    this.root = root.querySelector(".ends");
    this.find = (selector) => this.root.querySelector(selector);
    this.chips = this.find(".chips");
    this.marks = new Bookmarks(this.root, page, decoder, on);
    for (const button of this.root.querySelectorAll("[data-from]"))
      button.addEventListener("click", () => this.from(button.dataset.from));
    this.find(".paste").addEventListener("keydown", (event) => event.key === "Enter" && this.from("text"));
    this.find(".closed input").addEventListener("change", (event) => {
      this.closed = event.target.checked;
      on.changed();
    });
    const menu = this.find(".add");
    this.find(".add summary").addEventListener("click", () => this.offer()); // before it opens
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") menu.open = false;
    });
    this.drag();
  }

  begin() {
    this.list = [];
    this.marks.begin();
    this.draw();
  }

  // --- the list ------------------------------------------------------------------------------------------------

  // end: { code, name, spec }; spec is how the command line calls it, where it has a name for it.
  add(...ends) {
    this.set([...this.list, ...ends.map((end) => ({ ...end, code: Float32Array.from(end.code) }))]);
  }

  set(list) {
    this.list = list.slice(0, MOST);
    this.draw();
    this.on.changed();
  }

  remove(i) {
    this.set(this.list.filter((_, k) => k !== i));
  }

  // Move end i by so many places.
  move(i, by) {
    const to = i + by;
    if (to < 0 || to >= this.list.length) return;
    this.set(moved(this.list, i, to));
    this.chips.children[to].querySelector(by < 0 ? ".before" : ".after").focus();
  }

  draw() {
    this.chips.replaceChildren(...this.list.map((end) => this.chip(end)));
    this.number();
    this.find(".closed").hidden = this.list.length < 2;
    this.find(".closed input").checked = this.closed;
    this.find(".add summary").classList.toggle("full", this.list.length >= MOST);
    const fresh = this.list.filter((end) => !end.picture),
      list = this.list;
    this.decoder
      .decode(
        fresh.map(({ code }) => code),
        () => this.list === list,
      )
      .then((answer) => {
        if (!answer) return;
        for (const [k, end] of fresh.entries()) {
          paint(end.canvas, answer, k);
          end.picture = end.canvas;
        }
      });
  }

  chip(end) {
    const chip = document.createElement("li");
    chip.innerHTML = `<span class="order"></span><span class="name"></span><span class="acts"><button type="button" class="before">‹</button><button type="button" class="after">›</button><button type="button" class="drop">✕</button></span>`;
    end.canvas ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    end.canvas.setAttribute("role", "img");
    end.canvas.setAttribute("aria-label", `${end.name}, decoded`);
    chip.prepend(end.canvas);
    chip.title = `${end.name}: z = ${codeText(end.code)}`;
    chip.querySelector(".name").textContent = end.name;
    const act = (selector, words, go) => {
      const button = chip.querySelector(selector);
      button.title = words;
      button.setAttribute("aria-label", `${words}: ${end.name}`);
      button.addEventListener("click", () => go(this.list.indexOf(end)));
    };
    act(".before", "Earlier", (i) => this.move(i, -1));
    act(".after", "Later", (i) => this.move(i, 1));
    act(".drop", "Remove", (i) => this.remove(i));
    return chip;
  }

  number() {
    [...this.chips.children].forEach((chip, i, all) => {
      chip.querySelector(".order").textContent = i + 1;
      chip.querySelector(".before").disabled = i === 0;
      chip.querySelector(".after").disabled = i === all.length - 1;
    });
  }

  // Chips follow the pointer; the paths follow when it lets go.
  drag() {
    let held = null;
    this.chips.addEventListener("pointerdown", (event) => {
      const chip = event.target.closest("li");
      if (!chip || event.button || event.target.closest("button")) return;
      event.preventDefault();
      held = { chip, from: [...this.chips.children].indexOf(chip) };
      this.chips.setPointerCapture(event.pointerId);
      chip.classList.add("held");
    });
    this.chips.addEventListener("pointermove", (event) => {
      if (!held) return;
      const over = [...this.chips.children].find(
        (chip) => chip !== held.chip && within(chip.getBoundingClientRect(), event),
      );
      if (!over) return;
      const { left, width } = over.getBoundingClientRect();
      this.chips.insertBefore(held.chip, event.clientX > left + width / 2 ? over.nextSibling : over);
      this.number();
    });
    const end = () => {
      if (!held) return;
      const { chip, from } = held,
        to = [...this.chips.children].indexOf(chip);
      held = null;
      chip.classList.remove("held");
      if (to !== from && to >= 0) this.set(moved(this.list, from, to));
    };
    for (const type of ["pointerup", "pointercancel"]) this.chips.addEventListener(type, end);
  }

  // --- where ends come from --------------------------------------------------------------------------------------

  offer() {
    const { facts, data } = this.page,
      has = Boolean(data?.has("codes"));
    const disable = (from, off) => (this.root.querySelector(`[data-from="${from}"]`).disabled = off);
    disable("item", !has);
    disable("mean", !has || !data.has("label"));
    disable("explore", !facts.z);
    disable("a", !facts.ends?.a);
    disable("b", !facts.ends?.b);
    disable("prior", !facts.hasPrior);
    this.find(".of-data").hidden = !has;
    const menu = this.find(".of-class select"),
      before = menu.value;
    menu.replaceChildren(
      new Option("any", -1),
      ...(facts.classNames ?? []).map((name, i) => new Option(name, i)),
    );
    menu.value = before || "-1";
    this.find(".of-class").hidden = !facts.classNames?.length || !data?.has("label");
    this.marks.offer(this.find(".of-marks"), (mark) => this.add(mark));
  }

  async from(source) {
    if (this.list.length >= MOST)
      return this.page.say(`A path takes at most ${MOST} ends; remove one first.`);
    const { page } = this,
      { facts } = page,
      data = page.data;
    try {
      const end = await this.made(source, facts, data);
      if (end && page.data === data) this.add(...[end].flat());
    } catch (error) {
      if (error.name !== "AbortError") page.say(error.message);
    }
  }

  made(source, { z, ends, latentDim }, data) {
    const label = Number(this.find(".of-class select").value || -1),
      text = this.find(".number").value;
    if (source === "item") return this.item(data, label, text === "" ? null : Number(text));
    if (source === "mean") return this.mean(data, label);
    if (source === "random") return Promise.all([this.item(data, -1, null), this.item(data, -1, null)]);
    if (source === "explore") return { code: z, name: "Explore’s code" };
    if (source === "a" || source === "b")
      return { code: ends[source], name: `${source.toUpperCase()} of the map` };
    if (source === "prior") return { code: gaussians(latentDim), name: "prior draw" };
    const code = parseCode(this.find(".paste").value, latentDim);
    this.find(".paste").value = "";
    return { code, name: "pasted code" };
  }

  // Item number `nth` of a class (-1: of all), or a random one.
  async item(data, label, nth) {
    const labels = data.has("label") ? await data.want("label") : null,
      rows = [];
    for (let i = 0; i < data.n; i++) if (label < 0 || labels?.[i] === label) rows.push(i);
    const of = label < 0 ? "the encoded data" : `class ${this.page.facts.classNames[label]}`;
    if (!rows.length) throw new Error(`There is no encoded item of ${of}; choose another class.`);
    nth ??= Math.floor(Math.random() * rows.length);
    if (!Number.isInteger(nth) || nth < 0 || nth >= rows.length)
      throw new Error(`There is no item ${nth} in ${of}; choose one from 0 to ${rows.length - 1}.`);
    return this.row(data, rows[nth]);
  }

  async row(data, i) {
    await data.want("codes");
    const labels = data.has("label") ? await data.want("label") : null;
    const name = labels?.[i] >= 0 ? `${this.page.facts.classNames[labels[i]] ?? labels[i]} · ` : "";
    return { code: data.code(i), name: `${name}no. ${i}`, spec: String(i) };
  }

  async mean(data, label) {
    if (label < 0) throw new Error("A class mean takes a class; choose one beside the button.");
    const [codes, labels] = await Promise.all([data.want("codes"), data.want("label")]),
      { width } = data;
    const sum = new Float64Array(width),
      name = this.page.facts.classNames[label];
    let count = 0;
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] !== label) continue;
      for (let d = 0; d < width; d++) sum[d] += codes[i * width + d];
      count++;
    }
    if (!count) throw new Error(`There is no encoded item of class ${name}; choose another class.`);
    return {
      code: Float32Array.from(sum, (value) => value / count),
      name: `mean of ${name}`,
      spec: `class:${name}`,
    };
  }

  // The end that the command line calls `spec`: an encoded item by its number, or class:NAME.
  async named(spec) {
    const { data, facts } = this.page;
    if (!data?.has("codes"))
      throw new Error(
        `The end "${spec.slice(0, 40)}" of this link is one of the encoded data, and this model comes with none.`,
      );
    if (spec.startsWith("class:"))
      return this.mean(data, facts.classNames.indexOf(spec.slice("class:".length)));
    return this.row(data, itemNumber(spec, data.n));
  }

  close() {
    this.marks.close();
  }
}

function itemNumber(spec, n) {
  const i = /^\d+$/.test(spec) ? Number(spec) : NaN;
  if (!(i < n))
    throw new Error(
      `There is no encoded item "${spec.slice(0, 40)}" as this link has it; choose one from 0 to ${n - 1}.`,
    );
  return i;
}

export function moved(list, from, to) {
  const rest = list.filter((_, i) => i !== from);
  return [...rest.slice(0, to), list[from], ...rest.slice(to)];
}

const within = ({ left, right, top, bottom }, { clientX, clientY }) =>
  clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;

// Box & Muller (1958): draws from N(0, I).
const gaussians = (width) =>
  Float32Array.from(
    { length: width },
    () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()),
  );
