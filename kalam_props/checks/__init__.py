"""From histories to verdicts: one module a property. Pure functions: no clock, no I/O, no server."""
