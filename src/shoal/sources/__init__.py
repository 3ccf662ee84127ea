"""Where rows come from: folders, arrays, raw files, tables."""
