// The Worst places tab: the model's steepest cliffs, largest holes, longest drifts, and its worst reconstructions per class.
//
// The server looks for them when somebody asks, one kind after the other, and keeps what it finds. Pictures are decoded over
// the live socket, so that each is what Explore shows there.

import { Decoder } from "../../kit/decoder.js";
import { paint } from "../../kit/paint.js";
import { Channel, ITEM } from "../../kit/socket.js";
import { fetchTold, post } from "../../kit/told.js";
import { number } from "../../kit/trust-figures.js";

const FEW = 3; // latent dimensions whose numbers are shown

// what: what the list is of; value: the figure of a place in words; beside: what to compare it with.
const KINDS = {
  cliffs: {
    title: "Cliffs",
    seeking: "Looking for cliffs",
    what: "Where the image changes fastest: the largest singular value of the decoder’s Jacobian. The pictures are a short step (a tenth of the data’s spread) to either side.",
    value: ({ value }) => `${number(value)} per unit z`,
    beside: (place, typical) => usual(place, typical),
  },
  holes: {
    title: "Holes",
    seeking: "Looking for holes",
    what: "Where the prior promises data and there are none: how many lie around the place for each that is promised.",
    value: ({ value }) => `${number(value)} × the data promised`,
    beside: ({ percentile }) =>
      Number.isFinite(percentile) ? `within the inner ${share(percentile)} of the prior` : "",
  },
  drifts: {
    title: "Drifts",
    seeking: "Looking for drifts",
    what: "Codes that the model does not keep: decoded and encoded again they come back elsewhere. The pictures are the place and where it comes back.",
    value: ({ value }) => `comes back ${number(value)} away`,
    beside: (place, typical) => usual(place, typical),
  },
  reconstructions: {
    title: "Reconstructions",
    seeking: "Looking for the worst reconstructions",
    what: "The encoded examples of each class that come back least like themselves: mean squared error per pixel. The pictures are the original and its reconstruction.",
    value: ({ value }) => fine(value),
    beside: () => "",
  },
};

const column = ([kind, { title, what }]) => `
  <section class="kind" data-kind="${kind}" data-state="empty" aria-labelledby="findings-${kind}">
    <h3 id="findings-${kind}">${title}</h3><p class="what">${what}</p>
    <p class="trouble"></p><ol class="places"></ol>
  </section>`;

export const FINDINGS = `
  <section class="findings" aria-label="Worst places">
    <div class="seek"><button type="button" class="start">Find the worst for me</button>
      <span class="work" hidden><progress max="1"></progress><span class="doing" role="status"></span><button type="button" class="cancel">Cancel</button></span>
      <p class="hint">Searches among encoded codes and draws from the prior. A click on a place leaves for Explore; <b>On the maps</b> pins it on the maps here. PageDown and PageUp go through them.</p></div>
    <div class="kinds">${Object.entries(KINDS).map(column).join("")}</div>
  </section>`;

const ROW = `
  <li><button type="button" class="go"><span class="pictures"></span><span class="words"><strong></strong><span class="beside"></span><span class="where"></span></span></button>
    <button type="button" class="to-map" title="Pin this place on the maps of this page" hidden>On the maps</button></li>`;

export class Findings {
  // page: { facts: { model: { id }, latentDim, dataShape, classNames }, say(sentence), explore(code), show(code) or none }
  constructor(root, page) {
    Object.assign(this, { page, found: new Map() });
    root.querySelector(".findings").outerHTML = FINDINGS; // a panel that was here before leaves no listeners
    this.root = root.querySelector(".findings");
    this.find = (selector) => this.root.querySelector(selector);
    this.decoder = new Decoder(
      () => ({ id: page.facts.model.id, width: page.facts.latentDim }),
      (sentence) => page.say(sentence),
    );
    this.originals = new Originals(page);
    this.find(".start").addEventListener("click", () => this.seek());
    this.find(".cancel").addEventListener("click", () => this.stop());
  }

  // The facts are here, or others than before: another model starts anew.
  begin() {
    const {
      model,
      dataShape: [, height, width],
    } = this.page.facts;
    if (this.model === model.id) return;
    this.stop();
    this.model = model.id;
    this.found.clear();
    this.asked = false;
    this.root.style.setProperty("--shape", width / height);
    for (const kind of Object.keys(KINDS)) this.empty(kind);
    this.words();
    if (this.shown) this.show();
  }

  // The tab is in view: what the server has found before is here at once.
  async show() {
    this.shown = true;
    if (this.asked) return;
    this.asked = true;
    const { model } = this;
    try {
      const { worst } = await (await post("/continuity/kept", { model })).json();
      if (model !== this.model || this.making) return;
      for (const [kind, found] of Object.entries(worst)) this.take(kind, found);
      this.words();
    } catch {
      // Then there is nothing yet; whoever looks hears what is wrong.
    }
  }

  async seek() {
    this.stop();
    const making = new AbortController(),
      kinds = Object.keys(KINDS);
    this.making = making;
    this.working(true);
    for (const [k, kind] of kinds.entries()) {
      this.empty(kind, "working");
      try {
        const progress = ({ done }) =>
          this.making === making && this.progress((k + (done ?? 0)) / kinds.length, KINDS[kind].seeking);
        progress({ done: 0 });
        const found = await fetchTold(
          "/continuity/worst",
          { model: this.model, kind },
          { signal: making.signal, progress },
        );
        if (this.making === making) this.take(kind, found);
      } catch (error) {
        if (this.making !== making || making.signal.aborted) return;
        this.empty(kind, "failed", error.message);
      }
    }
    if (this.making !== making) return;
    this.making = null;
    this.working(false);
  }

  // What was found so far stays.
  stop() {
    this.making?.abort();
    this.making = null;
    for (const section of this.root.querySelectorAll('.kind[data-state="working"]'))
      this.empty(section.dataset.kind);
    this.working(false);
  }

  working(on) {
    this.find(".work").hidden = !on;
    this.find(".start").hidden = on;
    this.progress(0, "");
    this.words();
  }

  progress(done, says) {
    this.find("progress").value = done;
    this.find(".doing").textContent = says && `${says}…`;
  }

  words() {
    this.find(".start").textContent = this.found.size ? "Look again" : "Find the worst for me";
    this.root.dataset.state = this.found.size || this.making ? "known" : "empty";
  }

  // --- the lists -------------------------------------------------------------------------------------------------

  section(kind) {
    return this.find(`.kind[data-kind="${kind}"]`);
  }

  empty(kind, state = "empty", sentence = "") {
    const section = this.section(kind);
    section.dataset.state = state;
    section.querySelector(".trouble").textContent = sentence;
    section.querySelector(".places").replaceChildren();
    this.found.delete(kind);
  }

  // found: { places: [{ code, value, label, index, shown: codes to decode }], typical }
  take(kind, found) {
    this.found.set(kind, found);
    const section = this.section(kind),
      { places, typical } = found;
    section.dataset.state = "known";
    section.querySelector(".trouble").textContent = places.length ? "" : "There are none.";
    section
      .querySelector(".places")
      .replaceChildren(...places.map((place) => this.row(kind, place, typical)));
    this.decode(kind, found);
    this.words();
  }

  row(kind, place, typical) {
    const { page } = this,
      made = document.createElement("template");
    made.innerHTML = ROW.trim();
    const row = made.content.firstChild,
      find = (selector) => row.querySelector(selector);
    const name = page.facts.classNames[place.label],
      words = [KINDS[kind].value(place), KINDS[kind].beside(place, typical)];
    find("strong").textContent = words[0];
    find(".beside").textContent = words[1];
    const of = name === undefined ? "" : name.length < 3 ? `class ${name}` : name;
    find(".where").textContent =
      kind === "reconstructions" ? of : [where(place.code), of].filter(Boolean).join(" · ");
    find(".go").title =
      `Open in Explore at z = ${text(place.code)}${typical ? `; usual here is ${number(typical)}` : ""}`;
    find(".go").addEventListener("click", () => page.explore(Float32Array.from(place.code)));
    find(".to-map").hidden = !page.show;
    find(".to-map").addEventListener("click", () => page.show(Float32Array.from(place.code)));
    find(".pictures").append(...place.shown.map(() => picture()));
    if (place.index !== null && kind === "reconstructions") this.original(find(".pictures"), place.index);
    return row;
  }

  async decode(kind, found) {
    const codes = found.places.flatMap(({ shown }) => shown),
      wanted = () => this.found.get(kind) === found;
    const answer = await this.decoder.decode(codes, wanted);
    if (!answer) return;
    const canvases = this.section(kind).querySelectorAll(".pictures canvas:not(.original)");
    canvases.forEach((canvas, i) => paint(canvas, answer, i));
  }

  // The example itself before its reconstruction, if its image is on the server's machine.
  async original(pictures, index) {
    const answer = await this.originals.ask(index);
    if (!answer?.pixels) return;
    const canvas = picture("original");
    paint(canvas, answer);
    pictures.prepend(canvas);
  }

  close() {
    this.stop();
    this.decoder.close();
    this.originals.close();
  }
}

// Encoded examples by their number, one after the other: a channel by itself keeps only the newest of what it is asked for.
class Originals {
  constructor(page) {
    Object.assign(this, { page, line: [], current: null });
    this.channel = new Channel({
      onAnswer: (answer) => this.finish(answer),
      onError: () => this.finish(null), // the row is complete without it
    });
  }

  ask(index) {
    return new Promise((done) => {
      this.line.push({ index, done, model: this.page.facts.model.id });
      this.next();
    });
  }

  next() {
    if (this.current || !this.line.length) return;
    this.current = this.line.shift();
    const payload = new DataView(new ArrayBuffer(8));
    payload.setInt32(0, -1, true);
    payload.setUint32(4, this.current.index, true);
    this.channel.ask({ model: this.current.model, kind: ITEM, count: 0, width: 0, payload });
  }

  finish(answer) {
    this.current.done(answer);
    this.current = null;
    this.next();
  }

  close() {
    this.line = [];
    this.channel.close();
  }
}

function picture(name = "") {
  const canvas = document.createElement("canvas");
  canvas.className = name;
  return canvas;
}

const fine = (value) => String(Number(value.toPrecision(2))); // of squared errors, most of which are far below 1
const usual = ({ value }, typical) =>
  typical > 0 ? `${Number((value / typical).toPrecision(2)).toLocaleString("en")} × the usual` : "";
const share = (value) =>
  value > 0 && value < 1e-4 ? "under 0.01 %" : `${Number((100 * value).toPrecision(2))} %`;
const text = (code) => code.map((value) => Number(value.toFixed(4))).join(", ");

function where(code) {
  if (code.length <= FEW) return `z ${code.map((value) => value.toFixed(2).replace("-", "−")).join(", ")}`;
  return `‖z‖ ${Math.hypot(...code).toFixed(2)}`;
}
