"""The choice of an encoder: by name, or by what the rows are."""

from __future__ import annotations

from typing import Protocol

from shoal.errors import SettingError
from shoal.features.base import Encoder
from shoal.features.gradients import Gradients
from shoal.features.pixels import Pixels
from shoal.features.vectors import Vectors

CHOICES = ("auto", "pixels", "gradients", "vectors")
_LARGEST_SMALL = 64


class Rows(Protocol):
    """The part of a source that the choice looks at."""

    @property
    def kind(self) -> str:
        """Images, vectors or table."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""

    @property
    def mixed_sizes(self) -> bool:
        """Whether images have several sizes."""


def choose_encoder(name: str, source: Rows) -> tuple[Encoder, str]:
    """Choose the encoder called `name` for the rows of `source`.

    Parameters
    ----------
    name : str
        ``auto``, ``pixels``, ``gradients`` or ``vectors``.
    source : Source
        Its `kind`, `shape` and `mixed_sizes` are looked at.

    Returns
    -------
    Encoder, str
        The encoder, and a sentence that says what was chosen and why.

    Raises
    ------
    SettingError
        When the name is none of these, or does not go with the kind of rows.
    """
    if name not in CHOICES:
        raise SettingError(f"features {name!r}: choose one of {', '.join(CHOICES)}")
    if source.kind == "images":
        return _for_images(name, source)
    if name in ("pixels", "gradients"):
        raise SettingError(
            f"features {name!r}, but the rows are {_kind(source)}: "
            "choose vectors or auto, or read the rows --as images"
        )
    n = source.shape[0]
    why = "as you asked" if name == "vectors" else f"because the rows are {_kind(source)}"
    return Vectors(n), f"Features: the {n:,} numbers of each row as given, {why}."


def _for_images(name: str, source: Rows) -> tuple[Encoder, str]:
    """Choose for images."""
    height, width, channels = source.shape
    if name == "vectors":
        raise SettingError(
            "features 'vectors', but the rows are images: choose auto, gradients or pixels"
        )
    shape = (height, width, channels)
    if name == "pixels":
        return Pixels(shape), "Features: pixels, as you asked."
    if name == "gradients":
        return Gradients(shape), "Features: gradients, as you asked."
    if source.mixed_sizes or max(height, width) > _LARGEST_SMALL:
        what = "of mixed sizes" if source.mixed_sizes else f"of {height}×{width}"
        return Gradients(shape), (
            f"Features: gradients, as a fallback: images {what} look like photos, and the photo "
            "network is not in this version, so expect clusters by layout and colour, not content."
        )
    return Gradients(shape), (
        f"Features: gradients, because these are small images of {height}×{width}."
    )


def _kind(source: Rows) -> str:
    """Say the kind in words."""
    return "columns of a table" if source.kind == "table" else "vectors"
