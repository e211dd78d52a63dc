// Injected before any page script, into the explorer and into the stock page alike: when did input reach the
// browser, and when did new pixels stand in the page?
//
// Times are milliseconds of performance.now(). An input's time is its event's timeStamp: when the browser
// received it, before it waited for the frame. A paint's time is taken right after the pixels were written: on the
// explorer after putImageData on the main canvas, on a stock page at the load event of its <img>. The explorer's worker,
// which paints the strips, is watched as the page is: a module of ours runs in it before its own.

(() => {
  const inputs = []; // {type, at}, in order of arrival
  const paints = []; // {at, input: its index in inputs or -1, changed, frame}
  const strips = []; // {at, input} of every traversal strip that was painted
  const waiting = [];
  let drive = 0; // which one is recorded: what a worker still tells of the one before is dropped
  let last = null;
  let viaSocket = false;

  // A move is told twice: at once (pointerrawupdate) and again with the next frame (pointermove).
  let place = "";
  const heard = (event) => {
    const here = `${event.clientX} ${event.clientY}`;
    const moved = event.type === "pointerrawupdate" || event.type === "pointermove";
    if (!(moved && here === place))
      inputs.push({ type: moved ? "pointermove" : event.type, at: event.timeStamp });
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

  // On the page and in its worker alike. newest() is the index of the newest input; opened() hears of a live socket,
  // painted(context, image, input) of pixels, with the newest input that the last answer reflects. Returns a way to
  // forget the requests under way.
  function watch(newest, opened, painted) {
    const sent = new Map(); // request id -> newest() when the request left
    let reflected = newest();
    // The explorer's requests and answers begin with the same four-byte id, which says what an answer reflects.
    const id = (bytes) => new DataView(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, 4).getUint32(0, true);
    globalThis.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given);
        this.live = new URL(this.url).pathname === "/live";
        if (!this.live) return;
        this.addEventListener("open", opened);
        this.addEventListener("message", ({ data }) => {
          if (typeof data !== "string") reflected = sent.get(id(data)) ?? reflected;
        });
      }

      send(data) {
        if (this.live) sent.set(id(data), newest());
        super.send(data);
      }
    };
    const { prototype } = globalThis.CanvasRenderingContext2D ?? OffscreenCanvasRenderingContext2D,
      { putImageData } = prototype;
    prototype.putImageData = function (image, ...rest) {
      putImageData.call(this, image, ...rest);
      painted(this, image, reflected);
    };
    return () => {
      sent.clear();
      reflected = newest();
    };
  }

  const forget = watch(
    () => inputs.length - 1,
    () => {
      viaSocket = true;
      performance.mark("live-socket-open");
    },
    ({ canvas: { classList } }, image, input) => {
      if (classList.contains("image")) painted(performance.now(), input, hash(image));
      else if (classList.contains("strip")) strips.push({ at: performance.now(), input });
    },
  );

  // In the worker: each of the page's messages comes after one of ours, which says how far the inputs are.
  function watchWorker(watch) {
    let newest = { input: -1, drive: 0 };
    addEventListener("message", (event) => {
      if (!event.data.probe) return;
      newest = event.data.probe;
      event.stopImmediatePropagation();
    });
    watch(
      () => newest,
      () => {},
      (_canvas, _image, reflected) => {
        postMessage({ probe: { at: performance.timeOrigin + performance.now(), ...reflected } });
      },
    );
  }

  window.Worker = class extends Worker {
    constructor(url, options) {
      const ours = new URL(url, location).pathname.startsWith("/live-js/");
      const script = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      const first = () => script(`(${watchWorker})(${watch});`);
      super(ours ? script(`import "${first()}"; import "${url}";`) : url, options);
      this.ours = ours;
      this.addEventListener("message", (event) => {
        const painted = event.data?.probe;
        if (!painted) return;
        event.stopImmediatePropagation();
        if (painted.drive === drive)
          strips.push({ at: painted.at - performance.timeOrigin, input: painted.input });
      });
    }

    postMessage(...given) {
      if (this.ours) super.postMessage({ probe: { input: inputs.length - 1, drive } });
      super.postMessage(...given);
    }
  };

  // load does not bubble, but it can be captured. A stock page reflects every input until its script has run.
  document.addEventListener(
    "load",
    ({ target }) => {
      if (viaSocket || !target.closest?.("[data-testid=stImage]")) return;
      painted(performance.now(), inputs.length - 1, target.currentSrc);
      if (paints.length === 1) performance.mark("first-decoded-image");
    },
    true,
  );

  window.probe = {
    // Forget what was recorded; the last picture stays known.
    clear() {
      inputs.length = paints.length = strips.length = 0;
      drive += 1;
      forget();
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
