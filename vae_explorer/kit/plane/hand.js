// Everything the pointer, the wheel, fingers and the keyboard do to a grid: what they mean is the grid's business.

export const MOVE = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";
const CLICK_PX = 4; // a press that moves less is a click
const WHEEL = 0.0015,
  KEY_ZOOM = 1.25;

const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
const apart = (a, b) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);

export class Hand {
  // grid: { view, look(view, cause), hoverAt(point or null), choose(event or null), reset(), zoomBy(), step(dx, dy) }
  constructor(element, grid) {
    Object.assign(this, { element, grid, pressed: null, spread: null });
    this.fingers = new Map(); // pointer id -> [x, y]
    this.stop = new AbortController();
    const on = (type, act, options) =>
      element.addEventListener(type, act, { signal: this.stop.signal, ...options });
    on("pointerdown", (event) => this.press(event));
    on(MOVE, (event) => this.move(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.drop(event));
    on("pointerleave", () => !this.pressed && grid.hoverAt(null));
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("keydown", (event) => this.key(event));
  }

  at(event) {
    // While pressed, where the grid lies was measured once: asking at every move costs a layout.
    if (!this.box || !this.fingers.size) this.box = this.element.getBoundingClientRect();
    const { box } = this;
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    if (!this.grid.view || event.button) return;
    this.element.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.fingers.set(event.pointerId, at);
    const [a, b] = [...this.fingers.values()],
      { view } = this.grid;
    if (b) Object.assign(this, { pressed: null, spread: { view, middle: middle(a, b), apart: apart(a, b) } });
    else this.pressed = { at, view, moved: false };
  }

  move(event) {
    if (!this.grid.view) return;
    const at = this.at(event);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    if (this.spread) return this.pinch(event);
    if (!this.pressed) return this.grid.hoverAt(at);
    const [dx, dy] = [at[0] - this.pressed.at[0], at[1] - this.pressed.at[1]];
    if (!this.pressed.moved && Math.hypot(dx, dy) < CLICK_PX) return;
    this.pressed.moved = true;
    this.grid.look(this.pressed.view.pan(dx, dy), event.timeStamp);
    this.grid.hoverAt(at);
  }

  pinch(event) {
    const [a, b] = [...this.fingers.values()];
    const { view, middle: from, apart: before } = this.spread,
      to = middle(a, b);
    this.grid.look(
      view.zoomAt(...from, apart(a, b) / before).pan(to[0] - from[0], to[1] - from[1]),
      event.timeStamp,
    );
  }

  release(event) {
    const { pressed } = this,
      at = this.at(event);
    this.drop(event);
    if (!pressed || pressed.moved) return;
    this.grid.hoverAt(at);
    this.grid.choose(event);
  }

  // One finger of two that stays goes on panning from where it is.
  drop(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    const [left] = this.fingers.values();
    this.spread = null;
    this.pressed = left ? { at: left, view: this.grid.view, moved: true } : null;
  }

  wheel(event) {
    if (!this.grid.view) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1,
      at = this.at(event);
    this.grid.look(this.grid.view.zoomAt(...at, Math.exp(-event.deltaY * lines * WHEEL)), event.timeStamp);
    this.grid.hoverAt(at);
  }

  key(event) {
    const { grid } = this;
    if (!grid.view || event.ctrlKey || event.metaKey || event.altKey) return;
    const stride = event.shiftKey ? 5 : 1;
    const step = (dx, dy) => () => grid.step(dx * stride, dy * stride);
    const act = {
      ArrowLeft: step(-1, 0),
      ArrowRight: step(1, 0),
      ArrowUp: step(0, 1),
      ArrowDown: step(0, -1),
      "+": () => grid.zoomBy(KEY_ZOOM),
      "=": () => grid.zoomBy(KEY_ZOOM),
      "-": () => grid.zoomBy(1 / KEY_ZOOM),
      0: () => grid.reset(),
      Enter: () => grid.choose(event),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  close() {
    this.stop.abort();
  }
}
