// PCA = linear autoencoder: the angles between what two linear decoders span, and the pictures that span it.

import { post } from "../../kit/told.js";
import { escaped } from "./plot.js";

const SHOWN = 10; // pictures in a row
const SAME = 1; // degree

export const SUBSPACES = `
  <div class="subspaces">
    <p class="lead"><b>A linear autoencoder with squared error ends in the span of the first principal components</b>
      (Baldi &amp; Hornik 1989). Its own axes within that span may be any, so that not the axes but the spans are compared: by their principal angles.</p>
    <div class="pair" hidden><label>Between <select class="a"></select></label><label>and <select class="b"></select></label></div>
    <p class="none" hidden></p>
    <div class="answer" hidden>
      <p class="verdict"></p>
      <div class="angles" role="img"></div>
      <div class="pictures"></div>
    </div>
  </div>`;

export class Subspaces {
  // page: { facts }
  constructor(root, page) {
    this.page = page;
    this.find = (selector) => root.querySelector(`.subspaces ${selector}`);
    for (const select of [".a", ".b"]) this.find(select).addEventListener("change", () => this.ask());
  }

  begin() {
    this.linear = this.page.facts.models.filter(({ linear }) => linear);
    this.asked = "";
    const enough = this.linear.length > 1;
    for (const [select, place] of [
      [".a", 0],
      [".b", 1],
    ]) {
      this.find(select).replaceChildren(
        ...this.linear.map(({ model, title }) => new Option(title, model.id)),
      );
      if (enough) this.find(select).value = this.linear[place].model.id;
    }
    this.find(".pair").hidden = !enough;
    this.find(".answer").hidden = true;
    this.say(
      enough
        ? ""
        : "Choose two models with linear decoders above, such as PCA and a linear autoencoder; what is missing can be trained there, too.",
    );
  }

  say(sentence) {
    this.find(".none").textContent = sentence;
    this.find(".none").hidden = !sentence;
  }

  look() {
    if (this.linear.length > 1) this.ask();
  }

  async ask() {
    const models = [this.find(".a").value, this.find(".b").value],
      asked = models.join();
    if (asked === this.asked) return;
    this.asked = asked;
    try {
      const found = await (await post("/compare/subspaces", { models })).json();
      if (asked !== this.asked) return;
      this.say("");
      this.show(
        found,
        models.map((id) => this.linear.find(({ model }) => model.id === id)),
      );
    } catch (error) {
      if (asked !== this.asked) return;
      this.find(".answer").hidden = true;
      this.say(error.message);
    }
  }

  show({ angles, bases, aligned }, models) {
    const largest = angles.at(-1);
    this.find(".answer").hidden = false;
    this.find(".verdict").innerHTML = `<b>${degrees(largest)}</b> is the largest principal angle: ${
      largest < SAME
        ? "both span the same subspace of images."
        : "the two subspaces differ; train the linear autoencoder longer."
    }`;
    this.find(".angles").innerHTML = angles
      .map(
        (angle, i) =>
          `<span title="Angle ${i + 1}: ${degrees(angle)}"><i style="--angle:${-angle}deg"></i>${degrees(angle)}</span>`,
      )
      .join("");
    this.find(".angles").setAttribute("aria-label", `Principal angles: ${angles.map(degrees).join(", ")}`);
    this.find(".pictures").replaceChildren(
      ...models.map(({ title }, i) => row(`Own axes of ${title}`, bases[i])),
      ...models.map(({ title }, i) => row(`Turned within its span to meet the other: ${title}`, aligned[i])),
    );
  }

  close() {
    this.asked = "";
  }
}

const degrees = (angle) => `${angle < 0.01 ? "< 0.01" : angle.toFixed(angle < 1 ? 2 : 1)}°`;

function row(title, pictures) {
  const element = document.createElement("figure");
  element.innerHTML = `<figcaption>${escaped(title)}</figcaption>`;
  for (const picture of pictures.slice(0, SHOWN)) element.append(signed(picture));
  if (pictures.length > SHOWN) element.append(`and ${pictures.length - SHOWN} more`);
  return element;
}

// What is added light or dark: blue takes away, orange adds, white leaves as it is. 128 is zero; a picture's largest
// magnitude has the full colour.
function signed({ height, width, channels, pixels }) {
  const canvas = document.createElement("canvas"),
    bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  Object.assign(canvas, { height, width });
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height);
  for (let p = 0; p < height * width; p++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += (bytes[p * channels + c] - 128) / 127 / channels;
    const end = sum < 0 ? [0, 88, 158] : [196, 78, 0],
      share = Math.abs(sum);
    for (let c = 0; c < 3; c++) image.data[4 * p + c] = 255 + share * (end[c] - 255);
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
