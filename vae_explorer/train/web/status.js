// The head of the view: how far the run is, how fast, how it computes, and why it ended.

import { rate, timeLeft } from "../../kit/words.js";

const NAMES = {
  new: "not started",
  starting: "starting",
  queued: "queued",
  preparing: "preparing",
  training: "training",
  finishing: "finishing",
  stopping: "stopping",
  finished: "finished",
  stopped: "stopped",
  failed: "failed",
  interrupted: "interrupted",
};
const UNSURE = ["starting", "queued", "preparing", "finishing", "stopping"]; // at work, and nobody knows how far
const SAID_ALREADY = ["Training.", "Starting.", "Finished.", "Stopped."];

export const STATUS = `
  <header class="status">
    <div class="line"><h3 class="title"></h3><span class="state"></span>
      <p class="message" role="status" aria-live="polite"></p></div>
    <div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0" aria-valuemax="100"><div></div></div>
    <p class="facts"></p>
    <details class="log" hidden><summary>Last lines of the log</summary><pre tabindex="0"></pre></details>
    <p class="away" role="status" aria-live="polite"></p>
  </header>`;

export class StatusLine {
  constructor(root) {
    this.find = (selector) => root.querySelector(`.status ${selector}`);
    this.element = root.querySelector(".status");
  }

  show(facts) {
    const { state } = facts;
    this.element.dataset.state = state;
    this.text(".title", facts.title);
    this.find(".title").title = facts.title;
    this.text(".state", NAMES[state]);
    this.bar(facts);
    this.text(".facts", words(facts));
    this.text(".message", SAID_ALREADY.includes(facts.message) ? "" : facts.message);
    const log = this.find(".log");
    if (log.hidden && facts.log.length) log.open = state === "interrupted";
    log.hidden = !facts.log.length;
    this.text("pre", facts.log.join("\n"));
    this.away("");
  }

  bar(facts) {
    const share = facts.state === "finished" ? 1 : progress(facts);
    const bar = this.find(".bar");
    bar.classList.toggle("unsure", UNSURE.includes(facts.state));
    bar.firstElementChild.style.width = `${100 * share}%`;
    if (UNSURE.includes(facts.state)) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", Math.round(100 * share));
    bar.setAttribute("aria-valuetext", `${NAMES[facts.state]}, ${words(facts)}`);
  }

  // A quiet line while the server is away, or the reason why there is nothing to see.
  away(sentence) {
    this.text(".away", sentence);
  }

  // Only what changed, so that a screen reader hears each sentence once.
  text(selector, text) {
    const element = this.find(selector);
    if (element.textContent !== text) element.textContent = text;
  }
}

function progress({ examples, examples_in_all: all, epoch, epochs }) {
  return Math.min(all ? examples / all : epochs ? epoch / epochs : 0, 1);
}

function words(facts) {
  const training = facts.state === "training";
  return [
    facts.kind === "pca" ? "closed form, no epochs" : `epoch ${epochAtWork(facts)} of ${facts.epochs}`,
    rate(facts.images_per_s),
    training ? timeLeft(facts.remaining_s) : "",
    facts.chosen,
    facts.dataTitle,
  ]
    .filter(Boolean)
    .join(" · ");
}

// While it trains, the epoch it is in; else the last one it finished.
function epochAtWork({ state, epoch, epochs }) {
  return state === "training" ? Math.min(epoch + 1, epochs) : epoch;
}
