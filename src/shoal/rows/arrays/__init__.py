"""Numbers stored as arrays, in memory or in files."""
