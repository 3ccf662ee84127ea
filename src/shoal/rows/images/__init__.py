"""Encoded images: where their bytes lie, how they are decoded."""
