// Pixel uncertainty: how much each pixel of the decoded mean varies over draws from an image's posterior q(z|x).

import { sequential } from "../../kit/palette.js";
import { Channel, DECODE } from "../../kit/socket.js";

const SAMPLES = 64;
const AT_ONCE = 16; // in one request, so that the image's own request waits a few milliseconds at most
const REST_MS = 150; // after the last image of a series, such as the strokes of a drawing
const SEED = 1;

export class Spread {
  // figure: with a canvas and a caption; hidden for models whose encoder gives one point.
  constructor(figure) {
    Object.assign(this, {
      figure,
      canvas: figure.querySelector("canvas"),
      caption: figure.querySelector("figcaption"),
      run: null,
    });
    this.palette = sequential("cividis");
    this.channel = new Channel({
      onAnswer: (answer, run) => this.arrived(answer, run),
      onError: () => this.clear(),
    });
  }

  begin(model) {
    this.model = model;
    this.figure.hidden = !(model.hasPrior && model.takesPictures);
    const width = model.dimensions.length;
    this.noise = Array.from({ length: SAMPLES * width }, normals(SEED)); // the same for every image: one that changes little keeps its picture
    this.clear();
  }

  clear() {
    clearTimeout(this.rest);
    this.run = null;
    this.canvas.hidden = true;
    this.caption.textContent = "encode an image to see where its pixels are uncertain";
  }

  // posterior: { mean, std }; std is null for a point.
  of({ mean, std }) {
    clearTimeout(this.rest);
    this.run = null;
    if (this.figure.hidden) return;
    if (!std) return this.clear();
    this.rest = setTimeout(() => this.begins(mean, std), REST_MS);
  }

  begins(mean, std) {
    const width = mean.length,
      codes = Float32Array.from(this.noise, (noise, i) => mean[i % width] + std[i % width] * noise);
    this.run = { codes, width, done: 0, sum: null, squares: null };
    this.ask(this.run);
  }

  ask(run) {
    const { codes, width, done } = run;
    this.channel.ask({
      model: this.model.id,
      kind: DECODE,
      count: AT_ONCE,
      width,
      payload: codes.subarray(done * width, (done + AT_ONCE) * width),
      tag: run,
    });
  }

  arrived({ count, height, width, channels, pixels }, run) {
    if (run !== this.run) return;
    const size = height * width * channels;
    run.sum ??= new Float64Array(size);
    run.squares ??= new Float64Array(size);
    for (let k = 0, at = 0; k < count; k++) {
      for (let p = 0; p < size; p++, at++) {
        run.sum[p] += pixels[at];
        run.squares[p] += pixels[at] ** 2;
      }
    }
    run.done += count;
    if (run.done < SAMPLES) this.ask(run);
    else this.paint(deviations(run, channels), height, width);
  }

  paint(deviation, height, width) {
    const most = Math.max(...deviation),
      { canvas } = this;
    Object.assign(canvas, { width, height, hidden: false });
    const context = canvas.getContext("2d"),
      image = context.createImageData(width, height),
      out = new Uint32Array(image.data.buffer);
    deviation.forEach(
      (value, p) => (out[p] = this.palette[1 + Math.round(most > 0 ? (254 * value) / most : 0)]),
    );
    context.putImageData(image, 0, 0);
    this.caption.textContent = `pixel spread over q(z|x), up to ±${most.toFixed(2)}`;
    this.figure.title = `Pixel uncertainty: the standard deviation of each pixel of the decoded mean over ${SAMPLES} draws from the posterior q(z|x) of this image, from none (dark) to ${most.toFixed(3)} (light); black to white is 1`;
  }

  close() {
    this.clear();
    this.channel.close();
  }
}

// Per pixel the standard deviation over all draws, in the root mean square over its channels; full brightness is 1.
function deviations({ sum, squares, done }, channels) {
  return Float64Array.from({ length: sum.length / channels }, (_, pixel) => {
    let variance = 0;
    for (let p = pixel * channels; p < (pixel + 1) * channels; p++)
      variance += Math.max(squares[p] - sum[p] ** 2 / done, 0) / (done - 1);
    return Math.sqrt(variance / channels) / 255;
  });
}

// Draws from N(0, 1) (Box & Muller 1958) over mulberry32, so that one image always gives one picture.
function normals(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
