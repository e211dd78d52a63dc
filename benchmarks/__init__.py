"""One file per figure we promise; `python -m benchmarks.NAME --json` prints one JSON object."""
