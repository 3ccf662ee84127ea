"""How all images of a collection are read alike: their levels, their opacity, their channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.arrays.pixels import value_range
from shoal.rows.images.opacity import WHITE


@dataclass(frozen=True)
class Reading:
    """What is chosen once for a collection, by the images looked at; the defaults suit one image.

    Attributes
    ----------
    channels : int or None
        What images have; None for what each has.
    low, high : float or None
        The stored values that become black and white, of images of more than 8 bits; None for
        those that fit each image.
    ground : int
        The grey that transparent images are laid on.
    bands : bool
        Whether the samples that TIFF files call opacity are bands like the others.
    """

    channels: int | None = None
    low: float | None = None
    high: float | None = None
    ground: int = WHITE
    bands: bool = False

    def as_dict(self) -> dict[str, Any]:
        usual = asdict(USUAL)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Reading:
        """Take back what `as_dict` gave."""
        return cls(**facts)

    def levels(self, ends: NDArray[Any], bits: int) -> tuple[float, float]:
        """Return the values that become black and white, of an image of these extreme values."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if ends.dtype.kind == "u" and bits <= 16:
            return 0.0, float((1 << bits) - 1)
        return value_range(ends)

    def check(self, channels: int) -> None:
        """Refuse an image of other channels than the others have; grey and colour go together."""
        if self.channels in (None, channels) or {channels, self.channels} == {1, 3}:
            return
        raise SourceError(f"the image has {channels} channels, but most here have {self.channels}")


USUAL = Reading()
