// Nine codes to come back to, kept in this browser for each model.

import { paint } from "../../kit/paint.js";

const COUNT = 9;

export const BOOKMARKS = `
  <div class="bookmarks" role="group" aria-label="Bookmarks">
    <span class="slots"></span>
    <button type="button" class="keep" title="Keep the code in view as the next free bookmark">Bookmark</button>
  </div>`;

export class Bookmarks {
  // on: { current() -> { code, name } or null, jump(mark) }
  constructor(root, page, decoder, on) {
    Object.assign(this, { page, decoder, on, kept: Array(COUNT).fill(null) });
    this.root = root.querySelector(".bookmarks");
    this.slots = this.root.querySelector(".slots");
    this.root.querySelector(".keep").addEventListener("click", () => this.keep());
  }

  get key() {
    return `walk.bookmarks:${this.page.facts.model.name}`;
  }

  begin() {
    this.kept = recall(this.key, this.page.facts.latentDim);
    this.draw();
  }

  // Bookmark `number` from 1, or null.
  get(number) {
    return this.kept[number - 1] ?? null;
  }

  // Keep what is in view, as bookmark `number` or the first that is free.
  keep(number = this.kept.indexOf(null) + 1) {
    const current = this.on.current();
    if (!current) return this.page.say("There is no code in view to keep; add an end first.");
    if (number < 1)
      return this.page.say(`All ${COUNT} bookmarks are taken; remove one first (Shift and a click).`);
    this.kept[number - 1] = { code: Float32Array.from(current.code), name: current.name };
    this.changed();
    this.page.say(`Kept as bookmark ${number}.`);
  }

  drop(number) {
    this.kept[number - 1] = null;
    this.changed();
  }

  changed() {
    const plain = this.kept.map((mark) => mark && { code: Array.from(mark.code), name: mark.name });
    try {
      localStorage.setItem(this.key, JSON.stringify(plain));
    } catch {
      this.page.say("This browser keeps nothing for pages; bookmarks last until this one is left.");
    }
    this.draw();
  }

  draw() {
    this.slots.replaceChildren(...this.kept.map((mark, k) => this.slot(mark, k + 1)).filter(Boolean));
    const kept = this.kept.filter(Boolean);
    this.paint(kept, [...this.slots.querySelectorAll("canvas")]);
  }

  slot(mark, number) {
    if (!mark) return null;
    const button = picture(mark, number);
    button.title = `Bookmark ${number}, ${mark.name}: show it (Shift and a click removes it)`;
    button.addEventListener("click", (event) =>
      event.shiftKey ? this.drop(number) : this.on.jump({ ...mark, number }),
    );
    button.addEventListener("keydown", (event) => event.key === "Delete" && this.drop(number));
    return button;
  }

  // The bookmarks as buttons of a menu.
  offer(place, choose) {
    const kept = this.kept.map((mark, k) => mark && { ...mark, number: k + 1 }).filter(Boolean);
    place.hidden = !kept.length;
    const buttons = kept.map((mark) => {
      const button = picture(mark, mark.number);
      button.title = `Bookmark ${mark.number}, ${mark.name}`;
      button.addEventListener("click", () => choose({ code: mark.code, name: `bookmark ${mark.number}` }));
      return button;
    });
    place.replaceChildren(...buttons);
    this.paint(
      kept,
      buttons.map((button) => button.querySelector("canvas")),
    );
  }

  async paint(marks, canvases) {
    const answer = await this.decoder.decode(
      marks.map(({ code }) => code),
      () => canvases[0]?.isConnected,
    );
    if (answer) canvases.forEach((canvas, k) => paint(canvas, answer, k));
  }

  close() {
    this.slots.replaceChildren();
  }
}

function picture(mark, number) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "mark" });
  button.innerHTML = `<canvas width="1" height="1"></canvas><span>${number}</span>`;
  button.setAttribute("aria-label", `Bookmark ${number}: ${mark.name}`);
  return button;
}

// What was kept, as far as it is of this model.
function recall(key, width) {
  const empty = Array(COUNT).fill(null);
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "[]");
    return empty.map((_, k) => {
      const mark = found[k];
      if (mark?.code?.length !== width || !mark.code.every(Number.isFinite)) return null;
      return { code: Float32Array.from(mark.code), name: String(mark.name ?? "").slice(0, 60) };
    });
  } catch {
    return empty;
  }
}
