// From a place on the map to the code behind it, and back.
//
// In a plane of the latent space, or of principal directions, the step is exact: the code moves within the plane, and
// what lies across it stays as the code in view has it. UMAP and t-SNE have no inverse: there the code is the mean of the
// encoded points around the place, weighted by their nearness on the map (Shepard 1968, as Franke & Nielson 1980 changed
// it: the weights reach 0 at the first point left out, so that nothing jumps under a moving pointer).

const AROUND = 8; // encoded points that a place between them takes its code from

export class Places {
  // index: the map's points, for maps without axes.
  constructor(facts, data, index) {
    Object.assign(this, { facts, data, index });
    this.base = Float32Array.from(facts.z);
    this.exact = Boolean(facts.axes);
  }

  // Where a code lies on the map; null where that would take more than this page knows.
  place(code) {
    const { axes, origin } = this.facts;
    if (!axes) return this.weighted(code);
    return axes.map((axis) => axis.reduce((sum, part, d) => sum + part * (code[d] - origin[d]), 0));
  }

  // { code, distance, from }: distance is that to the nearest point on the map where the code is interpolated.
  code(x, y) {
    if (this.exact) return { code: this.lifted(x, y), distance: null };
    return this.interpolated(x, y);
  }

  lifted(x, y) {
    const code = this.base.slice(),
      { axes } = this.facts,
      at = this.place(this.base);
    [x - at[0], y - at[1]].forEach((step, k) => axes[k].forEach((part, d) => (code[d] += step * part)));
    return code;
  }

  interpolated(x, y) {
    const codes = this.data.get("codes"),
      xy = this.data.get("xy"),
      width = this.data.width;
    if (!codes) return null;
    const indices = this.index.knn(x, y, AROUND + 1),
      away = Array.from(indices, (i) => Math.hypot(xy[2 * i] - x, xy[2 * i + 1] - y));
    const code = new Float32Array(width),
      weights = shepard(away);
    weights.forEach((weight, k) => {
      for (let d = 0; d < width; d++) code[d] += weight * codes[indices[k] * width + d];
    });
    return { code, distance: away[0] };
  }

  // The other way round for maps without axes: the mean place of the nearest codes.
  weighted(code) {
    const found = this.nearest(code, AROUND + 1),
      xy = this.data.get("xy");
    if (!found) return null;
    const weights = shepard(found.map(({ distance }) => distance));
    return [0, 1].map((side) =>
      weights.reduce((sum, weight, k) => sum + weight * xy[2 * found[k].i + side], 0),
    );
  }

  // The encoded points nearest to a code, in the latent space itself; exact, by looking at all of them.
  nearest(code, count = 1) {
    const codes = this.data.get("codes"),
      width = this.data.width,
      n = this.data.n;
    if (!codes) return null;
    const found = [];
    let worst = Infinity;
    for (let i = 0, at = 0; i < n; i++, at += width) {
      let sum = 0;
      for (let d = 0; d < width && sum < worst; d++) sum += (codes[at + d] - code[d]) ** 2;
      if (sum >= worst) continue;
      let k = found.length;
      while (k > 0 && found[k - 1].sum > sum) k--;
      found.splice(k, 0, { i, sum });
      if (found.length > count) found.pop();
      if (found.length === count) worst = found[count - 1].sum;
    }
    return found.map(({ i, sum }) => ({ i, distance: Math.sqrt(sum) }));
  }

  // How far a point is from the slice through the base that the map shows, in the latent space.
  across(i) {
    const code = this.data.code(i),
      at = this.place(code),
      here = this.lifted(at[0], at[1]);
    return Math.sqrt(here.reduce((sum, value, d) => sum + (value - code[d]) ** 2, 0));
  }
}

// Weights, in sum 1, of all but the last of some points, by their distances in rising order.
function shepard(distances) {
  const reach = distances.at(-1);
  if (distances[0] === 0 || !(reach > distances[0])) return [1]; // on a point, or all equally far
  const raw = distances.slice(0, -1).map((distance) => ((reach - distance) / (reach * distance)) ** 2);
  const total = raw.reduce((a, b) => a + b);
  return raw.map((weight) => weight / total);
}
