// Step 7: PCA of five points by hand. Points and direction can be dragged; the error against the direction is a curve.

import { CLASSES } from "../../kit/colours.js";
import { clamp, curve, dot, figure, Handle, Stage, svg } from "./draw.js";
import { moments, POINTS, principalAxis, reduced, rightward } from "./pca.js";
import { mounting } from "./step.js";

const LETTERS = "ABCDE";
const RANGE = 0.8,
  AXIS = 0.66; // of the stage; where the direction's handle is, from the centre
const DEGREES = 180 / Math.PI;
const DIRECTION = "#0f8f8a";
const GLIDE_MS = 400;
const SAME = 1e-9; // radians

const TEMPLATE = `<div class="eq"><div class="eq-two">
  <figure><div class="plane"></div><figcaption>drag the points A to E, or turn the direction <b class="direction">u</b>; rings are where each point decodes to</figcaption></figure>
  <div class="eq-side">
    <div class="eq-slide"><label for="eq-direction">direction</label><input id="eq-direction" type="range" min="-90" max="90" step="0.1" aria-label="Direction in degrees"><output class="degrees"></output></div>
    <div class="eq-buttons"><button type="button" class="best">Principal direction</button><button type="button" class="again">The five points of the lecture</button></div>
    <div class="eq-scroll"><table class="eq-table points">
      <thead><tr><th></th><th>point</th><th>code</th><th>decodes to</th><th>error²</th></tr></thead>
      <tbody>${[...LETTERS].map((letter, i) => `<tr data-point="${letter}"><th scope="row" style="--point: ${CLASSES[i]}">${letter}</th><td class="at"></td><td class="code"></td><td class="decoded"></td><td class="error"></td></tr>`).join("")}</tbody>
      <tfoot><tr><th scope="row">sum</th><td></td><td></td><td></td><td class="error"></td></tr></tfoot>
    </table></div>
    <p class="closes" role="status"></p>
  </div>
  <figure><div class="curve"></div><figcaption>the sum of squared errors in every direction: least in the principal one, most across it</figcaption></figure>
  <div class="eq-side hand"><p class="centre"></p><p class="covariance"></p><p class="eigen"></p></div>
</div></div>`;

class Reduction {
  constructor(root) {
    root.innerHTML = TEMPLATE;
    Object.assign(this, { root, points: POINTS, following: true });
    this.find = (selector) => root.querySelector(selector);
    this.find("#eq-direction").addEventListener("input", ({ target }) =>
      this.turn(Number(target.value) / DEGREES),
    );
    this.find(".best").addEventListener("click", () => this.glide(this.points));
    this.find(".again").addEventListener("click", () => this.glide(POINTS));
  }

  begin() {
    this.plane = new Stage(this.find(".plane"), {
      x: [-RANGE, RANGE],
      y: [-RANGE, RANGE],
      equal: true,
      aspect: 1.12,
      label: "Five points, a direction through their mean, and where they decode to",
    });
    this.plane.under((context, stage) => this.lines(context, stage));
    this.axis = new Handle(this.plane, {
      name: "Direction u",
      at: [AXIS, 0],
      colour: DIRECTION,
      small: true,
      move: (place) => this.towards(place),
    });
    label(this.axis, "u");
    this.handles = this.points.map((at, i) => {
      const made = new Handle(this.plane, {
        name: `Point ${LETTERS[i]}`,
        at,
        colour: CLASSES[i],
        move: (place) => this.move(i, place),
      });
      label(made, LETTERS[i]);
      return made;
    });
    this.curve = new Stage(this.find(".curve"), {
      x: [-90, 90],
      y: [0, 1],
      aspect: 2.6,
      names: ["direction, degrees", ""],
      label: "The sum of squared errors against the direction",
    });
    this.curve.under((context, stage) => this.errors(context, stage));
    this.find(".curve").addEventListener("pointerdown", (event) => this.point(event));
    this.find(".curve").addEventListener("pointermove", (event) => event.buttons & 1 && this.point(event));
    this.show();
  }

  update() {
    this.plane?.paint();
    this.curve?.paint();
  }

  // --- what people do ---------------------------------------------------------------------------------------

  move(i, place) {
    cancelAnimationFrame(this.frame);
    this.points = this.points.map((point, k) => (k === i ? place : point));
    this.show();
  }

  turn(angle) {
    cancelAnimationFrame(this.frame);
    Object.assign(this, { following: false, angle: rightward(angle) });
    this.show();
  }

  towards([x, y]) {
    this.turn(Math.atan2(y - this.centre[1], x - this.centre[0]));
  }

  point(event) {
    this.turn(clamp(this.curve.place(event)[0], -90, 90) / DEGREES);
  }

  // Points on their way to others, and the direction to the principal one, which it follows from then on.
  glide(points) {
    const from = { points: this.points, angle: this.angle },
      to = principalAxis(moments(points).covariance).angle;
    const way = rightward(to - from.angle),
      started = performance.now(),
      still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    cancelAnimationFrame(this.frame);
    const step = (now) => {
      const share = still ? 1 : clamp((now - started) / GLIDE_MS, 0, 1),
        eased = share * share * (3 - 2 * share);
      this.points =
        share === 1
          ? points
          : from.points.map((point, i) => point.map((value, d) => value + eased * (points[i][d] - value)));
      Object.assign(this, { following: share === 1, angle: rightward(from.angle + eased * way) });
      this.show();
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // --- what there is to see ---------------------------------------------------------------------------------

  show() {
    const { points } = this,
      { centre, covariance, total } = moments(points),
      best = principalAxis(covariance);
    if (this.following) this.angle = best.angle;
    const { angle } = this,
      found = reduced(points, centre, angle);
    Object.assign(this, { centre, total, best, found, least: points.length * best.variances[1] });
    this.handles.forEach((handle, i) => handle.set(points[i]));
    this.axis.set([centre[0] + AXIS * Math.cos(angle), centre[1] + AXIS * Math.sin(angle)]);
    this.find("#eq-direction").value = angle * DEGREES;
    this.find(".degrees").textContent = `${figure(angle * DEGREES, 1)}°`;
    points.forEach((point, i) => this.row(i, point, found));
    this.find("tfoot .error").textContent = figure(found.error, 4);
    this.words(covariance);
    this.plane.paint();
    this.curve.view([-90, 90], [0, 1.08 * total || 1]);
  }

  row(i, point, { codes, decoded, errors }) {
    const row = this.find(`[data-point="${LETTERS[i]}"]`),
      say = (name, text) => (row.querySelector(`.${name}`).textContent = text);
    say("at", pair(point));
    say("code", plain(codes[i]));
    say("decoded", pair(decoded[i]));
    say("error", figure(errors[i], 4));
  }

  words(covariance) {
    const { centre, total, best, found, angle, least } = this,
      kept = found.codes.reduce((sum, code) => sum + code * code, 0);
    const at = Math.abs(rightward(angle - best.angle)) < SAME;
    this.find(".closes").textContent =
      `Σ code² + Σ error² = ${figure(kept, 4)} + ${figure(found.error, 4)} = ${figure(kept + found.error, 4)}, in any direction the ${figure(total, 4)} of the points. ` +
      (at
        ? "This direction is the principal one: no other loses less."
        : `The principal direction would lose ${figure(least, 4)}, ${figure(found.error - least, 4)} less.`);
    this.find(".centre").textContent = `1. The mean: m = ${pair(centre)}.`;
    this.find(".covariance").textContent =
      `2. The covariance of the points without it: ${figure(covariance[0][0], 4)} and ${figure(covariance[1][1], 4)} along the axes, ${figure(covariance[0][1], 4)} across.`;
    this.find(".eigen").textContent =
      `3. Its eigenvalues ${figure(best.variances[0], 4)} and ${figure(best.variances[1], 4)}; the eigenvector of the larger is u = (${figure(Math.cos(best.angle), 3)}, ${figure(Math.sin(best.angle), 3)}), at ${figure(best.angle * DEGREES, 1)}°. The least error is 5 times the smaller: ${figure(least, 4)}.`;
  }

  lines(context, stage) {
    if (!this.found) return;
    const { centre, angle, found, points } = this,
      far = 4 * RANGE,
      { text } = stage.colours;
    const along = (t) => [centre[0] + t * Math.cos(angle), centre[1] + t * Math.sin(angle)],
      ends = [along(-far), along(far)];
    curve(
      context,
      stage,
      ends.map(([x]) => x),
      ends.map(([, y]) => y),
      { colour: DIRECTION, width: 2 },
    );
    points.forEach((point, i) => {
      const to = found.decoded[i];
      curve(context, stage, [point[0], to[0]], [point[1], to[1]], {
        colour: CLASSES[i],
        width: 1.6,
        dash: [4, 3],
      });
      context.beginPath();
      context.arc(...stage.toScreen(...to), 5, 0, 2 * Math.PI);
      Object.assign(context, { fillStyle: stage.colours.ground, strokeStyle: CLASSES[i], lineWidth: 2.4 });
      context.fill();
      context.stroke();
    });
    dot(context, stage, centre, { colour: text, radius: 3 });
  }

  errors(context, stage) {
    if (!this.found) return;
    const { points, centre, best, angle, found, least } = this,
      degrees = Array.from({ length: 181 }, (_, i) => i - 90);
    curve(
      context,
      stage,
      degrees,
      degrees.map((each) => reduced(points, centre, each / DEGREES).error),
      { colour: DIRECTION, width: 2 },
    );
    curve(context, stage, [best.angle * DEGREES, best.angle * DEGREES], [0, 2 * this.total], {
      colour: stage.colours.text,
      width: 1,
      dash: [3, 3],
      alpha: 0.6,
    });
    dot(context, stage, [best.angle * DEGREES, least], { colour: stage.colours.text, radius: 3 });
    dot(context, stage, [angle * DEGREES, found.error], { colour: DIRECTION, radius: 5.5, rim: "#fff" });
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.plane?.close();
    this.curve?.close();
  }
}

function label(handle, words) {
  handle.element.appendChild(svg("text", { x: 10, y: -9, class: "eq-label" })).textContent = words;
}

// Two decimals, and no minus before a zero.
const plain = (value) => figure(Math.abs(value) < 0.005 ? 0 : value);
const pair = ([x, y]) => `(${plain(x)}, ${plain(y)})`;

export default mounting(Reduction);
