// A code as text, and back to the same bits.

// The shortest decimal that float32 reads as the same number; nine digits always do.
export function exact(value) {
  const single = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return String(short);
  }
  return String(Number(single.toPrecision(9)));
}

export const codeText = (code, between = ",") => Array.from(code, exact).join(between);

// Throws a sentence for anything but `width` numbers.
export function parseCode(text, width) {
  const numbers = text
    .replace(/[[\]()−]/g, (c) => (c === "−" ? "-" : " "))
    .trim()
    .split(/[\s,;]+/)
    .map((part) => (part ? Math.fround(Number(part)) : NaN));
  if (!numbers.every(Number.isFinite))
    throw new Error(
      `"${text.slice(0, 40)}" is not a list of numbers; paste ${width} of them, separated by commas.`,
    );
  if (numbers.length !== width)
    throw new Error(
      `The text holds ${numbers.length} numbers, but this model's code has ${width}; paste exactly that many.`,
    );
  return Float32Array.from(numbers);
}
