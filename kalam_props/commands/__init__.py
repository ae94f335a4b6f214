"""The commands of `kalam-props`, one module each: options in, a report and an exit code out. Thin."""
