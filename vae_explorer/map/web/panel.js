// What the place under the pointer decodes to, and what is known of the point there.

import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { Trust } from "../../kit/trust.js";

const REST_MS = 90; // the pointer rests: time for what takes longer than a decode

export const PANEL = `
  <figure class="decoded"><canvas class="image" role="img" aria-label="Decoded image"></canvas>
    <figcaption><span class="what"></span> <button type="button" class="free" hidden title="Let the panel follow the pointer again (Escape)">Unpin</button></figcaption></figure>
  <p class="place" role="status"></p>
  <div class="trust"></div>
  <div class="point" hidden>
    <figure class="original" hidden><canvas role="img" aria-label="Original image"></canvas><figcaption>original</figcaption></figure>
    <figure class="again"><canvas role="img" aria-label="Its reconstruction"></canvas><figcaption>reconstruction</figcaption></figure>
    <dl class="facts"></dl>
  </div>
  <div class="acts">
    <button type="button" class="explore" disabled title="Continue with this code on the Explore page">Explore</button>
    <button type="button" class="end-a" disabled title="Make it the start of a path">Start A</button>
    <button type="button" class="end-b" disabled title="Make it the end of a path">End B</button>
    <button type="button" class="nearest" disabled title="Mark the encoded points nearest to this code">Nearest</button>
    <button type="button" class="inverse" disabled hidden title="Ask UMAP's own inverse what is behind this place; it takes a second">UMAP's inverse</button>
    <button type="button" class="copy" disabled title="Copy the code as text">Copy z</button>
  </div>
  <p class="ends" hidden></p>`;

export class Panel {
  // page: { data, facts, places, pinned, say, act, unpin, showCode, beside }
  constructor(root, page) {
    Object.assign(this, { root, page, target: null, item: null });
    this.find = (selector) => root.querySelector(selector);
    this.channel = new Channel({
      onAnswer: (answer, target) => this.draw(answer, target),
      onError: (sentence) => page.say(sentence),
      onStatus: (connected) => page.say(connected ? "" : "Waiting for the server…"),
    });
    this.trust = new Trust(this.find(".trust"));
    const on = (selector, act) =>
      this.find(selector).addEventListener("click", () => this.target && act(this.target));
    on(".explore", ({ code }) => page.act("explore", code));
    on(".end-a", ({ code }) => page.act("a", code));
    on(".end-b", ({ code }) => page.act("b", code));
    on(".nearest", (target) => page.showNearest(target));
    on(".inverse", (target) => this.invert(target));
    on(".copy", ({ code }) => this.copy(code));
    on(".free", () => page.unpin());
  }

  begin() {
    const [, height, width] = this.page.facts.dataShape;
    const image = this.find(".image");
    image.style.aspectRatio = `${width} / ${height}`;
    Object.assign(image, { width, height }); // empties it: no picture stands over the words of another place
    this.trust.begin({ ...this.page.facts, ...this.page.facts.trust, id: this.page.facts.model.id });
    this.target = null;
    this.find(".point").hidden = true;
    this.find(".place").textContent = "";
    this.find(".what").textContent = "move the pointer over the map";
    this.find(".free").hidden = true;
    this.find(".inverse").hidden = this.page.facts.method !== "umap";
    this.show(null);
    this.ends();
  }

  // target: { x, y, code, distance, point } or null; point is the number of the point there, or -1.
  show(target) {
    clearTimeout(this.rest);
    for (const button of this.root.querySelectorAll(".acts button")) button.disabled = !target;
    if (!target) return;
    const former = this.target;
    this.target = target;
    this.ask(target);
    this.trust.ask(target.code);
    this.words(target, null);
    this.caption(target);
    if (target.point !== former?.point) this.point(target.point);
    this.rest = setTimeout(() => this.rested(target), REST_MS);
  }

  ask(target) {
    const { data, facts } = this.page,
      width = facts.latentDim;
    const own = target.point >= 0 ? data.code(target.point) : null;
    const payload = new Float32Array(width * (own ? 2 : 1));
    payload.set(target.code);
    if (own) payload.set(own, width);
    this.channel.ask({
      model: facts.model.id,
      kind: DECODE,
      count: own ? 2 : 1,
      width,
      payload,
      tag: target,
    });
  }

  draw(answer, target) {
    paint(this.find(".image"), answer);
    this.page.beside.draw(answer, target);
    if (target.point === this.target.point) {
      this.find(".again").hidden = answer.count < 2; // its code is still on the way
      if (answer.count > 1) paint(this.find(".again canvas"), answer, 1);
    }
    if (!performance.getEntriesByName("first-map-image").length) performance.mark("first-map-image");
  }

  // What takes a look at all codes, or at the data, waits until the pointer rests.
  rested(target) {
    const { places, data } = this.page;
    const own = target === this.page.pinned && target.point >= 0; // then the nearest code is the point's own
    const near = data.get("codes") && places.nearest(target.code, 2)[own ? 1 : 0];
    if (near) this.words(target, near.distance);
    if (target.point >= 0) this.fetchOriginal(target.point);
  }

  words(target, nearest) {
    const { facts } = this.page,
      number = (value) => value.toFixed(2).replace("-", "−");
    const parts = Number.isFinite(target.x)
      ? [`${facts.axisNames[0]} ${number(target.x)} · ${facts.axisNames[1]} ${number(target.y)}`]
      : [];
    if (target.distance !== null)
      parts.push(`between encoded points; the nearest is ${number(target.distance)} away on the map`);
    if (nearest !== null) {
      const { typical } = this.page;
      const far = typical ? `, ${(nearest / typical).toFixed(1)} × the usual gap` : "";
      const other = target === this.page.pinned && target.point >= 0 ? "other " : "";
      parts.push(`nearest ${other}encoded code ${nearest.toFixed(3)} away${far}`);
    }
    this.find(".place").textContent = parts.join(" · ");
  }

  // Words for the picture: they belong to the place that the rest of the panel speaks of.
  caption(target) {
    const words = target.words ?? "decoded here";
    this.find(".what").textContent = target === this.page.pinned ? `pinned · ${words}` : words;
    this.find(".free").hidden = !this.page.pinned;
  }

  // --- the point under the pointer --------------------------------------------------------------------------

  point(i) {
    this.find(".point").hidden = i < 0;
    if (i < 0) return;
    const { data, facts } = this.page;
    this.find(".original").hidden = this.item?.i !== i;
    const rows = [["no.", (i + 1).toLocaleString("en")]];
    const label = data.get("label");
    if (label && label[i] >= 0) rows.push([facts.labelName, facts.classNames[label[i]] ?? label[i]]);
    for (const [name, title, unit] of NUMBERS) {
      const column = data.get(name);
      if (column && Number.isFinite(column[i])) rows.push([title, column[i].toPrecision(3) + unit]);
    }
    this.find(".point .facts").replaceChildren(
      ...rows.flatMap(([name, value]) => [cell("dt", name), cell("dd", value)]),
    );
  }

  async fetchOriginal(i) {
    const { facts, data } = this.page;
    if (!facts.originals || this.item?.i === i) return;
    try {
      const answer = await data.ask(`item/${i}`);
      const buffer = await answer.arrayBuffer(),
        view = new DataView(buffer);
      if (this.target?.point !== i) return; // the panel speaks of another one by now
      const [height, width, channels] = [0, 2, 4].map((at) => view.getUint16(at, true));
      this.item = { i };
      paint(this.find(".original canvas"), { height, width, channels, pixels: new Uint8Array(buffer, 6) });
      this.find(".original").hidden = false;
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
    }
  }

  // --- the rest ---------------------------------------------------------------------------------------------

  ends() {
    const { a, b } = this.page.facts.ends,
      set = [a && "A", b && "B"].filter(Boolean);
    this.find(".ends").hidden = !set.length;
    this.find(".ends").textContent =
      set.length === 2 ? "A and B are set." : `${set[0]} is set; set the other end too.`;
    this.find(".end-a").setAttribute("aria-pressed", String(Boolean(a)));
    this.find(".end-b").setAttribute("aria-pressed", String(Boolean(b)));
  }

  async invert({ x, y }) {
    this.page.say("UMAP is looking for the code behind this place…");
    try {
      const { code, inside } = await this.page.data.json(`inverse?x=${x}&y=${y}`);
      this.page.pinned = {
        x,
        y,
        code: Float32Array.from(code),
        distance: null,
        point: -1,
        words: inside ? "UMAP's own inverse of this place, decoded" : "this place, decoded",
      };
      this.page.follow();
      this.page.say(
        inside
          ? "Decoded from UMAP's own inverse."
          : "UMAP's inverse does not reach this place; it is interpolated from the points around it.",
      );
      this.page.stage.redraw("marks");
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
    }
  }

  async copy(code) {
    await navigator.clipboard.writeText(Array.from(code, (value) => Number(value.toFixed(4))).join(", "));
    this.page.say("Copied.");
  }

  close() {
    clearTimeout(this.rest);
    this.trust.close();
    this.channel.close();
  }
}

const NUMBERS = [
  ["error", "squared error", ""],
  ["kl", "KL", " nats"],
  ["log_prior", "log p(z)", " nats"],
  ["spread", "posterior spread", ""],
];

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
