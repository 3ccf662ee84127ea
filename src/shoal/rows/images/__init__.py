"""Encoded images: where their bytes are stored, and how they are decoded."""
