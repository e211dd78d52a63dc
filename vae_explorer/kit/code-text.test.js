import assert from "node:assert/strict";
import { test } from "node:test";
import { close, generator } from "../../tests/numbers.js";
import { codeText, exact, parseCode } from "./code-text.js";

// Float32 numbers of every size: any bits that are a finite number, usual codes, and the ends of what there is.
function numbers() {
  const { integer, normal } = generator(0);
  const bits = Uint32Array.from({ length: 4000 }, () => integer(2 ** 32));
  const any = [...new Float32Array(bits.buffer)].filter(Number.isFinite);
  const usual = Array.from({ length: 4000 }, normal);
  const scaled = Array.from({ length: 300 }, () => normal() * 10 ** (integer(60) - 30));
  const ends = [
    0,
    -0,
    1,
    -1.5,
    1e-45,
    1.1754942e-38,
    3.4028235e38,
    -3.4028235e38,
    16777217,
    123456.79,
    0.1,
    1 / 3,
  ];
  return Float32Array.from([...any, ...usual, ...scaled, ...ends]);
}

test("every float32 reads back as itself", () => {
  const code = numbers();
  assert.deepEqual(
    parseCode(codeText(code), code.length),
    code.map((value) => value + 0),
  ); // -0 is written as 0
});

test("what is written is what Python reads: a decimal with a point, perhaps with an exponent", () => {
  for (const text of codeText(numbers()).split(",")) assert.match(text, /^-?\d+(\.\d+)?(e[+-]\d+)?$/);
});

// numpy.format_float_scientific(value, unique=True) of float32 numbers: the shortest text that tells them apart.
const SHORTEST = [
  "1.2573022e-01",
  "-1.3210486e-01",
  "6.4042264e-01",
  "1.04900114e-01",
  "-5.356694e-01",
  "3.6159506e-01",
  "1.304e+00",
  "9.4708097e-01",
  "-7.0373523e-01",
  "-1.2654215e+00",
  "-6.2327445e-01",
  "4.132598e-02",
  "-2.3250308e+00",
  "-2.1879166e-01",
  "-1.245911e+00",
  "-7.322674e-01",
  "-5.44259e-01",
  "-3.1630015e-01",
  "4.1163054e-01",
  "1.0425134e+00",
  "-1.2853466e-01",
  "1.3664634e+00",
  "-6.651947e-01",
  "3.5151008e-01",
  "9.0347016e-01",
  "9.40123e-02",
  "-7.434993e-01",
  "-9.217254e-01",
  "-4.5772582e-01",
  "2.2019513e-01",
  "-1.0096182e+00",
  "-2.0917557e-01",
  "-1.5922502e-01",
  "5.408456e-01",
  "2.1465912e-01",
  "3.553727e-01",
  "-6.5382864e-07",
  "-1.2961364e-05",
  "7.839755e-03",
  "1.4934311e+27",
  "-1.2590656e-19",
  "1.5139237e-01",
  "1.3458755e-28",
  "7.813114e-06",
  "2.6445564e+25",
  "-3.1392282e+06",
  "1.4580206e-10",
  "1.9602583e+29",
  "1.8016349e+06",
  "1.3151038e+26",
  "3.5738042e-31",
  "-1.2083186e-03",
  "-4.4541333e+17",
  "6.5647495e+14",
  "-1.2883614e-06",
  "3.9512206e-02",
  "4.298637e-06",
  "6.9604273e+00",
  "-1.184118e-17",
  "-6.617026e+16",
  "-4.3643525e-27",
  "-1.1698019e-06",
  "1.739368e-14",
  "-4.9591072e+13",
  "3.2896962e+13",
  "-2.5857255e+11",
  "1.5834729e+25",
  "1.320361e+25",
  "6.333526e-20",
  "-2.2035098e-24",
  "5.2028976e-25",
  "6.836862e+12",
  "1e+00",
  "-1.5e+00",
  "1e-01",
  "3.3333334e-01",
  "1e-45",
  "1.1754942e-38",
  "3.4028235e+38",
  "1.6777216e+07",
  "1.2345679e+05",
];

test("no shorter text would read back as the same number", () => {
  const digits = (text) =>
    text
      .replace(/e.*/, "")
      .replace(/[-.]/g, "")
      .replace(/^0+|0+$/g, "").length;
  for (const text of SHORTEST) {
    assert.equal(digits(exact(Number(text))), digits(text), text);
  }
});

test("a number that was typed stays as short as it was", () => {
  const typed = ["0", "1", "-2.5", "0.1", "0.05", "-1.25", "0.123456", "1234567"];
  assert.equal(codeText(Float32Array.from(typed, Number)), typed.join(","));
});

test("numbers may be pasted with brackets, spaces and a true minus", () => {
  close(parseCode("[ −1.5, 2;3\n4e-1 ]", 4), [-1.5, 2, 3, 0.4], { rtol: 1e-7 });
});

test("what is no code is refused with what to paste", () => {
  assert.throws(() => parseCode("1, two", 2), /"1, two" is not a list of numbers; paste 2 of them/);
  assert.throws(() => parseCode("", 2), /not a list of numbers/);
  assert.throws(() => parseCode("1,2,3", 2), /holds 3 numbers, but this model's code has 2/);
});
