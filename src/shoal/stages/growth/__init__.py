"""Rows that are added to an earlier run: `stages` lists what is done then."""
