// Plays the epochs one after the other, over and over.

const STEP_MS = 100;
const LAST_MS = 1000; // the last epoch stays for a while

export class Player {
  // on.stops() are the epochs to play, on.at() is the one that is shown, on.ready(epoch) says whether it can be,
  // on.step(epoch) shows it, on.change(playing) hears of starts and stops.
  constructor(on) {
    Object.assign(this, { on, playing: false });
  }

  toggle() {
    if (this.playing) this.stop();
    else this.start();
  }

  start() {
    if (this.playing || this.on.stops().length < 2) return;
    this.playing = true;
    this.due = 0; // at once
    this.on.change(true);
    const tick = (now) => {
      if (!this.playing) return;
      if (now >= this.due) this.step(now);
      this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
  }

  step(now) {
    const stops = this.on.stops(),
      at = stops.indexOf(this.on.at());
    const next = stops[(at + 1) % stops.length];
    if (!this.on.ready(next)) return; // it will come
    this.on.step(next);
    const pause = next === stops.at(-1) ? LAST_MS : STEP_MS;
    // From the moment it was due, so that late frames do not add up, unless the page was away for longer.
    this.due = now - this.due < STEP_MS ? this.due + pause : now + pause;
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.request);
    this.on.change(false);
  }
}
