"""The scale of stored numbers: that of new rows compared with that of the fitted rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource, sample_rows
from shoal.rows.arrays.pixels import DEEP_ENDS
from shoal.rows.base import Source

Ends = tuple[float, float]

_UNIT: Ends = (0.0, 1.0)
_SIGNED: Ends = (-1.0, 1.0)
_BYTES: Ends = (0.0, 255.0)
_OVERSHOOT = 0.1  # of a scale: resampling exceeds its ends by so much
_ROWS = 256
_FAR = 20.0  # times the range of the fitted vectors, or the inverse
_DEEP = 4_000.0  # if the fit's scale ends above, floats up to 255 are bytes rather than dark
_SAME = 0.25  # share of a scale of few levels that ordinary, but not dark, pictures reach


@dataclass(frozen=True)
class Values:
    dtype: str  # as stored: ``uint8``, ``float32``
    least: float  # the smallest and the largest
    most: float
    whole: bool  # whether all are whole numbers

    @classmethod
    def of(cls, sample: NDArray) -> Values | None:
        finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
        if not finite.size:
            return None
        whole = sample.dtype.kind != "f" or bool((finite == np.rint(finite)).all())
        return cls(sample.dtype.name, float(finite.min()), float(finite.max()), whole)

    @property
    def kind(self) -> str:
        return np.dtype(self.dtype).kind

    def within(self, ends: Ends, slack: float = _OVERSHOOT) -> bool:
        """Return whether all values are on a scale, or slightly beyond its ends.

        Below zero the slack is relative to the largest value, as -1 to 1 is not 0 to 255.
        """
        beyond = slack * (ends[1] - ends[0])
        below = min(beyond, slack * max(self.most, 1.0)) if ends[0] == 0 else beyond
        return ends[0] - below <= self.least and self.most <= ends[1] + beyond

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def sample_values(source: Source) -> Values | None:
    """Sample the stored numbers of vectors, or of images in an array; None for other rows."""
    array = source.as_array()
    if array is not None and not array.is_parsed:
        return Values.of(sample_rows(array.store))
    if source.kind != "vectors":
        return None
    batch = source.read(0, min(source.n_rows, _ROWS))
    return Values.of(np.delete(batch.data, list(batch.bad), axis=0))


def on_scale_of(
    source: ArraySource, rule: Mapping[str, Any] | None, fitted: Values | None
) -> ArraySource:
    """Read images on the scale of the fit, or on their own scale if it is clearly different.

    `rule` is how the fit read its images: `PixelRule.facts`, or the settings for its files, where
    the levels are named if these are not bytes. `fitted` are the values of the fit; None for
    image files, and for runs that are older.
    """
    assert source.rule is not None
    levels = {"low": _BYTES[0], "high": _BYTES[1], **(rule or {})}
    of_array = {name: levels[name] for name in source.rule.facts if name in levels}
    own = source.rule.like(of_array)
    ends = own.low, own.high
    of_files = Values("uint8" if ends == _BYTES else "uint16", *ends, True)
    values = Values.of(sample_rows(source.store))
    if values is None:
        return replace(source, rule=own)
    found, remark = _scale(values, ends, fitted or of_files)
    if found is None:
        raise InputError(
            f"{source.label} has values from {values.least:g} to {values.most:g}, but the run was "
            f"fitted to images with values from {ends[0]:g} to {ends[1]:g}: give them on that "
            "scale, as 0 to 255, as 0 to 1 or as -1 to 1"
        )
    full_remark = f"{source.label}: {remark}" if remark else ""
    return replace(source, rule=replace(own, low=found[0], high=found[1]), scale_remark=full_remark)


def vectors_remark(source: Source, fitted: Values | None) -> str | None:
    """Return a remark if the vectors cannot be on the scale of the fitted ones."""
    values = None if fitted is None else sample_values(source)
    if fitted is None or values is None:
        return None
    range_, before = values.most - values.least, fitted.most - fitted.least
    apart = max(values.least - fitted.most, fitted.least - values.most)
    if apart <= max(range_, before) and before / _FAR <= range_ <= before * _FAR:
        return None
    if not range_ and values.within((fitted.least, fitted.most)):
        return None
    return (
        f"the vectors have values from {values.least:g} to {values.most:g}, those fitted from "
        f"{fitted.least:g} to {fitted.most:g}: they are used unchanged; scale them as those "
        "were if they were computed differently"
    )


def _scale(values: Values, ends: Ends, fitted: Values) -> tuple[Ends | None, str]:
    if not _is_full(ends):
        return _stretched(values, ends, fitted)
    own = _own_scale(values, ends, fitted)
    if own is None or own == ends:
        unclear = values.dtype == "uint16" and fitted.dtype != "uint16" and own == _BYTES
        return own, "16-bit numbers up to 255 are read as bytes" if unclear else ""
    return own, (
        f"values from {values.least:g} to {values.most:g} ({values.dtype}) are read as "
        f"{own[0]:g} to {own[1]:g}, where the run was fitted to {ends[0]:g} to {ends[1]:g}"
    )


def _stretched(values: Values, ends: Ends, fitted: Values) -> tuple[Ends | None, str]:
    if not values.within(ends, slack=_SAME):
        return None, ""
    bytes_ = values.dtype == "uint8" != fitted.dtype
    unit = values.kind == "f" and values.within(_UNIT, 0) and not Values.within(fitted, _SIGNED)
    if not (bytes_ or (unit and values.least >= 0 > ends[0])):
        return ends, ""
    return ends, (
        f"values from {values.least:g} to {values.most:g} ({values.dtype}) are read on the "
        f"scale of the fit, {ends[0]:g} to {ends[1]:g}: scale them as those were if they are not"
    )


def _own_scale(values: Values, ends: Ends, fitted: Values) -> Ends | None:
    same_type = values.dtype == fitted.dtype or values.kind == fitted.kind == "f"
    few = ends[0] == 0 and 1 < ends[1] < _BYTES[1]
    if few and values.whole and fitted.whole and _SAME * ends[1] <= values.most <= ends[1]:
        same_type = True  # the same few levels in another type
    if same_type and values.within(ends):
        if ends[1] > 1 and values.kind == "f" and 0 < values.most <= 1:
            return _UNIT
        if ends[1] > _DEEP and values.kind == "f" and 0 < values.most <= _BYTES[1]:
            return _BYTES
        return _UNIT if ends == _SIGNED and values.least >= 0 else ends
    if values.dtype == "uint8":
        return _BYTES
    if values.kind == "b" or values.within(_UNIT):
        return _UNIT
    if values.within(_SIGNED):
        return _SIGNED
    if values.kind == "f" and few and values.within(ends):
        return ends
    if values.within(_BYTES):
        return _BYTES
    return _bits(values, ends)


def _bits(values: Values, ends: Ends) -> Ends | None:
    """Return the scale of numbers of 10 to 16 bits: the fit's if it is one, else the smallest."""
    if ends[1] > _BYTES[1] and values.within(ends):
        return ends
    if values.least < 0 or values.most >= 1 << 16 or not values.whole:
        return None
    return 0.0, next(end for end in DEEP_ENDS if values.most <= end)


def _is_full(ends: Ends) -> bool:
    """Return whether a scale has usual ends, rather than those of the values themselves."""
    low, high = ends
    if low:
        return ends == _SIGNED
    return high <= _BYTES[1] or high in DEEP_ENDS
