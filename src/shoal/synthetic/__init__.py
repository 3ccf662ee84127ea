"""Synthetic images with known classes, for trials and benchmarks."""

from shoal.synthetic.digits import digits
from shoal.synthetic.drawings import DrawingSet
from shoal.synthetic.folder import ImageSet, Made, make_tiles
from shoal.synthetic.tileset import SHAPE, TileSet

__all__ = ["SHAPE", "DrawingSet", "ImageSet", "Made", "TileSet", "digits", "make_tiles"]
