"""Run a program on a target, concurrently, and write its history. Judges nothing."""
