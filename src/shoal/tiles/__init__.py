"""Made tiles: a large set of real-looking small images whose truth is known, to measure with."""

from shoal.tiles.digits import digits
from shoal.tiles.folder import RECIPE, Made, make_tiles
from shoal.tiles.tileset import SHAPE, TileSet

__all__ = ["RECIPE", "SHAPE", "Made", "TileSet", "digits", "make_tiles"]
