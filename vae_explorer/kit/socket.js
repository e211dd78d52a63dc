// One WebSocket to the live route, shared by every component on the page, and channels over it.
//
// A channel sends a request, waits for its answer, and then sends only the newest of what was asked for
// meanwhile: a slow server never builds a queue, and the picture never lags behind the pointer by more
// than one answer. The byte layout is described in vae_explorer/live/protocol.py.

export const DECODE = 0,
  ENCODE = 1,
  ITEM = 2,
  MEASURE = 3;
// What a MEASURE request asks for (its height), with the columns of the answer's values:
export const CLIFFS = 0, // stretch, magnification; in all latent directions
  CLIFFS_IN_PLANE = 1, // the same within a plane, whose two axes are the first rows of the request
  RATIO = 2, // data ratio
  DRIFT = 3, // z' - z
  REALISM = 4, // realism, index of the nearest reference example (-1: none)
  // Prior percentile 0..1, stretch, magnification, data ratio, realism, length of the drift, index of the nearest
  // reference example and its class (-1: none), 1 where realism compares with the data's own images and 0 where with
  // their reconstructions, with how many; the picture is that example. NaN: not defined for this model.
  TRUST = 5;
const HEADER_BYTES = 20,
  ANSWER_BYTES = 16;
const RETRY_MS = [200, 500, 1000, 2000, 5000];

class LiveSocket {
  constructor(url) {
    this.url = url;
    this.nextId = 1;
    this.waiting = new Map(); // request id -> channel
    this.channels = new Set();
    this.failures = 0;
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.failures = 0;
      for (const channel of this.channels) channel.connected();
    };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => {
      this.waiting.clear();
      for (const channel of this.channels) channel.disconnected();
      const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
      this.timer = setTimeout(() => this.channels.size && this.connect(), pause);
    };
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(channel, request) {
    const id = this.nextId++;
    this.waiting.set(id, channel);
    this.socket.send(frame(id, request));
    return id;
  }

  receive(message) {
    if (typeof message === "string") {
      const { id, error } = JSON.parse(message);
      this.finish(id, (channel) => channel.refused(error));
      return;
    }
    const id = new DataView(message).getUint32(0, true);
    this.finish(id, (channel) => channel.answered(message));
  }

  finish(id, tell) {
    const channel = this.waiting.get(id);
    this.waiting.delete(id);
    if (channel && this.channels.has(channel)) tell(channel); // a closed channel is told nothing any more
  }

  // Closed before it is open, a socket is a warning in the browser's console: it is closed as soon as it is open.
  close() {
    clearTimeout(this.timer);
    const { socket } = this;
    Object.assign(socket, { onmessage: null, onclose: null });
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
  }
}

const sockets = new Map(); // url -> LiveSocket

function shared(url) {
  if (!sockets.has(url)) sockets.set(url, new LiveSocket(url));
  return sockets.get(url);
}

export function liveUrl() {
  return new URL("/live", location.origin.replace(/^http/, "ws")).href;
}

export class Channel {
  // onAnswer(answer, tag) gets the decoded answer and whatever tag the request carried;
  // onError(sentence) a refusal; onStatus(connected) the state of the line.
  constructor({ onAnswer, onError, onStatus = () => {} }) {
    Object.assign(this, { onAnswer, onError, onStatus });
    this.live = shared(liveUrl());
    this.live.channels.add(this);
    this.current = null; // sent, not answered
    this.newest = null; // to be sent next
  }

  ask(request) {
    this.newest = request;
    this.flush();
  }

  // A request is sent or waits to be.
  get busy() {
    return Boolean(this.current || this.newest);
  }

  flush() {
    if (this.current || !this.newest || !this.live.open) return;
    this.current = this.newest;
    this.newest = null;
    this.live.send(this, this.current);
  }

  answered(buffer) {
    const { tag } = this.current;
    this.current = null;
    // The next request leaves before this answer is painted: the server works while the browser draws.
    this.flush();
    this.onAnswer(parse(buffer), tag);
  }

  refused(sentence) {
    this.current = null;
    this.onError(sentence);
    this.flush();
  }

  connected() {
    this.onStatus(true);
    this.flush();
  }

  disconnected() {
    this.newest ??= this.current;
    this.current = null;
    this.onStatus(false);
  }

  close() {
    this.live.channels.delete(this);
    if (this.live.channels.size === 0) {
      this.live.close();
      sockets.delete(this.live.url);
    }
  }
}

function frame(id, { model, kind, height = 0, count, width, payload }) {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id, true);
  for (let i = 0; i < 8; i++) bytes[4 + i] = parseInt(model.slice(2 * i, 2 * i + 2), 16);
  [kind, height, count, width].forEach((value, i) => view.setUint16(12 + 2 * i, value, true));
  bytes.set(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength), HEADER_BYTES);
  return bytes;
}

function parse(buffer) {
  const view = new DataView(buffer);
  const short = (i) => view.getUint16(4 + 2 * i, true);
  const [kind, size, height, width, channels, flag] = [0, 1, 2, 3, 4, 5].map(short);
  if (kind === DECODE) {
    // took: ms that decoding took, without the way
    return {
      kind,
      count: size,
      height,
      width,
      channels,
      took: flag / 100,
      pixels: new Uint8Array(buffer, ANSWER_BYTES),
    };
  }
  if (kind === MEASURE) {
    const values = new Float32Array(buffer, ANSWER_BYTES, size * flag);
    const pixels = channels ? new Uint8Array(buffer, ANSWER_BYTES + values.byteLength) : null;
    return { kind, rows: size, columns: flag, values, height, width, channels, pixels };
  }
  const item = kind === ITEM ? { position: view.getInt32(16, true), label: view.getInt32(20, true) } : {};
  const start = ANSWER_BYTES + (kind === ITEM ? 8 : 0);
  return {
    kind,
    height,
    width,
    channels,
    ...item,
    mean: new Float32Array(buffer, start, size),
    std: flag ? new Float32Array(buffer, start + 4 * size, size) : null,
    pixels: channels ? new Uint8Array(buffer, start + 8 * size) : null,
  };
}
