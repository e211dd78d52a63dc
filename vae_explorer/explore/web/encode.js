// The Encode panel: choose an item of the encoded data, bring a picture, or draw one. Whatever is chosen
// is encoded by the server, and the sliders go to its posterior mean.

import { Channel, ENCODE, ITEM } from "../../kit/socket.js";

const DRAWING_SIDE = 168; // pixels of the drawing that are sent; the server fits it to the data
const PEN = 11;
const PATIENCE_MS = 250; // before a wait is explained
const MAX_SIDE = 512; // the largest picture the server takes
const ITEM_TEXT = /^held-out\.(\d{1,9})$/;

// What an address calls an encoded item: its split, and its number there.
export const itemText = (position) => `held-out.${position}`;

export class EncodePanel {
  // on.arrived(answer, source) when the server has encoded something; on.complain(sentence)
  constructor(root, model, on) {
    Object.assign(this, { root, model, on });
    this.leaving = new AbortController(); // the elements around are there for the next model, too
    const channel = (onError) =>
      new Channel({
        onAnswer: (answer, source) => {
          clearTimeout(this.patience);
          on.say("");
          this.trouble("");
          if (source !== "warm") on.arrived(answer, source);
        },
        onError,
      });
    this.items = channel((sentence) => on.complain(sentence));
    this.pictures = channel((sentence) => this.trouble(sentence));
    root.innerHTML = `
      <div class="tabs" role="tablist" aria-label="Encode an image">
        <span class="title">Encode</span>
        <button role="tab" type="button" data-tab="data">Data</button>
        <button role="tab" type="button" data-tab="upload">Upload</button>
        <button role="tab" type="button" data-tab="draw">Draw</button>
      </div>
      <div class="panel" role="tabpanel" data-panel="data">
        <label>Class <select class="class"></select></label>
        <label>No. <input class="number" type="number" min="0" step="1" value="0"></label>
        <button type="button" class="previous" aria-label="Previous item" title="Previous item (PageUp, or a presenter’s remote)">‹</button>
        <button type="button" class="next" aria-label="Next item" title="Next item (PageDown, or a presenter’s remote)">›</button>
        <button type="button" class="any">Random</button>
        <p class="hint"></p>
      </div>
      <div class="panel" role="tabpanel" data-panel="upload" hidden>
        <label class="drop" tabindex="0"><input type="file" accept="image/png,image/jpeg" hidden>
          <span>Drop a PNG or JPEG here, or <u>choose a file</u></span></label>
        <p class="hint"></p>
      </div>
      <div class="panel" role="tabpanel" data-panel="draw" hidden>
        <canvas class="paper" width="${DRAWING_SIDE}" height="${DRAWING_SIDE}" aria-label="Drawing canvas"></canvas>
        <div class="beside"><button type="button" class="clear">Clear</button><p class="hint"></p></div>
      </div>
      <p class="trouble" role="status" aria-live="polite"></p>`;
    this.find = (selector) => root.querySelector(selector);
    this.tabs();
    this.data();
    this.upload();
    this.draw();
    for (const act of ["pointerdown", "keydown"])
      this.listen(root.closest(".explorer"), act, () => this.trouble(""));
  }

  listen(element, name, act) {
    element.addEventListener(name, act, { signal: this.leaving.signal });
  }

  // What is wrong with a picture, beside where it was chosen, until somebody does something else.
  trouble(sentence) {
    this.find(".trouble").textContent = sentence;
  }

  tabs() {
    const buttons = [...this.root.querySelectorAll("[role=tab]")];
    const show = (chosen) => {
      for (const button of buttons) button.setAttribute("aria-selected", button === chosen);
      for (const panel of this.root.querySelectorAll(".panel"))
        panel.hidden = panel.dataset.panel !== chosen.dataset.tab;
    };
    for (const button of buttons) button.addEventListener("click", () => show(button));
    show(buttons[this.model.encodedCount || !this.model.takesPictures ? 0 : 1]);
    if (!this.model.encodedCount) buttons[0].disabled = true;
    for (const button of buttons.slice(1)) button.hidden = !this.model.takesPictures; // a series cannot be drawn
  }

  data() {
    const { classNames, classCounts, encodedCount, dataHere, dataTitle } = this.model;
    const select = this.find(".class"),
      number = this.find(".number");
    select.append(new Option("any", -1));
    classNames.forEach((name, i) => classCounts[i] && select.append(new Option(name, i)));
    select.closest("label").hidden = !classNames.length;
    const count = () => (select.value === "-1" ? encodedCount : classCounts[select.value]);
    const ask = (nth) => {
      number.value = ((Math.trunc(nth) % count()) + count()) % count() || 0;
      number.max = count() - 1;
      this.item(Number(select.value), Number(number.value));
    };
    select.addEventListener("change", () => ask(0));
    number.addEventListener("input", () => number.value !== "" && ask(Number(number.value)));
    this.find(".previous").addEventListener("click", () => ask(Number(number.value) - 1));
    this.find(".next").addEventListener("click", () => ask(Number(number.value) + 1));
    this.find(".any").addEventListener("click", () => ask(Math.floor(Math.random() * count())));
    this.find("[data-panel=data] .hint").textContent = dataHere
      ? `${encodedCount.toLocaleString("en")} held-out items of ${dataTitle}`
      : `${encodedCount.toLocaleString("en")} codes of ${dataTitle}; its images are not on this machine`;
    this.point = () => this.item(-1, Math.floor(Math.random() * encodedCount), "point");
    this.listen(this.root, "pointerenter", () => this.warm());
  }

  // Encode the item that a link names, and say whether there is one.
  linked(text) {
    const { encodedCount } = this.model,
      position = Number(ITEM_TEXT.exec(text)?.[1] ?? NaN);
    if (!(position < encodedCount)) {
      const there = encodedCount
        ? `they are ${itemText(0)} to ${itemText(encodedCount - 1)}`
        : "it came without any";
      this.on.complain(
        `The link's item = ${text.slice(0, 40)} is not among this model's encoded items: ${there}.`,
      );
      return false;
    }
    this.find(".number").value = position;
    this.item(-1, position, "link");
    return true;
  }

  // The first item makes the server read the dataset: ask for one as soon as the pointer comes near.
  warm() {
    if (!this.warmed && this.model.encodedCount) this.item(-1, 0, "warm");
    this.warmed = true;
  }

  item(label, nth, tag = "item") {
    this.warmed = true;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => tag !== "warm" && this.on.say("Reading the data…"), PATIENCE_MS);
    const payload = new DataView(new ArrayBuffer(8));
    payload.setInt32(0, label, true);
    payload.setUint32(4, nth, true);
    this.items.ask({ model: this.model.id, kind: ITEM, count: 0, width: 0, payload, tag });
  }

  upload() {
    const drop = this.find(".drop"),
      file = this.find("input[type=file]");
    this.find("[data-panel=upload] .hint").textContent = this.model.ink
      ? "Made light on dark and centred, as the data are. A link holds its code, not the picture."
      : "Cropped to the middle and scaled to the model's size. A link holds its code, not the picture.";
    file.addEventListener(
      "change",
      () => file.files[0] && this.read(file.files[0]).finally(() => (file.value = "")),
    );
    drop.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && file.click());
    this.listen(this.root, "dragover", (event) => event.preventDefault());
    this.listen(this.root, "drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.read(event.dataTransfer.files[0]);
    });
  }

  async read(file) {
    this.trouble("");
    try {
      if (!["image/png", "image/jpeg"].includes(file.type)) throw new Error("type");
      const bitmap = await createImageBitmap(file);
      const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.fillStyle = "#fff"; // transparent parts are white paper
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
      this.encode(canvas, file.name);
    } catch {
      this.trouble(
        `${file.name} is not a PNG or JPEG picture that this browser can open; save it as one and try again.`,
      );
    }
  }

  draw() {
    const paper = this.find(".paper"),
      context = paper.getContext("2d", { willReadFrequently: true });
    const clear = () => {
      context.fillStyle = "#000";
      context.fillRect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
    };
    clear();
    context.strokeStyle = "#fff";
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    let last = null;
    const at = (event) => {
      const box = paper.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * DRAWING_SIDE,
        ((event.clientY - box.top) / box.height) * DRAWING_SIDE,
      ];
    };
    const stroke = (event) => {
      for (const move of event.getCoalescedEvents?.() ?? [event]) {
        const point = at(move);
        context.beginPath();
        context.moveTo(...last);
        context.lineTo(...point);
        context.stroke();
        last = point;
      }
      this.encode(paper, "drawing");
    };
    paper.addEventListener("pointerdown", (event) => {
      paper.setPointerCapture(event.pointerId);
      last = at(event);
      context.beginPath();
      context.moveTo(...last);
      context.lineTo(...last);
      context.stroke();
      this.encode(paper, "drawing");
    });
    paper.addEventListener("pointermove", (event) => last && stroke(event));
    for (const end of ["pointerup", "pointercancel"]) {
      paper.addEventListener(end, () => {
        if (last) this.encode(paper, "drawing", true);
        last = null;
      });
    }
    this.find(".clear").addEventListener("click", clear);
    this.find("[data-panel=draw] .hint").textContent =
      "The model answers while you draw. A link holds the code, not the drawing.";
  }

  // Send a canvas as bytes; `final` marks the end of a stroke, which is a position worth keeping.
  encode(canvas, name, final = name !== "drawing") {
    const { width, height } = canvas;
    const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const payload = new Uint8Array(width * height * 3);
    for (let i = 0, o = 0; i < rgba.length; i += 4) {
      payload[o++] = rgba[i];
      payload[o++] = rgba[i + 1];
      payload[o++] = rgba[i + 2];
    }
    const request = { model: this.model.id, kind: ENCODE, height, count: 3, width, payload };
    this.pictures.ask({ ...request, tag: final ? name : "stroke" });
  }

  close() {
    this.leaving.abort();
    this.items.close();
    this.pictures.close();
  }
}
