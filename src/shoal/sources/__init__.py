"""Where rows come from: folders, arrays, raw files, tables."""

from shoal.core.wanted import Wanted
from shoal.sources.base import Batch, Encoded, ImageSource, Kind, Labelled, Source, as_wanted
from shoal.sources.looking import some_images
from shoal.sources.opening import open_source
from shoal.sources.taken import Taken, draw_sample, take, taken_of
from shoal.sources.thumbnails import thumbnails

__all__ = [
    "Batch",
    "Encoded",
    "ImageSource",
    "Kind",
    "Labelled",
    "Source",
    "Taken",
    "Wanted",
    "as_wanted",
    "draw_sample",
    "open_source",
    "some_images",
    "take",
    "taken_of",
    "thumbnails",
]
