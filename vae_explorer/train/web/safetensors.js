// A safetensors file: 8 bytes, the length of a JSON header (little-endian), the header, then the tensors' bytes.

const TYPES = { U8: Uint8Array, F32: Float32Array, I64: BigInt64Array };

// Return name -> { shape, values } of every tensor; whole numbers of 64 bits become ordinary ones (labels are small).
export function parse(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = entry.data_offsets;
    const bytes = buffer.slice(8 + length + start, 8 + length + end); // its own buffer, so it is aligned
    const values = new TYPES[entry.dtype](bytes);
    tensors[name] = {
      shape: entry.shape,
      values: entry.dtype === "I64" ? Array.from(values, Number) : values,
    };
  }
  return tensors;
}
