"""How long tests wait for what must come.

Waiting costs nothing when it comes, and a machine may be slow or have other work to do, so there is one number and it
is generous. It ends a test that hangs; it is no promise of speed. (Speed is measured, by `benchmarks/`.)
"""

PATIENCE_S = 300.0
PATIENCE_MS = 1000 * PATIENCE_S  # as Playwright counts
