// The canvas over the tiles: what the page says about each, the frame of the one pointed at, and z along two edges.

import { drawAxes, drawHovered, drawMarks } from "./axes.js";
import { Cache } from "./cache.js";

const KEPT = 20_000; // notes about tiles; asking the page for one may take a look at much data

export class Over {
  // page: { shade, outline } as Grid has it; colours { text, halo, accent } and font are set by the grid's theme.
  constructor(page) {
    Object.assign(this, { page, notes: new Cache(KEPT), colours: null, font: "" });
  }

  // What was said about tiles is out of date.
  forget() {
    this.notes.clear();
  }

  draw(context, grid, seen) {
    const { view, spacing, density, hovered, layer } = grid,
      { colours } = this;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    drawMarks(context, this.marks(grid, seen), colours);
    if (hovered?.cell.level === layer.level) drawHovered(context, box(grid, hovered.cell), colours);
    drawAxes(context, view, spacing, colours, this.font);
  }

  marks(grid, { left, right, bottom, top }) {
    const { level } = grid.layer,
      found = [];
    if (!this.page.shade && !this.page.outline) return found;
    for (let j = bottom; j <= top; j++) {
      for (let i = left; i <= right; i++)
        found.push({ ...box(grid, { level, i, j }), ...this.note(grid, { level, i, j }) });
    }
    return found;
  }

  note(grid, cell) {
    const key = `${cell.level}/${cell.i}/${cell.j}`,
      known = this.notes.get(key);
    if (known) return known;
    const { u, v } = grid.place(cell),
      { shade, outline } = this.page;
    const note = { shade: shade?.(u, v) ?? 0, outline: outline?.(u, v) ?? null };
    this.notes.set(key, note);
    return note;
  }
}

function box({ view, spacing }, { level, i, j }) {
  const [x, y] = view.toScreen(spacing.edge(level, i), spacing.edge(level, j + 1));
  return { x, y, side: spacing.side(level) * view.scale };
}
