// Lists of points worth a look: the worst reconstructed of each class, and the loneliest. A click takes the map there.

const SHOWN = 40;

export const SEARCH = `
  <div class="search">
    <button type="button" data-kind="worst" title="The points whose reconstruction is farthest from the original, per class; PageDown and PageUp go through them">Worst reconstructed</button>
    <button type="button" data-kind="outliers" title="The points with the fewest others near them in the latent space; PageDown and PageUp go through them">Outliers</button>
    <ol class="results" hidden></ol>
  </div>`;

export class Search {
  // page: { data, facts, colours, say, goTo(point), mark(points) }
  constructor(root, page) {
    Object.assign(this, { page, kind: null });
    this.root = root.querySelector(".search");
    this.results = this.root.querySelector(".results");
    for (const button of this.root.querySelectorAll("button"))
      button.addEventListener("click", () => this.toggle(button.dataset.kind));
  }

  begin() {
    this.close();
    this.root.querySelector('[data-kind="worst"]').hidden = !this.page.data.has("error");
  }

  toggle(kind) {
    if (this.kind === kind) return this.close();
    this.kind = kind;
    this.press();
    this.fill(kind);
  }

  press() {
    for (const button of this.root.querySelectorAll("button[data-kind]"))
      button.setAttribute("aria-pressed", String(button.dataset.kind === this.kind));
  }

  async fill(kind) {
    this.results.hidden = false;
    this.results.replaceChildren("Looking…");
    try {
      const { points } = await this.page.data.json(`search/${kind}`);
      if (this.kind !== kind) return;
      this.page.mark(points.map(({ i }) => i));
      this.results.replaceChildren(...points.slice(0, SHOWN).map((point) => this.row(point)));
      if (!points.length) this.results.replaceChildren("Nothing stands out.");
    } catch (error) {
      if (error.name !== "AbortError") this.results.replaceChildren(error.message);
    }
  }

  row({ i, label, words }) {
    const row = document.createElement("li"),
      button = document.createElement("button");
    button.type = "button";
    const name = label >= 0 ? `${this.page.facts.classNames[label]} · ` : "";
    button.textContent = `${name}no. ${(i + 1).toLocaleString("en")} · ${words}`;
    button.addEventListener("click", () => this.page.goTo(i));
    row.append(button);
    return row;
  }

  close() {
    this.kind = null;
    this.results.hidden = true;
    this.press();
    this.page.mark?.(null);
  }
}
