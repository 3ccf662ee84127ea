"""Colour palettes of an image or a folder, and images reduced to them."""

from shoal.palettes.make import make_palette
from shoal.palettes.palette import Palette

__all__ = ["Palette", "make_palette"]
