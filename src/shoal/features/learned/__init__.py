"""Features that a small network learns from the images themselves."""

from shoal.features.learned.encoder import METHODS, Learned

__all__ = ["METHODS", "Learned"]
