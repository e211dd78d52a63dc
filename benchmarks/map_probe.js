// Injected beside probe.js, into the Map page and into the stock map alike: when did the points on the screen become
// another picture than before?
//
// A picture is known by a band across its middle: looking at all of it would take as long as drawing it. On the Map page
// that is of what putImageData is given for the canvas `points`. On the stock map it is read back from the WebGL canvas
// after the task that drew; reading waits for the drawing to be done, which the call that draws does not.

(() => {
  const ROWS = 32;
  const redraws = []; // {at, frame: the timestamp of the frame after it}
  const last = new WeakMap(); // canvas -> hash
  const looking = new Set();
  let since = 0,
    clicked = null;

  addEventListener("click", ({ timeStamp }) => (clicked = timeStamp), { capture: true, passive: true });

  const painted = (canvas, bytes) => {
    let value = 0x811c9dc5,
      any = 0; // FNV-1a, four bytes at a time
    for (const pixel of new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)) {
      value = Math.imul(value ^ pixel, 0x01000193);
      any |= pixel;
    }
    if (last.get(canvas) === value || (!any && !last.has(canvas))) return; // the same, or not a point yet
    last.set(canvas, value);
    const redraw = { at: performance.now(), frame: null };
    if (!performance.getEntriesByName("first-points").length) performance.mark("first-points");
    redraws.push(redraw);
    requestAnimationFrame((frame) => (redraw.frame = frame));
  };

  const { putImageData } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.putImageData = function (image, ...rest) {
    putImageData.call(this, image, ...rest);
    if (!this.canvas.classList.contains("points")) return;
    const start = 4 * image.width * ((image.height - ROWS) >> 1);
    painted(this.canvas, image.data.subarray(start, start + 4 * image.width * ROWS));
  };

  const look = (gl) => {
    looking.delete(gl);
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const bytes = new Uint8Array(4 * width * ROWS),
      bound = gl.getParameter(gl.FRAMEBUFFER_BINDING);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(0, (height - ROWS) >> 1, width, ROWS, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    gl.bindFramebuffer(gl.FRAMEBUFFER, bound);
    painted(gl.canvas, bytes);
  };

  for (const { prototype } of [WebGLRenderingContext, WebGL2RenderingContext]) {
    for (const name of ["drawArrays", "drawElements"]) {
      const draw = prototype[name];
      prototype[name] = function (mode, ...rest) {
        draw.call(this, mode, ...rest);
        if (mode !== this.POINTS || looking.has(this)) return;
        looking.add(this);
        queueMicrotask(() => look(this));
      };
    }
  }

  window.mapProbe = {
    // Forget what was recorded; the last picture stays known.
    clear() {
      redraws.length = 0;
      since = performance.now();
    },
    results: () => ({ since, redraws }),
    now: () => performance.now(),
    clicked: () => clicked,
  };
})();
