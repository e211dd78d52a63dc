// Places on an axis.

import { MINUS } from "./words.js";

// Round numbers within a range, at most `most` of them.
export function ticks(low, high, most) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 5, 10, 20]
    .map((digit) => digit * power)
    .find((size) => Math.floor(high / size) - Math.ceil(low / size) + 1 <= most);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) {
    const value = i * step;
    found.push({
      value,
      text:
        Math.abs(value) < step / 2
          ? "0"
          : value.toLocaleString("en", { maximumFractionDigits: digits }).replace("-", MINUS),
    });
  }
  return found;
}
