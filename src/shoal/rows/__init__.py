"""Sources of rows: folders of images, arrays, raw files, tables.

All functions raise `SourceError` for data that are missing, damaged or empty, and `InputError` for
options that do not apply to them.
"""

from shoal.core.image_request import ImageRequest
from shoal.rows.base import (
    Batch,
    ImageSource,
    Kind,
    LabelValues,
    Source,
    as_requested,
    remarks_of,
)
from shoal.rows.images.encoded import EncodedSource
from shoal.rows.label_files import of_taken, read_label_file
from shoal.rows.opening import open_source
from shoal.rows.pictures import some_images, thumbnails
from shoal.rows.taken import Taken, draw_rows, draw_sample

__all__ = [
    "Batch",
    "EncodedSource",
    "ImageRequest",
    "ImageSource",
    "Kind",
    "LabelValues",
    "Source",
    "Taken",
    "as_requested",
    "draw_rows",
    "draw_sample",
    "of_taken",
    "open_source",
    "read_label_file",
    "remarks_of",
    "some_images",
    "thumbnails",
]
