// The decoded picture next to the pointer: on request, and for as long as a pin holds the panel.

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";

const SIDE_PX = 96,
  GAP_PX = 16,
  EDGE_PX = 4;

export const BESIDE = `<button type="button" class="dock" aria-pressed="false" title="Show the decoded picture next to the pointer too">Beside pointer</button>`;

export class Beside {
  // page: { facts, stage, pinned, say }
  constructor(root, page) {
    Object.assign(this, { page, target: null, screen: null });
    this.canvas = root.querySelector("canvas.beside");
    this.button = root.querySelector(".dock");
    this.channel = new Channel({
      onAnswer: (answer, target) => this.draw(answer, target),
      onError: (sentence) => page.say(sentence),
    });
    this.button.addEventListener("click", () => this.dock(!this.docked));
    this.dock(localStorage.getItem("map.beside") === "true");
  }

  get docked() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  dock(docked) {
    localStorage.setItem("map.beside", String(docked));
    this.button.setAttribute("aria-pressed", String(docked));
    if (!docked) this.hide();
  }

  // The pointer is over a place; asked: whether the panel has it decoded already, and will hand the answer on.
  over(target, screen, asked) {
    Object.assign(this, { target, screen });
    if (asked && !this.docked) return this.hide();
    if (asked) return;
    const { facts } = this.page;
    this.channel.ask({
      model: facts.model.id,
      kind: DECODE,
      count: 1,
      width: facts.latentDim,
      payload: target.code,
      tag: target,
    });
  }

  // What is shown is what is under the pointer now, or was a moment ago: never what a pin holds.
  draw(answer, target) {
    if (!this.screen || !(this.docked || this.page.pinned) || target === this.page.pinned) return;
    paint(this.canvas, answer);
    const { width, height } = this.page.stage.view,
      [x, y] = this.screen;
    const right = x + SIDE_PX + GAP_PX + 8 > width ? x - SIDE_PX - GAP_PX : x + GAP_PX;
    this.canvas.style.left = `${right}px`;
    this.canvas.style.top = `${Math.min(Math.max(y - SIDE_PX / 2, EDGE_PX), height - SIDE_PX - EDGE_PX)}px`;
    this.canvas.hidden = false;
  }

  hide() {
    this.screen = null;
    this.canvas.hidden = true;
  }

  close() {
    this.channel.close();
  }
}
