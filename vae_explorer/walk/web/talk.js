// Talk mode: one large picture on black, moved by keys alone, for a room full of people.

import { Remote } from "../../kit/remote.js";
import { Wander } from "./wander.js";

const POINTER_S = 20; // without a key; then the pointer hides
const HELP_S = 6;
const LONGEST_FRAME_S = 0.1;

export const TALK = `
  <dialog class="talk" aria-label="Talk mode"><div class="screen" tabindex="-1">
    <canvas class="picture" role="img" aria-label="Decoded image"></canvas>
    <p class="caption"><i></i><strong></strong><span></span></p>
    <div class="rail" aria-hidden="true"><div></div></div>
    <p class="help">← → or a remote step · b black · space plays · ↑ ↓ path · 1–9 bookmarks · i idle walk · s smooth · Esc leaves</p>
  </div></dialog>`;

export class Talk {
  // paths: { play, ready(), chosenRow(), chooseNext(by), jump(mark), look(code, name), jumped, marks, facts, data, start(), words(row), smooth(), say(sentence) }
  constructor(root, paths) {
    Object.assign(this, { paths, open: false, wander: null });
    this.dialog = root.querySelector(".talk");
    this.find = (selector) => this.dialog.querySelector(selector);
    this.screen = this.find(".screen");
    this.canvas = this.find(".picture");
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.remote = new Remote(
      this.dialog,
      { next: () => this.step(1), previous: () => this.step(-1) },
      this.dialog,
    );
    this.dialog.addEventListener("close", () => this.leave());
    this.screen.addEventListener("pointermove", () => this.stir());
    this.screen.addEventListener("click", () => this.paths.play.toggle());
    this.screen.addEventListener(
      "fullscreenchange",
      () => this.full && document.fullscreenElement === null && this.leave(),
    );
  }

  // The dialog alone covers the page where full screen is not allowed.
  async enter() {
    if (this.open) return;
    this.open = true;
    this.dialog.showModal();
    this.screen.focus();
    this.screen.classList.add("helping");
    this.helping = setTimeout(() => this.screen.classList.remove("helping"), 1000 * HELP_S);
    this.stir();
    this.show();
    try {
      await this.screen.requestFullscreen?.();
      this.full = this.open && Boolean(document.fullscreenElement);
    } catch {
      this.full = false;
    }
  }

  leave() {
    if (!this.open) return;
    Object.assign(this, { open: false });
    this.remote.black.set(false);
    this.idle(false);
    this.paths.play.pause();
    clearTimeout(this.helping);
    clearTimeout(this.still);
    if (this.full && document.fullscreenElement) document.exitFullscreen().catch(() => {});
    this.full = false;
    if (this.dialog.open) this.dialog.close();
    this.paths.left();
  }

  // The pointer shows for a while.
  stir() {
    this.screen.classList.remove("still");
    clearTimeout(this.still);
    this.still = setTimeout(() => this.screen.classList.add("still"), 1000 * POINTER_S);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { paths } = this,
      acts = {
        Escape: () => this.leave(),
        i: () => this.idle(!this.wander),
        s: () => paths.smooth(!paths.smoothed),
        ArrowUp: () => paths.chooseNext(-1),
        ArrowDown: () => paths.chooseNext(1),
      };
    this.stir();
    const act = acts[event.key] ?? acts[event.key.toLowerCase()];
    if (event.repeat && act) return event.preventDefault();
    if (/^[1-9]$/.test(event.key)) this.mark(Number(event.key));
    else if (act) act();
    else {
      const moves = [" ", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key);
      if (!moves) return;
      this.idle(false);
      paths.back();
      paths.play.key(event);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  step(by) {
    this.idle(false);
    this.paths.back();
    this.paths.play.step(by);
  }

  mark(number) {
    const mark = this.paths.marks.get(number);
    if (!mark) return this.caption(`Bookmark ${number} is empty`, "keep a code there before the talk");
    this.idle(false);
    this.paths.jump({ ...mark, number });
  }

  // --- the picture ---------------------------------------------------------------------------------------------

  show() {
    if (!this.open) return;
    const { paths } = this,
      row = paths.chosenRow();
    if (paths.jumped) {
      this.fit(paths.jumpCanvas);
      this.caption(paths.jumped.number ? `${paths.jumped.number}` : "", paths.jumped.name);
      return;
    }
    if (!row) return this.caption("", "No path yet: press i to walk through the encoded codes, Esc to leave");
    if (row.film.show(this.canvas, row.frame)) this.shape();
    this.caption(row.title, paths.words(row), row.way);
    this.find(".rail div").style.width = `${100 * paths.play.p}%`;
  }

  // What another canvas shows.
  fit(canvas) {
    if (canvas.width < 2) return;
    if (this.canvas.width !== canvas.width || this.canvas.height !== canvas.height)
      Object.assign(this.canvas, { width: canvas.width, height: canvas.height, image: null });
    this.canvas.context ??= this.canvas.getContext("2d", { alpha: false });
    this.canvas.context.drawImage(canvas, 0, 0);
    this.shape();
  }

  shape() {
    this.screen.style.setProperty("--shape", this.canvas.width / this.canvas.height);
  }

  caption(strong, words, way = "") {
    this.find(".caption").dataset.way = way;
    this.find(".caption strong").textContent = strong;
    this.find(".caption span").textContent = words;
    this.find(".rail").hidden = !way;
  }

  // --- the idle walk -------------------------------------------------------------------------------------------

  idle(on) {
    if (Boolean(this.wander) === on) return;
    cancelAnimationFrame(this.request);
    this.wander = null;
    if (!on) return this.paths.back();
    const codes = this.paths.codes(),
      width = this.paths.facts.latentDim;
    if (!codes || codes.length < 2 * width)
      return this.caption("", "The idle walk follows encoded data, and this model comes with none");
    this.paths.play.pause();
    this.wander = new Wander(codes, width, this.paths.current()?.code ?? codes.slice(0, width));
    let before = performance.now();
    const tick = (now) => {
      if (!this.wander) return;
      const seconds = Math.min(Math.max((now - before) / 1000, 0), LONGEST_FRAME_S);
      before = now;
      this.paths.look(this.wander.step(seconds), "walking through the encoded data");
      this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
  }

  close() {
    this.leave();
    this.remote.close();
  }
}
