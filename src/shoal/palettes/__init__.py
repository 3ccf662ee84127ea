"""Colour palettes of an image or a folder, and images reduced to them."""

from shoal.palettes.make import Palette, make_palette

__all__ = ["Palette", "make_palette"]
