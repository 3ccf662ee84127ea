"""The stages of a fit, one file per stage."""
