// What the encoded data say about the tiles of a grid: how many are near, and of which class the nearest is.

import { density, densityAt } from "../../kit/density.js";
import { classColour } from "../../kit/palette.js";

const DARKEST = 0.75; // of a tile where no data are

export class Shades {
  // page: { data, places, planes, plane(), grid, shade, outline }
  constructor(page) {
    this.page = page;
  }

  begin() {
    this.changed();
  }

  changed() {
    const { page } = this,
      ready = page.data?.get("codes") && page.plane();
    page.shade = ready && page.planes.shades ? this.shade() : null;
    page.outline = ready && page.planes.outlines && page.data.get("label") ? this.outline() : null;
    page.grid.remark();
  }

  // Where the encoded data lie thick as seen in this plane: 0 at the densest place, DARKEST where there are none.
  shade() {
    const { data } = this.page,
      { origin, axes } = this.page.plane(),
      codes = data.get("codes"),
      width = data.width;
    const xy = new Float32Array(2 * data.n);
    for (let i = 0; i < data.n; i++) {
      for (const [k, axis] of axes.entries()) {
        let sum = 0;
        for (let d = 0; d < width; d++) sum += axis[d] * (codes[i * width + d] - origin[d]);
        xy[2 * i + k] = sum;
      }
    }
    const grid = density(xy),
      most = grid ? grid.values.reduce((a, b) => Math.max(a, b), 0) : 0;
    // The square root tells thin places from empty ones, which a straight scale would not.
    return (u, v) => (most ? DARKEST * (1 - Math.sqrt(Math.min(densityAt(grid, u, v) / most, 1))) : DARKEST);
  }

  outline() {
    const { data, places } = this.page,
      labels = data.get("label"),
      { origin, axes } = this.page.plane();
    const known = new Map();
    return (u, v) => {
      const key = `${u}/${v}`;
      if (!known.has(key)) {
        const code = origin.map((value, d) => value + u * axes[0][d] + v * axes[1][d]);
        const label = labels[places.nearest(code)[0].i];
        known.set(key, label < 0 ? null : classColour(label));
      }
      return known.get(key);
    };
  }
}
