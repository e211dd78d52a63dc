// The columns of one map, fetched from our own route as plain little-endian arrays when they are first wanted.

const TYPES = { float32: Float32Array, int16: Int16Array, int64: BigInt64Array, uint8: Uint8Array };

export class MapData {
  // facts: what Python says of the map; facts.columns is name -> { type, width }.
  constructor(facts) {
    Object.assign(this, { facts, id: facts.map, n: facts.n, width: facts.latentDim });
    this.arrays = new Map(); // name -> typed array, once it is here
    this.coming = new Map(); // name -> promise
    this.leaving = new AbortController();
  }

  has(name) {
    return name in this.facts.columns;
  }

  // The array, if it is here already.
  get(name) {
    return this.arrays.get(name) ?? null;
  }

  // A promise of the array.
  want(name) {
    if (!this.coming.has(name)) this.coming.set(name, this.fetch(name));
    return this.coming.get(name);
  }

  async fetch(name) {
    const answer = await this.ask(name);
    const { type } = this.facts.columns[name];
    const values = new TYPES[type](await answer.arrayBuffer());
    const array = type === "int64" ? Float64Array.from(values, Number) : values;
    this.arrays.set(name, array);
    return array;
  }

  // Ask this map's part of the server; a refusal is thrown as its sentence.
  async ask(path, body = null) {
    const options = { signal: this.leaving.signal };
    if (body)
      Object.assign(options, {
        method: "POST",
        body,
        headers: { "Content-Type": "application/octet-stream" },
      });
    const answer = await fetch(new URL(`/maps/${this.id}/${path}`, location.origin), options);
    if (!answer.ok) throw new Error(await answer.text());
    return answer;
  }

  async json(path, body = null) {
    return (await this.ask(path, body)).json();
  }

  code(i) {
    return this.get("codes")?.subarray(i * this.width, (i + 1) * this.width) ?? null;
  }

  close() {
    this.leaving.abort();
  }
}
