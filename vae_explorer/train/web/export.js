// Saving the film as a file: the server makes it while we wait, and gives up when we stop waiting.

import { runUrl } from "./poll.js";

export const EXPORT = `
  <div class="export" hidden>
    <a class="button gif" download>Save GIF</a><a class="button mp4" download>Save MP4</a>
    <span class="making" hidden><span role="status">Making the film…</span><button type="button" class="cancel">Cancel</button></span>
    <p class="trouble" role="alert"></p>
  </div>`;

export class Export {
  constructor(root) {
    this.element = root.querySelector(".export");
    this.find = (selector) => this.element.querySelector(selector);
    for (const kind of ["gif", "mp4"]) {
      this.find(`.${kind}`).addEventListener("click", (event) => {
        event.preventDefault();
        this.save(kind, event.currentTarget.href);
      });
    }
    this.find(".cancel").addEventListener("click", () => this.stop());
  }

  begin(id) {
    this.stop();
    this.id = id;
    this.find(".trouble").textContent = "";
    for (const kind of ["gif", "mp4"]) this.find(`.${kind}`).href = runUrl(id, `/film.${kind}`);
  }

  offer(snapshots) {
    this.element.hidden = snapshots < 2;
  }

  async save(kind, href) {
    const making = new AbortController();
    this.making = making;
    this.busy(true);
    try {
      const response = await fetch(href, { signal: making.signal });
      if (!response.ok) throw new Error(await response.text());
      hand(await response.blob(), `${this.id}.${kind}`);
    } catch (error) {
      if (!making.signal.aborted) {
        this.find(".trouble").textContent =
          error instanceof TypeError ? "The film did not arrive; try again." : error.message;
      }
    } finally {
      if (this.making === making) this.busy(false);
    }
  }

  busy(making) {
    if (making) this.find(".trouble").textContent = "";
    this.find(".making").hidden = !making;
    for (const link of this.element.querySelectorAll("a")) link.hidden = making;
    if (making) this.find(".cancel").focus();
    else this.making = null;
  }

  stop() {
    this.making?.abort();
    this.busy(false);
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
