// The view of a training run: how far it is, its curves over the epochs, and the film of its latent space.
//
// One number ties it together: the epoch that the cursor stands on. While the run is busy the cursor follows the
// newest snapshot ("live") until somebody moves it. Python hears of changes of the run's state only.

import { Remote } from "../../kit/remote.js";
import { EXPORT, Export } from "./export.js";
import { FILM, Film } from "./film.js";
import { Frames } from "./frames.js";
import { Player } from "./player.js";
import { Poll } from "./poll.js";
import { STATUS, StatusLine } from "./status.js";
import { TIMELINE, Timeline } from "./timeline.js";

const TEMPLATE = `
  <div class="run" aria-busy="true">
    ${STATUS}
    ${FILM}
    <div class="time">
      <div class="controls" role="toolbar" aria-label="Film">
        <button type="button" class="play" title="PageUp and PageDown, or a presenter’s remote, go from epoch to epoch" disabled>▶ Play</button>
        <button type="button" class="live" aria-pressed="true" hidden title="Follow the newest epoch"><span class="dot"></span>Live</button>
        ${EXPORT}
      </div>
      ${TIMELINE}
    </div>
  </div>`;

class RunView {
  constructor(root, data, tell) {
    root.innerHTML = TEMPLATE;
    this.root = root;
    this.tell = tell;
    this.find = (selector) => root.querySelector(selector);
    this.status = new StatusLine(root);
    this.film = new Film(root);
    this.export = new Export(root);
    this.timeline = new Timeline(root, {
      move: (epoch) => this.choose(epoch),
      play: () => this.player.toggle(),
    });
    this.player = new Player({
      stops: () => this.facts.snapshots,
      at: () => this.epoch,
      ready: (epoch) => Boolean(this.frames.get(epoch)),
      step: (epoch) => this.stand(epoch),
      change: (playing) => this.playing(playing),
    });
    this.find(".play").addEventListener("click", () => this.player.toggle());
    this.find(".live").addEventListener("click", () => this.goLive());
    this.open(data);
  }

  open({ id, state }) {
    this.poll?.close();
    this.told = state; // what Python knows
    Object.assign(this, { id, made: null, facts: null, stops: [], epoch: null });
    this.forget();
    this.poll = new Poll(id, {
      facts: (facts) => this.hear(facts),
      after: () => this.newest(),
      away: () => this.status.away("The server does not answer; trying again…"),
      refused: (sentence) => this.status.away(sentence),
    });
  }

  // Python ran again, and knows this of the run.
  update(data) {
    if (data.id !== this.id) this.open(data);
    else if (data.state !== this.told || data.state !== this.facts?.state) {
      this.told = data.state;
      this.poll.ask();
    }
  }

  forget() {
    this.player.stop();
    this.frames?.close();
    this.rows = new Map();
    this.frames = new Frames(this.id, {
      frame: (epoch) => this.arrived(epoch),
      items: () => this.film.setItems(this.frames.items),
    });
    this.export.begin(this.id);
  }

  // --- what the server says -------------------------------------------------------------------------------

  // After which epoch figures are wanted; null: all of them.
  newest() {
    return this.rows.size ? [...this.rows.keys()].at(-1) : null;
  }

  hear(facts) {
    if (facts.made !== this.made) {
      const partly = this.rows.size; // these are figures after an epoch of the run that was here before
      this.begin(facts);
      if (partly) this.poll.ask();
    }
    this.facts = facts;
    this.take(facts.metrics, facts.snapshots.at(-1) ?? Infinity);
    this.status.show(facts);
    this.film.name(facts.classNames);
    this.stops = [...new Set([...facts.snapshots, ...this.rows.keys()])].sort((a, b) => a - b);
    this.timeline.update(this.rows, this.stops, this.end(), facts.best_epoch);
    this.follow(); // to the last epoch too, before a run that is over ends the following
    this.buttons();
    this.frames.want(facts.snapshots, this.epoch);
    this.say(facts.state);
  }

  // A run that was resumed may have gone back: figures beyond its newest picture are from before, and come again.
  take(metrics, last) {
    for (const row of metrics) this.rows.set(row[0], figures(row));
    for (const epoch of this.rows.keys()) if (epoch > last) this.rows.delete(epoch);
  }

  // Another run than before, or the same id once more after a deletion.
  begin(facts) {
    if (this.made !== null) this.forget();
    Object.assign(this, { made: facts.made, epoch: null, live: facts.busy });
    this.timeline.begin(facts);
    this.timeline.show(null);
    this.film.begin(facts);
    this.find(".run").setAttribute("aria-busy", "false");
  }

  // Where the axis ends: where training will end, or where it did.
  end() {
    const { state, epochs } = this.facts;
    return state === "finished" ? (this.stops.at(-1) ?? epochs) : epochs;
  }

  say(state) {
    if (state === this.told) return;
    this.told = state;
    this.tell(state);
  }

  // --- the epoch that is shown ----------------------------------------------------------------------------

  follow() {
    if (!this.stops.length) return;
    if (this.epoch === null || (this.live && !this.player.playing)) this.stand(this.stops.at(-1));
  }

  // Somebody chose an epoch.
  choose(epoch) {
    this.player.stop();
    this.setLive(false);
    this.stand(epoch);
  }

  // To the next or the previous snapshot; false while there is none.
  step(by) {
    if (!this.stops.length) return false;
    this.choose(
      this.stops[Math.min(Math.max(this.stops.indexOf(this.epoch) + by, 0), this.stops.length - 1)],
    );
  }

  goLive() {
    this.player.stop();
    this.setLive(true);
    this.follow();
  }

  stand(epoch) {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.timeline.show(epoch);
    this.picture();
  }

  // While a picture is under way, the one before it stays.
  picture() {
    const frame = this.frames.get(this.epoch);
    if (frame) this.film.show(this.epoch, frame, this.frames.bounds);
    else this.frames.want(this.frames.wanted, this.epoch);
  }

  arrived(epoch) {
    // The scale is that of the whole film, so a new picture may change how the one on the screen is drawn.
    if (this.epoch === epoch || this.frames.get(this.epoch)) this.picture();
    if (!performance.getEntriesByName("first-run-picture").length) performance.mark("first-run-picture");
  }

  // --- buttons --------------------------------------------------------------------------------------------

  buttons() {
    this.find(".play").disabled = this.facts.snapshots.length < 2;
    this.find(".live").hidden = !this.facts.busy;
    if (!this.facts.busy) this.setLive(false);
    this.find(".live").setAttribute("aria-pressed", String(this.live));
    this.export.offer(this.facts.snapshots.length);
  }

  setLive(live) {
    this.live = live;
    this.find(".live").setAttribute("aria-pressed", String(live));
  }

  playing(playing) {
    if (playing) this.setLive(false);
    this.find(".play").textContent = playing ? "❚❚ Pause" : "▶ Play";
  }

  close() {
    this.player.stop();
    this.poll.close();
    this.frames.close();
    this.film.close();
    this.export.stop();
  }
}

// One row of the server's table, by name.
function figures([epoch, trainReconstruction, trainKl, reconstruction, kl, dimensions]) {
  const minus = (a, b) => (a === null || b === null ? null : a - b);
  return {
    epoch,
    elbo: { train: minus(trainReconstruction, trainKl), heldOut: minus(reconstruction, kl) },
    reconstruction: { train: trainReconstruction, heldOut: reconstruction },
    kl: { train: trainKl, heldOut: kl },
    dimensions,
  };
}

const views = new WeakMap();

export default function mount({ parentElement, data, setTriggerValue }) {
  let view = views.get(parentElement);
  const tell = (state) => setTriggerValue("state", state);
  if (!view) {
    const root = document.createElement("div");
    root.className = "root";
    parentElement.append(root);
    view = new RunView(root, data, tell);
    view.remote = new Remote(window, { previous: () => view.step(-1), next: () => view.step(1) });
    views.set(parentElement, view);
  } else {
    view.tell = tell;
    view.update(data);
  }
  return () => {
    view.remote.close();
    view.close();
    views.delete(parentElement);
  };
}
