"""The stages of a fit: each is a file that defines `STAGE`; the others are their helpers."""
