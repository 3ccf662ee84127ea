"""Palettes: the colours that stand for those of an image or a folder, and images in them."""

from shoal.palettes.make import Palette, make_palette

__all__ = ["Palette", "make_palette"]
