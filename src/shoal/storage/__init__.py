"""The run folder: every path, atomic parts, receipts, fingerprints."""
