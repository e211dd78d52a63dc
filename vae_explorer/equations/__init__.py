"""The Equations page: one module per step, with its words, its formula and its live picture."""
