"""The pixels that an encoder, a thumbnail or a page requests of an image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from shoal.errors import InputError

Fit = Literal["crop", "stretch", "pad"]
Sampling = Literal["bilinear", "bicubic"]
FITS, SAMPLINGS = ("crop", "stretch", "pad"), ("bilinear", "bicubic")
_MOST = 4096


@dataclass(frozen=True)
class ImageRequest:
    """The size and channels that a caller requests; by default those of the image.

    Attributes
    ----------
    size : tuple of int or None
        ``(H, W)`` in pixels to fill, 1 to 4,096 each. None keeps the image's own.
    max_side : int or None
        Without `size`: scaled down until no side is longer.
    channels : int or None
        1 for grey, 3 for colour, others if the image has them; None for those of the image.
    fit : {"crop", "stretch", "pad"}
        How `size` is filled: in proportion, with the excess cropped evenly; each side separately;
        in proportion, padded with white.
    sampling : {"bilinear", "bicubic"}
        Resampling filter; both with antialiasing.
    kept : float
        With ``"crop"``: the central share of the largest crop that is kept. 0.875 is the usual
        "shorter side to 256, then centre crop 224".

    Raises
    ------
    InputError
        When a value is out of range.

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
        """Minimum height and width of the whole image for `size`; 0 for full resolution."""
        if self.size is None:
            return 0, 0
        share = self.kept if self.fit == "crop" else 1.0
        return round(self.size[0] / share), round(self.size[1] / share)

    def least_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Minimum height and width to decode an image of `size` to.

        >>> [ImageRequest(max_side=100).least_of(size) for size in ((400, 800), (40, 80))]
        [(50, 100), (0, 0)]
        """
        if self.size is not None or self.max_side is None or max(size) <= self.max_side:
            return self.least
        scale = self.max_side / max(size)
        return round(size[0] * scale) or 1, round(size[1] * scale) or 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a fingerprint; ``ImageRequest(**values)`` reads them."""
        return {**asdict(self), "size": None if self.size is None else list(self.size)}
