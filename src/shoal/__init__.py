"""Shoal finds the groups in an image collection without being told how many there are."""

from shoal._version import __version__

__all__ = ["__version__"]
