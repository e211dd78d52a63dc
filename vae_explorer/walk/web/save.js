// A path as a file that the server makes, or as the command line that makes the same.

import { codeText } from "../../kit/code-text.js";
import { quoted } from "../../kit/command-text.js";
import { fetchTold } from "../../kit/told.js";

const TYPES = { png: "image/png", gif: "image/gif", mp4: "video/mp4", npz: "application/zip" };
const KINDS = { png: "PNG contact sheet", gif: "GIF", mp4: "MP4", npz: "npz (codes, frames)" };

export const SAVE = `
  <details class="save"><summary>Save</summary><div>
    <p class="which"></p>
    <div class="kinds">${Object.entries(KINDS)
      .map(([kind, name]) => `<button type="button" data-as="${kind}">${name}</button>`)
      .join("")}</div>
    <span class="making" hidden><progress max="1"></progress><span role="status"></span><button type="button" class="cancel">Cancel</button></span>
    <div class="command"><p>The same on the command line <button type="button" class="copy">Copy</button></p><code tabindex="0"></code></div>
    <p class="trouble" role="alert"></p>
  </div></details>`;

// The command line that makes the path. ends: [{ code, spec }].
export function commandLine({
  name,
  file = `checkpoints/${name}.safetensors`,
  ends,
  way,
  frames,
  fps,
  closed,
  equal,
  overshoot,
  pingPong,
}) {
  const codes = ends.map((end) => quoted(specOf(end).replace(/^-/, " -"))),
    via = codes.slice(1, -1); // "-1,2" would be taken for an option
  return [
    `python -m vae_core walk ${/^[\w./-]+$/.test(file) ? file : quoted(file)}`,
    `--from ${codes[0]}`,
    via.length && `--via ${via.join(" ")}`,
    `--to ${codes.at(-1)}`,
    `--path ${way} --frames ${frames}`,
    fps !== 30 && `--fps ${fps}`,
    equal && "--equal-steps",
    closed && "--closed",
    overshoot > 1 && `--overshoot ${overshoot}`,
    pingPong && "--ping-pong",
    "--out walk.mp4",
  ]
    .filter(Boolean)
    .join(" ");
}

// What the command line calls an end: items and classes by name, other codes by their numbers, never taken for an item.
function specOf({ code, spec }) {
  const text = spec ?? codeText(code);
  return !spec && /^\d+$/.test(text) ? `${text}.0` : text;
}

// There and back again without the turning points twice.
export const thereAndBack = (codes) => [...codes, ...codes.slice(1, -1).reverse()];

export class Save {
  // on: { chosen() -> { name, ends, way, wayName, codes, fps, ... } or null, model() -> id }
  constructor(root, on) {
    this.on = on;
    this.root = root.querySelector(".save");
    this.find = (selector) => this.root.querySelector(selector);
    for (const button of this.root.querySelectorAll("[data-as]"))
      button.addEventListener("click", () => this.save(button.dataset.as));
    this.find(".cancel").addEventListener("click", () => this.stop());
    this.find(".copy").addEventListener("click", () => this.copy());
    this.find("summary").addEventListener("click", () => this.refresh()); // before it opens
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.root.open = false;
      this.find("summary").focus();
    });
    this.root.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !this.root.contains(event.relatedTarget)) this.root.open = false;
    });
  }

  refresh() {
    const chosen = this.on.chosen();
    for (const button of this.root.querySelectorAll("[data-as]"))
      button.disabled = !chosen || Boolean(this.making);
    this.find(".command").hidden = !chosen;
    this.find(".which").textContent = chosen
      ? `${chosen.wayName} path, ${chosen.codes.length} frames, ${chosen.fps} a second`
      : "There is no path to save yet.";
    if (chosen) this.find(".command code").textContent = commandLine(chosen);
  }

  async save(as) {
    const chosen = this.on.chosen();
    if (!chosen || this.making) return;
    const making = new AbortController();
    this.making = making;
    const film = as === "gif" || as === "mp4",
      frames = film && chosen.pingPong ? thereAndBack(chosen.codes) : chosen.codes;
    this.busy(as);
    try {
      const body = {
        model: this.on.model(),
        as,
        frames,
        columns: Math.ceil(Math.sqrt(frames.length)),
        fps: chosen.fps,
      };
      const found = await fetchTold("/walks/save", body, {
        signal: making.signal,
        progress: ({ done }) => this.progress(done),
      });
      hand(
        new Blob([Uint8Array.from(atob(found.file), (byte) => byte.charCodeAt(0))], { type: TYPES[as] }),
        `${chosen.name.replaceAll(/[^\w-]+/g, "-")}-${chosen.way}.${as}`,
      );
    } catch (error) {
      if (!making.signal.aborted) this.find(".trouble").textContent = error.message;
    } finally {
      if (this.making === making) this.busy(null);
    }
  }

  // From 0 to 1; null where nobody knows.
  progress(done) {
    const bar = this.find("progress");
    if (done === null) bar.removeAttribute("value");
    else bar.value = done;
  }

  busy(as) {
    clearInterval(this.clock);
    this.progress(null);
    const held = this.root.getRootNode().activeElement === this.find(".cancel");
    this.find(".making").hidden = !as;
    if (as) {
      const start = performance.now(),
        seconds = () => Math.round((performance.now() - start) / 1000);
      const tell = () =>
        (this.find(".making [role]").textContent = `Making the ${KINDS[as]}… ${seconds()} s`);
      tell();
      this.clock = setInterval(tell, 1000);
      this.find(".trouble").textContent = "";
      this.find(".cancel").focus();
    } else this.making = null;
    if (!as && held) this.find("summary").focus(); // what had the focus is gone
    this.refresh();
  }

  stop() {
    this.making?.abort();
    if (this.making) this.busy(null);
  }

  async copy() {
    const code = this.find(".command code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      this.find(".copy").textContent = "Copied";
      setTimeout(() => (this.find(".copy").textContent = "Copy"), 1500);
    } catch {
      getSelection().selectAllChildren(code); // this browser does not let the page copy
    }
  }

  close() {
    this.stop();
    clearInterval(this.clock);
  }
}

// Give a file to the browser's downloads.
function hand(blob, name) {
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
