"""Pure functions of arrays, without paths, clocks or logs."""
