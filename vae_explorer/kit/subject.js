// What the server says about one x, its numbers unpacked; and numbers that look drawn but are the same again.

import { fetchTold, post } from "./told.js";

// A quick answer.
export async function look(name, body, signal) {
  return (await post(`/posterior/${name}`, body, signal)).json();
}

// Long work; progress({ done, says }) hears how far it is.
export const work = (name, body, options) => fetchTold(`/posterior/${name}`, body, options);

// Bytes and float32 numbers that travelled as base64.
export function bytes(text) {
  const found = atob(text),
    out = new Uint8Array(found.length);
  for (let i = 0; i < found.length; i++) out[i] = found.charCodeAt(i);
  return out;
}

export const floats = (text) => new Float32Array(bytes(text).buffer);

// `count` draws of N(mean, diag std^2), one after the other, by Box and Muller (1958) from mulberry32 with one seed.
export function gaussianDraws({ mean, std }, count, seed = 1) {
  const width = mean.length,
    draws = new Float32Array(count * width),
    uniform = mulberry32(seed);
  for (let i = 0; i < draws.length; i++) {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    draws[i] = mean[i % width] + std[i % width] * normal;
  }
  return draws;
}

function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// How much each pixel of an answer's pictures varies, from picture number `first` over `count` of them: { height,
// width, std: Float32Array of standard deviations in [0, 0.5], mean over channels, most }.
export function spread({ height, width, channels, pixels }, first, count) {
  const size = height * width * channels,
    std = new Float32Array(height * width);
  for (let i = 0; i < size; i++) {
    let sum = 0,
      squares = 0;
    for (let k = first; k < first + count; k++) {
      const value = pixels[k * size + i] / 255;
      sum += value;
      squares += value * value;
    }
    std[Math.floor(i / channels)] += Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0)) / channels;
  }
  return { height, width, std, most: std.reduce((a, b) => Math.max(a, b), 0) };
}
