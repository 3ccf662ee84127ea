"""Where rows come from: folders, arrays, raw files, tables."""

from shoal.core.wanted import Wanted
from shoal.sources.base import Batch, ImageSource, Kind, Source, as_wanted
from shoal.sources.opening import open_source
from shoal.sources.thumbnails import thumbnails

__all__ = [
    "Batch",
    "ImageSource",
    "Kind",
    "Source",
    "Wanted",
    "as_wanted",
    "open_source",
    "thumbnails",
]
