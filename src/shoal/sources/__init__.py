"""Where rows come from: folders, arrays, raw files, tables."""

from shoal.sources.base import Batch, Kind, Source
from shoal.sources.opening import open_source
from shoal.sources.thumbnails import ImageSource, thumbnails

__all__ = ["Batch", "ImageSource", "Kind", "Source", "open_source", "thumbnails"]
