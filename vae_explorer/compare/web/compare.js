// The Compare page's component: models of the same data in columns, with the same item, the same walk and one scale.
//
// Every column decodes over the live socket at once; Python runs only when somebody leaves for Explore.

import { write } from "../../kit/address.js";
import { buttons, Remote } from "../../kit/remote.js";
import { Column } from "./column.js";
import { FIGURES, Figures } from "./figures.js";
import { ITEMS, Items } from "./items.js";
import { REDUCTION, Reduction } from "./reduction.js";
import { STROLL, Stroll } from "./stroll.js";
import { SUBSPACES, Subspaces } from "./subspaces.js";

const TABS = {
  side: "Side by side",
  figures: "Figures",
  reduction: "Dimension reduction",
  subspaces: "PCA = linear autoencoder",
};

const TEMPLATE = `
  <div class="compare">
    <div class="tabs" role="tablist">
      ${Object.entries(TABS)
        .map(([name, title]) => `<button type="button" role="tab" data-tab="${name}">${title}</button>`)
        .join("")}
    </div>
    <section data-panel="side" role="tabpanel">
      <aside class="rail">${ITEMS}${STROLL}
        <div class="options">
          <label>Axes <select class="axes"><option value="information">two most informative</option><option value="pca">principal components</option></select></label>
          <label><input type="checkbox" class="one-scale"> codes on one scale</label>
        </div></aside>
      <div class="columns"></div>
    </section>
    <section data-panel="figures" role="tabpanel" hidden>${FIGURES}</section>
    <section data-panel="reduction" role="tabpanel" hidden>${REDUCTION}</section>
    <section data-panel="subspaces" role="tabpanel" hidden>${SUBSPACES}</section>
    <p class="message" role="status" aria-live="polite"></p>
  </div>`;

class Compare {
  constructor(root, facts, tell) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, tell, columns: [] });
    this.find = (selector) => root.querySelector(selector);
    this.say = (sentence) => (this.find(".message").textContent = sentence);
    for (const tab of root.querySelectorAll("[data-tab]"))
      tab.addEventListener("click", () => this.show(tab.dataset.tab));
    this.find(".axes").addEventListener("change", () => this.view());
    this.find(".one-scale").addEventListener("change", () => this.view());
    this.items = new Items(root, this);
    this.stroll = new Stroll(root, this);
    this.figures = new Figures(root, this);
    this.reduction = new Reduction(root, this);
    this.subspaces = new Subspaces(root, this);
    this.open(facts, Object.fromEntries(new URLSearchParams(location.search)));
  }

  // said: what to begin with, by its name in the address.
  open(facts, said) {
    this.close();
    this.facts = facts;
    this.columns = facts.models.map((model, place) => new Column(model, place, this));
    this.find(".columns").replaceChildren(...this.columns.map((column) => column.element));
    this.find(".columns").style.setProperty("--count", this.columns.length);
    this.scaleInformation();
    this.find(".axes").value = said.axes === "pca" ? "pca" : "information";
    this.find(".one-scale").checked = said.scale === "one";
    this.stroll.begin(said);
    this.items.begin(said);
    this.figures.begin();
    this.reduction.begin();
    this.subspaces.begin();
    this.view();
    this.show(said.tab in TABS ? said.tab : "side");
    this.started = true;
    this.address();
  }

  // Other models; what is in view of them stays.
  update(facts) {
    const ids = (some) => some.models.map(({ model }) => model.id).join();
    if (ids(facts) !== ids(this.facts)) this.open(facts, this.state());
  }

  show(tab) {
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[data-tab]"))
      button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    for (const panel of this.root.querySelectorAll("[data-panel]"))
      panel.hidden = panel.dataset.panel !== tab;
    if (tab === "reduction") this.reduction.look();
    if (tab === "subspaces") this.subspaces.look();
    this.address();
  }

  // --- what the parts tell each other --------------------------------------------------------------------------

  // All columns show the example with this index in its source.
  item(index) {
    for (const column of this.columns) column.setItem(index);
    this.address();
  }

  // All columns go t spreads along their rank-th most informative dimension.
  walk(rank, t) {
    for (const column of this.columns) column.walk(rank, t);
  }

  // The example under the pointer in one scatter stands out in all of them; null: none.
  point(index) {
    for (const column of this.columns) column.point(index);
  }

  original(picture) {
    for (const column of this.columns) column.setOriginal(picture);
  }

  // One scale for what is compared: the bars of all columns, and their scatters if wished.
  scaleInformation() {
    const all = this.columns.flatMap(({ model }) => model.dimensions.map(({ kl }) => kl ?? 0));
    for (const column of this.columns) column.information(Math.max(...all));
  }

  view() {
    const pca = this.find(".axes").value === "pca",
      one = this.find(".one-scale").checked;
    for (const column of this.columns) column.scatter.project(pca);
    const reach = Math.max(...this.columns.map((column) => column.scatter.reach));
    for (const column of this.columns) column.scatter.fit(one ? reach : column.scatter.reach);
    this.address();
  }

  explore(model, code) {
    this.tell("explore", { model, values: Array.from(code) });
  }

  state() {
    return {
      tab: this.tab === "side" ? "" : this.tab,
      ...this.items.state(),
      ...this.stroll.state(),
      axes: this.find(".axes").value === "pca" ? "pca" : "",
      scale: this.find(".one-scale").checked ? "one" : "",
    };
  }

  address() {
    if (!this.started) return;
    write("compare", { models: this.facts.models.map(({ model }) => model.name).join(","), ...this.state() });
  }

  close() {
    this.started = false;
    this.stroll.stop();
    for (const part of [...this.columns, this.figures, this.reduction, this.subspaces]) part.close();
  }
}

const shown = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let compare = shown.get(parentElement);
  const tell = (name, value) => setTriggerValue(name, value);
  if (!compare) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    compare = new Compare(root, data, tell);
    compare.remote = new Remote(window, buttons(root)); // through the items
    shown.set(parentElement, compare);
  } else {
    compare.tell = tell;
    compare.update(data);
  }
  return () => {
    compare.remote.close();
    compare.close();
    compare.items.close();
    shown.delete(parentElement);
  };
}
