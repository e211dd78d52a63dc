// Where on the paths we are (0 at their beginning, 1 at their end), and how that moves with time.

export const SPEEDS = [0.25, 0.5, 1, 2, 4];
export const PER_LEG_S = 4; // from one end to the next, at speed 1
const LONGEST_FRAME_S = 0.1; // a page that was away goes on where it was

export const PLAY = `
  <div class="transport" role="toolbar" aria-label="Play">
    <button type="button" class="play" title="Play or pause (space)">▶ Play</button>
    <input class="t" type="range" min="0" max="1" step="any" value="0" aria-label="Place on the paths">
    <output class="at"></output>
    <span class="after" role="group" aria-label="At the end">
      <button type="button" data-after="once" title="Stop at the end">Once</button><button type="button" data-after="loop" title="Start again from the beginning">Loop</button><button type="button" data-after="pingpong" title="Turn round at the end">Ping-pong</button>
    </span>
    <label class="pace">Speed <select>${SPEEDS.map((speed) => `<option value="${speed}"${speed === 1 ? " selected" : ""}>${speed}×</option>`).join("")}</select></label>
  </div>`;

// One move by `share` of the path. Returns where that ends, in which direction (1 or -1), and whether it is over.
export function advance({ p, direction }, share, after) {
  const to = p + direction * share;
  if (after === "loop") return { p: to - Math.floor(to), direction, over: false };
  if (after === "once")
    return { p: Math.min(Math.max(to, 0), 1), direction, over: direction > 0 ? to >= 1 : to <= 0 };
  const around = ((to % 2) + 2) % 2; // there and back is a round of length 2
  const turned = Math.floor(to) % 2 !== 0;
  return { p: around > 1 ? 2 - around : around, direction: turned ? -direction : direction, over: false };
}

export class Play {
  // on: { frames(): how many there are, legs(): how many ends lie ahead, move(p), change(playing), settle() }
  constructor(root, on) {
    Object.assign(this, { on, p: 0, direction: 1, playing: false, after: "pingpong", speed: 1 });
    this.find = (selector) => root.querySelector(`.transport ${selector}`);
    this.slider = this.find(".t");
    this.find(".play").addEventListener("click", () => this.toggle());
    this.slider.addEventListener("input", () => this.hold(Number(this.slider.value)));
    this.slider.addEventListener("change", () => on.settle());
    this.find("select").addEventListener("change", (event) => (this.speed = Number(event.target.value)));
    for (const button of root.querySelectorAll("[data-after]"))
      button.addEventListener("click", () => this.turn(button.dataset.after));
    this.buttons = root.querySelectorAll("[data-after]");
    this.turn(this.after);
  }

  turn(after) {
    Object.assign(this, { after, direction: 1 });
    for (const button of this.buttons)
      button.setAttribute("aria-pressed", String(button.dataset.after === after));
  }

  go(p) {
    this.p = Math.min(Math.max(p, 0), 1);
    this.slider.value = this.p;
    this.on.move(this.p);
  }

  // Somebody takes over.
  hold(p) {
    this.pause();
    this.go(p);
  }

  // One picture on, or back.
  step(by) {
    const last = Math.max(this.on.frames() - 1, 1);
    this.hold((Math.round(this.p * last) + by) / last);
    this.on.settle();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.start();
  }

  get seconds() {
    return (PER_LEG_S * this.on.legs()) / this.speed;
  }

  start() {
    if (this.playing || this.on.frames() < 2) return;
    if (this.after === "once" && this.p >= 1) this.p = 0;
    if (this.after === "once") this.direction = 1;
    this.playing = true;
    this.on.change(true);
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      const seconds = Math.min(Math.max((now - before) / 1000, 0), LONGEST_FRAME_S);
      before = now;
      const { p, direction, over } = advance(this, seconds / this.seconds, this.after);
      this.direction = direction;
      this.go(p);
      if (over) this.pause();
      else this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.request);
    this.on.change(false);
    this.on.settle();
  }

  // space, arrows, Home and End; says whether the key was one of them.
  key({ key }) {
    const acts = {
      " ": () => this.toggle(),
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      Home: () => this.jump(0),
      End: () => this.jump(1),
    };
    acts[key]?.();
    return key in acts;
  }

  jump(p) {
    this.hold(p);
    this.on.settle();
  }

  show(playing, words) {
    this.find(".play").textContent = playing ? "❚❚ Pause" : "▶ Play";
    this.find(".at").textContent = words;
  }
}
