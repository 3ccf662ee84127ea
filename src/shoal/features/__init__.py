"""Encoders, which map rows to features, and the projection of features."""

from shoal.features.base import WORDED, Encoder, Needs, Worded
from shoal.features.choose import choose_encoder
from shoal.features.colours import Colours
from shoal.features.columns import Columns
from shoal.features.content import LOOKED, LOOKED_SIDE
from shoal.features.gradients import Gradients
from shoal.features.learned import Learned
from shoal.features.photo import Photo
from shoal.features.pixels import Pixels
from shoal.features.projection import COMPONENTS, Moments, Projection, fit_projection
from shoal.features.reduced import Reduced, unreduced
from shoal.features.vectors import Vectors

__all__ = [
    "COMPONENTS",
    "LOOKED",
    "LOOKED_SIDE",
    "WORDED",
    "Colours",
    "Columns",
    "Encoder",
    "Gradients",
    "Learned",
    "Moments",
    "Needs",
    "Photo",
    "Pixels",
    "Projection",
    "Reduced",
    "Vectors",
    "Worded",
    "choose_encoder",
    "fit_projection",
    "unreduced",
]
