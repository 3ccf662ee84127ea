"""What pixels are wanted of an image: by an encoder, a thumbnail, a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from shoal.errors import InputError

Fit = Literal["crop", "stretch", "pad"]
Sampling = Literal["bilinear", "bicubic"]
FITS, SAMPLINGS = ("crop", "stretch", "pad"), ("bilinear", "bicubic")
_MOST = 4096


@dataclass(frozen=True)
class ImageRequest:
    """What pixels a caller needs; by default those that there are.

    Attributes
    ----------
    size : tuple of int or None
        ``(H, W)`` in pixels to fill, 1 to 4,096 each. None keeps the image's own.
    max_side : int or None
        Without `size`: scaled down until no side is longer.
    channels : int or None
        1 for grey, 3 for colour, others where the image has them; None as the image has it.
    fit : {"crop", "stretch", "pad"}
        How `size` is filled: in proportion, what is over cut off evenly; each side by itself;
        in proportion, what is missing white.
    sampling : {"bilinear", "bicubic"}
        How pixels are weighed; both with antialiasing.
    kept : float
        With ``"crop"``: the share of the largest cut that is kept, from its middle. 0.875 is
        the usual "shorter side to 256, then the 224 in the middle".

    Raises
    ------
    InputError
        When a value is outside these.

    Examples
    --------
    >>> ImageRequest((224, 224), channels=3, sampling="bicubic").least
    (224, 224)
    """

    size: tuple[int, int] | None = None
    max_side: int | None = None
    channels: int | None = None
    fit: Fit = "crop"
    sampling: Sampling = "bilinear"
    kept: float = 1.0

    def __post_init__(self) -> None:
        if self.size is not None:
            object.__setattr__(self, "size", tuple(int(side) for side in self.size))
            if len(self.size) != 2 or not all(1 <= side <= _MOST for side in self.size):
                raise InputError(f"images of {self.size} pixels: give height and width, 1 to 4,096")
        if self.channels is not None and self.channels < 1:
            raise InputError(f"images of {self.channels} channels: give 1 or more")
        if self.fit not in FITS or self.sampling not in SAMPLINGS or not 0 < self.kept <= 1:
            raise InputError(
                f"images with fit {self.fit!r}, sampling {self.sampling!r} and kept {self.kept}: "
                f"give one of {', '.join(FITS)}, one of {', '.join(SAMPLINGS)}, and a share "
                "above 0 to 1"
            )

    @property
    def least(self) -> tuple[int, int]:
        """Height and width that the whole image must have for `size`; 0 where all is needed."""
        if self.size is None:
            return 0, 0
        share = self.kept if self.fit == "crop" else 1.0
        return round(self.size[0] / share), round(self.size[1] / share)

    def least_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that an image of `size` must at least be decoded to.

        >>> [ImageRequest(max_side=100).least_of(size) for size in ((400, 800), (40, 80))]
        [(50, 100), (0, 0)]
        """
        if self.size is not None or self.max_side is None or max(size) <= self.max_side:
            return self.least
        scale = self.max_side / max(size)
        return round(size[0] * scale) or 1, round(size[1] * scale) or 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a fingerprint; ``ImageRequest(**values)`` reads them."""
        return {
            "size": None if self.size is None else list(self.size),
            "max_side": self.max_side,
            "channels": self.channels,
            "fit": self.fit,
            "sampling": self.sampling,
            "kept": self.kept,
        }
