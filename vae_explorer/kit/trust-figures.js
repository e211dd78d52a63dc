// The figures of a place as every page prints them: one name, one number, one rounding, one sentence.

const RIM = 0.9,
  OUTSIDE = 0.99; // shares of the prior's mass
export const HOLE = 0.5; // encoded data for each that the prior promises, below which there is a hole
const DENSE = 2; // the same, above which data are many
const CLIFF = 1.5,
  LEAVES = 3; // times the most that is usual for encoded data
const FAR = 2; // times the usual distance from an image to the nearest other one

// Of the answer's columns: prior percentile, stretch, magnification, data ratio, realism, drift, nearest index, label,
// whether realism is to images, to how many.
// says(values, model, usual) gives { label, value, word, bad, title }, or null where the figure is not defined; label: what
// stands for the name where that alone would not say what was measured.
export const FIGURES = [
  {
    name: "prior",
    says([percentile], { hasPrior }) {
      if (!Number.isFinite(percentile)) return null;
      const percent =
        percentile > OUTSIDE
          ? percentile > 0.9995
            ? "> 99.9 %"
            : `${(100 * percentile).toFixed(1)} %`
          : `${Math.round(100 * percentile)} %`;
      const prior = hasPrior ? "prior" : "Gaussian fitted to the encoded codes (this model has no prior)";
      return {
        value: percent,
        bad: percentile > OUTSIDE,
        word: percentile > OUTSIDE ? "outside" : percentile > RIM ? "rim" : "inside",
        title: `${percent} of the mass of the ${prior} lies closer to its centre than this code; beyond 99 % a draw from it hardly ever lands.`,
      };
    },
  },
  {
    name: "data",
    says([, , , ratio]) {
      if (!Number.isFinite(ratio)) return null;
      const value = `${number(ratio)} ×`;
      return {
        value,
        bad: ratio < HOLE,
        word: ratio < HOLE ? "a hole" : ratio > DENSE ? "dense" : "as promised",
        title: `Around this code lie ${value} as many encoded data as the prior promises; below 1/2 it is a hole, with no data near it.`,
      };
    },
  },
  {
    name: "stretch",
    says([, stretch, magnification], _model, { stretch: usual }) {
      if (!Number.isFinite(stretch)) return null;
      const [least, most] = usual ?? [NaN, NaN];
      const compared = usual
        ? `; ${number(least)} to ${number(most)} are usual for encoded data of this model (nine in ten)`
        : "";
      const volume = Number.isFinite(magnification) ? ` Magnification factor ${number(magnification)}.` : "";
      return {
        value: number(stretch),
        bad: stretch > CLIFF * most,
        word:
          stretch > CLIFF * most
            ? "a cliff"
            : stretch > most
              ? "steep"
              : stretch < least
                ? "flat"
                : usual
                  ? "usual"
                  : "",
        title: `In its steepest direction the image changes by ${number(stretch)} (Euclidean distance of pixels) per unit of z${compared}.${volume}`,
      };
    },
  },
  {
    name: "drift",
    says([, , , , , drift], _model, { drift: usual }) {
      if (!Number.isFinite(drift)) return null;
      const most = usual?.[1] ?? NaN;
      const compared = usual
        ? `; encoded data of this model usually move by ${number(most)} at most (95 % of them)`
        : "";
      return {
        value: number(drift),
        bad: drift > LEAVES * most,
        word: drift > LEAVES * most ? "leaves" : drift > most ? "moves" : usual ? "stays" : "",
        title: `Decoded and encoded again, this code comes back ${number(drift)} away from where it was${compared}. Where codes move far, the model does not own the place.`,
      };
    },
  },
  {
    name: "realism",
    says([, , , , realism, , index, label, images, compared], { classNames }) {
      if (!Number.isFinite(realism)) return null;
      const of = label >= 0 ? (classNames[label] ?? label) : "",
        many = compared.toLocaleString("en");
      const which =
        images === 1
          ? `${many} encoded images`
          : `${many} reconstructions of encoded images (the images themselves are not at hand)`;
      const nearest = index >= 0 ? ` It is no. ${index}${of === "" ? "" : `, class ${of}`}, shown here.` : "";
      return {
        label: `realism to ${images === 1 ? "images" : "reconstructions"}`,
        value: `${number(realism)} ×`,
        bad: realism > FAR,
        word: of === "" ? "to the nearest" : `nearest: ${of}`,
        title: `The nearest of ${which} is ${number(realism)} × as far from the decoded image as such images are from their nearest others (median).${nearest}`,
      };
    },
  },
];

// What one figure says, by its name.
export const figure = (name) => FIGURES.find((each) => each.name === name).says;

// Two digits and a minus that is one; below a tenth no more than three places, which is all that can be meant.
export function number(value) {
  const size = Math.abs(value);
  if (size < 0.0005) return size ? "< 0.001" : "0";
  if (size >= 1e5) return value.toExponential(1).replace("e+", "e").replaceAll("-", "−");
  const places = size >= 9.95 ? 0 : size >= 0.995 ? 1 : size >= 0.0995 ? 2 : 3;
  return value.toFixed(places).replace("-", "−");
}
