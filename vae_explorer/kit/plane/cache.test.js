import assert from "node:assert/strict";
import { test } from "node:test";
import { Cache } from "./cache.js";

test("what was least recently looked at makes room", () => {
  const cache = new Cache(3);
  for (const key of ["a", "b", "c"]) cache.set(key, key);
  cache.get("a");
  cache.set("d", "d");
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => cache.get(key)),
    ["a", undefined, "c", "d"],
  );
  assert.equal(cache.size, 3);
});

test("what is kept anew counts as looked at and takes no second place", () => {
  const cache = new Cache(2);
  cache.set("a", 1);
  cache.set("b", 2);
  cache.set("a", 3);
  cache.set("c", 4);
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c"), cache.size], [3, undefined, 4, 2]);
  cache.clear();
  assert.equal(cache.size, 0);
});
