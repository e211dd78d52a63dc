// Numbers and durations as people read them.

export const MINUS = "−";

// Three to five digits, with a true minus sign; a dash where there is no number.
export function number(value, digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (Number(text.replaceAll(",", "")) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
}

export function rate(perSecond) {
  if (!perSecond) return "";
  const rounded = Number(perSecond.toPrecision(perSecond >= 100 ? 3 : 2));
  return `${rounded.toLocaleString("en")} images/s`;
}

export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min left`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min left` : `${Math.round(hours / 24)} days left`;
}

export const epochName = (epoch) => (epoch === 0 ? "before training" : `epoch ${epoch}`);

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
export const dimensionName = (index) => `z${String(index + 1).replace(/\d/g, (digit) => SUBSCRIPTS[digit])}`;
