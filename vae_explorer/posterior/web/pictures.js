// x as pictures: itself, its reconstruction, what posterior draws of both roads decode to, and how much they differ.

import { heat } from "../../kit/colours.js";
import { paint } from "../../kit/paint.js";
import { Channel, DECODE } from "../../kit/socket.js";
import { gaussianDraws, spread } from "../../kit/subject.js";

const DRAWS = 64; // K: decoded to see how much each pixel varies
const SHOWN = 6; // of them as pictures

export const PICTURES = `
  <div class="pictures">
    <figure><canvas class="original" role="img" aria-label="x"></canvas><figcaption class="of">x</figcaption></figure>
    <figure title="What the mean of q(z|x) decodes to"><canvas class="again" role="img" aria-label="Its reconstruction"></canvas><figcaption>reconstruction</figcaption></figure>
    <figure title="What the place under the pointer decodes to"><canvas class="here" role="img" aria-label="Decoded place"></canvas><figcaption class="at">point at the map</figcaption></figure>
  </div>
  <div class="draws">${["q", "nuts"]
    .map(
      (road) => `
    <div class="road" data-road="${road}" ${road === "q" ? "" : "hidden"}><span>${road === "q" ? "draws of q(z|x)" : "draws by NUTS"}</span>
      <canvas class="row" role="img" aria-label="Decoded draws"></canvas>
      <canvas class="spread" role="img" aria-label="Pixel uncertainty"></canvas><span class="most"></span></div>`,
    )
    .join("")}
    <p class="hint">Right: pixel uncertainty, the standard deviation of each pixel over ${DRAWS} decoded draws; one colour scale for both roads.</p>
  </div>`;

export class Pictures {
  // page: { facts, say(sentence) }
  constructor(root, page) {
    Object.assign(this, { root, page, spreads: {} });
    this.find = (selector) => root.querySelector(selector);
    const channel = (onAnswer) => new Channel({ onAnswer, onError: (sentence) => page.say(sentence) });
    this.channels = {
      q: channel((answer, tag) => this.drawn("q", answer, tag)),
      nuts: channel((answer, tag) => this.drawn("nuts", answer, tag)),
      here: channel((answer) => paint(this.find(".here"), answer)),
    };
  }

  // A new x: { of, picture, mean, std } as the server says.
  show(example) {
    this.example = example;
    this.spreads = {};
    for (const canvas of this.root.querySelectorAll(".pictures canvas"))
      canvas.style.aspectRatio = `${example.picture.width} / ${example.picture.height}`;
    paint(this.find(".original"), example.picture);
    this.find(".of").textContent = example.of === "image" ? "x" : "x, decoded";
    this.find('[data-road="nuts"]').hidden = true;
    const { mean } = example,
      draws = gaussianDraws(example, DRAWS),
      codes = new Float32Array(mean.length * (DRAWS + 1));
    codes.set(mean);
    codes.set(draws, mean.length);
    this.ask("q", codes, mean.length, example);
    this.here(mean, "mean of q(z|x)");
  }

  // Draws of the other road, (n, width) one after the other: some that lie far apart in their chains.
  sampled(draws, width) {
    const n = draws.length / width,
      codes = new Float32Array(width * (DRAWS + 1));
    for (let k = 0; k <= DRAWS; k++) {
      const from = Math.min(Math.floor(((k - 0.5) * n) / DRAWS), n - 1);
      codes.set(draws.subarray(Math.max(from, 0) * width, (Math.max(from, 0) + 1) * width), k * width);
    }
    this.ask("nuts", codes, width, this.example);
  }

  here(code, words) {
    this.ask("here", Float32Array.from(code), code.length);
    this.find(".at").textContent = words;
  }

  ask(road, payload, width, tag) {
    this.channels[road].ask({
      model: this.page.facts.model.id,
      kind: DECODE,
      count: payload.length / width,
      width,
      payload,
      tag,
    });
  }

  drawn(road, answer, example) {
    if (example !== this.example) return; // of the x before
    if (road === "q") paint(this.find(".again"), answer);
    const row = this.find(`[data-road="${road}"]`);
    row.hidden = false;
    row.querySelector(".row").style.aspectRatio = `${SHOWN * answer.width} / ${answer.height}`;
    row.querySelector(".spread").style.aspectRatio = `${answer.width} / ${answer.height}`;
    paint(row.querySelector(".row"), answer, 1, SHOWN);
    this.spreads[road] = spread(answer, 1, DRAWS);
    const most = Math.max(...Object.values(this.spreads).map((each) => each.most), 1e-3);
    for (const [name, found] of Object.entries(this.spreads)) {
      heatPicture(this.find(`[data-road="${name}"] .spread`), found, most);
      this.find(`[data-road="${name}"] .most`).textContent = `up to ${found.most.toFixed(2)}`;
    }
  }

  close() {
    for (const channel of Object.values(this.channels)) channel.close();
  }
}

function heatPicture(canvas, { height, width, std }, most) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height),
    pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < std.length; i++) pixels[i] = heat(std[i] / most);
  canvas.getContext("2d").putImageData(image, 0, 0);
}
