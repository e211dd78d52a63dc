// The Walk page's component: a plane of the latent space as a street map of decoded images, and paths between codes.
//
// Everything moves over the live socket; Python runs only when somebody leaves for Explore or sets an end of a path.

import { write } from "../../kit/address.js";
import { codeText } from "../../kit/code-text.js";
import { MapData } from "../../kit/columns.js";
import { paint } from "../../kit/paint.js";
import { Places } from "../../kit/places.js";
import { GRID, Grid } from "../../kit/plane/grid.js";
import { PLANE, Plane } from "../../kit/plane/plane.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { Trust } from "../../kit/trust.js";
import { PATHS, Paths } from "./paths.js";
import { Shades } from "./shades.js";

const TEMPLATE = `
  <div class="walk">
    <div class="tabs" role="tablist">
      <button type="button" role="tab" data-tab="grid" aria-selected="true">Grid</button>
      <button type="button" role="tab" data-tab="paths" aria-selected="false">Paths</button>
    </div>
    <section class="grid-tab" role="tabpanel">
      ${PLANE}
      <div class="board">${GRID}<div class="trust"></div></div>
      <aside class="side">
        <figure class="here"><canvas class="image" role="img" aria-label="Decoded image"></canvas><figcaption>move the pointer over the grid</figcaption></figure>
        <p class="place" role="status"></p>
        <div class="acts">
          <button type="button" class="explore" disabled title="Continue with this code on the Explore page">Explore</button>
          <button type="button" class="end-a" disabled title="Make it the start of a path">Start A</button>
          <button type="button" class="end-b" disabled title="Make it the end of a path">End B</button>
          <button type="button" class="copy" disabled>Copy z</button>
        </div>
        <div class="save-grid"><button type="button" class="png" title="Save the tiles on the screen, whole and without what is drawn over them">Save PNG</button><code class="command"></code><button type="button" class="copy-command" title="Copy the command that makes the tiles on the screen, whole and without what is drawn over them: the picture that Save PNG saves">Copy command</button></div>
      </aside>
    </section>
    <section class="paths-tab" role="tabpanel" hidden>${PATHS}</section>
    <p class="message" role="status" aria-live="polite"></p>
  </div>`;

class Walk {
  constructor(root, facts, tell) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, tell, target: null, shade: null, outline: null });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => (this.find(".message").textContent = sentence);
    this.images = new Channel({
      onAnswer: (answer) => this.draw(answer),
      onError: this.say,
      onStatus: (on) => this.say(on ? "" : "Waiting for the server…"),
    });
    this.trust = new Trust(this.find(".grid-tab .trust"));
    for (const tab of root.querySelectorAll("[data-tab]"))
      tab.addEventListener("click", () => this.show(tab.dataset.tab));
    const on = (selector, act) =>
      this.find(selector).addEventListener("click", () => this.target && act(this.target.code));
    on(".explore", (code) => this.explore(code));
    on(".end-a", (code) => this.act("a", code));
    on(".end-b", (code) => this.act("b", code));
    on(".copy", (code) =>
      navigator.clipboard.writeText(codeText(code, ", ")).then(() => this.say("Copied.")),
    );
    this.find(".save-grid .png").addEventListener("click", () => this.savePicture());
    this.find(".copy-command").addEventListener("click", () =>
      navigator.clipboard.writeText(this.planes.command(this.grid.shown)).then(() => this.say("Copied.")),
    );
    this.open(facts);
  }

  open(facts) {
    this.close();
    const said = Object.fromEntries(new URLSearchParams(location.search));
    this.facts = facts;
    this.trust.begin({ ...facts, ...facts.trust, id: facts.model.id });
    this.data = facts.map ? new MapData(facts) : null;
    this.places = this.data && new Places({ ...facts, axes: null }, this.data, null);
    this.grid = null;
    this.shades = new Shades(this);
    this.planes = new Plane(this.root, this);
    this.planes.begin(said);
    this.grid = new Grid(this.root, this);
    this.planes.tiles();
    this.grid.open(said.view);
    this.find(".walk-grid").addEventListener("settled", () => this.address(), { once: true }); // the command is known then
    this.paths = new Paths(this.root, this);
    this.paths.begin();
    this.paths.restore(said);
    this.find(".image").style.aspectRatio = `${facts.dataShape[2]} / ${facts.dataShape[1]}`;
    this.started = true;
    this.show(said.tab === "paths" ? "paths" : "grid");
    this.ask(this.planes.plane.origin);
    this.fetch();
  }

  async fetch() {
    const { data } = this;
    if (!data) return;
    try {
      for (const name of ["codes", "label"]) if (data.has(name)) await data.want(name);
      if (this.data === data) this.shades.begin();
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message);
    }
  }

  // The same model: Explore's code or an end has changed.
  update(facts) {
    if (facts.model.id !== this.facts.model.id) return this.open(facts);
    this.facts = facts;
    this.planes.changed();
  }

  show(tab) {
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[data-tab]"))
      button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    this.find(".grid-tab").hidden = tab !== "grid";
    this.find(".paths-tab").hidden = tab !== "paths";
    this.trust.wake();
    this.paths.trust.wake();
    this.address();
  }

  // --- what the grid asks of its page ------------------------------------------------------------------------

  plane() {
    return this.planes.plane;
  }

  hover(place, code) {
    if (!place) return;
    this.target = { place, code };
    for (const button of this.root.querySelectorAll(".acts button")) button.disabled = false;
    this.ask(code);
    this.find(".place").textContent =
      `${this.planes.names[0]} ${figure(place.u)} · ${this.planes.names[1]} ${figure(place.v)}`;
    this.find(".here figcaption").textContent = "decoded here";
  }

  ask(code) {
    this.images.ask({
      model: this.facts.model.id,
      kind: DECODE,
      count: 1,
      width: code.length,
      payload: Float32Array.from(code),
    });
    this.trust.ask(code);
  }

  choose(_place, code) {
    this.explore(code);
  }

  draw(answer) {
    paint(this.find(".here canvas"), answer);
  }

  viewed() {
    this.address();
  }

  planeChanged() {
    if (!this.grid) return;
    this.shades.changed();
    this.grid.replane();
    this.address();
  }

  explore(code) {
    this.act("explore", code);
  }

  act(name, code) {
    this.tell(name, { model: this.facts.model.id, values: Array.from(code) });
  }

  // The tiles on the screen: what the command makes.
  async savePicture() {
    const picture = await this.grid.picture().catch((error) => this.say(error.message));
    picture?.toBlob?.((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${this.facts.model.name.replaceAll(/[^\w-]+/g, "-")}-grid.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  address() {
    if (!this.started || !this.grid) return;
    this.find(".command").textContent = this.planes.command(this.grid?.shown);
    write("walk", {
      model: this.facts.model.name,
      tab: this.tab,
      ...this.planes.state(),
      ...this.paths.state(),
    });
  }

  close() {
    for (const part of [this.grid, this.paths, this.data]) part?.close();
  }
}

const figure = (value) => value.toFixed(2).replace("-", "−");

const walks = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let walk = walks.get(parentElement);
  const tell = (name, value) => setTriggerValue(name, value);
  if (!walk) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    walk = new Walk(root, data, tell);
    walks.set(parentElement, walk);
  } else {
    walk.tell = tell;
    walk.update(data);
  }
  return () => {
    walk.close();
    walk.images.close();
    walk.trust.close();
    walks.delete(parentElement);
  };
}
