"""Synthetic images with known classes, for trials and benchmarks."""

from shoal.tiles.digits import digits
from shoal.tiles.drawings import DrawingSet
from shoal.tiles.folder import Made, MadeSet, make_tiles
from shoal.tiles.tileset import SHAPE, TileSet

__all__ = ["SHAPE", "DrawingSet", "Made", "MadeSet", "TileSet", "digits", "make_tiles"]
