// What a presenter's remote means on a page: its keys are those that slide programs take.
//
// PageDown and PageUp are next and previous, "." and "b" a black screen, and any key or press brings the page back.

const MEANINGS = { PageDown: "next", PageUp: "previous", ".": "black", b: "black", B: "black" };
const MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"];
const TYPED_INTO =
  "textarea, select, [contenteditable=''], [contenteditable=true], input:not([type=range], [type=checkbox], [type=radio], [type=button])";
const TURNED = "input[type=range], [role=slider]"; // page keys move a slider

// "next", "previous", "black", or null where a key is no remote's, or goes to the control that it was pressed in.
export function meaning(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented)
    return null;
  const told = Object.hasOwn(MEANINGS, event.key) ? MEANINGS[event.key] : null,
    [target] = event.composedPath();
  if (!told || target?.closest?.(TYPED_INTO)) return null;
  return told !== "black" && target?.closest?.(TURNED) ? null : told;
}

// A screen that shows nothing, over everything else: it lies in the browser's top layer, over dialogs and full screen.
export class Black {
  constructor(place = document.body) {
    this.element = document.createElement("div");
    Object.assign(this.element, { className: "black-screen", hidden: true, popover: "manual" });
    Object.assign(this.element.style, {
      position: "fixed",
      inset: 0,
      zIndex: 2147483647,
      width: "auto",
      height: "auto",
      margin: 0,
      padding: 0,
      border: 0,
      background: "#000",
      cursor: "none",
    });
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", "Black screen: any key brings the page back");
    place.append(this.element);
  }

  get on() {
    return !this.element.hidden;
  }

  set(on) {
    if (on === this.on) return;
    this.element.hidden = !on;
    this.held?.abort();
    if (!on) return void this.element.hidePopover?.();
    this.element.showPopover?.();
    this.held = new AbortController();
    const options = { capture: true, signal: this.held.signal };
    for (const type of ["keydown", "pointerdown", "click"])
      window.addEventListener(type, (event) => this.swallow(event), options);
  }

  // The key or press that brings the page back does nothing else. A key that is still held down brings nothing back.
  swallow(event) {
    if (MODIFIERS.includes(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat && event.type !== "pointerdown") this.set(false);
  }

  close() {
    this.set(false);
    this.element.remove();
  }
}

// What a remote does where a page has buttons for it: it presses the first one that is in view.
export function buttons(root, { previous = ".previous", next = ".next" } = {}) {
  const press = (selector) => () => {
    const button = inView(root, selector).find((each) => !each.disabled);
    if (!button) return false;
    button.click();
  };
  return { previous: press(previous), next: press(next) };
}

// What it does with a list: the focus goes to the next one of what is in view, and `act` is done with that.
export function list(root, selector, act = () => {}) {
  const go = (by) => () => {
    const all = inView(root, selector),
      at = all.indexOf(root.getRootNode().activeElement);
    if (!all.length) return false;
    const to = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    to.focus();
    act(to);
  };
  return { previous: go(-1), next: go(1) };
}

const inView = (root, selector) =>
  [...root.querySelectorAll(selector)].filter((each) => each.checkVisibility());

export class Remote {
  // Listens to the keys that reach `target`; on: { next(event), previous(event) }, of which a page may have either. One
  // that returns false has nothing to go through now: then the key does what it does without a remote, it scrolls.
  // place: where the black screen goes, below document.body if not said.
  constructor(target, on, place) {
    Object.assign(this, { on, black: new Black(place), leaving: new AbortController() });
    target.addEventListener("keydown", (event) => this.key(event), { signal: this.leaving.signal });
  }

  key(event) {
    const told = meaning(event);
    if (!told || (told !== "black" && (!this.on[told] || this.on[told](event) === false))) return;
    event.preventDefault();
    if (told === "black" && !event.repeat) this.black.set(true);
  }

  close() {
    this.leaving.abort();
    this.black.close();
  }
}
