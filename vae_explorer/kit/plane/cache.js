// A bounded memory: what was least recently looked at makes room.

export class Cache {
  constructor(most) {
    this.most = most;
    this.kept = new Map(); // in the order of use, oldest first
  }

  get size() {
    return this.kept.size;
  }

  get(key) {
    const value = this.kept.get(key);
    if (value === undefined) return undefined;
    this.kept.delete(key);
    this.kept.set(key, value);
    return value;
  }

  set(key, value) {
    this.kept.delete(key);
    this.kept.set(key, value);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.most) break;
      this.kept.delete(oldest);
    }
  }

  clear() {
    this.kept.clear();
  }
}
