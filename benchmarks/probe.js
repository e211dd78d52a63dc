// Injected before any page script, into the explorer and into the stock page alike: when did input reach the
// browser, and when did new pixels stand in the page?
//
// Times are milliseconds of performance.now(). An input's time is its event's timeStamp: when the browser
// received it, before it waited for the frame. A paint's time is taken right after the pixels were written: on the
// explorer after putImageData on the main canvas, on a stock page at the load event of its <img>.

(() => {
  const inputs = []; // {type, at}, in order of arrival
  const paints = []; // {at, input: its index in inputs or -1, changed, frame}
  const strips = []; // {at, input} of every traversal strip that was painted
  const sent = new Map(); // request id -> index of the newest input when the request left
  const waiting = [];
  let reflected = -1; // the newest input that the last answer knows of
  let last = null;
  let viaSocket = false;

  // A move is told twice: at once (pointerrawupdate) and again with the next frame (pointermove).
  let place = "";
  const heard = (event) => {
    const here = `${event.clientX} ${event.clientY}`;
    const moved = event.type === "pointerrawupdate" || event.type === "pointermove";
    if (!(moved && here === place)) inputs.push({ type: moved ? "pointermove" : event.type, at: event.timeStamp });
    place = here;
  };
  for (const type of ["pointerdown", "pointerrawupdate", "pointermove", "pointerup"]) {
    addEventListener(type, heard, { capture: true, passive: true });
  }

  const painted = (at, input, fingerprint) => {
    const paint = { at, input, changed: fingerprint !== last, frame: null };
    last = fingerprint;
    paints.push(paint);
    requestAnimationFrame(() => (paint.frame = performance.now()));
    for (const wake of waiting.splice(0)) wake();
  };

  // FNV-1a over the pixels, four bytes at a time.
  const hash = (image) => {
    let value = 0x811c9dc5;
    for (const pixel of new Uint32Array(image.data.buffer)) value = Math.imul(value ^ pixel, 0x01000193);
    return value;
  };

  // The explorer's requests and answers begin with the same four-byte id, which says what an answer reflects.
  const id = (bytes) => new DataView(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, 4).getUint32(0, true);
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.live = new URL(this.url).pathname === "/live";
      if (!this.live) return;
      viaSocket = true;
      this.addEventListener("open", () => performance.mark("live-socket-open"));
      this.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") reflected = sent.get(id(data)) ?? -1;
      });
    }

    send(data) {
      if (this.live) sent.set(id(data), inputs.length - 1);
      super.send(data);
    }
  };

  const { putImageData } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.putImageData = function (image, ...rest) {
    putImageData.call(this, image, ...rest);
    if (this.canvas.classList.contains("image")) painted(performance.now(), reflected, hash(image));
    else if (this.canvas.classList.contains("strip")) strips.push({ at: performance.now(), input: reflected });
  };

  // load does not bubble, but it can be captured. A stock page reflects every input until its script has run.
  document.addEventListener("load", ({ target }) => {
    if (viaSocket || !target.closest?.("[data-testid=stImage]")) return;
    painted(performance.now(), inputs.length - 1, target.currentSrc);
    if (paints.length === 1) performance.mark("first-decoded-image");
  }, true);

  window.probe = {
    // Forget what was recorded; the last picture stays known.
    clear() {
      inputs.length = paints.length = strips.length = 0;
      sent.clear();
      reflected = -1;
    },
    results: () => ({ inputs, paints, strips }),
    // How often the page was painted since clear(), once that is more than `count` or `patience` ms are over.
    async more(count, patience) {
      const deadline = performance.now() + patience;
      while (paints.length <= count && performance.now() < deadline) {
        await new Promise((wake) => {
          waiting.push(wake);
          setTimeout(wake, deadline - performance.now());
        });
      }
      return paints.length;
    },
  };
})();
