// The item that all columns show: its original, and how to get to another one.

import { paint } from "../../kit/paint.js";
import { Channel, ITEM } from "../../kit/socket.js";

export const ITEMS = `
  <section class="item" aria-label="Item">
    <figure><canvas class="original" role="img" aria-label="Original" hidden></canvas><p class="absent" hidden></p></figure>
    <div class="which">
      <p class="name" role="status"></p>
      <div class="acts">
        <button type="button" class="previous" aria-label="Previous item" title="Previous item (PageUp, or a presenter’s remote)">‹</button>
        <button type="button" class="next" aria-label="Next item" title="Next item (PageDown, or a presenter’s remote)">›</button>
        <button type="button" class="random">Random</button>
      </div>
      <p class="hint">or click a point of a scatter</p>
    </div>
  </section>`;

export class Items {
  // page: { columns, facts, item(index), original(picture), say, address() }
  constructor(root, page) {
    Object.assign(this, { page, place: 0 });
    this.find = (selector) => root.querySelector(`.item ${selector}`);
    this.channel = new Channel({
      onAnswer: (answer) => this.draw(answer),
      onError: page.say,
      onStatus: (on) => page.say(on ? "" : "Waiting for the server…"),
    });
    this.find(".previous").addEventListener("click", () => this.go(this.place - 1));
    this.find(".next").addEventListener("click", () => this.go(this.place + 1));
    this.find(".random").addEventListener("click", () => this.go(Math.floor(Math.random() * this.count)));
  }

  // Items are numbered as the first model's reference codes are; what they are is said by their index in the source.
  async begin({ item }) {
    const first = this.page.columns[0];
    this.count = first.model.n;
    const place = Number.parseInt(item ?? this.place, 10);
    try {
      await Promise.all(this.page.columns.map((column) => column.fetch()));
    } catch (error) {
      if (error.name !== "AbortError") this.page.say(error.message);
      return;
    }
    if (first !== this.page.columns[0]) return; // other models were chosen meanwhile
    this.page.view();
    this.go(Number.isFinite(place) ? place : 0);
  }

  go(place) {
    const first = this.page.columns[0];
    if (!first.indices) return; // not here yet
    this.place = ((place % this.count) + this.count) % this.count;
    const payload = new DataView(new ArrayBuffer(8));
    payload.setInt32(0, -1, true);
    payload.setUint32(4, this.place, true);
    this.channel.ask({ model: first.model.model.id, kind: ITEM, count: 0, width: 0, payload });
    this.page.item(first.indices[this.place]);
  }

  // The example with an index in its source.
  choose(index) {
    const place = this.page.columns[0].placeOf(index);
    if (place >= 0) this.go(place);
    else this.page.say("The first model has not encoded this example; choose another one.");
  }

  draw(answer) {
    const { classNames, dataTitle } = this.page.facts;
    this.find(".name").textContent =
      `item ${answer.position.toLocaleString("en")}${answer.label < 0 ? "" : ` · class ${classNames[answer.label]}`}`;
    this.find(".original").hidden = !answer.pixels;
    this.find(".absent").hidden = Boolean(answer.pixels);
    this.find(".absent").textContent = `The images of ${dataTitle} are not on this machine.`;
    if (answer.pixels) paint(this.find(".original"), answer);
    this.page.original(answer.pixels ? answer : null);
  }

  state() {
    return { item: this.place ? String(this.place) : "" };
  }

  close() {
    this.channel.close();
  }
}
