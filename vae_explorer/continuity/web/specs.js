// What the four maps measure, how their numbers become colours and words, and where the definitions come from.
//
// A spec says: name, title, definition (HTML); lacks(facts), a sentence where a model has no such map, or null;
// choices(facts), menus of what may be shown; measure({ facts, moving, chosen }), which one to ask for, in
// `columns(facts)` numbers; scaleOf(measure, chosen): the name of its scale, what to ask at a sample of codes for it, and how
// to make it of the answer; value(row, chosen), which number is coloured; level(row), what `contours` are of; axes(measure,
// plane), what goes ahead of the codes; coloured(measure, facts), what the colours are where they are not the number's;
// flat, said where no scale can be made. And of the exact figures at a place, { values, within } as a Spot finds them or null:
// heading(found, facts); sentence(facts, chosen, found); words(found, { facts, chosen }) -> { value, unit, bad, title }, or null
// where there is no such figure.

import { CLIFFS, CLIFFS_IN_PLANE, DRIFT, RATIO, REALISM } from "../../kit/socket.js";
import { figure, HOLE, number } from "../../kit/trust-figures.js";
import { CIVIDIS, linear, logarithmic, ratios } from "./colours.js";

const HOME = 1e-3; // a drift that is none: rounding makes one of up to some 1e-6
const ZERO = -20; // what stands for log2 of a ratio of 0

const column = (values, columns, k) => values.filter((_, i) => i % columns === k);
const plain = {
  lacks: () => null,
  choices: () => [],
  axes: () => [],
  columns: () => 1,
  contours: [],
  level: (row) => row[0],
  value: (row) => row[0],
  coloured: () => "",
  flat: "There is nothing to tell apart here.",
};

const many = (facts) => facts.latentDim > 2;
const stretches = (cliff) => cliff?.startsWith("stretch");
const within = (found, name, facts) =>
  many(facts) ? `, ${found.within ? number(found.within[name]) : "…"} within the plane` : "";
// What every page prints of a figure; what is usual for the model is the trust read-out's to say.
const said = (name, { values }, facts) => figure(name)(values, facts, {});
const volume = ({ latentDim }) => ["", "length", "area"][latentDim] ?? `${latentDim}-volume`;

export const CLIFF_MAP = {
  ...plain,
  name: "cliffs",
  title: "Cliffs",
  columns: () => 2,
  // "stretch/all" and so on: what, and in which directions.
  choices: (facts) => [
    {
      name: "cliff",
      label: "What the cliff map shows",
      options: ["stretch", "magnification"].flatMap((what) =>
        many(facts)
          ? [
              [`${what}/all`, `${what}, all directions`],
              [`${what}/plane`, `${what}, in the plane`],
            ]
          : [[`${what}/all`, what]],
      ),
    },
  ],
  sentence: (facts, { cliff }) =>
    stretches(cliff)
      ? "How far the image moves for a unit of z, in the direction in which it moves most."
      : `How much the decoder enlarges ${many(facts) ? "a small volume" : "a small area"} of the latent space on its way to images.`,
  measure: ({ facts, moving, chosen: { cliff } }) =>
    many(facts) && (moving || cliff.endsWith("plane")) ? CLIFFS_IN_PLANE : CLIFFS,
  axes: (measure, plane) => (measure === CLIFFS_IN_PLANE ? plane.axes : []),
  // A stretch within a plane is never more than that in all directions: they share a scale. Areas and volumes do not.
  scaleOf: (measure, { cliff }) =>
    stretches(cliff)
      ? {
          name: "stretch",
          measure: CLIFFS,
          make: (values, columns) => logarithmic(column(values, columns, 0)),
        }
      : {
          name: `magnification ${measure}`,
          measure,
          make: (values, columns) => logarithmic(column(values, columns, 1)),
        },
  value: (row, { cliff }) => row[stretches(cliff) ? 0 : 1],
  words: (found, { facts, chosen: { cliff } }) => {
    const inPlane = (name) => (cliff.endsWith("plane") ? within(found, name, facts) : ""),
      stretch = said("stretch", found, facts);
    if (stretches(cliff)) return stretch && { ...stretch, unit: `per unit of z${inPlane("stretch")}` };
    return { value: `× ${number(found.values[2])}`, unit: `in ${volume(facts)}${inPlane("magnification")}` };
  },
  heading: () => "Cliffs",
  coloured: (measure, facts) =>
    many(facts) ? `colours: ${measure === CLIFFS_IN_PLANE ? "within the plane" : "in all directions"}` : "",
  flat: "The decoded image is the same everywhere: there is no cliff.",
  definition: `
    <p>J(z) is the Jacobian of the decoded mean image f(z), pixels from 0 to 1.</p>
    <p><b>Stretch</b>: its largest singular value, max |J v| over unit vectors v.</p>
    <p><b>Magnification factor</b>: √det JᵀJ (Bishop, Svensén &amp; Williams 1997), by how much the decoder enlarges volume.</p>
    <p>JᵀJ comes from forward-mode products J v, one for each direction. Within the plane, only its two directions count. While the plane moves in more than two dimensions, that is what the colours show; the number is that in all directions.</p>
    <p>Colours are logarithmic, from the 1st to the 99th percentile over draws of the prior, the same in every view.</p>`,
};

export const HOLE_MAP = {
  ...plain,
  name: "holes",
  title: "Holes",
  lacks: (facts) => facts.lacks.ratio ?? null,
  sentence: (facts) =>
    `How many data lie around z for each that ${facts.hasPrior ? "the prior" : "a Gaussian fitted to the codes (this model has no prior)"} promises. Inside the line fewer than half: no data near.`,
  measure: () => RATIO,
  scaleOf: () => ({ name: "ratio", measure: RATIO, make: () => ratios() }),
  contours: [Math.log2(HOLE)],
  level: (row) => Math.max(Math.log2(row[0]), ZERO),
  words: (found, { facts }) => {
    const data = said("data", found, facts);
    return data && { ...data, unit: `the data promised${data.bad ? ": no data near" : ""}` };
  },
  heading: () => "Holes",
  definition: `
    <p>q(z) = E q(z|x), the <b>aggregate posterior</b>; one draw from the posterior of each of the N encoded examples stands for it. Prior p(z): N(0, I) for a VAE; other models have none and are given the Gaussian with their codes' own mean and covariance, the most favourable one.</p>
    <p><b>Data ratio</b> ρ(z) = (k − 1) / (N P(r, z)), k = 16: r is the distance from z to the k-th nearest draw, P the prior mass of the ball of that radius around z (a noncentral χ²). Where q equals p, E ρ = 1 in any dimension. Far out, where the prior promises next to nothing, few data are many.</p>
    <p><b>Hole</b>: ρ &lt; ½. The share of the prior's mass that lies in holes is what completeness lacks of 1. In two dimensions, spaced by prior quantiles, areas of the map are shares of that mass.</p>`,
};

export const DRIFT_MAP = {
  ...plain,
  name: "drift",
  title: "Drift",
  lacks: (facts) => facts.lacks.drift ?? null,
  columns: (facts) => facts.latentDim,
  sentence: () =>
    "Decode, encode again: the arrow leads from z to where it comes back. Long ones: places the model does not own.",
  measure: () => DRIFT,
  scaleOf: () => ({
    name: "drift",
    measure: DRIFT,
    make: (values, columns) => linear(lengths(values, columns), { within: [0, HOME] }),
  }),
  value: (row) => Math.hypot(...row),
  words: (found, { facts }) => {
    const drift = said("drift", found, facts);
    return drift && { ...drift, unit: `units of z${within(found, "drift", facts)}` };
  },
  // The place where the arrow from (u, v) ends.
  arrows: ([u, v], row, spacing, axes) => {
    const along = axes.map((axis) => axis.reduce((sum, part, d) => sum + part * row[d], 0));
    return [spacing.at(u + along[0]), spacing.at(v + along[1])];
  },
  heading: () => "Drift",
  definition: `
    <p>z′ = E q(z|x̂) with x̂ = E p(x|z): the code's own image, encoded. The colour is |z′ − z|, the arrow its part within the plane, true to scale.</p>
    <p>An encoder and decoder that agree bring every code home. Where they do not, the decoder shows something that the encoder reads as another place.</p>`,
};

// What realism compares with at a place: "images", "reconstructions", or nothing known yet.
export function comparedWith(found) {
  return ["reconstructions", "images"][found?.values[8]] ?? "";
}

export const REALISM_MAP = {
  ...plain,
  name: "realism",
  title: "Realism",
  lacks: (facts) => facts.lacks.realism ?? null,
  columns: () => 2,
  sentence: (_facts, _chosen, found) => {
    const nearest =
      { images: "encoded image", reconstructions: "reconstruction (the data are not on this machine)" }[
        comparedWith(found)
      ] ?? "encoded image or reconstruction";
    return `How far the decoded image is from the nearest ${nearest}. Between these 1 is usual; the line is there.`;
  },
  measure: () => REALISM,
  scaleOf: () => ({
    name: "realism",
    measure: REALISM,
    make: (values, columns) =>
      linear(column(values, columns, 0), { within: [0.8, 1.25], strong: 1, palette: CIVIDIS }),
  }),
  contours: [1],
  words: (found, { facts }) => {
    const realism = said("realism", found, facts);
    return realism && { ...realism, unit: "the usual distance" };
  },
  heading: (found) => ["Realism", comparedWith(found)].filter(Boolean).join(" to "),
  definition: `
    <p>Distance from the decoded image to the nearest encoded image, divided by the median distance of such an image to its nearest other one. Euclidean over pixels; no feature network looks at them, so that a blurred image may count as near.</p>
    <p>Where the data are not on this machine, reconstructions stand for the encoded images: another figure, which the title tells. Of large images the first few thousand are compared with; how many, the number's own hint says.</p>`,
};

export const SPECS = [CLIFF_MAP, HOLE_MAP, DRIFT_MAP, REALISM_MAP];

function lengths(values, columns) {
  return Float32Array.from({ length: values.length / columns }, (_, i) =>
    Math.hypot(...values.subarray(i * columns, (i + 1) * columns)),
  );
}
