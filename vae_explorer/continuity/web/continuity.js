// The Continuity page's component: where decoded images change suddenly, where no data are near, what the model does not
// own, and what the posterior really is.
//
// Everything moves over the live socket; Python runs only when somebody leaves for Explore.

import { write } from "../../kit/address.js";
import { buttons, list, Remote } from "../../kit/remote.js";
import { POSTERIOR, Posterior } from "../../posterior/web/posterior.js";
import { FINDINGS, Findings } from "./findings.js";
import { HEADLINES, Headlines } from "./headlines.js";
import { MAPS, Maps } from "./maps.js";

const TABS = { maps: "Maps", worst: "Worst places", posterior: "Posterior" };
const panel = (name, content, more = "") =>
  `<section class="${name}-tab ${more}" role="tabpanel" hidden>${content}</section>`;

const TEMPLATE = `
  <div class="continuity">
    <div class="top">${HEADLINES}</div>
    <div class="tabs" role="tablist">
      ${Object.entries(TABS)
        .map(
          ([name, title]) =>
            `<button type="button" role="tab" data-tab="${name}" aria-selected="false">${title}</button>`,
        )
        .join("")}
    </div>
    ${panel("maps", MAPS, "walk")}${panel("worst", FINDINGS)}${panel("posterior", POSTERIOR)}
    <p class="message" role="status" aria-live="polite"></p>
  </div>`;

class Continuity {
  constructor(root, facts, tell) {
    Object.assign(this, { root, tell });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => (this.find(":scope > .continuity > .message").textContent = sentence);
    this.open(facts);
  }

  open(facts) {
    this.close();
    this.root.innerHTML = TEMPLATE;
    // The plane and the view of an address are the first model's; the next one begins with its own, on the same tab.
    this.said = this.facts ? { tab: this.tab } : Object.fromEntries(new URLSearchParams(location.search));
    this.facts = facts;
    for (const tab of this.root.querySelectorAll("[data-tab]"))
      tab.addEventListener("click", () => this.turn(tab.dataset.tab));
    this.leaving = new AbortController();
    window.addEventListener("pointerdown", (event) => this.fold(event), {
      capture: true,
      signal: this.leaving.signal,
    });
    window.addEventListener("keydown", (event) => event.key === "Escape" && this.escape(event), {
      signal: this.leaving.signal,
    });
    this.parts = {
      headlines: new Headlines(this.find(".top"), this),
      maps: new Maps(this.find(".maps-tab"), this),
      worst: new Findings(this.find(".worst-tab"), this),
      posterior: new Posterior(this.find(".posterior-tab"), this),
    };
    for (const part of Object.values(this.parts)) part.begin();
    this.started = true;
    this.turn(this.said.tab in TABS ? this.said.tab : "maps");
  }

  // The same model: Explore's code or an end of a path has changed.
  update(facts) {
    if (facts.model.id !== this.facts.model.id) return this.open(facts);
    this.facts = facts;
    const { maps, ...others } = this.parts;
    for (const part of Object.values(others)) part.begin();
    maps.update(facts);
  }

  turn(tab) {
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[data-tab]"))
      button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    for (const name of Object.keys(TABS)) this.find(`.${name}-tab`).hidden = name !== tab;
    this.parts[tab].show?.();
    this.address();
  }

  // What lies on top goes first: a definition, then a pin. Escape for other parts of the page is theirs.
  escape(event) {
    const ours = event.target === document.body || event.composedPath().includes(this.root);
    if (event.defaultPrevented || !ours || this.fold(null) || this.tab !== "maps") return;
    this.parts.maps.free();
  }

  // A map's definition closes when one presses elsewhere, and with Escape. Returns whether one was open.
  fold(event) {
    const all = [...this.root.querySelectorAll(".measure details[open]")];
    for (const open of all) {
      if (event?.composedPath().includes(open)) continue;
      if (!event && open.contains(this.root.getRootNode().activeElement))
        open.querySelector("summary").focus();
      open.open = false;
    }
    return all.length > 0;
  }

  // Show a code on the maps.
  show(code) {
    this.turn("maps");
    this.parts.maps.locate(code);
  }

  explore(code) {
    this.tell("explore", { model: this.facts.model.id, values: Array.from(code) });
  }

  address() {
    if (!this.started) return;
    const { maps, posterior } = this.parts;
    write("continuity", {
      model: this.facts.model.name,
      tab: this.tab,
      ...maps.state(),
      ...posterior.state(),
    });
  }

  close() {
    this.started = false;
    this.leaving?.abort();
    for (const part of Object.values(this.parts ?? {})) part.close();
  }
}

const pages = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let page = pages.get(parentElement);
  const tell = (name, value) => setTriggerValue(name, value);
  if (!page) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    page = new Continuity(root, data, tell);
    const examples = buttons(root),
      places = list(root, ".places .go"); // of the Posterior tab, and the worst places
    const either = (way) => () => (examples[way]() === false ? places[way]() : true);
    page.remote = new Remote(window, { previous: either("previous"), next: either("next") });
    pages.set(parentElement, page);
  } else {
    page.tell = tell;
    page.update(data);
  }
  return () => {
    page.remote.close();
    page.close();
    pages.delete(parentElement);
  };
}
