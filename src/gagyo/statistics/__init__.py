"""Statistics in memory: pure functions of arrays, used inside hospitals and on what was opened; no I/O."""
